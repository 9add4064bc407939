"""The log of a training: one row for each epoch, in a CSV file and for TensorBoard."""

import csv
import io
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.tensorboard import SummaryWriter

from ifdd.files import write_text
from ifdd.training.module import ClipClassifier

CSV_FILE = "csv/version_0/metrics.csv"
"""The log below the folder of a run; earlier versions of ifdd wrote a new version at every start."""

Row = dict[str, int | float]
"""Epoch and step, both from 0, and what was measured in the epoch."""

TENSORBOARD = "tensorboard"
"""Folder of TensorBoard's files."""


class EpochLog(Callback):
    """Write mean losses and scores of every epoch.

    The rows are a part of the state, so a resumed training continues them: no epoch is missing or there twice. This
    callback must follow the one that scores, and precede those that show the losses.

    Args:
        folder: folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[Row] = []
        self._writer: SummaryWriter | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin TensorBoard's log with the rows that are known."""
        if not trainer.is_global_zero:
            return
        for path in (self.folder / TENSORBOARD).glob("events.*"):
            path.unlink()
        self._writer = SummaryWriter(str(self.folder / TENSORBOARD))
        for row in self.rows:
            self._show(row)
        self._write()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the row of the epoch and write the log."""
        assert isinstance(pl_module, ClipClassifier)
        losses = pl_module.take_losses()
        scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
        position = {"epoch": trainer.current_epoch, "step": trainer.global_step - 1}
        self.rows.append(position | losses | scores)
        if trainer.is_global_zero:
            self._show(self.rows[-1])
            self._write()

    def state_dict(self) -> dict[str, Any]:
        """Return the rows."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the rows."""
        self.rows = list(state_dict["rows"])

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close TensorBoard's file after an error."""
        self._close()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Close TensorBoard's file at the end."""
        self._close()

    def _write(self) -> None:
        if not self.rows:
            return
        names = sorted({name for row in self.rows for name in row})
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.folder / CSV_FILE, text.getvalue())

    def _show(self, row: Row) -> None:
        assert self._writer is not None
        for name, value in row.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(row["step"]))
        self._writer.flush()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
