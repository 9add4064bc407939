"""A table with one row for each person in each frame: box, label, probabilities, action units."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from ifdd.files import write_pieces
from ifdd.inference.outputs.style import name_of
from ifdd.inference.outputs.tables import SYNTHETIC, class_columns, unit_columns
from ifdd.inference.results import RecognizedTrack, Results, Windows
from ifdd.inference.segments import time_course
from ifdd.video.timestamps import TIME_TOLERANCE

ENDING = ".frames.csv"

_FIRST = ("frame", "seconds", "track", "left", "top", "right", "bottom", "score", "label")


def write_frames(results: Results, path: Path) -> None:
    """Write the table.

    Raises:
        InputError: the folder cannot be written to.
    """
    write_pieces(path, frame_lines(results), private=True)


def frame_lines(results: Results) -> Iterator[str]:
    """Yield the lines of the table, by person, then by frame.

    Probabilities, quality and action units are those of the moment, combined from the windows around it; cells are
    empty where the person has no window.
    """
    values = [*class_columns(results), *unit_columns(results)]
    yield _line([*_FIRST, *values, "quality", "notice"])
    notice = SYNTHETIC if results.model.notice else ""
    for track in results.tracks:
        for row in _rows(results, track, len(values)):
            yield _line([*row, notice])


def _rows(results: Results, track: RecognizedTrack, width: int) -> Iterator[list[object]]:
    boxes = track.boxes
    measured = _at(track.windows, boxes.seconds)
    labels = _labels(results, track)
    columns = (boxes.frames.tolist(), boxes.seconds.tolist(), boxes.xyxy.tolist(), boxes.scores.tolist(), labels)
    for place, (frame, seconds, box, score, label) in enumerate(zip(*columns, strict=True)):
        if measured is None or np.isnan(measured[place, 0]):
            numbers: list[object] = [""] * (width + 1)
        else:
            numbers = [round(float(value), 6) for value in measured[place]]
        corners = [round(float(edge), 2) for edge in box]
        yield [frame, round(seconds, 4), track.id, *corners, round(score, 6), label, *numbers]


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
