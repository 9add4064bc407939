"""What recognising a video gives: people, probabilities over time, segments; as objects, tables and files."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ifdd.errors import InputError
from ifdd.faces.tracking import TrackPoint
from ifdd.inference.boxes import Boxes
from ifdd.inference.segments import Segment, TimelineEntry
from ifdd.video.timestamps import TIME_TOLERANCE

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas

SCHEMA_VERSION = "1.2"
"""Version of the JSON form; the first number changes when a field changes or goes."""

SYNTHETIC = "trained on synthetic faces: a demonstration"
"""What every row of a table says of a model that has seen drawn faces only."""


@dataclass(frozen=True)
class RecognizedVideo:
    """The video that was read."""

    path: str
    """As it was given."""
    duration_seconds: float
    """From the start of the first frame to the end of the last."""
    frames: int
    """Number of frames."""
    fps: float
    """Frames a second on average."""
    damaged: int = 0
    """Packets, frames and images that were passed over or had to be repaired."""
    notices: tuple[str, ...] = ()
    """What was wrong with it, in one line each."""
    start_seconds: float = 0.0
    """Time of the first frame on the clock of a player; not 0 where the sound begins before the picture or reading
    starts later."""

    @property
    def end_seconds(self) -> float:
        """End of the last frame on the clock of a player."""
        return self.start_seconds + self.duration_seconds


@dataclass(frozen=True)
class RecognizedTrack:
    """One person between two cuts."""

    id: int
    """Number of the person, from 1, in order of appearance."""
    start_seconds: float
    """Time of the first frame with the face."""
    end_seconds: float
    """End of the last frame with the face."""
    boxes: Boxes
    """The face in every frame from the first to the last; score 0 where it was not seen but predicted."""


@dataclass(frozen=True)
class Recognition:
    """The expressions of the people in one video. All times are seconds from the video's first frame."""

    video: RecognizedVideo
    """The video."""
    model: dict[str, Any]
    """What read it: name, size and origin of the checkpoint, the face detector, notices."""
    classes: tuple[str, ...]
    """Class names in the order of the probabilities."""
    tracks: tuple[RecognizedTrack, ...]
    """The people, by id; empty where no face was found."""
    timeline: tuple[TimelineEntry, ...]
    """What was read in each window, by time, then by track."""
    segments: tuple[Segment, ...]
    """Stretches of one expression, by track, then by time."""
    cuts_seconds: tuple[float, ...] = ()
    """Times of the first frames after a cut, where they are known."""

    @property
    def face_share(self) -> float:
        """Share of the video's frames in which a face of some track was seen, 0 to 1."""
        seen = [track.boxes.seen_frames for track in self.tracks]
        return len(np.unique(np.concatenate(seen))) / self.video.frames if seen else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: seconds to 0.1 ms, pixels to 0.01, scores and probabilities to 1e-6.

        An hour of video may take some GB in this form; ``write`` and ``json_pieces`` need none of it.
        """
        return {
            **self._head_to_dict(),
            "tracks": [
                {**_track_to_dict(track), "boxes": [_point_to_dict(point) for point in track.boxes]}
                for track in self.tracks
            ],
            "timeline": [_entry_to_dict(entry) for entry in self.timeline],
            "segments": [_segment_to_dict(segment) for segment in self.segments],
        }

    def to_json(self) -> str:
        """Return the JSON form as text."""
        return "".join(self.json_pieces())

    def json_pieces(self) -> Iterator[str]:
        """Yield the JSON form piece by piece; each box, window and segment has a line of its own."""
        yield "{\n"
        for name, value in self._head_to_dict().items():
            yield f'"{name}": {_dump(value)},\n'
        yield '"tracks": '
        yield from _array(_track_pieces(track) for track in self.tracks)
        yield ',\n"timeline": '
        yield from _array([_dump(_entry_to_dict(entry))] for entry in self.timeline)
        yield ',\n"segments": '
        yield from _array([_dump(_segment_to_dict(segment))] for segment in self.segments)
        yield "\n}\n"

    def _head_to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "video": {
                "path": self.video.path,
                "start_seconds": round(self.video.start_seconds, 4),
                "duration_seconds": round(self.video.duration_seconds, 4),
                "frames": self.video.frames,
                "fps": round(self.video.fps, 4),
                "damaged": self.video.damaged,
                "notices": list(self.video.notices),
            },
            "cuts_seconds": [round(seconds, 4) for seconds in self.cuts_seconds],
            "model": self.model,
            "classes": list(self.classes),
        }

    @property
    def table_columns(self) -> dict[str, type]:
        """The timeline's columns as a table, and their types."""
        first = {"track": int, "start_seconds": float, "end_seconds": float, "start_frame": int, "end_frame": int}
        return {**first, **dict.fromkeys(self.classes, float), "quality": float, "notice": str}

    def timeline_rows(self) -> Iterator[dict[str, int | float | str]]:
        """Yield the timeline as flat rows, one for each window of each person.

        They hold track, start_seconds, end_seconds, start_frame and end_frame (the first and the last frame that is
        on screen in the window), the probability of each class, quality (how well the face can be read, 0 to 1), and
        notice: what the model is not fit for, or "".
        """
        boxes = {track.id: track.boxes for track in self.tracks}
        notice = SYNTHETIC if "notice" in self.model else ""
        for entry in self.timeline:
            seconds = boxes[entry.track].seconds
            first = max(0, int(np.searchsorted(seconds, entry.start_seconds + TIME_TOLERANCE, side="right")) - 1)
            last = max(first, int(np.searchsorted(seconds, entry.end_seconds - TIME_TOLERANCE)) - 1)
            yield {
                "track": entry.track,
                "start_seconds": round(entry.start_seconds, 4),
                "end_seconds": round(entry.end_seconds, 4),
                "start_frame": boxes[entry.track][first].frame,
                "end_frame": boxes[entry.track][last].frame,
                **{name: round(value, 6) for name, value in zip(self.classes, entry.probabilities, strict=True)},
                "quality": round(entry.quality, 4),
                "notice": notice,
            }

    def to_csv(self) -> str:
        """Return the timeline as CSV text; a video without faces gives the header alone."""
        return "".join(self.csv_pieces())

    def csv_pieces(self) -> Iterator[str]:
        """Yield the timeline as CSV line by line."""
        line = io.StringIO()
        writer = csv.DictWriter(line, list(self.table_columns), lineterminator="\n")
        writer.writeheader()
        yield line.getvalue()
        for row in self.timeline_rows():
            line.seek(0)
            line.truncate()
            writer.writerow(row)
            yield line.getvalue()

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return the timeline as a table of pandas, with the columns of ``timeline_rows``.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise InputError("a DataFrame needs pandas, which is not here: pip install 'ifdd[pandas]'") from error
        columns = self.table_columns
        return pandas.DataFrame(list(self.timeline_rows()), columns=list(columns)).astype(columns)

    def plot(self) -> "matplotlib.figure.Figure":
        """Draw who shows what when, as a figure of matplotlib.

        Raises:
            InputError: matplotlib is not installed.
        """
        from ifdd.inference.outputs.plot import plot_timeline

        return plot_timeline(self)

    def write(self, path: str | Path) -> None:
        """Write the results in the form that the path's ending names, whole or not at all.

        .json: everything. .csv, .parquet: the timeline. .vtt, .srt: captions. .eaf (ELAN), .textgrid (Praat):
        the segments. .png, .svg: the plot. .mp4: the video, read once more, with what was found drawn into it.

        Raises:
            InputError: the ending is another one, a library that the form needs is not installed, the path cannot
                be written to, or (.mp4) the video cannot be read again.
        """
        from ifdd.inference.outputs.write import write

        write(self, Path(path))


