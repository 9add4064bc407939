"""Read and run .pt2 files, programs of torch.export."""

import io
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ifdd.errors import InputError
from ifdd.files import parse_json
from ifdd.model.engines.forms import Started

DOCUMENT = "ifdd.json"
"""Name of the document among the extra files of an archive."""


def read_document(path: Path) -> str | None:
    """Return the document in an archive; None if it has none.

    Raises:
        InputError: the file is damaged, or holds pickles that could run code.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise zipfile.BadZipFile(f"{damaged} is damaged")
            _refuse_pickles(archive, path)
            names = [name for name in archive.namelist() if name.endswith(f"/extra/{DOCUMENT}")]
            return archive.read(names[0]).decode("utf-8") if names else None
    except InputError:
        raise
    except (zipfile.BadZipFile, OSError, ValueError, AttributeError, NotImplementedError) as error:
        raise InputError(
            f"cannot read {path} as a program of torch.export: {error}; export the checkpoint again"
        ) from error


def start(path: Path, threads: int) -> Started:
    """Return what runs a file on the CPU; torch's own threads are used.

    Args:
        path: a file that ``read_document`` accepted.
        threads: not used.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about torch's own code
            loaded = torch.export.load(path)
        (clip,) = loaded.graph_signature.user_inputs
        (shape,) = (node.meta["val"].shape for node in loaded.graph.nodes if node.name == clip)
        program = loaded.module()
    except Exception as error:  # a damaged program fails in many ways
        raise InputError(
            f"torch {torch.__version__} cannot load {path}: {' '.join(str(error).split())[:200]}; export the "
            "checkpoint again"
        ) from error

    def run(clips: np.ndarray) -> Sequence[np.ndarray]:
        with torch.inference_mode():
            return [output.numpy() for output in program(torch.from_numpy(clips))]

    return Started(run, tuple(map(int, shape[1:])))


def _refuse_pickles(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse values that torch would read as pickles without restrictions.

    Raises:
        InputError: there are some.
    """
    for name in archive.namelist():
        if name.endswith("_config.json"):
            entries = parse_json(archive.read(name)).get("config", {})
            unsafe = any(entry.get("use_pickle") for entry in entries.values())
        elif "/data/sample_inputs/" in name:
            unsafe = not _is_plain(archive.read(name))
        else:
            unsafe = "custom_obj" in name
        if unsafe:
            raise InputError(f"{path} holds pickles ({name}), which could run code; 'ifdd export' writes none")


def _is_plain(content: bytes) -> bool:
    """Return whether there is nothing to read, or torch reads it with ``weights_only``."""
    if not content:
        return True
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception:
        return False
    return True
