"""The file that a training is resumed from: written whole, with checksums, and never the only one."""

import os
import pickle
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from ifdd.console import console
from ifdd.errors import InputError
from ifdd.files import PARTIAL, atomic_path
from ifdd.training.engine.processes import is_first_process

RESUME_FILE = "resume.ckpt"
"""The state of the training when it was last saved."""

RESUME = "repeat the command (ifdd train: with --resume)"
"""Remedy of what has interrupted a training, in the middle of a sentence."""

PREVIOUS_FILE = "resume.previous.ckpt"
"""The state before that, in case the last one is damaged."""

POSITION = "ifdd_position"
"""Key of the position in the state."""

DAMAGE = (OSError, ValueError, KeyError, RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged state raises."""


class Position(NamedTuple):
    """Where in a training a state was saved, and how its steps are divided."""

    epoch: int
    """Number of whole epochs."""
    batches: int
    """Batches of each process in the epoch after them."""
    processes: int
    accumulate: int
    """Batches of each process in an optimiser step."""


class ResumePoint(NamedTuple):
    """A state that is known to be undamaged."""

    path: Path
    position: Position


class WholeCheckpointIO(TorchCheckpointIO):
    """Write the state to a temporary file and rename it; keep the state before it.

    The file is a zip archive, whose entries have checksums.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``, whole or not at all.

        Raises:
            InputError: the folder cannot be written to or the disk is full.
        """
        path = Path(path)
        try:
            with atomic_path(path) as temporary:
                torch.save(checkpoint, temporary)
                with temporary.open("rb+") as file:  # renamed only once it is on the disk, so that power may fail too
                    os.fsync(file.fileno())
                with suppress(FileNotFoundError):
                    path.replace(path.with_name(PREVIOUS_FILE))
        except RuntimeError as error:  # torch reports a full disk like this
            reason = str(error).splitlines()[0]
            raise InputError(f"cannot write {path}: {reason}; free space or choose another folder") from error


def has_state(folder: Path) -> bool:
    """Whether a folder holds a state, damaged or not."""
    return any((folder / name).exists() for name in (RESUME_FILE, PREVIOUS_FILE))


def remove_state(folder: Path) -> None:
    """Delete the states in a folder."""
    for name in (RESUME_FILE, PREVIOUS_FILE):
        (folder / name).unlink(missing_ok=True)


def resume_point(out: Path, resume: bool, epochs: int = 0) -> ResumePoint | None:
    """Return the last undamaged state in a folder; None if there is none to resume.

    A damaged state is deleted, so that it cannot replace the one before it. While at most one epoch is whole, the state
    before all others is the start of the training.

    Args:
        out: folder of the run.
        resume: whether the user asked to resume.
        epochs: number of whole epochs of the run.

    Raises:
        InputError: every state is damaged, or the last is of another version of ifdd.
    """
    if not resume or not has_state(out):
        return None
    for name in (RESUME_FILE, PREVIOUS_FILE):
        path = out / name
        try:
            position = _read_position(path)
        except FileNotFoundError:
            continue
        except DAMAGE:
            _give_up(path)
            continue
        if position is None:
            raise InputError(
                f"{path} was written by another version of ifdd: cannot resume the training in {out}; choose another "
                "--out"
            )
        return ResumePoint(path, position)
    if epochs <= 1:
        if is_first_process():
            _say(f"{out / RESUME_FILE} is damaged: training from the beginning")
            remove_state(out)
        return None
    raise InputError(f"{out / RESUME_FILE} is damaged: cannot resume the training in {out}; choose another --out")


def _give_up(path: Path) -> None:
    """Report and delete a damaged state, if another one may follow."""
    before = path.with_name(PREVIOUS_FILE)
    if path == before or not before.exists() or not is_first_process():
        return
    _say(f"{path} is damaged: resuming from {before.name}, the state before it")
    path.unlink(missing_ok=True)


def _say(line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _read_position(path: Path) -> Position | None:
    """Read a state and compare its checksums; return where it was saved, None if it does not say."""
    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise zipfile.BadZipFile(f"wrong checksum in {path}")
    state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    found = state.get(POSITION)
    return None if found is None else Position(**found)


def clear_unfinished(folder: Path) -> None:
    """Delete the unfinished files that a killed training has left in its folder."""
    for path in folder.glob(f"{PARTIAL}*"):
        with suppress(OSError):
            path.unlink()
