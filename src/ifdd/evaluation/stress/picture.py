"""Curves of scores on changed clips as a picture: one panel for each change, one line for each model."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ifdd.errors import InputError
from ifdd.files import atomic_path
from ifdd.names import printable
from ifdd.records import Estimate, StressCurve, StressRecord

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

PICTURE = "stress.png"
"""Name of the picture in an evaluation's folder."""

COLUMNS = 4
"""Panels in a row."""

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's colours, which colour-blind people can tell apart."""

_MARKERS = "osD^vPX"
_INK, _FAINT = "#22262b", "#8a9099"


def check_picture() -> None:
    """Check up front that pictures can be drawn.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(
            "a picture of curves needs matplotlib, which is not installed: pip install 'ifdd[plot]'"
        ) from error


def write_curves(path: Path, results: Mapping[str, StressRecord]) -> None:
    """Write the picture of ``plot_curves`` as PNG, whole or not at all.

    Raises:
        InputError: matplotlib is not installed, or the path cannot be written to.
    """
    check_picture()
    figure = plot_curves(results)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")


def plot_curves(results: Mapping[str, StressRecord]) -> "matplotlib.figure.Figure":
    """Draw WAR over the strength of every change, with its interval, and the WAR of the unchanged clips.

    Args:
        results: name of a model -> its scores; all have the same changes.

    Raises:
        InputError: matplotlib is not installed.
    """
    check_picture()
    from matplotlib.figure import Figure

    curves = next(iter(results.values())).curves
    columns = min(COLUMNS, len(curves))
    rows = math.ceil(len(curves) / columns)
    figure = Figure(figsize=(max(3.0 * columns, 4.5), 2.5 * rows + 0.9), facecolor="white", layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).flat
    for number, area in enumerate(panels):
        if number >= len(curves):
            area.set_visible(False)
            continue
        _prepare(area, curves[number], first=number % columns == 0)
        for place, record in enumerate(results.values()):
            _draw(area, record, record.curves[number], place, len(results))
    names = [printable(name) for name in results]
    handles = [container[0] for container in figure.axes[0].containers]  # whatever their names: _x would be hidden
    columns = min(4, len(names))
    legend = figure.legend(handles, names, loc="outside upper left", ncols=columns, frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _prepare(area: "matplotlib.axes.Axes", curve: StressCurve, first: bool) -> None:
    strengths = _axis(curve)
    area.set_title(curve.name.replace("_", " "), fontsize=10, color=_INK, loc="left", parse_math=False)
    area.set_xlabel(curve.unit, fontsize=8, color=_INK)
    if first:
        area.set_ylabel("WAR %", fontsize=9, color=_INK)
    words = ["none" if each == curve.neutral else f"{each:g}" for each in strengths]
    area.set_xticks(range(len(strengths)), words, fontsize=8)
    area.set(ylim=(0, 100), xlim=(-0.4, len(strengths) - 0.6))
    area.tick_params(colors=_FAINT, labelcolor=_INK, labelsize=8)
    area.spines[["top", "right"]].set_visible(False)
    area.grid(axis="y", color="#e3e6e9", linewidth=0.8)


def _draw(area: "matplotlib.axes.Axes", record: StressRecord, curve: StressCurve, place: int, lines: int) -> None:
    known = {curve.neutral: record.war} | {point.strength: point.result.war for point in curve.points}
    scores = [known[strength] for strength in _axis(curve)]
    across = np.arange(len(scores)) + 0.06 * (place - (lines - 1) / 2)  # side by side, so that intervals can be read
    colour, marker = _COLOURS[place % len(_COLOURS)], _MARKERS[place % len(_MARKERS)]
    values = [100 * score.value for score in scores]
    area.errorbar(
        across,
        values,
        yerr=_arms(scores),
        color=colour,
        marker=marker,
        markersize=4,
        linewidth=1.4,
        elinewidth=0.9,
        capsize=2,
    )


def _axis(curve: StressCurve) -> list[float]:
    """Return the strengths on the axis, with the unchanged clip among them: the strongest change is the last."""
    strengths = [*(point.strength for point in curve.points), curve.neutral]
    return sorted(strengths, reverse=curve.neutral > max(point.strength for point in curve.points))


def _arms(scores: Sequence[Estimate]) -> np.ndarray:
    """Return the lengths of the intervals below and above the values, in percent; 0 without an interval."""
    arms = [
        (0.0, 0.0) if score.low is None or score.high is None else (score.value - score.low, score.high - score.value)
        for score in scores
    ]
    return 100 * np.clip(np.array(arms).T, 0, None)
