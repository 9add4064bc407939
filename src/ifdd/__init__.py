"""ifdd: facial expressions in video, recognised by their dynamics (IFDD, arXiv 2412.13168, AAAI 2025)."""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ifdd.errors import InputError

if TYPE_CHECKING:
    from ifdd.explanation.explanation import Explanation, explain
    from ifdd.inference import Recognition, Recognizer
    from ifdd.inference.recognizer import recognize
    from ifdd.model import IFDD, IFDDConfig, create_model, load_checkpoint, load_official

__version__ = version("ifdd")

__all__ = [
    "IFDD",
    "Explanation",
    "IFDDConfig",
    "InputError",
    "Recognition",
    "Recognizer",
    "create_model",
    "explain",
    "load_checkpoint",
    "load_official",
    "recognize",
]

_MODULES = {
    "Explanation": "ifdd.explanation.explanation",
    "Recognition": "ifdd.inference",
    "Recognizer": "ifdd.inference",
    "explain": "ifdd.explanation.explanation",
    "recognize": "ifdd.inference.recognizer",
}
"""Public name -> its module; those of ``ifdd.model`` are not listed."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``ifdd --help`` then answers before torch is loaded."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES.get(name, "ifdd.model")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
