"""The boxes of a track as plain numbers: an hour of a face is 5 MB, where objects would take twenty times as much."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
from jaxtyping import Float64

from ifdd.faces.detection import FaceBox
from ifdd.faces.tracking import TrackPoint

_COLUMNS = 7  # frame, seconds, x, y, width, height, score


class BoxRecorder:
    """Takes in the points of a track as they come, without their landmarks."""

    def __init__(self) -> None:
        self._numbers = array("d")

    def add(self, points: Iterable[TrackPoint]) -> None:
        """Add the next points."""
        for point in points:
            self._numbers.extend((point.frame, point.seconds, *point.box[:5]))

    def boxes(self) -> "Boxes":
        """Return what was taken in."""
        return Boxes(np.array(self._numbers, np.float64).reshape(-1, _COLUMNS))


class Boxes(Sequence[TrackPoint]):
    """A sequence of ``TrackPoint`` that cannot be changed, without landmarks; 56 bytes each.

    Args:
        table: one row for each: frame, seconds, x, y, width, height, score.
    """

    def __init__(self, table: Float64[np.ndarray, "boxes 7"]) -> None:
        self._table = table.view()
        self._table.flags.writeable = False

    @classmethod
    def of(cls, points: Iterable[TrackPoint]) -> "Boxes":
        """Return the boxes of points."""
        recorder = BoxRecorder()
        recorder.add(points)
        return recorder.boxes()

    @property
    def seconds(self) -> Float64[np.ndarray, " boxes"]:
        """Times of the frames."""
        return self._table[:, 1]

    @property
    def seen_frames(self) -> Float64[np.ndarray, " seen"]:
        """Numbers of the frames in which the face was seen."""
        return self._table[self._table[:, 6] > 0, 0]

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, index: int) -> TrackPoint: ...

    @overload
    def __getitem__(self, index: slice) -> "Boxes": ...

    def __getitem__(self, index: int | slice) -> "TrackPoint | Boxes":
        return Boxes(self._table[index]) if isinstance(index, slice) else _point(self._table[index])

    def __iter__(self) -> Iterator[TrackPoint]:
        return map(_point, self._table)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Boxes) and np.array_equal(self._table, other._table)

    def __hash__(self) -> int:
        return hash(self._table.tobytes())

    def __repr__(self) -> str:
        return f"Boxes({len(self)} in frames {self[0].frame} to {self[-1].frame})" if len(self) else "Boxes(none)"


def _point(row: Float64[np.ndarray, " 7"]) -> TrackPoint:
    frame, seconds, *box = row.tolist()
    return TrackPoint(int(frame), seconds, FaceBox(*box))
