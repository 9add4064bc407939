"""Read and run .pt2 files, programs of torch.export."""

import io
import logging
import re
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ifdd.errors import InputError
from ifdd.files import parse_json
from ifdd.model.engines.forms import Started
from ifdd.names import printable

FIRST_TORCH = "2.8"
"""First version of torch that writes and reads the records below; earlier ones wrote others."""

DOCUMENT = "ifdd.json"
"""Name of the document among the extra files of an archive."""

RECORD = re.compile(
    r"archive_format|archive_version|byteorder|(\.data/)?version|\.data/serialization_id|models/model\.json"
    r"|data/weights/(weight_\d+|model_weights_config\.json|model\.pt)"
    r"|data/constants/(tensor_\d+|model_constants_config\.json|model\.pt)"
    rf"|data/sample_inputs/model\.pt|extra/{re.escape(DOCUMENT)}"
)
"""What torch.export.save writes of a program without objects; everything else is something that torch might run."""


def check_torch() -> None:
    """Check that torch writes and reads these files.

    Raises:
        InputError: it is too old.
    """
    if torch.__version__ < FIRST_TORCH:
        raise InputError(
            f".pt2 files need torch {FIRST_TORCH} or later, and {torch.__version__} is installed; update torch, or use "
            "another format"
        )


def read_document(path: Path) -> str | None:
    """Return the document in an archive; None if it has none.

    Raises:
        InputError: the file is damaged, or holds pickles or other records that could run code.
    """
    document = _read(path).get(f"extra/{DOCUMENT}")
    try:
        return None if document is None else document.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(path, error) from error


def start(path: Path, threads: int) -> Started:
    """Return what runs a file on the CPU; torch's own threads are used.

    Torch does not get the file, but an archive of the records that were checked: its reader, Python's and that of
    earlier versions differ in what they take from a crafted file.

    Args:
        path: the file.
        threads: not used.

    Raises:
        InputError: torch is too old, or the file is damaged or holds what could run code.
    """
    check_torch()
    checked = io.BytesIO()
    with zipfile.ZipFile(checked, "w") as archive:
        for name, content in _read(path).items():
            archive.writestr(f"program/{name}", content)
    checked.seek(0)
    logging.getLogger("torch.export").setLevel(logging.ERROR)  # it logs the traceback of what is raised here, too
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about torch's own code
            loaded = torch.export.load(checked)
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


def _read(path: Path) -> dict[str, bytes]:
    """Return the records of an archive by their names below its only folder, as far as they are safe to load.

    Raises:
        InputError: the file is damaged, or holds what could run code.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > path.stat().st_size:
                raise zipfile.BadZipFile("its records are larger than the file")
            root = entries[0].filename.partition("/")[0] if entries else ""
            records: dict[str, bytes] = {}
            for entry in entries:
                name = entry.filename.removeprefix(f"{root}/")
                if name in records:
                    raise _refusal(path, f"{name} twice")
                if name == entry.filename or not RECORD.fullmatch(name):
                    raise _refusal(path, entry.filename)
                records[name] = archive.read(entry)
        for name, content in records.items():
            if (name.endswith(".pt") and not _is_plain(content)) or (
                name.endswith("_config.json") and _names_pickles(content)
            ):
                raise _refusal(path, f"pickles in {name}")
    except InputError:
        raise
    except Exception as error:  # a damaged archive raises almost any exception
        raise _unreadable(path, error) from error
    return records


def _names_pickles(config: bytes) -> bool:
    """Return whether torch would read one of a configuration's values as a pickle without restrictions."""
    entries = parse_json(config.decode("utf-8")).get("config", {})
    return any(entry.get("use_pickle") for entry in entries.values())


def _is_plain(content: bytes) -> bool:
    """Return whether there is nothing to read, or torch reads it with ``weights_only``."""
    if not content:
        return True
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception:
        return False
    return True


def _refusal(path: Path, found: str) -> InputError:
    return InputError(
        f"{path} holds {printable(found)[:120]}, which 'ifdd export' does not write and which could run code; export "
        "the checkpoint again"
    )


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = printable(" ".join(str(error).split()))[:200] or type(error).__name__
    return InputError(f"cannot read {path} as a program of torch.export: {reason}; export the checkpoint again")
