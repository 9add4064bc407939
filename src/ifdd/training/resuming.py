"""What an interrupted or finished run leaves for ``--resume``, and what must be the same to resume it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ifdd.errors import InputError
from ifdd.files import exists, make_folder
from ifdd.names import counted
from ifdd.records import CrossvalRecord, DatasetRecord, PreparedRecord, TrainingRecord
from ifdd.training.engine.batches import Share
from ifdd.training.engine.processes import is_first_process
from ifdd.training.engine.state import RESUME_FILE, ResumePoint, has_state
from ifdd.training.recipe import Recipe, refuse_foreign_recipe

RUNNING = ".running"
"""File that a running training locks."""

LOCK_ATTEMPTS = 10
"""Files in a row that may vanish before their lock is held; then the disk is taken for one that locks nothing."""


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
        InputError: the run may not be resumed, or the folder has a recipe that ifdd did not write.
    """
    other = next(iter((*out.glob(CrossvalRecord.FILE), *out.glob("fold_[0-9]*"))), None)
    if other is not None:
        raise InputError(f"{out} holds a cross-validation ({other.name}); choose another --out")
    known = read_training(out)
    if not (has_state(out) or (known is not None and known.state == "done")):
        refuse_foreign_recipe(out)
        for name in ("best.safetensors", "last.safetensors"):
            # a kill after the first epoch may leave its weights without a state: little is lost
            if exists(out / name) and (known is None or known.epoch > 1):
                raise InputError(
                    f"{out / name} would be replaced: {out} has no {RESUME_FILE}, so its training cannot be resumed; "
                    f"choose another --out (--model.weights {out / name} starts from it), or delete the file"
                )
        return None
    if not resume:
        raise InputError(f"{out} already holds a training run; add --resume to resume it, or choose another --out")
    more = recipe.check_same(out)
    if more and not has_state(out):
        raise InputError(
            f"cannot train {out} further, because {RESUME_FILE} is missing there; start from its weights with another "
            f"--out: --model.weights {out / 'best.safetensors'}"
        )
    if known is not None:
        _check_same_clips(known.dataset, dataset, recipe.data.manifest, out)
    return known


@contextmanager
def only_run(out: Path) -> Iterator[None]:
    """Keep other trainings out of a folder; the first of several processes does it for all.

    Raises:
        InputError: another one is running there.
    """
    if not is_first_process():
        yield
        return
    make_folder(out)
    lock = out / RUNNING
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        with lock.open("a") as file:
            _lock(file, out)
            # the training that held it has ended meanwhile and removed it, or the disk does not show open files
            if not _is_at(lock, file) and attempt < LOCK_ATTEMPTS:
                continue
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
            return


def _lock(file: IO[str], out: Path) -> None:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # unlike flock, no worker inherits it
    except (BlockingIOError, PermissionError) as error:
        raise InputError(f"another training is running in {out}; wait for it, or choose another --out") from error
    except OSError:  # some network disks lock nothing
        pass


def _is_at(path: Path, file: IO[str]) -> bool:
    """Whether an open file is the one at a path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:  # removed; on a network disk, the open file may fail, too
        return False


def check_unchanged(before: TrainingRecord | None, out: Path) -> None:
    """Check that no other training wrote to a folder between reading it and keeping others out.

    Args:
        before: result of ``read_training`` before.
        out: folder of the run.

    Raises:
        InputError: another one did.
    """
    if read_training(out) != before:
        raise InputError(f"another training has changed {out} just now; give the command again")


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
    """Check that a resumed run uses the same clips, prepared in the same way, as far as its start recorded that.

    Earlier versions recorded nothing of renamed and filtered manifests.
    """
    if before.hash != now.hash:
        changed = f"clips, labels or folds of {manifest} have changed"
    elif before.prepared is not None and _frames(before.prepared) != _frames(now.prepared):
        changed = f"the frames of {manifest} were prepared differently (kind of frames, faces or size)"
    else:
        return
    raise InputError(f"cannot resume the training in {out}: since its start, {changed}; choose another --out")


def check_order(known: TrainingRecord | None, sha256: str, manifest: Path, out: Path) -> None:
    """Check that a resumed run has its clips in the same order and subsets, with the same times and soft labels.

    Args:
        known: the record of the run; None for a new one.
        sha256: ``ClipDataModule.sha256`` now.
        manifest: path for the message.
        out: folder of the run.

    Raises:
        InputError: they have changed.
    """
    if known is not None and known.clips.sha256 not in (None, sha256):
        raise InputError(
            f"cannot resume the training in {out}: since its start, the order of the clips in {manifest}, their "
            "subjects, votes or frame rates have changed, and with them the batches or the validation clips; restore "
            "the manifest, or choose another --out"
        )


def _frames(prepared: PreparedRecord | None) -> tuple[object, ...] | None:
    """Return the settings that decide the frames of a dataset; packing without resizing does not change them."""
    return None if prepared is None else (prepared.frames, prepared.faces, prepared.pack and prepared.pack.size)


def divide_steps(recipe: Recipe, processes: int, rank: int, point: ResumePoint | None) -> Share:
    """Return how the batches of a training are divided among its processes.

    A resumed training keeps the batches of a step: with fewer processes than before, each accumulates more of them.

    Args:
        recipe: the recipe.
        processes: number of processes.
        rank: number of this process.
        point: the state to resume from.

    Raises:
        InputError: the batches of a step cannot be divided equally.
    """
    batch_size, accumulate = recipe.data.batch_size, recipe.optimization.accumulate
    if point is None:
        return Share(batch_size, processes, rank, accumulate)
    before = point.position
    together = before.processes * before.accumulate
    if together % processes:
        fitting = ", ".join(str(count) for count in range(1, together + 1) if together % count == 0)
        raise InputError(
            f"cannot resume with {processes} processes: a step of this training takes {together} batches of "
            f"{batch_size} clips; use a number of processes that divides them: {fitting}"
        )
    return Share(batch_size, processes, rank, together // processes)


def resume_line(point: ResumePoint, share: Share) -> str:
    """Return where a training is resumed and how its steps are divided now, for the terminal."""
    before = point.position
    within = f", from batch {before.batches + 1} of epoch {before.epoch + 1}" if before.batches else ""
    line = f"resuming after {counted(before.epoch, 'epoch')}{within}"
    if share.processes == before.processes:
        return line
    return (
        f"{line}; processes: {share.processes}, before {before.processes}, so each computes {share.accumulate} "
        f"of the {share.batches_per_step} batches of a step"
    )
