"""The charts of a report, as matplotlib figures in the colours of the page, see ``ifdd.pages.themed``."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Int64

from ifdd.evaluation.bootstrap import Interval
from ifdd.evaluation.tables import short_name
from ifdd.pages.pictures import CYCLE
from ifdd.records import ReliabilityBin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUMBERED = 16
"""Largest number of classes for which the confusion matrix shows numbers."""

WIDTH = 4.8
"""Width of a chart in inches: its text can still be read on a narrow screen, to whose width it is shrunk."""

STRONGEST = 130
"""Share in % that would get the full colour in a confusion matrix; below it, the numbers on it can be read."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Markers of the runs, so that colour is not needed to tell them apart."""

DASHES = ("-", "--", "-.", ":")
"""The same for lines."""


FEW_EPOCHS = 40
"""Up to so many epochs, every one has a marker."""


class Line(NamedTuple):
    """A quantity over the epochs."""

    label: str
    epochs: Sequence[int]
    values: Sequence[float]


class Bar(NamedTuple):
    """A score, 0 to 1, with its interval."""

    value: float
    interval: Interval | None


def draw_scores(names: Sequence[str], scores: dict[str, Sequence[Bar | None]]) -> "Figure":
    """Draw the scores of several runs, below each other, one panel for each score.

    Args:
        names: names of the runs.
        scores: name of the score -> one value for each run, None where it is unknown.
    """
    figure, panels = _figure(WIDTH, len(scores) * (0.9 + 0.3 * len(names)), rows=len(scores))
    for axes, (score, bars) in zip(panels, scores.items(), strict=True):
        for place, bar in enumerate(bars):
            _point(axes, bar, float(place), place, CYCLE[0])
        axes.set(xlabel=f"{score} in %", ylim=(len(names) - 0.5, -0.5))
        axes.set_yticks(range(len(names)), [short_name(name) for name in names])
        axes.grid(axis="x")
    return figure


def draw_recalls(classes: Sequence[str], runs: dict[str, Sequence[Bar | None]]) -> "Figure":
    """Draw the recall of each class with its interval, one marker for each run.

    Args:
        classes: class names.
        runs: name of the run -> one recall for each class, None for a class without clips.
    """
    figure, (axes,) = _figure(WIDTH, 1.2 + len(classes) * (0.3 + 0.12 * (len(runs) - 1)) + 0.25 * (len(runs) > 1))
    spread = np.linspace(-0.28, 0.28, len(runs)) if len(runs) > 1 else [0.0]
    for number, (name, bars) in enumerate(runs.items()):
        for place, bar in enumerate(bars):
            _point(axes, bar, place + spread[number], number, CYCLE[number % len(CYCLE)])
        axes.plot([], [], MARKERS[number % len(MARKERS)], color=CYCLE[number % len(CYCLE)], label=short_name(name))
    axes.set(xlabel="recall in %", xlim=(-2, 102), ylim=(len(classes) - 0.5, -0.5))
    axes.set_yticks(range(len(classes)), [short_name(name) for name in classes])
    axes.grid(axis="x")
    if len(runs) > 1:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def draw_confusion(confusion: Int64[np.ndarray, "targets predictions"], classes: Sequence[str]) -> "Figure":
    """Draw a confusion matrix: the share of each true class (row) that is predicted as each class (column)."""
    import matplotlib
    from matplotlib.colors import LinearSegmentedColormap

    totals = confusion.sum(axis=1, keepdims=True)
    shares = 100 * confusion / np.maximum(totals, 1)
    side = min(1.4 + 0.5 * len(classes), 9.0)
    figure, (axes,) = _figure(side, side)
    paper = matplotlib.rcParams["axes.facecolor"]
    axes.imshow(shares, cmap=LinearSegmentedColormap.from_list("", [paper, CYCLE[0]]), vmin=0, vmax=STRONGEST)
    ticks = [short_name(name) for name in classes]
    size = None if len(classes) <= NUMBERED else 5
    axes.set_xticks(range(len(classes)), ticks, rotation=45, ha="right", rotation_mode="anchor", size=size)
    axes.set_yticks(range(len(classes)), ticks, size=size)
    axes.set(xlabel="prediction", ylabel="true class")
    axes.spines[:].set_visible(True)
    if len(classes) <= NUMBERED:
        for (row, column), share in np.ndenumerate(shares):
            if totals[row, 0]:
                axes.text(column, row, f"{share:.0f}", ha="center", va="center", size=9)
    return figure


def draw_reliability(bins: Sequence[ReliabilityBin]) -> "Figure":
    """Draw the accuracy against the confidence: on the diagonal, a model is right as often as it claims."""
    figure, (axes, below) = _figure(WIDTH, 4.8, rows=2, heights=(4.0, 1.0))
    known = [each for each in bins if each.confidence is not None and each.accuracy is not None]
    axes.plot([0, 100], [0, 100], "--", color="grey", label="calibrated")
    most = max(each.clips for each in known)
    axes.scatter(
        [100 * (each.confidence or 0) for each in known],
        [100 * (each.accuracy or 0) for each in known],
        [12 + 120 * each.clips / most for each in known],
        color=CYCLE[0],
        label="the model; larger: more clips",
        clip_on=False,
        zorder=3,
    )
    axes.set(ylabel="accuracy in %", xlim=(0, 100), ylim=(0, 100), xticklabels=[])
    axes.legend(loc="lower right", fontsize="small")
    axes.grid()
    width = 100 * (bins[0].high - bins[0].low)
    below.bar([100 * each.low for each in bins], [each.clips for each in bins], width, align="edge", color=CYCLE[0])
    below.set(xlabel="confidence in %", ylabel="clips", xlim=(0, 100))
    return figure


def draw_lines(panels: Mapping[str, Sequence[Line]], best: int | None) -> "Figure":
    """Draw lines over the epochs.

    Args:
        panels: label of a panel -> its lines.
        best: epoch of the best checkpoint, marked in all panels; None if it is unknown.
    """
    figure, areas = _figure(WIDTH, 2.6 * len(panels), rows=len(panels))
    for axes, (label, lines) in zip(areas, panels.items(), strict=True):
        for number, line in enumerate(lines):
            marker = "." if len(line.epochs) <= FEW_EPOCHS else None
            axes.plot(
                line.epochs, line.values, DASHES[number % len(DASHES)], marker=marker, label=short_name(line.label)
            )
        if best is not None:
            axes.axvline(best, color="grey", lw=1, ls=":", label="best epoch")
        axes.set(xlabel="epoch", ylabel=label)
        axes.locator_params("x", integer=True)
        axes.legend(fontsize="small")
        axes.grid()
    return figure


def _figure(
    width: float, height: float, rows: int = 1, heights: Sequence[float] | None = None
) -> tuple["Figure", list["Axes"]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(rows, squeeze=False, height_ratios=heights)[:, 0])


def _point(axes: "Axes", bar: Bar | None, place: float, marker: int, colour: str) -> None:
    """Draw a score as a marker and its interval as a line."""
    if bar is None:
        return
    if bar.interval is not None:
        axes.hlines(place, 100 * bar.interval.low, 100 * bar.interval.high, color=colour, lw=2)
    axes.plot(100 * bar.value, place, MARKERS[marker % len(MARKERS)], color=colour)
