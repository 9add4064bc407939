"""Where the one face is that a clip is about: found now and then, followed, and filled in between.

A clip of a benchmark has one label, so one face must be chosen in each shot: the one that is largest and nearest to
the middle for the longest time.
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
"""Time between two searches for faces; a cut is followed by one at once."""

HOLD_SECONDS = 1.0
"""Frames further than this from the last and the next sighting of the face do not show it."""

SMOOTHING_SECONDS = 0.12
"""Standard deviation of the smoothing of the face's course in time, which has no lag."""

ROLL_SECONDS = 0.3
"""Time between two looks at how far the head leans, which take a look or two more."""

LARGEST_ROLL = 60.0
"""Beyond it (degrees), the line through the eyes is one of a face in profile, or wrong."""

UPRIGHT_DEGREES = 4.0
"""A crop in which the eyes are this level is upright."""

UPRIGHT_SIDE = 160
"""Side in pixels of the crops in which eyes are looked for."""

TRACKING = TrackingOptions(gap_seconds=1.0, minimum_seconds=0.2, smoothing_seconds=0.0)
"""Clips are short and so are their shots; smoothing follows later, when both sides of a moment are known."""


class Place(NamedTuple):
    """Where the face is in one frame."""

    frame: int
    box: FaceBox
    """In pixels; the score is 0."""
    roll: float
    """Degrees by which the head leans clockwise in the image; 0 where the detector finds no eyes."""


@dataclass
class Search:
    """What looking for faces in a clip found."""

    width: int = 0
    height: int = 0
    seconds: list[float] = field(default_factory=list)
    """Time of every frame."""
    shots: list[int] = field(default_factory=list)
    """First frame of every shot."""
    looked: list[int] = field(default_factory=list)
    """The frames that were searched."""
    people: int = 0
    """Most faces followed at the same time."""
    tracks: list[Track] = field(default_factory=list)
    """Every face that was followed."""


def search_faces(frames: Iterable[Frame], detector: FaceDetector) -> Search:
    """Look for faces about every ``DETECTION_SECONDS`` and follow them; every frame is looked at for cuts.

    Args:
        frames: of the whole clip, at least one.
        detector: what finds faces.
    """
    search = Search()
    tracker, cuts = Tracker(TRACKING), ShotBoundaryDetector()
    last_look, last_roll, step = -math.inf, -math.inf, DETECTION_SECONDS
    for frame in frames:
        search.height, search.width = frame.image.shape[:2]
        if search.seconds:
            step = frame.seconds - search.seconds[-1]
        search.seconds.append(frame.seconds)
        cut = cuts.is_boundary(frame.image)
        if cut or not search.shots:
            search.shots.append(frame.index)
        # half a frame early is nearer to the interval than half a frame late
        if cut or frame.seconds - last_look > DETECTION_SECONDS - step / 2:
            last_look = frame.seconds
            search.looked.append(frame.index)
            boxes = detector.detect(frame.image)
            if cut or frame.seconds - last_roll > ROLL_SECONDS - step / 2:
                last_roll = frame.seconds
                boxes = _with_exact_eyes(frame.image, boxes, detector)
            else:
                boxes = [box._replace(landmarks=None) for box in boxes]
            update = tracker.update(frame.index, frame.seconds, boxes, cut)
            search.tracks += update.ended
    search.tracks += tracker.finish(search.seconds[-1] + max(step, DETECTION_SECONDS))
    search.people = _most_at_once(search.tracks)
    return search


def find_eyes(image: UInt8[np.ndarray, "height width 3"], box: FaceBox, detector: FaceDetector) -> Landmarks | None:
    """Return the landmarks of a face as found in an enlarged crop in which it is upright; None if there are none.

    Detectors take heads for more upright than they are, the more so the smaller they are: YuNet says 0 to 20 degrees of
    heads 45 pixels high that lean by 30. What is left in the turned crop is found, turned and looked at again.

    Args:
        image: RGB.
        box: the face, with the landmarks that the detector found in the whole image.
        detector: what found it.
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


def sightings(track: Track) -> list[TrackPoint]:
    """Return the points at which the detector saw the face."""
    return [point for point in track.points if point.box.score > 0]


def choose_tracks(search: Search) -> list[list[Track]]:
    """Return for each shot the tracks of its main face, in order of time; an empty list where nobody is seen.

    The main face has the greatest sum over its sightings of height times nearness to the middle. A further track joins
    it if it lies before or after in time and in the same place: the face was lost and found again.
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
    """Return where the main face is, for every frame that shows it, in order; none if no shot has a face."""
    ends = [*search.shots[1:], len(search.seconds)]
    places: list[Place] = []
    for first, end, tracks in zip(search.shots, ends, choose_tracks(search), strict=True):
        points = [point for track in tracks for point in sightings(track)]
        if points:
            places += _course(points, range(first, end), search.seconds)
    return places


