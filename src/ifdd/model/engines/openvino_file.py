"""Read and run OpenVINO's .xml files, each with a .bin beside it that holds the weights."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ifdd.errors import InputError
from ifdd.files import file_sha256
from ifdd.model.engines.forms import Started, needed

KEY = "ifdd"
"""Key of the document in the model's runtime information."""


def read_document(path: Path) -> str | None:
    """Return the document in the runtime information of a file; None if it has none.

    Raises:
        InputError: the file or its weights are missing or damaged, or OpenVINO is not installed.
    """
    model = _read(path)
    if not model.has_rt_info([KEY]):
        return None
    document: str = model.get_rt_info([KEY]).astype(str)
    return document


def start(path: Path, threads: int) -> Started:
    """Return what runs a file on the CPU, in 32 bits where the model is: on some CPUs the default are 16.

    Args:
        path: the file.
        threads: number of threads.
    """
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # worker processes would be pinned to the same cores
    }
    model = _read(path)
    compiled = _core(path).compile_model(model, "CPU", settings)
    free = Lock()

    def run(clips: np.ndarray) -> Sequence[np.ndarray]:
        with free:  # its only request refuses a second thread while it is busy
            found = compiled(clips)
            return [found[index] for index in range(len(found))]

    return Started(run, tuple(size.get_length() for size in list(model.input().partial_shape)[1:]))


def weights_of(path: Path) -> Path:
    """Return the file of the weights of an .xml file."""
    return path.with_suffix(".bin")


def check_weights(path: Path, sha256: str) -> None:
    """Check that the weights beside an .xml file are those that were written with it.

    Raises:
        InputError: they are others.
    """
    if file_sha256(weights_of(path)) != sha256:
        raise InputError(
            f"{weights_of(path)} does not belong to {path}, or is damaged: copy both files together, or export the "
            "checkpoint again"
        )


def _read(path: Path) -> Any:
    core = _core(path)
    if not weights_of(path).is_file():
        raise InputError(f"{path} needs {weights_of(path)}, which is missing; copy both files together")
    try:
        return core.read_model(str(path))
    except RuntimeError as error:
        raise InputError(
            f"cannot read {path} as an OpenVINO model: {_reason(error)}; export the checkpoint again"
        ) from error


def _core(path: Path) -> Any:
    needed("openvino", f"running {path}")
    return _only_core()


@cache
def _only_core() -> Any:
    return needed("openvino", "OpenVINO").Core()


def _reason(error: RuntimeError) -> str:
    """Return the last line of OpenVINO's message, which says what happened; the others name its source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else "unknown error"
