"""ifdd: facial expressions in video, recognised by their dynamics (IFDD, arXiv 2412.13168, AAAI 2025)."""

from importlib.metadata import version

from ifdd.errors import InputError
from ifdd.inference import Recognition, Recognizer
from ifdd.inference.recognizer import recognize
from ifdd.model import IFDD, IFDDConfig, create_model, load_checkpoint, load_official

__version__ = version("ifdd")

__all__ = [
    "IFDD",
    "IFDDConfig",
    "InputError",
    "Recognition",
    "Recognizer",
    "create_model",
    "load_checkpoint",
    "load_official",
    "recognize",
]
