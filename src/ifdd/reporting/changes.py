"""Scores on changed clips and on minimal pairs: what the predictions depend on."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ifdd.evaluation.bootstrap import Interval
from ifdd.evaluation.stress.report import UNCHANGED
from ifdd.evaluation.tables import percent, percent_range
from ifdd.pages.pictures import CYCLE
from ifdd.records import ChangeRecord, Estimate, PairsRecord, StressCurve, StressRecord
from ifdd.reporting.charts import DASHES, MARKERS, panels_in_rows, short_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEADER = ("WAR %", "UAR %", "difference of WAR, points", "other prediction %")
"""Columns of a condition."""


def draw_stress(runs: Mapping[str, StressRecord]) -> "Figure":
    """Draw WAR over the strength of each change, with its interval; the dotted line is that of the unchanged clips.

    Args:
        runs: name of the run -> its result; at least one.
    """
    names = list(dict.fromkeys(curve.name for record in runs.values() for curve in record.curves))
    figure, panels = panels_in_rows(len(names))
    for axes, name in zip(panels, names, strict=True):
        for number, record in enumerate(runs.values()):
            for curve in record.curves:
                if curve.name == name:
                    _line(axes, curve, record, number)
        axes.set_title(short_name(name), fontsize="medium")
        axes.set_ylim(0, 102)
        axes.grid()
    for number, name in enumerate(runs):
        style = (DASHES[number % len(DASHES)], MARKERS[number % len(MARKERS)])
        panels[0].plot([], [], style[0], marker=style[1], color=CYCLE[number % len(CYCLE)], label=short_name(name))
    if len(runs) > 1:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def stress_rows(runs: Mapping[str, StressRecord]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of changed clips; with several runs, every row names its run."""
    rows = []
    for run, record in runs.items():
        first = [UNCHANGED, "-", _words(record.war), _words(record.uar), "-", "-"]
        points = [
            [f"{curve.name}: {curve.meaning}", _strength(curve, point.strength), *_cells(point.result)]
            for curve in record.curves
            for point in curve.points
        ]
        rows += [[*row[:1], *([run] if len(runs) > 1 else []), *row[1:]] for row in (first, *points)]
    return ["change", *(["run"] if len(runs) > 1 else []), "strength", *HEADER], rows


def pairs_rows(record: PairsRecord) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of minimal pairs, the reference first."""
    rows = [[each.condition, f"{each.clips:,}", *_cells(each.result)] for each in record.conditions]
    return ["condition", "pairs", *HEADER], rows


def stress_words(runs: Mapping[str, StressRecord]) -> str:
    """Return the text of a chart of changed clips: the change that costs most in each run."""
    words = []
    for run, record in runs.items():
        points = [
            (point.result.war_difference.value, curve, point) for curve in record.curves for point in curve.points
        ]
        if points:
            least, curve, point = min(points, key=lambda found: found[0])
            words.append(
                f"{run}: unchanged {percent(record.war.value)} %; the largest loss is {100 * -least:.2f} points by "
                f"{curve.name} ({_strength(curve, point.strength)})"
            )
    return "; ".join(words)


def _line(axes: "Axes", curve: StressCurve, record: StressRecord, number: int) -> None:
    colour = CYCLE[number % len(CYCLE)]
    strengths = [point.strength for point in curve.points]
    scores = [point.result.war for point in curve.points]
    axes.axhline(100 * record.war.value, color=colour, ls=":", lw=1)
    marker, dash = MARKERS[number % len(MARKERS)], DASHES[number % len(DASHES)]
    values = [100 * score.value for score in scores]
    axes.plot(strengths, values, color=colour, marker=marker, ls=dash, markersize=4)
    for strength, score in zip(strengths, scores, strict=True):
        if score.low is not None and score.high is not None:
            axes.vlines(strength, 100 * score.low, 100 * score.high, color=colour, lw=1)
    axes.set_xlabel(short_name(curve.unit), fontsize="small")
    if len(strengths) == 1:
        axes.set_xticks([])


def _strength(curve: StressCurve, strength: float) -> str:
    return f"{strength:g} {curve.unit}" if len(curve.points) > 1 else "-"


def _cells(result: ChangeRecord) -> Sequence[str]:
    return [_words(each) for each in (result.war, result.uar, result.war_difference, result.changed)]


def _words(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return percent(estimate.value)
    return f"{percent(estimate.value)} ({percent_range(Interval(estimate.low, estimate.high))})"
