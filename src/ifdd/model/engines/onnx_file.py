"""Read and run .onnx files with ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ifdd.errors import InputError
from ifdd.model.engines.forms import Started, needed
from ifdd.onnx_sessions import open_session

KEY = "ifdd"
"""Key of the document in the file's metadata."""


def read_document(path: Path) -> str | None:
    """Return the document in the metadata of a file; None if it has none.

    Raises:
        InputError: the file is damaged, or ONNX Runtime is not installed.
    """
    session = _session(path, 1, optimize=False)
    document: str | None = session.get_modelmeta().custom_metadata_map.get(KEY)
    return document


def start(path: Path, threads: int) -> Started:
    """Return what runs a file on the CPU.

    Args:
        path: the file.
        threads: number of threads.
    """
    session = _session(path, threads)
    (clip,) = session.get_inputs()

    def run(clips: np.ndarray) -> Sequence[np.ndarray]:
        found: Sequence[np.ndarray] = session.run(None, {clip.name: clips})
        return found

    return Started(run, tuple(clip.shape[1:]))


def _session(path: Path, threads: int, optimize: bool = True) -> Any:
    needed("onnxruntime", f"running {path}")
    try:
        return open_session(str(path), threads, optimize=optimize)
    except Exception as error:  # ONNX Runtime's errors have no common class
        raise InputError(
            f"cannot read {path} as an ONNX model: {' '.join(str(error).split())[:200]}; export the checkpoint again"
        ) from error
