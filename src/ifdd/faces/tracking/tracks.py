"""Tracks as plain data: one person within a shot, frame by frame."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ifdd.faces.appearance import Appearance
from ifdd.faces.boxes import FaceBox
from ifdd.faces.tracking.motion import STILL, Motion, predict

_APPEARANCE_GAIN = 0.1  # weight of a new detection in a track's appearance


class TrackPoint(NamedTuple):
    """The face of a track in one frame."""

    frame: int
    """Number of the frame, from 0."""
    seconds: float
    """Time of the frame."""
    box: FaceBox
    """Smoothed; its score is the detector's, or 0 if the face was not detected and the box is predicted.

    In a frame that was not searched, the box is predicted too; its score is that of the previous frame.
    """


@dataclass
class Track:
    """One person within a shot."""

    key: int
    """Identifies the track in its tracker from its first frame on."""
    start_seconds: float
    """Time of the first frame."""
    points: list[TrackPoint]
    """One for every frame from the first to the last in which the face was detected, without gaps; only the newest ones
    if the tracker does not keep points.

    While the track is active, predicted points may follow the last detection; they are removed when the track ends.
    """
    id: int = 0
    """Number of the person, from 1, once the track is confirmed; 0 before."""
    detected: int = 1
    """Number of points at which the face was detected."""
    searched: int = 1
    """Number of points whose frame was searched."""
    last_visible: int = 0
    """Position in ``points`` of the last detection, or of the last unsearched frame after it."""
    detected_seconds: float = -math.inf
    """Time of the last detection."""
    end_seconds: float = math.nan
    """Time of the frame after the last point, once the track has ended."""
    motion: Motion = STILL
    """Estimated velocity in the newest frame."""
    appearance: Appearance | None = None
    """Running mean over the detections; None if the tracker was given no images."""

    @property
    def last_visible_seconds(self) -> float:
        """Time of the last frame in which the face was detected, or of the last unsearched frame after it."""
        return self.points[self.last_visible].seconds

    @property
    def box(self) -> FaceBox:
        """The face in the newest frame."""
        return self.points[-1].box

    @property
    def is_visible(self) -> bool:
        """Whether the face was detected in the newest searched frame."""
        return self.box.score > 0

    def predict(self, seconds: float) -> FaceBox:
        """Return the predicted box at a time after the newest frame."""
        return predict(self.box, self.motion, seconds - self.points[-1].seconds)

    def coast(self, seconds: float) -> None:
        """Slow the motion down up to a time, because the face is not detected."""
        self.motion = self.motion.decayed(seconds - self.points[-1].seconds)

    def remember(self, appearance: Appearance | None) -> None:
        """Include the appearance at a new detection."""
        if self.appearance is None or appearance is None:
            self.appearance = appearance
        else:
            self.appearance = self.appearance + np.float32(_APPEARANCE_GAIN) * (appearance - self.appearance)

    def settle(self) -> list[TrackPoint]:
        """Remove and return the points before the last detection, which can no longer change."""
        settled = self.points[: self.last_visible]
        del self.points[: self.last_visible]
        self.last_visible = 0
        return settled
