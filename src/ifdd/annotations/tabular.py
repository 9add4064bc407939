"""Tables of annotations: BORIS's aggregated and tabular events, BIDS events, and custom tables.

A row is an interval with start and end (or duration), a label, and optionally a person. BORIS's tabular events have two
rows for an interval instead: START and STOP.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ifdd.annotations.annotation import Annotation, Annotations
from ifdd.errors import InputError
from ifdd.tables import Table, parse_seconds, read_table

START = ("start_seconds", "start (s)", "start", "onset", "begin")
END = ("end_seconds", "stop (s)", "end", "stop", "offset")
DURATION = ("duration_seconds", "duration (s)", "duration")
LABEL = ("label", "behavior", "behaviour", "trial_type", "emotion", "expression", "code", "value")
TIER = ("person", "subject", "tier", "track", "participant")
TIME = ("time", "start (s)")
STATE = ("behavior type", "status")
"""Names that a column may have, in lower case; the first one found counts."""

MEDIA = ("observation id", "media file", "media file name", "source", "video")
"""Columns that tell one video from another in BORIS's exports of several observations."""


def read_tabular(path: Path) -> Annotations:
    """Return the annotations of a table.

    Raises:
        InputError: the file cannot be read, lacks a column, is about several videos, or a time is not a number.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the path") from error
    known = (*START, *END, *DURATION, *LABEL, *TIER, *TIME, *STATE, *MEDIA)
    table = read_table(data, str(path), known)
    rows = [
        (line, {name.casefold(): cell.strip() for name, cell in zip(table.header, cells, strict=False)})
        for line, cells in table.rows
    ]
    _check_one_video(path, rows)
    states = {_cell(row, STATE).upper() for _, row in rows}
    if states & {"START", "STOP"}:
        return Annotations(path, tuple(_pair_up(path, rows)))
    _check_columns(path, table)
    return Annotations(path, tuple(_intervals(path, rows)))


def _intervals(path: Path, rows: list[tuple[int, dict[str, str]]]) -> Iterator[Annotation]:
    """Yield the annotation of each row."""
    for line, row in rows:
        start = _seconds(path, line, row, START)
        is_long = any(_cell(row, (name,)) for name in END)
        end = _seconds(path, line, row, END) if is_long else start + _seconds(path, line, row, DURATION)
        yield Annotation(_cell(row, TIER), start, end, _label(row))


def _pair_up(path: Path, rows: list[tuple[int, dict[str, str]]]) -> Iterator[Annotation]:
    """Yield intervals from rows that start and stop them."""
    begun: dict[tuple[str, str], tuple[int, float]] = {}
    for line, row in rows:
        state = _cell(row, STATE).upper()
        if state not in ("START", "STOP"):
            continue  # a point in time
        seconds = _seconds(path, line, row, TIME)
        key = (_cell(row, TIER), _label(row))
        if (state == "START") == (key in begun):
            missing = "STOP" if state == "START" else "START"
            raise InputError(
                f"{path}, line {line}: {state} of {key[1]!r} without {missing} before it; correct the file"
            )
        if state == "START":
            begun[key] = (line, seconds)
        else:
            yield Annotation(key[0], begun.pop(key)[1], seconds, key[1])
    for (_, label), (line, _) in begun.items():
        raise InputError(f"{path}, line {line}: {label!r} starts and does not stop; correct the file")


def _check_columns(path: Path, table: Table) -> None:
    names = {name.casefold() for name in table.header}
    wanted = {"start_seconds": START, "label": LABEL, "end_seconds (or duration)": (*END, *DURATION)}
    for word, spellings in wanted.items():
        if names.isdisjoint(spellings):
            raise InputError(
                f"{path} has no column {word} ({table.form}); tables need start_seconds, end_seconds or duration, and "
                "label, BORIS's aggregated events are taken as they are"
            )


def _check_one_video(path: Path, rows: list[tuple[int, dict[str, str]]]) -> None:
    for name in MEDIA:
        videos = {row.get(name, "") for _, row in rows} - {""}
        if len(videos) > 1:
            raise InputError(f"{path} is about {len(videos)} videos (column '{name}'); export one file for each video")


def _label(row: Mapping[str, str]) -> str:
    label = _cell(row, LABEL)
    return "" if label.lower() == "n/a" else label


def _cell(row: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((row[name] for name in names if row.get(name)), "")


def _seconds(path: Path, line: int, row: Mapping[str, str], names: tuple[str, ...]) -> float:
    return parse_seconds(_cell(row, names), f"{path}, line {line}", names[0])
