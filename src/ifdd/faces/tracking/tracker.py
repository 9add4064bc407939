"""Tracking: from the detections of successive frames to tracks.

A track is one person within a shot. Detections are assigned to tracks by overlap with the predicted position, in rounds
as in ByteTrack (Zhang et al., ECCV 2022): confident detections first, then weak ones, which may continue a track but
never start one. Where people meet, appearance decides together with the overlap, as in BoT-SORT (Aharon et al., arXiv
2206.14651), with colours in place of a network. As in DeepSORT (Wojke et al., ICIP 2017), a face that was hidden is
re-identified by its appearance if it overlaps no prediction. ``matching`` holds the assignment, ``motion`` the filter.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from ifdd.faces.appearance import Appearance, person_appearance
from ifdd.faces.boxes import FaceBox
from ifdd.faces.tracking.matching import enlarged_overlap, is_expected, match, stands_apart, starts_track
from ifdd.faces.tracking.motion import STILL, smooth
from ifdd.faces.tracking.options import TrackingOptions
from ifdd.faces.tracking.tracks import Track, TrackPoint


class TrackUpdate(NamedTuple):
    """How one frame changed the tracks."""

    active: list[Track]
    """Tracks that continue or begin; the last point of each belongs to this frame."""
    ended: list[Track]
    """Confirmed tracks that ended before this frame."""
    settled: dict[int, list[TrackPoint]]
    """Key of an active track -> points that were removed from it because they can no longer change; empty if the
    tracker keeps points."""


class Tracker:
    """Joins the detections of successive frames into tracks.

    Args:
        options: when tracks begin and end.
        keep_points: keep all points in their tracks; otherwise ``update`` returns them, and memory stays constant.

    Example:
        >>> from ifdd.faces import FaceBox, Tracker
        >>> tracker = Tracker()
        >>> for frame in range(25):
        ...     _ = tracker.update(frame, frame / 25, [FaceBox(100.0 + 2 * frame, 80.0, 40.0, 50.0, score=0.9)])
        >>> [(track.id, track.start_seconds, track.end_seconds) for track in tracker.finish(end_seconds=1.0)]
        [(1, 0.0, 1.0)]
    """

    def __init__(self, options: TrackingOptions | None = None, keep_points: bool = True) -> None:
        self.options = options or TrackingOptions()
        self._keep_points = keep_points
        self._begun = 0
        self._tracks: list[Track] = []
        self._confirmed = 0
        self._first_seconds: float | None = None

    def update(
        self,
        frame: int,
        seconds: float,
        detections: Sequence[FaceBox] | None,
        boundary: bool = False,
        image: UInt8[np.ndarray, "height width 3"] | None = None,
    ) -> TrackUpdate:
        """Process one frame; frames must come in order.

        Args:
            frame: number of the frame.
            seconds: its time, after that of the previous frame.
            detections: the faces detected in it; None if it was not searched.
            boundary: the frame is the first of a new shot: all tracks end before it. Search such a frame.
            image: the frame, RGB; without it, only position and motion distinguish people.
        """
        if self._first_seconds is None:
            self._first_seconds = seconds
        lost = [track for track in self._tracks if boundary or self._is_lost(track, seconds)]
        ended = self._end(lost, seconds, self.options.minimum_seconds)
        predictions = [track.predict(seconds) for track in self._tracks]
        if detections is None:
            for track, predicted in zip(self._tracks, predictions, strict=True):
                _extend_unsearched(track, frame, seconds, predicted)
            return self._update(ended)
        appearances = [None if image is None else person_appearance(image, detection) for detection in detections]
        matches = match(self._tracks, predictions, detections, appearances, seconds, self.options)
        for index, track in enumerate(self._tracks):
            detection = detections[matches[index]] if index in matches else None
            self._extend(track, frame, seconds, predictions[index], detection)
            if index in matches and stands_apart(matches[index], detections):
                track.remember(appearances[matches[index]])
        for index, detection in enumerate(detections):
            if index not in matches.values() and starts_track(detection, self._tracks, self.options):
                self._begin(TrackPoint(frame, seconds, detection), appearances[index])
        for track in list(self._tracks):
            self._judge(track, seconds)
        return self._update(ended)

    def finish(self, end_seconds: float) -> list[Track]:
        """End all tracks at the end of the video and return the confirmed ones.

        Args:
            end_seconds: end of the last frame.
        """
        first = end_seconds if self._first_seconds is None else self._first_seconds
        minimum = min(self.options.minimum_seconds, (end_seconds - first) / 2)
        return self._end(list(self._tracks), end_seconds, minimum)

    def _begin(self, point: TrackPoint, appearance: Appearance | None) -> None:
        self._begun += 1
        seconds = point.seconds
        self._tracks.append(Track(self._begun, seconds, [point], detected_seconds=seconds, appearance=appearance))

    def _update(self, ended: list[Track]) -> TrackUpdate:
        settled = {} if self._keep_points else {track.key: track.settle() for track in self._tracks}
        return TrackUpdate(list(self._tracks), ended, settled)

    def _is_lost(self, track: Track, seconds: float) -> bool:
        """Whether a face was not detected for too long; a long interval between two frames does not count."""
        missed = track.last_visible < len(track.points) - 1
        return missed and seconds - track.last_visible_seconds > self.options.gap_seconds

    def _end(self, tracks: list[Track], now: float, minimum_seconds: float) -> list[Track]:
        """End tracks, remove their trailing predictions, and return the confirmed ones."""
        for track in tracks:
            self._tracks.remove(track)
            missed = track.points[track.last_visible + 1 :]
            track.end_seconds = missed[0].seconds if missed else now
            del track.points[track.last_visible + 1 :]
            if not track.id and track.end_seconds - track.start_seconds >= minimum_seconds:
                self._confirm(track)
        return [track for track in tracks if track.id]

    def _judge(self, track: Track, seconds: float) -> None:
        """Confirm or drop a track at its first detection after ``minimum_seconds``."""
        is_visible = track.last_visible == len(track.points) - 1
        if not track.id and is_visible and seconds - track.start_seconds >= self.options.minimum_seconds:
            self._confirm(track)
            if not track.id:
                self._tracks.remove(track)

    def _confirm(self, track: Track) -> None:
        """Give a track its id if its face was detected in enough of the searched frames."""
        if track.detected >= self.options.minimum_share * track.searched:
            self._confirmed += 1
            track.id = self._confirmed

    def _extend(self, track: Track, frame: int, seconds: float, predicted: FaceBox, detection: FaceBox | None) -> None:
        """Add the point of a searched frame: the smoothed detection, or the prediction."""
        track.searched += 1
        if detection is None:
            track.coast(seconds)
            track.points.append(TrackPoint(frame, seconds, predicted))
            return
        if not is_expected(enlarged_overlap(predicted, detection), self.options):
            predicted, track.motion = detection, STILL  # re-identified by appearance: the jump is not a velocity
        step = seconds - track.detected_seconds
        box, track.motion = smooth(predicted, track.motion, detection, step, self.options.smoothing_seconds)
        track.points.append(TrackPoint(frame, seconds, box))
        track.detected += 1
        track.last_visible = len(track.points) - 1
        track.detected_seconds = seconds


def _extend_unsearched(track: Track, frame: int, seconds: float, predicted: FaceBox) -> None:
    """Add the point of an unsearched frame: a face that was detected before still counts as visible."""
    score = track.box.score
    if score == 0:
        track.coast(seconds)
    track.points.append(TrackPoint(frame, seconds, predicted._replace(score=score)))
    if score > 0:
        track.last_visible = len(track.points) - 1
