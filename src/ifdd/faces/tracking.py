"""Following faces from frame to frame.

A track is one person within a shot. Detections are assigned to tracks by overlap with the predicted position, in rounds
as in ByteTrack (Zhang et al., ECCV 2022): confident detections first, then weak ones, which may continue a track but
never start one. Where people meet, appearance decides together with the overlap, as in BoT-SORT (Aharon et al., arXiv
2206.14651), with colours in place of a network; and as in DeepSORT (Wojke et al., ICIP 2017), a face that was hidden is
found again by its appearance where no overlap helps. Positions are smoothed by a critically damped g-h filter
(Brookner, "Tracking and Kalman Filtering Made Easy", 1998, section 1.2), which follows a steady motion without lag and
predicts where a face is while it is not detected.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError
from ifdd.faces.appearance import Appearance, hellinger_distance, person_appearance
from ifdd.faces.detection import FaceBox, intersection, overlap
from ifdd.video.shots import SHOT_THRESHOLD
from ifdd.video.timestamps import TIME_TOLERANCE


@dataclass(frozen=True)
class TrackingOptions:
    """When tracks begin and end, and how much they are smoothed.

    Raises:
        InputError: a value is outside its range.
    """

    detect_every: int | None = None
    """Faces are looked for in every so many frames (about 8 times a second when none is given), and after a cut; in
    between they are taken to move on steadily."""
    start_score: float = 0.5
    """Detector score, 0 to 1, from which a detection may start a track; weaker ones only continue tracks."""
    minimum_overlap: float = 0.2
    """Least overlap (intersection over union of the boxes, both enlarged by half) of a detection with its track."""
    gap_seconds: float = 2.0
    """A face unseen for longer than this ends its track; shorter gaps are bridged."""
    minimum_seconds: float = 0.5
    """Tracks shorter than this are dropped (half the video's length, where that is less)."""
    minimum_share: float = 0.5
    """Least share of the searched frames in which a face is seen, or its track is dropped; judged once, at the first
    sighting after ``minimum_seconds``."""
    smoothing_seconds: float = 0.1
    """Time constant of the smoothing of boxes; 0 leaves them as detected."""
    shot_threshold: float = SHOT_THRESHOLD
    """Difference of colour histograms, 0 to 1, from which two frames belong to different shots; above 1 never."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.detect_every is not None and self.detect_every < 1:
            raise InputError(f"tracking.detect_every must be 1 or more, given {self.detect_every}")
        for name in ("gap_seconds", "minimum_seconds", "smoothing_seconds", "shot_threshold"):
            if not getattr(self, name) >= 0:
                raise InputError(f"tracking.{name} must be 0 or more, given {getattr(self, name)}")
        for name in ("start_score", "minimum_overlap", "minimum_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"tracking.{name} must be between 0 and 1, given {getattr(self, name)}")


SEARCH_SECONDS = 0.12
"""Time between two searches for faces, unless told otherwise: as many frames as fit in it."""


class SearchTurns:
    """Tells which frames are searched for faces.

    Args:
        every: the first of so many frames; None: by time, at most ``SEARCH_SECONDS`` apart where frames are that close;
            where they come unevenly, the next is guessed from the last, and a search may be late by a frame.
    """

    def __init__(self, every: int | None = None) -> None:
        self._every = every
        self._unsearched = 0
        self._searched = -math.inf
        self._before = -math.inf

    def is_turn(self, seconds: float, cut: bool = False) -> bool:
        """Whether the next frame is searched; to be asked about each frame once, in order.

        Args:
            seconds: its time.
            cut: it is the first of a new shot, and searched in any case.
        """
        next_seconds = 2 * seconds - self._before  # if frames keep their distance
        late = next_seconds - self._searched > SEARCH_SECONDS + TIME_TOLERANCE
        turn = cut or (late if self._every is None else self._unsearched == 0)
        self._before = seconds
        if turn:
            self._searched, self._unsearched = seconds, self._every or 1
        self._unsearched -= 1
        return turn


class TrackPoint(NamedTuple):
    """Where a track's face is in one frame."""

    frame: int
    """Number of the frame, from 0."""
    seconds: float
    """Time of the frame."""
    box: FaceBox
    """Smoothed; its score is the detector's, or 0 where the face was not seen and the place is predicted.

    In a frame that was not searched, the place is predicted too; the score is that of the frame before.
    """


class Motion(NamedTuple):
    """Speed of a box's centre in pixels a second."""

    x: float
    y: float


STILL = Motion(0.0, 0.0)


@dataclass
class Track:
    """One face over time."""

    key: int
    """Tells the track from all others of its tracker, from its first frame on."""
    start_seconds: float
    """Time of the first frame."""
    points: list[TrackPoint]
    """One for every frame from the first to the last in which the face was detected, without gaps; only the newest ones
    where the tracker does not keep points.

    While the track is alive, predictions may follow the last sighting; they are removed when it ends unseen.
    """
    id: int = 0
    """Number of the person, from 1, once the track is confirmed; 0 before."""
    seen: int = 1
    """Number of points at which the detector saw the face."""
    looked: int = 1
    """Number of points at which faces were looked for."""
    last_seen: int = 0
    """Position in ``points`` of the last sighting, or of the last frame after it that was not searched."""
    detected_seconds: float = -math.inf
    """Time of the last sighting."""
    end_seconds: float = math.nan
    """Time of the frame after the last point, once the track has ended."""
    motion: Motion = STILL
    """Estimated speed in the newest frame."""
    appearance: Appearance | None = None
    """How the person looked, newer sightings counting more; None where no images were given."""

    @property
    def last_seen_seconds(self) -> float:
        """Time of the last frame in which the face was seen."""
        return self.points[self.last_seen].seconds

    @property
    def box(self) -> FaceBox:
        """The face in the newest frame."""
        return self.points[-1].box

    def settle(self) -> list[TrackPoint]:
        """Remove and return the points before the last sighting, which can no longer change."""
        settled = self.points[: self.last_seen]
        del self.points[: self.last_seen]
        self.last_seen = 0
        return settled


class TrackUpdate(NamedTuple):
    """What one frame did to the tracks."""

    active: list[Track]
    """Tracks that go on, the newly begun among them; the last point of each is this frame's."""
    ended: list[Track]
    """Confirmed tracks that ended before this frame."""
    settled: dict[int, list[TrackPoint]]
    """Key of an active track -> its points that can no longer change; the tracker has given them up. Empty where the
    tracker keeps points."""


class Tracker:
    """Joins the detections of successive frames into tracks.

    Args:
        options: when tracks begin and end.
        keep_points: keep all points of a track in it; otherwise updates hand them over, and memory stays constant.
    """

    def __init__(self, options: TrackingOptions | None = None, keep_points: bool = True) -> None:
        self.options = options or TrackingOptions()
        self._keep_points = keep_points
        self._begun = 0
        self._tracks: list[Track] = []
        self._believed = 0
        self._first_seconds: float | None = None

    def update(
        self,
        frame: int,
        seconds: float,
        detections: Sequence[FaceBox] | None,
        cut: bool = False,
        image: UInt8[np.ndarray, "height width 3"] | None = None,
    ) -> TrackUpdate:
        """Take in one frame; frames must come in order.

        Args:
            frame: number of the frame.
            seconds: its time; later than that of the frame before.
            detections: the faces found in it; None if it was not searched.
            cut: the frame is the first of a new shot: all tracks end before it. Such a frame is to be searched.
            image: the frame, RGB; without it people are told apart by place and motion alone.
        """
        if self._first_seconds is None:
            self._first_seconds = seconds
        lost = [track for track in self._tracks if cut or self._is_lost(track, seconds)]
        ended = self._end(lost, seconds, self.options.minimum_seconds)
        predictions = [_predict(track, seconds) for track in self._tracks]
        if detections is None:
            for track, predicted in zip(self._tracks, predictions, strict=True):
                self._carry_on(track, frame, seconds, predicted)
            return self._update(ended)
        appearances = [None if image is None else person_appearance(image, detection) for detection in detections]
        matches = self._match(predictions, detections, appearances, seconds)
        for index, track in enumerate(self._tracks):
            detection = detections[matches[index]] if index in matches else None
            self._extend(track, frame, seconds, predictions[index], detection)
            if index in matches and _stands_apart(matches[index], detections):
                _remember(track, appearances[matches[index]])
        for index, detection in enumerate(detections):
            if index not in matches.values() and self._is_new_face(detection):
                self._begin(TrackPoint(frame, seconds, detection), appearances[index])
        for track in list(self._tracks):
            self._judge(track, seconds)
        return self._update(ended)

    def _begin(self, point: TrackPoint, appearance: Appearance | None) -> None:
        self._begun += 1
        seconds = point.seconds
        self._tracks.append(Track(self._begun, seconds, [point], detected_seconds=seconds, appearance=appearance))

    def _update(self, ended: list[Track]) -> TrackUpdate:
        settled = {} if self._keep_points else {track.key: track.settle() for track in self._tracks}
        return TrackUpdate(list(self._tracks), ended, settled)

    def finish(self, end_seconds: float) -> list[Track]:
        """End all tracks at the end of the video and return those that lasted long enough to be believed.

        Args:
            end_seconds: the time at which the last frame ends.
        """
        first = end_seconds if self._first_seconds is None else self._first_seconds
        minimum = min(self.options.minimum_seconds, (end_seconds - first) / 2)
        return self._end(list(self._tracks), end_seconds, minimum)

    def _is_lost(self, track: Track, seconds: float) -> bool:
        """Whether a track was unseen for too long; between two frames far apart nobody is unseen."""
        unseen = track.last_seen < len(track.points) - 1
        return unseen and seconds - track.last_seen_seconds > self.options.gap_seconds

    def _end(self, tracks: list[Track], now: float, minimum_seconds: float) -> list[Track]:
        """Take tracks off the list, remove their trailing predictions, and return the believed ones."""
        for track in tracks:
            self._tracks.remove(track)
            unseen = track.points[track.last_seen + 1 :]
            track.end_seconds = unseen[0].seconds if unseen else now
            del track.points[track.last_seen + 1 :]
            if not track.id and track.end_seconds - track.start_seconds >= minimum_seconds:
                self._believe(track)
        return [track for track in tracks if track.id]

    def _judge(self, track: Track, seconds: float) -> None:
        """Decide on a new track at the first sighting after its time of probation: it is believed or dropped."""
        seen_now = track.last_seen == len(track.points) - 1
        if not track.id and seen_now and seconds - track.start_seconds >= self.options.minimum_seconds:
            self._believe(track)
            if not track.id:
                self._tracks.remove(track)

    def _believe(self, track: Track) -> None:
        """Give a track its number if it was seen in enough of its frames."""
        if track.seen >= self.options.minimum_share * track.looked:
            self._believed += 1
            track.id = self._believed

    def _match(
        self,
        predictions: Sequence[FaceBox],
        detections: Sequence[FaceBox],
        appearances: Sequence[Appearance | None],
        seconds: float,
    ) -> dict[int, int]:
        """Return track number -> detection number.

        Sure detections that overlap a prediction choose first, then weak ones, then those that look like somebody who
        was lost; within each round the best match first of all.
        """
        ranks: list[tuple[int, float, int, int]] = []
        for (number, track), (index, detection) in product(enumerate(self._tracks), enumerate(detections)):
            sure, predicted = detection.score >= self.options.start_score, predictions[number]
            unlike = _appearance_distance(track.appearance, appearances[index])
            shared = _shared(predicted, detection)
            if track.box.score == 0 and (unlike or 0.0) > LARGEST_APPEARANCE_DISTANCE:
                continue  # in sight, a person may change: by another light, or a hand before the face
            if self._is_expected(shared):
                ranks.append((_BY_PLACE if sure else _WEAK, (unlike or 0.0) - shared, number, index))
            elif unlike is not None and sure and _can_have_gone(track, predicted, detection, seconds):
                ranks.append((_BY_APPEARANCE, unlike, number, index))
        matches: dict[int, int] = {}
        for _, _, number, index in sorted(ranks):
            if number not in matches and index not in matches.values():
                matches[number] = index
        return matches

    def _is_expected(self, shared: float) -> bool:
        """Whether this overlap tells that a face is where a track was predicted."""
        return bool(shared > 0 and shared >= self.options.minimum_overlap)

    def _extend(self, track: Track, frame: int, seconds: float, predicted: FaceBox, detection: FaceBox | None) -> None:
        """Add a searched frame's point to a track: the detection, smoothed, or the prediction."""
        track.looked += 1
        if detection is None:
            _slow_down(track, seconds)
            track.points.append(TrackPoint(frame, seconds, predicted))
            return
        if not self._is_expected(_shared(predicted, detection)):
            predicted, track.motion = detection, STILL  # found again by its appearance: the jump is no speed
        step = seconds - track.detected_seconds  # after a gap the detection counts more
        box, track.motion = _smooth(predicted, track.motion, detection, step, self.options.smoothing_seconds)
        track.points.append(TrackPoint(frame, seconds, box))
        track.seen += 1
        track.last_seen = len(track.points) - 1
        track.detected_seconds = seconds

    def _carry_on(self, track: Track, frame: int, seconds: float, predicted: FaceBox) -> None:
        """Add the point of a frame that was not searched: a face that was in sight stays so."""
        score = track.box.score
        if score == 0:
            _slow_down(track, seconds)
        track.points.append(TrackPoint(frame, seconds, predicted._replace(score=score)))
        if score > 0:
            track.last_seen = len(track.points) - 1

    def _is_new_face(self, detection: FaceBox) -> bool:
        """Whether a detection left over may start a track: sure, and not a second box on a face just matched."""
        if detection.score < self.options.start_score:
            return False
        return all(track.box.score == 0 or _covered_share(detection, track.box) < _SAME_FACE for track in self._tracks)


LARGEST_APPEARANCE_DISTANCE = 0.65
"""Appearance distance above which a face that comes into sight is not the person who was lost."""

_BY_PLACE, _WEAK, _BY_APPEARANCE = range(3)  # rounds in which detections choose
_REACH = 4.0  # widths of the face that an unseen person may be off the prediction, a second
_SIZE_CHANGE = 0.6  # least ratio of heights at which a face that was lost may be the one that is found
_MEMORY = 0.1  # share that a sighting has in what is remembered of a person's appearance
_TOUCH = 0.1  # overlap of enlarged boxes from which one person's colours may be another's
_COASTING_SECONDS = 0.5  # an unseen face is taken to slow down with this time constant
_SAME_FACE = 0.6  # share of the smaller box inside the other from which two boxes show one face


def _covered_share(a: FaceBox, b: FaceBox) -> float:
    smaller = min(a.width * a.height, b.width * b.height)
    return intersection(a, b) / smaller if smaller > 0 else 1.0


def _enlarge(box: FaceBox) -> FaceBox:
    """Enlarge a box by half."""
    return box._replace(
        x=box.x - box.width / 4, y=box.y - box.height / 4, width=1.5 * box.width, height=1.5 * box.height
    )


def _shared(predicted: FaceBox, detection: FaceBox) -> float:
    """Return the overlap of two boxes, both enlarged by half: a face that moved fast still meets its prediction."""
    return overlap(_enlarge(predicted), _enlarge(detection))


def _appearance_distance(a: Appearance | None, b: Appearance | None) -> float | None:
    """Return the distance of two appearances; None where one is not known."""
    return None if a is None or b is None else hellinger_distance(a, b)


def _can_have_gone(track: Track, predicted: FaceBox, detection: FaceBox, seconds: float) -> bool:
    """Whether a person who is out of sight can have come to where a face was found."""
    away = math.dist(predicted.center, detection.center) / max(predicted.width, detection.width)
    sizes = sorted((predicted.height, detection.height))
    near = away < _REACH * (0.5 + seconds - track.detected_seconds)
    return track.box.score == 0 and near and sizes[0] > _SIZE_CHANGE * sizes[1]


def _stands_apart(number: int, detections: Sequence[FaceBox]) -> bool:
    """Whether nobody else is so near that one hides the other."""
    box = _enlarge(detections[number])
    return all(index == number or overlap(box, _enlarge(other)) < _TOUCH for index, other in enumerate(detections))


def _remember(track: Track, appearance: Appearance | None) -> None:
    if track.appearance is None or appearance is None:
        track.appearance = appearance
    else:
        track.appearance = track.appearance + np.float32(_MEMORY) * (appearance - track.appearance)


def _slow_down(track: Track, seconds: float) -> None:
    decay = math.exp(-(seconds - track.points[-1].seconds) / _COASTING_SECONDS)
    track.motion = Motion(track.motion.x * decay, track.motion.y * decay)


def _predict(track: Track, seconds: float) -> FaceBox:
    step = seconds - track.points[-1].seconds
    box = track.box
    return FaceBox(box.x + track.motion.x * step, box.y + track.motion.y * step, box.width, box.height, 0.0)


def _smooth(
    predicted: FaceBox, motion: Motion, detection: FaceBox, step: float, smoothing_seconds: float
) -> tuple[FaceBox, Motion]:
    """Return the box between prediction and detection, and the new speed; sizes are smoothed without a trend."""
    if smoothing_seconds == 0 or step <= 0:
        return detection, STILL
    memory = math.exp(-step / smoothing_seconds)
    toward, turn = 1 - memory**2, (1 - memory) ** 2 / step
    (x, y), (new_x, new_y) = predicted.center, detection.center
    x, y, error_x, error_y = x + toward * (new_x - x), y + toward * (new_y - y), new_x - x, new_y - y
    width = predicted.width + (1 - memory) * (detection.width - predicted.width)
    height = predicted.height + (1 - memory) * (detection.height - predicted.height)
    box = FaceBox(x - width / 2, y - height / 2, width, height, detection.score, detection.landmarks)
    return box, Motion(motion.x + turn * error_x, motion.y + turn * error_y)
