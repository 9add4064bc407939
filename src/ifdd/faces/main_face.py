"""The main face of a clip: detected at intervals, tracked, and interpolated.

A benchmark clip has one label, so one face must be selected in each shot: the one that is largest and most central for
longest.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from ifdd.faces.detection import CROP_FACTOR, FaceBox, FaceDetector, Landmarks, crop_face
from ifdd.faces.tracking import Track, Tracker, TrackingOptions, TrackPoint
from ifdd.video.frames import Frame
from ifdd.video.shots import ShotBoundaryDetector

DETECTION_SECONDS = 0.1
"""Interval between searches for faces; a shot boundary triggers one immediately."""

HOLD_SECONDS = 1.0
"""Frames further than this from the nearest detection of the face are taken not to show it."""

SMOOTHING_SECONDS = 0.12
"""Standard deviation of the temporal smoothing of the face's path, which has no lag."""

ROLL_SECONDS = 0.3
"""Interval between measurements of the head's roll, each of which needs one or two more detections."""

LARGEST_ROLL = 60.0
"""Larger angles of the line through the eyes come from profiles or errors (degrees)."""

UPRIGHT_DEGREES = 4.0
"""A crop whose eyes deviate from the horizontal by less than this is upright."""

UPRIGHT_SIDE = 160
"""Side in pixels of the crops in which eyes are detected."""

TRACKING = TrackingOptions(gap_seconds=1.0, minimum_seconds=0.2, smoothing_seconds=0.0)
"""For short shots; without smoothing, which follows later, when past and future are known."""


class Place(NamedTuple):
    """The face in one frame."""

    frame: int
    box: FaceBox
    """In pixels; the score is 0."""
    roll: float
    """Clockwise roll of the head in degrees; 0 if the detector finds no eyes."""


@dataclass
class Search:
    """The result of searching a clip for faces."""

    width: int = 0
    height: int = 0
    seconds: list[float] = field(default_factory=list)
    """Timestamp of every frame."""
    shots: list[int] = field(default_factory=list)
    """First frame of every shot."""
    searched: list[int] = field(default_factory=list)
    """The searched frames."""
    people: int = 0
    """Largest number of simultaneous tracks."""
    tracks: list[Track] = field(default_factory=list)
    """All tracks."""


def search_faces(frames: Iterable[Frame], detector: FaceDetector) -> Search:
    """Search for faces about every ``DETECTION_SECONDS`` and track them; check every frame for a shot boundary.

    Args:
        frames: all frames of the clip, at least one.
        detector: the face detector.
    """
    search = Search()
    tracker, shots = Tracker(TRACKING), ShotBoundaryDetector(gradual=False)
    last_search, last_roll, step = -math.inf, -math.inf, DETECTION_SECONDS
    for frame in frames:
        search.height, search.width = frame.image.shape[:2]
        if search.seconds:
            step = frame.seconds - search.seconds[-1]
        search.seconds.append(frame.seconds)
        boundary = shots.is_boundary(frame.image, frame.seconds)
        if boundary or not search.shots:
            search.shots.append(frame.index)
        # rounds the interval to the nearest frame
        if boundary or frame.seconds - last_search > DETECTION_SECONDS - step / 2:
            last_search = frame.seconds
            search.searched.append(frame.index)
            boxes = detector.detect(frame.image)
            if boundary or frame.seconds - last_roll > ROLL_SECONDS - step / 2:
                last_roll = frame.seconds
                boxes = _with_exact_eyes(frame.image, boxes, detector)
            else:
                boxes = [box._replace(landmarks=None) for box in boxes]
            update = tracker.update(frame.index, frame.seconds, boxes, boundary)
            search.tracks += update.ended
    search.tracks += tracker.finish(search.seconds[-1] + max(step, DETECTION_SECONDS))
    search.people = _most_at_once(search.tracks)
    return search


