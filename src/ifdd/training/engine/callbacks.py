"""Callbacks of the training engine: scores and checkpoints after each epoch, and the progress bar."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.progress import Progress, TaskID
from torch.optim.lr_scheduler import LambdaLR

from ifdd.console import console, error_console, progress_bar
from ifdd.evaluation.metrics import scores_from_confusion
from ifdd.model import IFDD
from ifdd.records import BestEpoch, SubsetScores
from ifdd.training.clips import ClipDataModule
from ifdd.training.engine.divergence import diverged
from ifdd.training.engine.log import EpochLog
from ifdd.training.module import ClipClassifier

UNIT_ERROR = "action_unit_error"
"""What the mean absolute error of action units is logged as, after the subset."""

SaveModel = Callable[[Path, IFDD, BestEpoch], None]


class ValidationCheckpoints(Callback):
    """Score every validation; write ``last.safetensors`` and, after the best epoch so far, ``best.safetensors``.

    This callback must precede the weight averaging in the list of callbacks, so that it sees the averaged weights.

    Args:
        folder: folder to write to.
        classes: class names in the order of the logits.
        select: score that selects the best epoch.
        subset: subset of the clips that select the epoch: "validation" or "test".
        clips: these clips in words, for reports.
        save: function that writes a checkpoint, called with path, model and epoch.
        note: called after each epoch with ``epoch``, the number of finished epochs, and ``best``, the best epoch.
    """

    def __init__(
        self,
        folder: Path,
        classes: Sequence[str],
        select: Literal["war", "uar"],
        subset: Literal["validation", "test"],
        clips: str,
        save: SaveModel,
        note: Callable[..., None],
    ) -> None:
        self.folder = folder
        self.classes = classes
        self.select = select
        self.subset = subset
        self.clips = clips
        self.save = save
        self.note = note
        self.best: BestEpoch | None = None
        """The best epoch so far."""

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the epoch and write its checkpoints.

        Raises:
            InputError: the model's output is not finite, so that the scores would mean nothing.
        """
        assert isinstance(pl_module, ClipClassifier)
        count = int(pl_module.not_finite.compute())
        pl_module.not_finite.reset()
        if count:
            raise diverged(trainer, pl_module, f"the output for {count} {self.subset} clips is not finite")
        scores = scores_from_confusion(pl_module.confusion.compute().cpu().numpy(), self.classes)
        pl_module.confusion.reset()
        # the matrix covers all processes, so their scores are equal; sync_dist only silences a warning of the engine
        values = {f"{self.subset}/war": scores.war, f"{self.subset}/uar": scores.uar}
        if pl_module.unit_errors is not None:
            error, correlation = pl_module.unit_errors.compute()
            pl_module.unit_errors.reset()
            names = f"{self.subset}/{UNIT_ERROR}", f"{self.subset}/action_unit_correlation"
            measured = zip(names, (float(error), float(correlation)), strict=True)
            values |= {name: value for name, value in measured if not math.isnan(value)}
        pl_module.log_dict(values, sync_dist=True)
        if not trainer.is_global_zero:
            return
        last = self._epoch(trainer.current_epoch + 1, SubsetScores(scores.war, scores.uar))
        self.save(self.folder / "last.safetensors", pl_module.model, last)
        if self.best is None or self._deciding(last) > self._deciding(self.best):
            selection = f"best {self.select.upper()} on {self.clips}"
            self.best = replace(last, selection=selection, chosen_on=self.subset)
            self.save(self.folder / "best.safetensors", pl_module.model, self.best)
        self.note(epoch=trainer.current_epoch + 1, best=self.best)

    def _epoch(self, number: int, scores: SubsetScores) -> BestEpoch:
        """Return the record of the last epoch, which no clips selected."""
        on_test = self.subset == "test"
        return BestEpoch(
            epoch=number,
            validation=None if on_test else scores,
            test=scores if on_test else None,
            selection="the last epoch",
            chosen_on="none",
        )

    def _deciding(self, epoch: BestEpoch) -> float:
        return epoch.scores.war if self.select == "war" else epoch.scores.uar

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs."""
        return {"best": {} if self.best is None else self.best.plain()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state.

        Raises:
            InputError: the state is damaged.
        """
        best = state_dict["best"]
        self.best = BestEpoch.read(best, "the stored best epoch") if best else None


