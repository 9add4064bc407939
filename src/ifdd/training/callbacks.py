"""What happens beside the training: scores and checkpoints after each epoch, and the progress bar."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.progress import Progress, TaskID

from ifdd.console import error_console, progress_bar
from ifdd.evaluation.metrics import scores_from_confusion
from ifdd.model import IFDD
from ifdd.training.module import ClipClassifier

SaveModel = Callable[[Path, IFDD, dict[str, Any]], None]


class ValidationCheckpoints(Callback):
    """After each validation: scores, ``last.safetensors`` and, where the score is the best yet, ``best``.

    It stands before the averaging of weights in the list of callbacks, so that it sees the averaged weights.

    Args:
        folder: where the files go.
        classes: class names in the order of the logits.
        select: the score that decides, "war" or "uar".
        validation_people: what is known about the people of the validation clips.
        save: writes one checkpoint from path, model and description.
    """

    def __init__(
        self, folder: Path, classes: Sequence[str], select: str, validation_people: str, save: SaveModel
    ) -> None:
        self.folder = folder
        self.validation_people = validation_people
        self.classes = classes
        self.select = select
        self.save = save
        self.best_score = -1.0
        self.best_epoch = -1

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the epoch and write its checkpoints."""
        assert isinstance(pl_module, ClipClassifier)
        scores = scores_from_confusion(pl_module.confusion.compute().cpu().numpy(), self.classes)
        pl_module.confusion.reset()
        pl_module.log_dict({"validation/war": scores.war, "validation/uar": scores.uar})
        if not trainer.is_global_zero:
            return
        epoch = trainer.current_epoch + 1
        described = {"epoch": epoch, "validation": {"war": scores.war, "uar": scores.uar}}
        self.save(self.folder / "last.safetensors", pl_module.model, described | {"selection": "the last epoch"})
        score = float(getattr(scores, self.select))
        if score > self.best_score:
            self.best_score, self.best_epoch = score, epoch
            selection = f"best {self.select.upper()} on validation clips, {self.validation_people}"
            self.save(self.folder / "best.safetensors", pl_module.model, described | {"selection": selection})

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training must know."""
        return {"best_score": self.best_score, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a stored state."""
        self.best_score, self.best_epoch = state_dict["best_score"], state_dict["best_epoch"]


class TrainingProgress(ProgressBar):
    """One bar over all clips with clips/s and time left, and one line an epoch with loss, WAR and UAR."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self.batch_size = batch_size
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._epoch_start = 0.0

    def disable(self) -> None:
        """Nothing to switch off: only the first process is given this callback."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar where the training begins or goes on."""
        clips = int(trainer.num_training_batches) * self.batch_size
        self._bar = progress_bar("clips")
        self._task = self._bar.add_task(
            "training", total=clips * (trainer.max_epochs or 1), completed=clips * trainer.current_epoch
        )
        self._bar.start()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the epoch."""
        self._epoch_start = monotonic()
        assert self._bar is not None
        assert self._task is not None
        self._bar.update(self._task, description=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance by the clips of a batch."""
        assert self._bar is not None
        assert self._task is not None
        self._bar.advance(self._task, len(batch[1]))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the epoch's line."""
        metrics = trainer.callback_metrics
        seconds = monotonic() - self._epoch_start
        clips = int(trainer.num_training_batches) * self.batch_size
        error_console.print(
            f"epoch {trainer.current_epoch + 1:3}/{trainer.max_epochs}  loss {float(metrics['train/total']):.3f}  "
            f"validation WAR {float(metrics['validation/war']):.3f}  UAR {float(metrics['validation/uar']):.3f}  "
            f"{clips / seconds:.0f} clips/s",
            highlight=False,
        )

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar when something goes wrong or the training is interrupted."""
        self._close()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Close the bar at the end."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