def find_eyes(image: UInt8[np.ndarray, "height width 3"], box: FaceBox, detector: FaceDetector) -> Landmarks | None:
    """Return the landmarks of a face, detected in an enlarged, upright crop; None if there are none.

    Detectors underestimate roll, more so in small faces: YuNet reports 0 to 20 degrees for heads 45 pixels high with a
    roll of 30. The crop is therefore aligned and searched repeatedly until the remaining angle is small.

    Args:
        image: RGB.
        box: the face, with the landmarks detected in the whole image.
        detector: the face detector.
    """
    landmarks = box.landmarks
    for _ in range(3):
        roll = None if landmarks is None else head_roll(landmarks)
        if roll is None:
            return None
        found = detector.detect(crop_face(image, box, UPRIGHT_SIDE, roll))
        middle = [face for face in found if math.dist(face.center, [UPRIGHT_SIDE / 2] * 2) < UPRIGHT_SIDE / 4]
        face = max(middle, key=lambda face: face.score, default=None)
        if face is None or face.landmarks is None:
            return landmarks
        landmarks = Landmarks(*(_from_crop(point, box, roll) for point in face.landmarks))
        if abs(_slope(face.landmarks)) < UPRIGHT_DEGREES:
            break
    return landmarks


def most_prominent_face(boxes: Sequence[FaceBox], width: int, height: int) -> FaceBox | None:
    """Return the main face of one image: the one with the largest height times centrality; None if there is no face.

    Args:
        boxes: the faces.
        width: width of the image.
        height: height of the image.
    """
    return max(boxes, key=lambda box: box.height * _centrality(box, width, height), default=None)


def detected_points(track: Track) -> list[TrackPoint]:
    """Return the points of a track at which the face was detected."""
    return [point for point in track.points if point.box.score > 0]


def choose_tracks(search: Search) -> list[list[Track]]:
    """Return the tracks of the main face for each shot, in order of time; an empty list if no face was found.

    The main face maximises the sum, over its detections, of height times centrality. Another track is added if it comes
    before or after in time and is in the same place: the face was lost and found again.
    """
    ends = [*search.shots[1:], len(search.seconds)]
    chosen = []
    for first, end in zip(search.shots, ends, strict=True):
        tracks = [track for track in search.tracks if first <= track.points[0].frame < end]
        taken: list[Track] = []
        for track in sorted(tracks, key=lambda track: -_prominence(track, search)):
            if not taken or _continues(track, taken):
                taken.append(track)
        chosen.append(sorted(taken, key=lambda track: track.points[0].frame))
    return chosen


def follow_face(search: Search) -> list[Place]:
    """Return the main face in every frame that shows it, in order; empty if no shot has a face."""
    ends = [*search.shots[1:], len(search.seconds)]
    places: list[Place] = []
    for first, end, tracks in zip(search.shots, ends, choose_tracks(search), strict=True):
        points = [point for track in tracks for point in detected_points(track)]
        if points:
            places += _path(points, range(first, end), search.seconds)
    return places


def _with_exact_eyes(
    image: UInt8[np.ndarray, "height width 3"], boxes: Sequence[FaceBox], detector: FaceDetector
) -> list[FaceBox]:
    """Return the boxes, with refined landmarks for those at least half as high as the highest, without for others.

    The main face is hardly ever smaller, and refining a crowd would take long.
    """
    highest = max((box.height for box in boxes), default=0.0)
    return [
        box._replace(landmarks=find_eyes(image, box, detector) if box.height >= highest / 2 else None) for box in boxes
    ]


def _from_crop(point: tuple[float, float], box: FaceBox, roll: float) -> tuple[float, float]:
    """Map a point in a face's crop to the image."""
    scale = CROP_FACTOR * max(box.width, box.height) / UPRIGHT_SIDE
    across, down = scale * math.cos(math.radians(roll)), scale * math.sin(math.radians(roll))
    x, y = point[0] - UPRIGHT_SIDE / 2, point[1] - UPRIGHT_SIDE / 2
    return box.center[0] + across * x - down * y, box.center[1] + down * x + across * y


def _most_at_once(tracks: Sequence[Track]) -> int:
    steps = [(track.points[0].frame, 1) for track in tracks] + [(track.points[-1].frame + 1, -1) for track in tracks]
    now = most = 0
    for _, step in sorted(steps):
        now += step
        most = max(most, now)
    return most


def _prominence(track: Track, search: Search) -> float:
    return sum(
        _centrality(point.box, search.width, search.height) * point.box.height for point in detected_points(track)
    )


