"""Tables: the timeline as rows, CSV, Parquet and pandas; frame statistics as CSV."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ifdd.errors import InputError
from ifdd.files import write_pieces
from ifdd.inference.results import FrameStatistics, ModelInfo, RecognizedTrack, Results
from ifdd.parquet import write_parquet
from ifdd.video.timestamps import TIME_TOLERANCE

if TYPE_CHECKING:
    import pandas

SYNTHETIC = "trained on synthetic faces"
"""The notice in every row of a table if the model was trained only on drawn faces."""

_FIRST: dict[str, type] = {
    "track": int,
    "start_seconds": float,
    "end_seconds": float,
    "start_frame": int,
    "end_frame": int,
}
_FILES: dict[str, type] = {"start_file": str, "end_file": str}
_LAST: dict[str, type] = {"quality": float, "notice": str}
"""Columns of the timeline besides those of classes and action units -> type; those of files for folders of images."""

Row = dict[str, int | float | str]

STATISTICS_DIGITS = {"seconds": 4, "shot_change": 6, "best_score": 6, "score": 6, "quality": 4}
"""Column of the frame statistics -> digits after the decimal point."""


def timeline_columns(results: Results) -> dict[str, type]:
    """Return column of the timeline -> its type."""
    values = (*class_columns(results), *unit_columns(results))
    return {**_FIRST, **(_FILES if results.video.files else {}), **dict.fromkeys(values, float), **_LAST}


def class_columns(results: Results, others: Iterable[str] = (*_FIRST, *_FILES, *_LAST)) -> list[str]:
    """Return the columns of the classes: their names, marked where another column or an action unit has the name."""
    others = {*others, *unit_columns(results)}
    return [f"{name} (class)" if name in others else name for name in results.classes]


def unit_columns(results: Results) -> list[str]:
    """Return the columns of the action units, such as AU04 and AU12."""
    return [f"AU{number:02d}" for number in results.model.action_units]


def row_notice(model: ModelInfo) -> str:
    """Return the notice in every row: short where it is that of synthetic training."""
    return SYNTHETIC if model.description.get("synthetic") else model.notice


def timeline_rows(results: Results) -> Iterator[Row]:
    """Yield one row per window, by time, then by track; see ``Recognition.timeline_rows``."""
    tracks = {track.id: track for track in results.tracks}
    notice = row_notice(results.model)
    files = results.video.files
    named = class_columns(results)
    for entry in results.timeline:
        start_frame, end_frame = _frames_between(tracks[entry.track], entry.start_seconds, entry.end_seconds)
        yield {
            "track": entry.track,
            "start_seconds": round(entry.start_seconds, 4),
            "end_seconds": round(entry.end_seconds, 4),
            "start_frame": start_frame,
            "end_frame": end_frame,
            **({"start_file": files[start_frame], "end_file": files[end_frame]} if files else {}),
            **{name: round(value, 6) for name, value in zip(named, entry.probabilities, strict=True)},
            **{name: round(value, 6) for name, value in zip(unit_columns(results), entry.action_units, strict=True)},
            "quality": round(entry.quality, 4),
            "notice": notice,
        }


def _frames_between(track: RecognizedTrack, start_seconds: float, end_seconds: float) -> tuple[int, int]:
    """Return the first and the last frame of a track shown between two times."""
    seconds = track.boxes.seconds
    first = max(0, int(np.searchsorted(seconds, start_seconds + TIME_TOLERANCE, side="right")) - 1)
    last = max(first, int(np.searchsorted(seconds, end_seconds - TIME_TOLERANCE)) - 1)
    return int(track.boxes.frames[first]), int(track.boxes.frames[last])


def csv_pieces(results: Results) -> Iterator[str]:
    """Yield the timeline as CSV line by line."""
    return _csv_lines(timeline_columns(results), timeline_rows(results))


def statistics_pieces(statistics: FrameStatistics, files: Sequence[str] = ()) -> Iterator[str]:
    """Yield the frame statistics as CSV line by line; cells without a measurement are empty.

    Args:
        statistics: the measurements.
        files: name of the file of each frame, in a folder of images.
    """
    columns = {
        "frame": statistics.frames,
        "seconds": statistics.seconds,
        "shot_change": statistics.shot_changes,
        "shot_boundary": statistics.boundaries.astype(int),
        "detections": statistics.detections,
        "best_score": statistics.best_scores,
        "track": statistics.tracks,
        "score": statistics.scores,
        "quality": statistics.quality,
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    lines = (_statistics_row(dict(zip(columns, row, strict=True))) for row in rows)
    if not files:
        return _csv_lines(columns, lines)
    return _csv_lines([*columns, "file"], ({**line, "file": files[int(line["frame"])]} for line in lines))


def _statistics_row(row: Mapping[str, int | float]) -> Row:
    """Round the numbers of a row; values that were not measured become ""."""
    absent = {"detections": -1, "track": 0}
    return {
        name: ""
        if value == absent.get(name) or math.isnan(value)
        else round(value, STATISTICS_DIGITS[name])
        if name in STATISTICS_DIGITS
        else int(value)
        for name, value in row.items()
    }


def _csv_lines(columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.DictWriter(line, list(columns), lineterminator="\n")
    writer.writeheader()
    yield line.getvalue()
    for row in rows:
        line.seek(0)
        line.truncate()
        writer.writerow(row)
        yield line.getvalue()


def write_csv(results: Results, path: Path) -> None:
    """Write the timeline as CSV."""
    write_pieces(path, csv_pieces(results), private=True)


def write_statistics(results: Results, path: Path) -> None:
    """Write the frame statistics as CSV.

    Raises:
        InputError: none were recorded.
    """
    if results.statistics is None:
        raise InputError(f"{path}: these results hold no frame statistics; recognize the video with statistics on")
    write_pieces(path, statistics_pieces(results.statistics, results.video.files), private=True)


def write_timeline_parquet(results: Results, path: Path) -> None:
    """Write the timeline as Parquet.

    Raises:
        InputError: pyarrow is not installed, or the path cannot be written to.
    """
    metadata = {"video": str(results.video.path), "notice": results.model.notice}
    write_parquet(path, timeline_columns(results), timeline_rows(results), metadata, private=True)


def to_dataframe(results: Results) -> "pandas.DataFrame":
    """Return the timeline as a pandas DataFrame.

    Raises:
        InputError: pandas is not installed.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise InputError("a DataFrame needs pandas, which is not installed: pip install 'ifdd[pandas]'") from error
    columns = timeline_columns(results)
    return pandas.DataFrame(list(timeline_rows(results)), columns=list(columns)).astype(columns)
