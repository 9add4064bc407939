"""ifdd: facial expressions in video, recognised by their dynamics (IFDD, arXiv 2412.13168, AAAI 2025)."""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ifdd.errors import InputError

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``ifdd --help`` then answers before torch is loaded."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    rooms = {"Recognition": "ifdd.inference", "Recognizer": "ifdd.inference", "recognize": "ifdd.inference.recognizer"}
    value = getattr(importlib.import_module(rooms.get(name, "ifdd.model")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