def _centrality(box: FaceBox, width: int, height: int) -> float:
    """Return 1 at the centre of the image, falling to a quarter in its corners."""
    x, y = box.center
    off = math.hypot(x / width - 0.5, y / height - 0.5) / math.hypot(0.5, 0.5)
    return 0.25 ** min(off, 1.0) ** 2


def _continues(track: Track, taken: Sequence[Track]) -> bool:
    """Whether a track comes before or after all those taken, and begins or ends near the closest one in time."""
    first, last = track.points[0], track.points[-1]
    gaps = []
    for other in taken:
        if first.frame > other.points[-1].frame:
            gaps.append((first.frame - other.points[-1].frame, _is_same_place(first.box, other.points[-1].box)))
        elif last.frame < other.points[0].frame:
            gaps.append((other.points[0].frame - last.frame, _is_same_place(last.box, other.points[0].box)))
        else:
            return False
    return min(gaps)[1]


def _is_same_place(a: FaceBox, b: FaceBox) -> bool:
    """Whether two boxes may show the same person after a gap: close to each other and of similar size."""
    (ax, ay), (bx, by) = a.center, b.center
    size = max(a.height, b.height)
    return math.hypot(ax - bx, ay - by) < size and min(a.height, b.height) > 0.6 * size


def _path(points: Sequence[TrackPoint], frames: range, seconds: Sequence[float]) -> list[Place]:
    """Return the face in the frames of a shot that are close enough to a detection."""
    times = np.array(seconds[frames.start : frames.stop])
    detected = np.array([point.seconds for point in points])
    values = _between(times, detected, np.array([[*p.box.center, p.box.width, p.box.height] for p in points]))
    known = [
        (p.seconds, roll) for p in points if p.box.landmarks and (roll := head_roll(p.box.landmarks)) is not None
    ] or [(0.0, 0.0)]
    rolls = _between(times, np.array([time for time, _ in known]), np.array([[roll] for _, roll in known]))
    away = _away(times, detected)
    smooth = _smooth(np.concatenate([values, rolls], axis=1), times)
    return [
        Place(frame, FaceBox(x - width / 2, y - height / 2, width, height, 0.0), angle)
        for frame, gap, (x, y, width, height, angle) in zip(frames, away.tolist(), smooth.tolist(), strict=True)
        if gap <= HOLD_SECONDS
    ]


def _away(times: Float[np.ndarray, " frames"], detected: Float[np.ndarray, " points"]) -> Float[np.ndarray, " frames"]:
    """Return the time from every frame to the nearest detection."""
    bounds = np.concatenate([[-np.inf], detected, [np.inf]])
    after = np.searchsorted(detected, times) + 1
    return np.minimum(times - bounds[after - 1], bounds[after] - times)


def _between(
    times: Float[np.ndarray, " frames"],
    known: Float[np.ndarray, " points"],
    values: Float[np.ndarray, "points columns"],
) -> Float[np.ndarray, "frames columns"]:
    return np.stack([np.interp(times, known, column) for column in values.T], axis=1)


def head_roll(landmarks: Landmarks) -> float | None:
    """Return the angle of the line through the eyes in degrees; None if it is implausibly steep."""
    angle = _slope(landmarks)
    return angle if abs(angle) <= LARGEST_ROLL else None


def _slope(landmarks: Landmarks) -> float:
    (right_x, right_y), (left_x, left_y) = landmarks.right_eye, landmarks.left_eye
    return math.degrees(math.atan2(left_y - right_y, left_x - right_x))


def _smooth(
    values: Float[np.ndarray, "frames columns"], times: Float[np.ndarray, " frames"]
) -> Float[np.ndarray, "frames columns"]:
    """Smooth columns over time with a Gaussian; motion is extrapolated beyond the ends."""
    steps = [after - before for before, after in pairwise(times.tolist())]
    if not steps or not float(np.median(steps)) > 0:
        return values
    sigma = SMOOTHING_SECONDS / float(np.median(steps))
    reach = math.ceil(3 * sigma)
    longer = np.pad(values, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    smooth = cv2.GaussianBlur(longer[:, None], (1, 2 * reach + 1), 1.0, sigmaY=sigma)
    return np.asarray(smooth, float).reshape(longer.shape)[reach:-reach]
