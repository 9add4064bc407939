"""Training curves: what was logged over the epochs."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ifdd.reporting.charts import Line, draw_lines
from ifdd.reporting.results import Series, Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCORES = ("war", "uar")


class Curves(NamedTuple):
    """A chart to draw, and its content in words."""

    draw: Callable[[], "Figure"]
    alt: str
    caption: str


def draw_training(trainings: Sequence[Training]) -> Curves | None:
    """Return the training curves of a run, or of all its folds; None if nothing was logged."""
    panels = _folds_panels(trainings) if len(trainings) > 1 else _panels(trainings[0]) if trainings else {}
    if not panels:
        return None
    best = trainings[0].record.best if len(trainings) == 1 else None
    words = [
        f"{label}: " + ", ".join(f"{line.label} from {line.values[0]:.3f} to {line.values[-1]:.3f}" for line in lines)
        for label, lines in panels.items()
    ]
    epochs = max(line.epochs[-1] for lines in panels.values() for line in lines)
    caption = f"Losses and scores over {epochs} epochs" + (f"; epoch {best.epoch} was kept." if best else ".")
    chart = partial(draw_lines, panels, None if best is None else best.epoch)
    return Curves(chart, f"Training curves. {'; '.join(words)}.", caption)


def training_table(trainings: Sequence[Training]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of everything that was logged, one epoch a row."""
    columns = {
        (f"fold {training.fold} " if training.fold is not None else "") + series.name: series
        for training in trainings
        for series in training.series
    }
    values = {name: dict(zip(each.epochs, each.values, strict=True)) for name, each in columns.items()}
    epochs = sorted({epoch for each in columns.values() for epoch in each.epochs})
    rows = [
        [str(epoch), *(f"{each[epoch]:.4g}" if epoch in each else "-" for each in values.values())] for epoch in epochs
    ]
    return ["epoch", *columns], rows


def _panels(training: Training) -> dict[str, list[Line]]:
    """Return the panels of one training run: its losses, its scores, and what else was measured."""
    panels: dict[str, list[Line]] = {}
    for series in sorted(training.series, key=_place):
        subset, _, name = series.name.partition("/")
        if subset == "train":
            panels.setdefault("training loss", []).append(Line(name, series.epochs, series.values))
        elif name in SCORES:
            label = f"score on {subset} clips, 0 to 1"
            panels.setdefault(label, []).append(Line(name.upper(), series.epochs, series.values))
        else:
            panels.setdefault(f"measured on {subset} clips", []).append(
                Line(name.replace("_", " "), series.epochs, series.values)
            )
    return panels


def _place(series: Series) -> int:
    """Return the place of a quantity's panel: losses, scores, the rest."""
    subset, _, name = series.name.partition("/")
    return 0 if subset == "train" else 1 if name in SCORES else 2


def _folds_panels(trainings: Sequence[Training]) -> dict[str, list[Line]]:
    """Return the panels of several folds: the total loss and the accuracy of each."""
    panels: dict[str, list[Line]] = {}
    for training in trainings:
        label = f"fold {training.fold or 'all'}"
        for series in sorted(training.series, key=_place):
            subset, _, name = series.name.partition("/")
            line = Line(label, series.epochs, series.values)
            if series.name == "train/total":
                panels.setdefault("training loss", []).append(line)
            elif name == "war":
                panels.setdefault(f"WAR on {subset} clips, 0 to 1", []).append(line)
    return panels