def _with_exact_eyes(
    image: UInt8[np.ndarray, "height width 3"], boxes: Sequence[FaceBox], detector: FaceDetector
) -> list[FaceBox]:
    """Return the boxes with landmarks looked at closely, those at least half as high as the largest; others have none.

    The main face is hardly ever smaller, and a crowd would take long.
    """
    highest = max((box.height for box in boxes), default=0.0)
    return [
        box._replace(landmarks=find_eyes(image, box, detector) if box.height >= highest / 2 else None) for box in boxes
    ]


def _from_crop(point: tuple[float, float], box: FaceBox, roll: float) -> tuple[float, float]:
    """Return where in the image a point of its crop is."""
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
    return sum(_nearness(point.box, search) * point.box.height for point in sightings(track))


def _nearness(box: FaceBox, search: Search) -> float:
    """Return 1 in the middle of the picture, and a quarter in its corners."""
    x, y = box.center
    off = math.hypot(x / search.width - 0.5, y / search.height - 0.5) / math.hypot(0.5, 0.5)
    return 0.25 ** min(off, 1.0) ** 2


def _continues(track: Track, taken: Sequence[Track]) -> bool:
    """Whether a track is before or after all those taken, and begins or ends about where the nearest one does."""
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
    """Whether two boxes may show one person who moved on unseen: near, and of about the same size."""
    (ax, ay), (bx, by) = a.center, b.center
    size = max(a.height, b.height)
    return math.hypot(ax - bx, ay - by) < size and min(a.height, b.height) > 0.6 * size


def _course(points: Sequence[TrackPoint], frames: range, seconds: Sequence[float]) -> list[Place]:
    """Return the places in the frames of a shot that are near enough to a sighting."""
    times = np.array(seconds[frames.start : frames.stop])
    seen = np.array([point.seconds for point in points])
    values = _between(times, seen, np.array([[*p.box.center, p.box.width, p.box.height] for p in points]))
    known = [
        (p.seconds, roll) for p in points if p.box.landmarks and (roll := head_roll(p.box.landmarks)) is not None
    ] or [(0.0, 0.0)]
    rolls = _between(times, np.array([time for time, _ in known]), np.array([[roll] for _, roll in known]))
    away = _away(times, seen)
    smooth = _smooth(np.concatenate([values, rolls], axis=1), times)
    return [
        Place(frame, FaceBox(x - width / 2, y - height / 2, width, height, 0.0), angle)
        for frame, gap, (x, y, width, height, angle) in zip(frames, away.tolist(), smooth.tolist(), strict=True)
        if gap <= HOLD_SECONDS
    ]


def _away(times: Float[np.ndarray, " frames"], seen: Float[np.ndarray, " points"]) -> Float[np.ndarray, " frames"]:
    """Return the time from every frame to the nearest sighting."""
    bounds = np.concatenate([[-np.inf], seen, [np.inf]])
    after = np.searchsorted(seen, times) + 1
    return np.minimum(times - bounds[after - 1], bounds[after] - times)


def _between(
    times: Float[np.ndarray, " frames"], seen: Float[np.ndarray, " points"], values: Float[np.ndarray, "points columns"]
) -> Float[np.ndarray, "frames columns"]:
    return np.stack([np.interp(times, seen, column) for column in values.T], axis=1)


def head_roll(landmarks: Landmarks) -> float | None:
    """Return the angle of the line through the eyes in degrees, None if it is too steep to be true."""
    angle = _slope(landmarks)
    return angle if abs(angle) <= LARGEST_ROLL else None


def _slope(landmarks: Landmarks) -> float:
    (right_x, right_y), (left_x, left_y) = landmarks.right_eye, landmarks.left_eye
    return math.degrees(math.atan2(left_y - right_y, left_x - right_x))


def _smooth(
    values: Float[np.ndarray, "frames columns"], times: Float[np.ndarray, " frames"]
) -> Float[np.ndarray, "frames columns"]:
    """Smooth columns over time by a Gaussian; beyond the ends, motion goes on."""
    steps = [after - before for before, after in pairwise(times.tolist())]
    if not steps or not float(np.median(steps)) > 0:
        return values
    sigma = SMOOTHING_SECONDS / float(np.median(steps))
    reach = math.ceil(3 * sigma)
    longer = np.pad(values, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    smooth = cv2.GaussianBlur(longer[:, None], (1, 2 * reach + 1), 1.0, sigmaY=sigma)
    return np.asarray(smooth, float).reshape(longer.shape)[reach:-reach]
