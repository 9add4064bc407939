"""What an interrupted or finished run leaves for ``--resume``, and what must be the same to resume it."""

import pickle
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from ifdd.errors import InputError
from ifdd.files import atomic_path
from ifdd.records import DatasetRecord, PreparedRecord, TrainingRecord
from ifdd.training.recipe import Recipe

RESUME_FILE = "resume.ckpt"
"""The trainer's state after the last whole epoch."""


class WholeCheckpointIO(TorchCheckpointIO):
    """Write the trainer's state to a temporary file and rename it, so that the previous state is kept until then."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``, whole or not at all.

        Raises:
            InputError: the folder cannot be written to or the disk is full.
        """
        try:
            with atomic_path(Path(path)) as temporary:
                torch.save(checkpoint, temporary)
        except RuntimeError as error:  # torch reports a full disk like this
            reason = str(error).splitlines()[0]
            raise InputError(f"cannot write {path}: {reason}; free space or choose another folder") from error


def read_training(folder: Path) -> TrainingRecord | None:
    """Return the content of ``training.json`` in a folder; None if the file does not exist.

    Raises:
        InputError: the file is damaged.
    """
    file = folder / TrainingRecord.FILE
    if not file.exists():
        return None
    return TrainingRecord.load(file, f"cannot resume the training in {folder}, choose another --out")


def known_training(recipe: Recipe, out: Path, dataset: DatasetRecord, resume: bool = True) -> TrainingRecord | None:
    """Return the record of the run in a folder after checking that it may be resumed; None if nothing can be lost.

    Args:
        recipe: recipe to train.
        out: folder of the run.
        dataset: result of ``describe_dataset`` for the clips.
        resume: whether the user asked to resume.

    Raises:
        InputError: the run may not be resumed.
    """
    known = read_training(out)
    if not ((out / RESUME_FILE).exists() or (known is not None and known.state == "done")):
        return None
    if not resume:
        raise InputError(f"{out} already holds a training run; add --resume to resume it, or choose another --out")
    more = recipe.check_same(out)
    if more and not (out / RESUME_FILE).exists():
        raise InputError(
            f"cannot train {out} further, because {RESUME_FILE} is missing there; start from its weights with another "
            f"--out: --model.weights {out / 'best.safetensors'}"
        )
    if known is not None:
        _check_same_clips(known.dataset, dataset, recipe.data.manifest, out)
    return known


def is_finished(training: TrainingRecord, recipe: Recipe) -> bool:
    """Return whether a run has all epochs of a recipe."""
    return training.state == "done" and training.epochs >= recipe.optimization.epochs


def extended_after(known: TrainingRecord | None, recipe: Recipe) -> tuple[int, ...] | None:
    """Return the numbers of epochs after which a run was given more epochs, this time included."""
    if known is None or known.epochs >= recipe.optimization.epochs:
        return None if known is None else known.extended_after
    before = known.extended_after or ()
    return before if known.epoch in before else (*before, known.epoch)


def _check_same_clips(before: DatasetRecord, now: DatasetRecord, manifest: Path, out: Path) -> None:
    """Check that a resumed run uses the same clips, prepared in the same way."""
    if before.hash != now.hash:
        changed = f"clips, labels or folds of {manifest} have changed"
    elif _frames(before.prepared) != _frames(now.prepared):
        changed = f"the frames of {manifest} were prepared differently (kind of frames, faces or size)"
    else:
        return
    raise InputError(f"cannot resume the training in {out}: since its start, {changed}; choose another --out")


def _frames(prepared: PreparedRecord | None) -> tuple[object, ...]:
    """Return the settings that decide the frames of a dataset; packing without resizing does not change them."""
    if prepared is None:
        return (None,) * 4
    return prepared.dataset, prepared.frames, prepared.faces, prepared.pack and prepared.pack.size


def resume_point(out: Path, resume: bool) -> Path | None:
    """Return the file to resume from; None if there is none."""
    point = out / RESUME_FILE
    if not resume or not point.exists():
        return None
    try:
        torch.load(point, map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{point} is damaged: cannot resume the training in {out}; choose another --out") from error
    return point
