"""Measurements of every frame, for tuning thresholds."""

import math
from array import array
from collections.abc import Mapping, Sequence

import numpy as np

from ifdd.faces.boxes import FaceBox
from ifdd.faces.tracking import Track
from ifdd.inference.results import FrameStatistics


class StatisticsRecorder:
    """Collects the measurements of successive frames, 72 bytes per face and frame."""

    COLUMNS = 9  # those of FrameStatistics, with the key of the track for its id

    def __init__(self) -> None:
        self._numbers = array("d")
        self._ids: dict[int, int] = {}  # key of a track -> its id

    def add(
        self,
        frame: int,
        seconds: float,
        shot_change: float,
        boundary: bool,
        faces: Sequence[FaceBox] | None,
        tracks: Sequence[Track],
        qualities: Mapping[int, float],
    ) -> None:
        """Add the next frame.

        Args:
            frame: its number.
            seconds: its time.
            shot_change: histogram distance to the previous frame.
            boundary: whether it begins a shot.
            faces: the faces detected in it; None if it was not searched.
            tracks: the tracks in it.
            qualities: key of a track -> quality of its face in the frame.
        """
        detections = -1 if faces is None else len(faces)
        best = max((face.score for face in faces or ()), default=math.nan)
        head = (frame, seconds, shot_change, boundary, detections, best)
        for track in tracks:
            self._ids[track.key] = track.id
            self._numbers.extend((*head, track.key, track.box.score, qualities[track.key]))
        if not tracks:
            self._numbers.extend((*head, 0, math.nan, math.nan))

    def identify(self, track: Track) -> None:
        """Record the final id of a track."""
        self._ids[track.key] = track.id

    def statistics(self) -> FrameStatistics:
        """Return the measurements so far."""
        table = np.array(self._numbers, np.float64).reshape(-1, self.COLUMNS)
        keys = table[:, 6].astype(np.int64)
        return FrameStatistics(
            frames=table[:, 0].astype(np.int64),
            seconds=table[:, 1],
            shot_changes=table[:, 2],
            boundaries=table[:, 3] > 0,
            detections=table[:, 4].astype(np.int64),
            best_scores=table[:, 5],
            tracks=np.array([self._ids.get(key, 0) for key in keys.tolist()], np.int64),
            scores=table[:, 7],
            quality=table[:, 8],
        )
