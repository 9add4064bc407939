"""Save the state of a training from time to time, and when it is to stop."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from ifdd.console import error_console
from ifdd.signals import Ended, ending_signals, hang_up, restore_handlers
from ifdd.training.engine.processes import agree, is_first_process
from ifdd.training.engine.state import POSITION, RESUME_FILE, Position

MINUTES_BEFORE_SCORING = 1.0
"""Time since the last state after which one is written before the last step of an epoch, because the scoring that
follows has none: what ends a training then costs no more than this and the scoring."""


class Stopped(BaseException):
    """A signal has stopped the training, and its state is saved.

    Args:
        number: the signal.
        where: epoch and batch.
    """

    def __init__(self, number: int, where: str) -> None:
        super().__init__(f"{signal.Signals(number).name}: the training stops {where}")
        self.number = number


class SaveState(Checkpoint):
    """Write ``resume.ckpt`` after every epoch, every few minutes within one, and before a signal ends the training.

    A signal ends the training after the running step. A second Ctrl-C ends it at once; the last state then remains.
    Within an epoch, a state is written between two optimiser steps, and not after the last of the epoch. Another number
    of processes can go on from it, if a step takes as many batches as before.

    Args:
        minutes: time between two states; None writes them only after epochs.
        accumulate: batches of a process in an optimiser step.
        restored: called when a state was restored, with the epoch and the number of its batches to skip.
    """

    def __init__(self, minutes: float | None, accumulate: int, restored: Callable[[int, int], None]) -> None:
        super().__init__()
        self.minutes = minutes
        self.accumulate = accumulate
        self.restored = restored
        self._saved = monotonic()
        self._signal = 0
        self._before: dict[signal.Signals, Any] = {}
        self._position = Position(0, 0, 1, accumulate)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace the signal handlers; those of the engine lose the unfinished epoch."""
        self._saved = monotonic()
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in ending_signals()}
        # the engine would exchange its own note of a signal at every step, and a GPU would wait for it
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save between two steps if it is time.

        Raises:
            Stopped: after a signal.
        """
        done, batches = batch_idx + 1, trainer.num_training_batches
        if done % self.accumulate or done >= batches:
            return
        scored_next = done + self.accumulate >= batches
        number, due = agree(trainer, self._signal, int(self._is_due(scored_next)))
        if number or due:
            self._save(trainer, Position(trainer.current_epoch, done, trainer.world_size, self.accumulate))
        if number:
            raise Stopped(number, f"in epoch {trainer.current_epoch + 1} after {done} of {batches} batches")

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stop a scoring, which has no state of its own: it begins again with the last step, or the last minute.

        Raises:
            Stopped: after a signal.
        """
        (number,) = agree(trainer, self._signal)
        if number:
            raise Stopped(number, f"while epoch {trainer.current_epoch + 1} is scored")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save.

        Raises:
            Stopped: after a signal.
        """
        done = trainer.current_epoch + 1
        self._save(trainer, Position(done, 0, trainer.world_size, self.accumulate))
        (number,) = agree(trainer, self._signal)
        if number and done < (trainer.max_epochs or 0):
            raise Stopped(number, f"after epoch {done}")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the signal handlers after an error."""
        self._restore_handlers()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Restore the signal handlers at the end."""
        self._restore_handlers()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the position to the state."""
        checkpoint[POSITION] = self._position._asdict()

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Convert the engine's counts of batches to those of this number of processes."""
        position = Position(**checkpoint[POSITION])
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        for counts in (progress["total"], progress["current"]):
            begun = counts["ready"]
            converted = begun * position.processes // trainer.world_size
            for name, value in counts.items():  # within an epoch, one batch is begun and not yet completed
                counts[name] = converted - (begun - value)
        self.restored(position.epoch, position.batches * position.processes // trainer.world_size)

    def _save(self, trainer: Trainer, position: Position) -> None:
        self._position = position
        trainer.save_checkpoint(f"{trainer.default_root_dir}/{RESUME_FILE}")
        self._saved = monotonic()

    def _is_due(self, scored_next: bool) -> bool:
        if self.minutes is None:
            return False
        minutes = min(self.minutes, MINUTES_BEFORE_SCORING) if scored_next else self.minutes
        return monotonic() - self._saved >= 60 * minutes

    def _note(self, number: int, frame: object) -> None:
        if number == self._signal == signal.SIGINT:
            raise KeyboardInterrupt
        is_first, self._signal = not self._signal, number
        hang_up(number)
        if is_first and is_first_process():
            error_console.print(
                f"{signal.Signals(number).name}: stopping after this step"
                + ("; a second Ctrl-C stops at once" if number == signal.SIGINT else ""),
                highlight=False,
            )

    def _restore_handlers(self) -> None:
        restore_handlers(self._before)
        self._before = {}


@contextmanager
def requeued() -> Iterator[None]:
    """Put this job of SLURM into the queue again if SIGUSR1 comes while no training runs, which would do it itself."""
    try:
        yield
    except Ended as ended:
        if ended.number == signal.SIGUSR1:
            if not is_first_process():
                sys.exit(0)  # an exit with an error makes srun end the first process, perhaps before it has asked
            error_console.print(f"{signal.SIGUSR1.name}: {requeue()}", highlight=False, soft_wrap=True)
        raise


def requeue() -> str:
    """Put this job of SLURM into the queue again; return what happened, for a message."""
    job, array = os.environ["SLURM_JOB_ID"], os.environ.get("SLURM_ARRAY_JOB_ID")
    if array is not None:
        job = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID', '')}"
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"scontrol requeue {job} failed ({error})"
    if done.returncode:
        return f"scontrol requeue {job} failed ({done.stderr.strip() or f'exit code {done.returncode}'})"
    return f"job {job} is in the queue again"
