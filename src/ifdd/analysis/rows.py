"""Tidy tables of what people showed: a row for each person, for each label of a person, or for each transition."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from ifdd.analysis.measures import LabelMeasures, PersonMeasures
from ifdd.analysis.periods import Period
from ifdd.inference.results import UNCERTAIN, Results

Per = Literal["person", "label", "transition"]
Value = int | float | str | None
Row = dict[str, Value]

SECONDS, SHARES = 4, 6
"""Digits after the decimal point."""

_HEAD: dict[str, type] = {
    "video": str,
    "result": str,
    "person": int,
    "period": str,
    "period_start_seconds": float,
    "period_end_seconds": float,
}
_PERSON: dict[str, type] = {
    "start_seconds": float,
    "end_seconds": float,
    "seconds": float,
    "quality": float,
    "transitions": int,
}
_LABEL: dict[str, type] = {
    "share": float,
    "seconds": float,
    "episodes": int,
    "mean_seconds": float,
    "longest_seconds": float,
    "onset_seconds": float,
    "probability": float,
}
_TAIL: dict[str, type] = {"checkpoint": str, "notice": str}
"""Columns -> their types."""


class Summary(NamedTuple):
    """The people of one video in one period; nobody if no one is in sight."""

    result: Path
    """The file with the results, relative to where they were searched."""
    results: Results
    period: Period
    people: tuple[PersonMeasures, ...]


class SummaryTable(NamedTuple):
    """A table with typed columns."""

    columns: dict[str, type]
    rows: list[Row]


def make_table(summaries: Sequence[Summary], per: Per) -> SummaryTable:
    """Return the table of some summaries.

    Args:
        summaries: a period of a video each.
        per: what a row stands for; docs/summaries.md lists the columns. A period without people has one row
            without a person, so that no period is lost; not in the table of transitions, which has a row for what
            occurred.
    """
    classes = list(dict.fromkeys(name for each in summaries for name in each.results.classes))
    units = sorted({number for each in summaries for number in each.results.model.action_units})
    make: Callable[[Summary, PersonMeasures], Iterable[Row]]
    if per == "person":
        own = _PERSON | {
            _named(label, name): kind for label in (*classes, UNCERTAIN) for name, kind in _of(label).items()
        }
        own |= {_unit(number): float for number in units}
        make = _person_row
    elif per == "label":
        own, make = {"label": str} | _LABEL, _label_rows
    else:
        own, make = {"from": str, "to": str, "count": int}, _transition_rows
    columns = _HEAD | own | _TAIL
    rows = [
        dict.fromkeys(columns) | head | row | _tail(each.results)
        for each in summaries
        for head, row in _rows(each, make, keep_empty=per != "transition")
    ]
    return SummaryTable(columns, rows)


def _rows(
    summary: Summary, make: Callable[[Summary, PersonMeasures], Iterable[Row]], keep_empty: bool
) -> Iterator[tuple[Row, Row]]:
    head = _head(summary)
    for person in summary.people:
        for row in make(summary, person):
            yield head | {"person": person.track}, row
    if not summary.people and keep_empty:
        yield head, {"seconds": 0.0}


def _head(summary: Summary) -> Row:
    return {
        "video": str(summary.results.video.path),
        "result": str(summary.result),
        "period": summary.period.name,
        "period_start_seconds": round(summary.period.start_seconds, SECONDS),
        "period_end_seconds": round(summary.period.end_seconds, SECONDS),
    }


def _tail(results: Results) -> Row:
    return {"checkpoint": results.model.checkpoint or results.model.name, "notice": results.model.notice}


def _person_row(summary: Summary, person: PersonMeasures) -> Iterator[Row]:
    row: Row = {
        "start_seconds": round(person.start_seconds, SECONDS),
        "end_seconds": round(person.end_seconds, SECONDS),
        "seconds": round(person.seconds, SECONDS),
        "quality": round(person.quality, SECONDS),
        "transitions": sum(person.transitions.values()),
    }
    for label in person.labels:
        values = _measured(person, label)
        row |= {_named(label.label, name): values[name] for name in _of(label.label)}
    numbers = map(_unit, summary.results.model.action_units)
    yield row | {name: round(value, SHARES) for name, value in zip(numbers, person.action_units, strict=True)}


def _label_rows(summary: Summary, person: PersonMeasures) -> Iterator[Row]:
    for label in person.labels:
        yield {"label": label.label, **_measured(person, label)}


def _transition_rows(summary: Summary, person: PersonMeasures) -> Iterator[Row]:
    for (before, after), count in sorted(person.transitions.items()):
        yield {"from": before, "to": after, "count": count}


def _measured(person: PersonMeasures, label: LabelMeasures) -> Row:
    return {
        "share": round(person.share(label), SHARES),
        "seconds": round(label.seconds, SECONDS),
        "episodes": label.episodes,
        "mean_seconds": _rounded(label.mean_seconds, SECONDS),
        "longest_seconds": round(label.longest_seconds, SECONDS),
        "onset_seconds": _rounded(label.onset_seconds, SECONDS),
        "probability": _rounded(label.probability, SHARES),
    }


def _of(label: str) -> Mapping[str, type]:
    """Return the columns of a label in the table of people."""
    return {name: kind for name, kind in _LABEL.items() if (label, name) != (UNCERTAIN, "probability")}


def _named(label: str, name: str) -> str:
    """Return the column of a label; one called "start" must not take the place of the person's start."""
    return f"{label} (class)_{name}" if f"{label}_{name}" in _HEAD | _PERSON else f"{label}_{name}"


def _unit(number: int) -> str:
    return f"AU{number:02d}"


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