class ContinueSchedule(Callback):
    """Continue a resumed training at the learning rate of its schedule, also if it has more epochs than before.

    The optimiser comes back with the rate of the shorter schedule: after its end, that is the floor. From the first
    step on, the rates are those which a training of the new length has at this epoch; they then fall as there.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the rates, and report a change."""
        for config in trainer.lr_scheduler_configs:
            scheduler = config.scheduler
            assert isinstance(scheduler, LambdaLR)
            steps = scheduler.last_epoch
            factors = [factor(steps) for factor in scheduler.lr_lambdas]
            rates = [base * factor for base, factor in zip(scheduler.base_lrs, factors, strict=True)]
            before = [float(group["lr"]) for group in scheduler.optimizer.param_groups]
            for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
            scheduler._last_lr = list(rates)
            if trainer.is_global_zero and not all(map(math.isclose, before, rates)):
                last = max(scheduler.base_lrs) * scheduler.lr_lambdas[0](int(trainer.estimated_stepping_batches) - 1)
                console.print(
                    f"training on after epoch {trainer.current_epoch} to epoch {trainer.max_epochs}: the learning rate "
                    f"goes from {max(before):.3g} to {max(rates):.3g}, where a training of {trainer.max_epochs} epochs "
                    f"is now, and falls to {last:.3g}",
                    highlight=False,
                    soft_wrap=True,
                )


class TrainingProgress(ProgressBar):
    """A progress bar over all clips, and one line per epoch: loss, WAR, UAR, speed, waiting, duration of the scoring.

    For a model with action units, the line has their mean absolute error too. The waiting is the share of the time of
    the training steps that passes until the next batch is loaded.

    In data-parallel training, only the first process shows them. The speed in clips/s excludes the scoring.

    Args:
        clips: the clips.
        subset: subset that is scored: "validation" or "test".
        log: the log, which precedes this callback.
    """

    def __init__(self, clips: ClipDataModule, subset: str, log: EpochLog) -> None:
        super().__init__()
        self.clips = clips
        self.subset = subset
        self._log = log
        self._shown = True
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._epoch_start = self._waited_before = 0.0
        self._done = self._done_before = 0
        self._training_seconds = 0.0

    def disable(self) -> None:
        """Show nothing; the engine calls this in all processes but the first."""
        self._shown = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the bar, at the clips already done if the run is resumed."""
        self._begin_epoch(trainer)
        if not self._shown:
            return
        clips, epochs = len(self.clips.train), trainer.max_epochs or 1
        completed = clips * trainer.current_epoch + self._done_before
        self._bar = progress_bar("clips")
        self._task = self._bar.add_task("training", total=clips * epochs, completed=completed)
        self._bar.start()
        self._describe(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the number of the epoch; not called in an epoch that is resumed."""
        self._begin_epoch(trainer)
        self._describe(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance by the clips of one batch in all processes."""
        count = int(trainer.num_training_batches)
        self._done = len(self.clips.train) * (batch_idx + 1) // count
        self._training_seconds = monotonic() - self._epoch_start
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=len(self.clips.train) * trainer.current_epoch + self._done)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the epoch's line."""
        if not self._shown:
            return
        row = self._log.rows[-1]
        error = row.get(f"{self.subset}/{UNIT_ERROR}")
        units = "" if error is None else f" AU error {error:.3f}"
        seconds = max(self._training_seconds, 1e-9)
        scoring_seconds = monotonic() - self._epoch_start - self._training_seconds
        waiting = (self.clips.seconds_waited - self._waited_before) / seconds
        error_console.print(
            f"epoch {trainer.current_epoch + 1:3}/{trainer.max_epochs}  loss {row['train/total']:.3f}  "
            f"{self.subset} WAR {row[f'{self.subset}/war']:.3f} UAR {row[f'{self.subset}/uar']:.3f}{units}  "
            f"{(self._done - self._done_before) / seconds:.0f} clips/s, {waiting:.0%} of the time waiting for clips, "
            f"scored in {scoring_seconds:.0f} s",
            highlight=False,
            soft_wrap=True,
        )

    def _begin_epoch(self, trainer: Trainer) -> None:
        self._epoch_start, self._waited_before = monotonic(), self.clips.seconds_waited
        count = max(int(trainer.num_training_batches), 1)
        ready = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        self._done_before = len(self.clips.train) * ready // count if ready < count else 0

    def _describe(self, trainer: Trainer) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar after an error or an interruption."""
        self._close()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Close the bar at the end."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
