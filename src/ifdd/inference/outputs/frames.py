"""A table with one row for each person in each frame: box, label, probabilities, action units."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from ifdd.files import write_pieces
from ifdd.inference.outputs.style import name_of
from ifdd.inference.outputs.tables import class_columns, row_notice, unit_columns
from ifdd.inference.results import RecognizedTrack, Results, Windows
from ifdd.inference.segments import time_course
from ifdd.video.timestamps import TIME_TOLERANCE

ENDING = ".frames.csv"

_FIRST = ("frame", "seconds", "track", "left", "top", "right", "bottom", "score", "label")
_LAST = ("quality", "notice")
"""Columns besides those of classes and action units."""


def write_frames(results: Results, path: Path) -> None:
    """Write the table.

    Raises:
        InputError: the folder cannot be written to.
    """
    write_pieces(path, frame_lines(results), private=True)


class FrameRow(NamedTuple):
    """A person in one frame."""

    frame: int
    seconds: float
    track: int
    box: tuple[float, ...]
    """Left, top, right, bottom in pixels of the first frame, see ``Boxes.xyxy``."""
    score: float
    """Detection score; 0 where the box is predicted."""
    label: str
    """Name of the segment's class; "" where no segment is."""
    probabilities: tuple[float, ...]
    """Of the classes at this moment, combined from the windows around it; empty where no window is."""
    action_units: tuple[float, ...]
    """Intensities at this moment; empty where no window is, or if the model predicts none."""
    quality: float | None
    """Of the face at this moment; None where no window is."""


def frame_lines(results: Results) -> Iterator[str]:
    """Yield the lines of the table, by person, then by frame.

    Probabilities, quality and action units are those of the moment; cells are empty where the person has no window.
    """
    values = [*class_columns(results, (*_FIRST, *_LAST)), *unit_columns(results)]
    yield _line([*_FIRST, *values, *_LAST])
    notice = row_notice(results.model)
    for track in results.tracks:
        for row in frame_rows(results, track):
            corners = [round(edge, 2) for edge in row.box]
            numbers: list[object] = [""] * (len(values) + 1)
            if row.quality is not None:
                numbers = [round(value, 6) for value in (*row.probabilities, *row.action_units, row.quality)]
            known = [row.frame, round(row.seconds, 4), row.track, *corners, round(row.score, 6), row.label]
            yield _line([*known, *numbers, notice])


def frame_rows(results: Results, track: RecognizedTrack) -> Iterator[FrameRow]:
    """Yield a row for every frame of a track."""
    boxes = track.boxes
    measured = _at(track.windows, boxes.seconds)
    labels = _labels(results, track)
    classes = len(results.classes)
    columns = (boxes.frames.tolist(), boxes.seconds.tolist(), boxes.xyxy.tolist(), boxes.scores.tolist(), labels)
    for place, (frame, seconds, box, score, label) in enumerate(zip(*columns, strict=True)):
        values: list[float] = [] if measured is None or np.isnan(measured[place, 0]) else measured[place].tolist()
        yield FrameRow(
            frame=frame,
            seconds=seconds,
            track=track.id,
            box=tuple(box),
            score=score,
            label=label,
            probabilities=tuple(values[:classes]),
            action_units=tuple(values[classes:-1]),
            quality=values[-1] if values else None,
        )


def _at(windows: Windows, seconds: Float64[np.ndarray, " boxes"]) -> Float64[np.ndarray, "boxes values"] | None:
    """Return probabilities, action units and quality at some times; NaN where no window is; None without windows."""
    if not len(windows):
        return None
    course = time_course(windows)
    parts = [course.probabilities]
    if windows.action_units is not None:
        parts.append(time_course(replace(windows, probabilities=windows.action_units)).probabilities)
    table = np.column_stack([*parts, course.quality])
    places = np.searchsorted(course.edges, seconds + TIME_TOLERANCE, side="right") - 1
    found = table[np.clip(places, 0, len(table) - 1)]
    found[(places < 0) | (places >= len(table))] = np.nan
    return found


def _labels(results: Results, track: RecognizedTrack) -> list[str]:
    """Return the label of every frame; "" where there is no segment."""
    labels = [""] * len(track.boxes)
    for segment in track.segments:
        edges = (segment.start_seconds - TIME_TOLERANCE, segment.end_seconds - TIME_TOLERANCE)
        first, last = np.searchsorted(track.boxes.seconds, edges)
        labels[first:last] = [name_of(segment, results.classes)] * int(last - first)
    return labels


def _line(cells: list[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
