"""Scores on changed clips and on minimal pairs: what the predictions depend on."""

from collections.abc import Mapping, Sequence

from ifdd.evaluation.stress.report import UNCHANGED
from ifdd.evaluation.tables import percent, with_interval
from ifdd.records import ChangeRecord, Estimate, PairsRecord, StressCurve, StressRecord

HEADER = ("WAR %", "UAR %", "difference of WAR, points", "other prediction %")
"""Columns of a condition."""


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


def _strength(curve: StressCurve, strength: float) -> str:
    return f"{strength:g} {curve.unit}" if len(curve.points) > 1 else "-"


def _cells(result: ChangeRecord) -> Sequence[str]:
    return [_words(each) for each in (result.war, result.uar, result.war_difference, result.changed)]


def _words(estimate: Estimate) -> str:
    return with_interval(percent(estimate.value), estimate.interval)
