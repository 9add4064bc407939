"""Reports of scores on changed clips and on minimal pairs."""

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ifdd.evaluation.tables import markdown_table, percent, with_interval
from ifdd.records import ChangeRecord, Estimate, PairsRecord, StressRecord

UNCHANGED = "unchanged"

_HEADINGS = ("WAR %", "difference %", "changed %", "distance")
_LONG_HEADINGS = ("WAR %", "UAR %", "WAR difference %", "UAR difference %", "prediction changed %", "distance")


def stress_table(stress: StressRecord) -> Table:
    """Return the table of scores on changed clips for the terminal."""
    table = _table("Changed clips", ("change", "strength"), stress_notes(stress))
    table.add_row(UNCHANGED, "", f"{100 * stress.war.value:.1f}", "", "", "")
    for curve in stress.curves:
        for number, point in enumerate(curve.points):
            name = "" if number else curve.name
            strength = f"{point.strength:g}" if len(curve.points) > 1 else ""
            table.add_row(name, strength, *_short_cells(point.result), end_section=point is curve.points[-1])
    return table


def pairs_table(pairs: PairsRecord) -> Table:
    """Return the table of minimal pairs for the terminal."""
    table = _table("Minimal pairs", ("condition", "pairs"), pairs_notes(pairs))
    for each in pairs.conditions:
        cells = _short_cells(each.result)
        same = each.condition == pairs.reference
        table.add_row(escape(each.condition), str(each.clips), cells[0], *(("", "", "") if same else cells[1:]))
    return table


def stress_markdown(stress: StressRecord) -> list[str]:
    """Return the lines of a section on changed clips."""
    rows = [[UNCHANGED, "", _words(stress.war), _words(stress.uar), "", "", "", ""]]
    for curve in stress.curves:
        rows += [
            [f"{curve.name}: {curve.meaning}", f"{point.strength:g} ({curve.unit})", *_cells(point.result)]
            for point in curve.points
        ]
    table = markdown_table(["change", "strength", *_LONG_HEADINGS], rows)
    return ["## Changed clips", "", stress_notes(stress), "", *table, ""]


def pairs_markdown(pairs: PairsRecord) -> list[str]:
    """Return the lines of a section on minimal pairs."""
    rows = []
    for each in pairs.conditions:
        cells = _cells(each.result)
        rows.append(
            [
                each.condition,
                str(each.clips),
                *cells[:2],
                *([""] * 4 if each.condition == pairs.reference else cells[2:]),
            ]
        )
    table = markdown_table(["condition", "pairs", *_LONG_HEADINGS], rows)
    return ["## Minimal pairs", "", pairs_notes(pairs), "", *table, ""]


def stress_notes(stress: StressRecord) -> str:
    """Return how scores on changed clips were compared with the others."""
    return _notes(stress, f"{stress.clips} clips, each as it is and changed", "of the unchanged clips")


def pairs_notes(pairs: PairsRecord) -> str:
    """Return how minimal pairs were compared."""
    return _notes(pairs, f"{pairs.pairs} pairs", f"of the clips {pairs.reference!r} in the same pairs")


def _notes(record: StressRecord | PairsRecord, what: str, of: str) -> str:
    return (
        f"{what}. Difference: score minus that {of}. Changed: share of clips with another predicted class. Distance: "
        f"mean total variation distance of the probabilities, 0 to 1. In brackets: {100 * record.level:g} % intervals "
        f"from {record.resamples} paired resamples of {record.resampled}."
    )


def _table(title: str, first: Sequence[str], caption: str) -> Table:
    table = Table(title=title, caption=escape(caption), caption_justify="left", box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column(first[0], overflow="fold", min_width=13)
    for name in (first[1], *_HEADINGS):
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _short_cells(result: ChangeRecord) -> list[str]:
    """Return the cells of a row for the terminal."""
    changed, distance = f"{100 * result.changed.value:.1f}", f"{result.distance.value:.3f}"
    return [f"{100 * result.war.value:.1f}", _short(result.war_difference), changed, distance]


def _cells(result: ChangeRecord) -> list[str]:
    """Return the cells of a row of a report."""
    return [
        _words(result.war),
        _words(result.uar),
        _words(result.war_difference),
        _words(result.uar_difference),
        _words(result.changed),
        f"{result.distance.value:.3f}",
    ]


def _short(estimate: Estimate) -> str:
    value = f"{100 * estimate.value:+.1f}"
    return value + (f" ({_range(estimate, '.0f')})" if estimate.low is not None else "")


def _words(estimate: Estimate) -> str:
    return with_interval(percent(estimate.value), estimate.interval)


def _range(estimate: Estimate, form: str) -> str:
    ends: Iterable[float | None] = (estimate.low, estimate.high)
    return " to ".join(f"{100 * end:{form}}" for end in ends if end is not None)
