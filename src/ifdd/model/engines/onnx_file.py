"""Read and run .onnx files with ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ifdd.errors import InputError
from ifdd.model.engines.forms import Started, needed

KEY = "ifdd"
"""Key of the document in the file's metadata."""


def read_document(path: Path) -> str | None:
    """Return the document in the metadata of a file; None if it has none.

    Raises:
        InputError: the file is damaged, or ONNX Runtime is not installed.
    """
    session = _session(path, 1, optimise=False)
    document: str | None = session.get_modelmeta().custom_metadata_map.get(KEY)
    return document


def start(path: Path, threads: int) -> Started:
    """Return what runs a file on the CPU.

    Args:
        path: the file.
        threads: number of threads.
    """
    session = _session(path, threads, optimise=True)
    (clip,) = session.get_inputs()

    def run(clips: np.ndarray) -> Sequence[np.ndarray]:
        found: Sequence[np.ndarray] = session.run(None, {clip.name: clips})
        return found

    return Started(run, tuple(clip.shape[1:]))


def _session(path: Path, threads: int, optimise: bool) -> Any:
    runtime = needed("onnxruntime", f"running {path}")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors alone; they are raised, too
    # Threads that wait would spin, which slows the stages of recognition and every other program down.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    levels = runtime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common class
        raise InputError(
            f"cannot read {path} as an ONNX model: {' '.join(str(error).split())[:200]}; export the checkpoint again"
        ) from error