_dump = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _array(items: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield a JSON array of items that come in pieces."""
    mark = "["
    for item in items:
        yield mark + "\n"
        yield from item
        mark = ","
    yield "[]" if mark == "[" else "\n]"


def _track_pieces(track: RecognizedTrack) -> Iterator[str]:
    yield _dump(_track_to_dict(track)).removesuffix("}") + ', "boxes": '
    yield from _array([_dump(_point_to_dict(point))] for point in track.boxes)
    yield "}"


def _track_to_dict(track: RecognizedTrack) -> dict[str, int | float]:
    return {
        "id": track.id,
        "start_seconds": round(track.start_seconds, 4),
        "end_seconds": round(track.end_seconds, 4),
    }


def _entry_to_dict(entry: TimelineEntry) -> dict[str, Any]:
    return {
        "track": entry.track,
        "start_seconds": round(entry.start_seconds, 4),
        "end_seconds": round(entry.end_seconds, 4),
        "probabilities": [round(probability, 6) for probability in entry.probabilities],
        "quality": round(entry.quality, 4),
        "flaw": entry.flaw,
    }


def _segment_to_dict(segment: Segment) -> dict[str, Any]:
    return {
        "track": segment.track,
        "start_seconds": round(segment.start_seconds, 4),
        "end_seconds": round(segment.end_seconds, 4),
        "label": segment.label,
        "probability": round(segment.probability, 6),
        "peak_seconds": None if segment.peak_seconds is None else round(segment.peak_seconds, 4),
        "quality": round(segment.quality, 4),
        "confidence": round(segment.confidence, 6),
        "flaw": segment.flaw,
    }


def _point_to_dict(point: TrackPoint) -> dict[str, int | float]:
    box = point.box
    return {
        "frame": point.frame,
        "seconds": round(point.seconds, 4),
        "x": round(box.x, 2),
        "y": round(box.y, 2),
        "width": round(box.width, 2),
        "height": round(box.height, 2),
        "score": round(box.score, 6),
    }
