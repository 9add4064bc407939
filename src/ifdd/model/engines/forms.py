"""The forms that 'ifdd export' writes, told from the suffix of a file."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float32

from ifdd.errors import InputError

Form = Literal["onnx", "openvino", "pt2"]

SUFFIXES: dict[str, Form] = {".onnx": "onnx", ".xml": "openvino", ".pt2": "pt2"}
"""Suffix of a file -> its form."""

EXTRAS = {"onnxruntime": "onnx", "onnx": "onnx", "onnxscript": "onnx", "openvino": "openvino"}
"""Package -> extra that installs it."""


class Started(NamedTuple):
    """A file that is ready to run."""

    run: Callable[[Float32[np.ndarray, "batch 3 frames height width"]], Sequence[np.ndarray]]
    """From clips to the outputs, in their order."""
    shape: tuple[int, ...]
    """Channels, frames, height and width of the clips that it takes."""


def form_of(path: Path) -> Form | None:
    """Return the form of an exported model by its suffix; None for everything else.

    Example:
        >>> from pathlib import Path
        >>> from ifdd.model.engines.forms import form_of
        >>> form_of(Path("tiny.onnx")), form_of(Path("tiny.safetensors"))
        ('onnx', None)
    """
    return SUFFIXES.get(path.suffix.lower())


def refuse_exported(path: Path) -> InputError:
    """Return the error for an exported model where a checkpoint is needed."""
    return InputError(
        f"{path} is an exported model, which only 'ifdd recognize' and 'ifdd evaluate' can use; give the .safetensors "
        "checkpoint that it was exported from"
    )


def needed(package: str, purpose: str) -> ModuleType:
    """Import a package of an extra.

    Args:
        package: its name.
        purpose: what needs it, for the message.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise InputError(
            f"{purpose} needs {package}, which is not installed: pip install 'ifdd[{EXTRAS[package]}]'"
        ) from error
