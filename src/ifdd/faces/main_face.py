"""The main face of a clip: detected at intervals, tracked, and interpolated.

A benchmark clip has one label, so one face must be selected in each shot: the one that is largest and most central for
longest.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from ifdd.faces.boxes import FaceBox, Landmarks
from ifdd.faces.detection import FaceDetector
from ifdd.faces.landmarks import ROLL_SECONDS, find_landmarks, refine_landmarks
from ifdd.faces.path import Place, box_path, landmark_path
from ifdd.faces.similarity import Alignment
from ifdd.faces.tracking import Track, Tracker, TrackingOptions, TrackPoint
from ifdd.faces.upright.search import FaceSearch
from ifdd.video.fitting import fit_into
from ifdd.video.frames import Frame
from ifdd.video.shots import ShotBoundaryDetector

DETECTION_SECONDS = 0.1
"""Default interval between searches for faces; a shot boundary triggers one immediately."""

TRACKING = TrackingOptions(gap_seconds=1.0, minimum_seconds=0.2, smoothing_seconds=0.0)
"""For short shots; without smoothing, which follows later, when past and future are known."""


@dataclass
class Search:
    """The result of searching a clip for faces."""

    width: int = 0
    """Of the first frame, in whose pixels everything is; frames of other sizes are fitted into it."""
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


def search_faces(
    frames: Iterable[Frame],
    detector: FaceDetector,
    alignment: Alignment = "box",
    interval_seconds: float = DETECTION_SECONDS,
) -> Search:
    """Search for faces at intervals and track them; check every frame for a shot boundary.

    Args:
        frames: all frames of the clip, at least one.
        detector: the face detector.
        alignment: what the crops need: "landmarks" measures them in every searched frame; "box" measures only the roll
            of heads, about every ``ROLL_SECONDS``.
        interval_seconds: time from one search to the next, rounded to whole frames.
    """
    search = Search()
    tracker, shots = Tracker(TRACKING), ShotBoundaryDetector(gradual=False)
    faces = FaceSearch(detector)
    last_search, last_roll, step = -math.inf, -math.inf, interval_seconds
    for frame in frames:
        size = (frame.image.shape[1], frame.image.shape[0])
        if not search.seconds:
            search.width, search.height = size
        else:
            step = frame.seconds - search.seconds[-1]
        search.seconds.append(frame.seconds)
        boundary = shots.is_boundary(frame.image, frame.seconds)
        if boundary or not search.shots:
            search.shots.append(frame.index)
        # rounds the interval to the nearest frame
        if boundary or frame.seconds - last_search > interval_seconds - step / 2:
            last_search = frame.seconds
            search.searched.append(frame.index)
            boxes = faces.search(frame.image, frame.seconds, boundary)
            if alignment == "landmarks":
                boxes = _with_landmarks(frame.image, boxes, detector, refine_landmarks)
            elif boundary or frame.seconds - last_roll > ROLL_SECONDS - step / 2:
                last_roll = frame.seconds
                boxes = _with_landmarks(frame.image, boxes, detector, find_landmarks)
            else:
                boxes = [box._replace(landmarks=None) for box in boxes]
            fit = fit_into(size, (search.width, search.height))
            update = tracker.update(frame.index, frame.seconds, [box.placed(fit) for box in boxes], boundary)
            search.tracks += update.ended
    search.tracks += tracker.finish(search.seconds[-1] + max(step, interval_seconds))
    search.people = _most_at_once(search.tracks)
    return search


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


def follow_face(search: Search, alignment: Alignment = "box") -> list[Place]:
    """Return the main face in every frame that shows it, in order; empty if no shot has a face.

    Args:
        search: the result of ``search_faces`` with the same alignment.
        alignment: the square to crop: around the face's box, or given by its landmarks.
    """
    path = landmark_path if alignment == "landmarks" else box_path
    ends = [*search.shots[1:], len(search.seconds)]
    places: list[Place] = []
    for first, end, tracks in zip(search.shots, ends, choose_tracks(search), strict=True):
        points = [point for track in tracks for point in detected_points(track)]
        if points:
            places += path(points, range(first, end), search.seconds)
    return places


def _with_landmarks(
    image: UInt8[np.ndarray, "height width 3"],
    boxes: Sequence[FaceBox],
    detector: FaceDetector,
    find: Callable[[np.ndarray, FaceBox, FaceDetector], Landmarks | None],
) -> list[FaceBox]:
    """Return the boxes, with refined landmarks for those at least half as high as the highest, without for others.

    The main face is hardly ever smaller, and refining a crowd would take long.
    """
    highest = max((box.height for box in boxes), default=0.0)
    return [box._replace(landmarks=find(image, box, detector) if box.height >= highest / 2 else None) for box in boxes]


def _most_at_once(tracks: Sequence[Track]) -> int:
    steps = [(track.points[0].frame, 1) for track in tracks] + [(track.points[-1].frame + 1, -1) for track in tracks]
    now = most = 0
    for _, step in sorted(steps):
        now += step
        most = max(most, now)
    return most


def _prominence(track: Track, search: Search) -> float:
    boxes = [point.box for point in detected_points(track)]
    return sum(_centrality(box, search.width, search.height) * box.height for box in boxes)


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
