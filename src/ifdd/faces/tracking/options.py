"""The options of tracking, and which frames are searched for faces."""

import math
from dataclasses import dataclass

from ifdd.errors import check_range
from ifdd.video.shots import SHOT_THRESHOLD
from ifdd.video.timestamps import TIME_TOLERANCE


@dataclass(frozen=True)
class TrackingOptions:
    """When tracks begin and end, and how strongly they are smoothed.

    Raises:
        InputError: a value is outside its range.
    """

    detect_every: int | None = None
    """Search for faces in every n-th frame (default: about 8 times a second) and at every shot boundary; their motion
    is predicted in between."""
    start_score: float = 0.5
    """Detector score, 0 to 1, from which a detection may start a track; weaker ones only continue tracks."""
    minimum_overlap: float = 0.2
    """Minimum overlap (intersection over union of the boxes, both enlarged by half) of a detection with its track."""
    gap_seconds: float = 2.0
    """A track ends if its face is not detected for longer than this; shorter gaps are bridged."""
    minimum_seconds: float = 0.5
    """Tracks shorter than this are dropped (or than half the video, if that is shorter)."""
    minimum_share: float = 0.5
    """A track is dropped if its face is detected in a smaller share of the searched frames; decided once, at the first
    detection after ``minimum_seconds``."""
    smoothing_seconds: float = 0.1
    """Time constant of the smoothing of boxes; 0 leaves them as detected."""
    shot_threshold: float = SHOT_THRESHOLD
    """Distance of colour histograms, 0 to 1, from which two frames belong to different shots; above 1 never."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range("tracking.detect_every", self.detect_every, at_least=1)
        for name in ("gap_seconds", "minimum_seconds", "smoothing_seconds", "shot_threshold"):
            check_range(f"tracking.{name}", getattr(self, name), at_least=0)
        for name in ("start_score", "minimum_overlap", "minimum_share"):
            check_range(f"tracking.{name}", getattr(self, name), at_least=0, at_most=1)


SEARCH_SECONDS = 0.12
"""Longest time between two searches for faces by default."""


class SearchSchedule:
    """Decides which frames are searched for faces.

    Args:
        every: search every n-th frame; None searches by time, at most ``SEARCH_SECONDS`` apart if frames are that
            close. The next frame's time is extrapolated, so at an uneven frame rate a search may be one frame late.
    """

    def __init__(self, every: int | None = None) -> None:
        self._every = every
        self._unsearched = 0
        self._searched_seconds = -math.inf
        self._previous_seconds = -math.inf

    def is_due(self, seconds: float, boundary: bool = False) -> bool:
        """Whether to search the next frame; call it once for each frame, in order.

        Args:
            seconds: time of the frame.
            boundary: the frame is the first of a new shot; it is always searched.
        """
        next_seconds = 2 * seconds - self._previous_seconds  # if the frame rate is even
        late = next_seconds - self._searched_seconds > SEARCH_SECONDS + TIME_TOLERANCE
        due = boundary or (late if self._every is None else self._unsearched == 0)
        self._previous_seconds = seconds
        if due:
            self._searched_seconds, self._unsearched = seconds, self._every or 1
        self._unsearched -= 1
        return due
