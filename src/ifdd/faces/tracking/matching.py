"""Assignment of detections to tracks, by overlap and by appearance."""

import math
from collections.abc import Sequence
from itertools import product

from ifdd.faces.appearance import Appearance, hellinger_distance
from ifdd.faces.boxes import FaceBox, intersection, overlap
from ifdd.faces.tracking.options import TrackingOptions
from ifdd.faces.tracking.tracks import Track

LARGEST_APPEARANCE_DISTANCE = 0.65
"""Appearance distance above which a reappearing face is a different person."""

_BY_PLACE, _WEAK, _BY_APPEARANCE = range(3)  # rounds of the assignment
_REACH = 4.0  # distance from the prediction that an undetected person may cover, in face widths per second
_SIZE_RATIO = 0.6  # smallest ratio of heights at which a reappearing face may be the lost one
_CONTACT = 0.1  # overlap of enlarged boxes from which the colours of one person may belong to another
_SAME_FACE = 0.6  # share of the smaller box inside the other from which two boxes show one face


def match(
    tracks: Sequence[Track],
    predictions: Sequence[FaceBox],
    detections: Sequence[FaceBox],
    appearances: Sequence[Appearance | None],
    seconds: float,
    options: TrackingOptions,
) -> dict[int, int]:
    """Return position of a track -> position of its detection.

    The assignment is greedy, best match first, in three rounds: confident detections that overlap a prediction, weak
    ones that do, and confident ones that resemble a person who is no longer detected.

    Args:
        tracks: the active tracks.
        predictions: their boxes as predicted for the frame.
        detections: the faces detected in the frame.
        appearances: those of the detections; None without images.
        seconds: time of the frame.
        options: score and overlap from which detections count.
    """
    ranks: list[tuple[int, float, int, int]] = []
    for (number, track), (index, detection) in product(enumerate(tracks), enumerate(detections)):
        confident, predicted = detection.score >= options.start_score, predictions[number]
        distance = _appearance_distance(track.appearance, appearances[index])
        shared = enlarged_overlap(predicted, detection)
        if not track.is_visible and (distance or 0.0) > LARGEST_APPEARANCE_DISTANCE:
            continue  # a visible person may change: through light, or a hand in front of the face
        if is_expected(shared, options):
            ranks.append((_BY_PLACE if confident else _WEAK, (distance or 0.0) - shared, number, index))
        elif distance is not None and confident and _is_reachable(track, predicted, detection, seconds):
            ranks.append((_BY_APPEARANCE, distance, number, index))
    matches: dict[int, int] = {}
    for _, _, number, index in sorted(ranks):
        if number not in matches and index not in matches.values():
            matches[number] = index
    return matches


def is_expected(shared: float, options: TrackingOptions) -> bool:
    """Whether an overlap is large enough for a detection to be where a track was predicted."""
    return bool(shared > 0 and shared >= options.minimum_overlap)


def enlarged_overlap(predicted: FaceBox, detection: FaceBox) -> float:
    """Return the overlap of two boxes, both enlarged by half, so that a fast face still overlaps its prediction."""
    return overlap(_enlarge(predicted), _enlarge(detection))


def stands_apart(number: int, detections: Sequence[FaceBox]) -> bool:
    """Whether no other detection is close enough to cover part of the person."""
    box = _enlarge(detections[number])
    return all(index == number or overlap(box, _enlarge(other)) < _CONTACT for index, other in enumerate(detections))


def starts_track(detection: FaceBox, tracks: Sequence[Track], options: TrackingOptions) -> bool:
    """Whether an unmatched detection starts a track: confident, and not a second box on the face of a track."""
    if detection.score < options.start_score:
        return False
    return all(not track.is_visible or _covered_share(detection, track.box) < _SAME_FACE for track in tracks)


def _covered_share(a: FaceBox, b: FaceBox) -> float:
    """Return the share of the smaller box that lies inside the other."""
    smaller = min(a.width * a.height, b.width * b.height)
    return intersection(a, b) / smaller if smaller > 0 else 1.0


def _enlarge(box: FaceBox) -> FaceBox:
    """Enlarge a box by half."""
    return box._replace(
        x=box.x - box.width / 4, y=box.y - box.height / 4, width=1.5 * box.width, height=1.5 * box.height
    )


def _appearance_distance(a: Appearance | None, b: Appearance | None) -> float | None:
    """Return the distance of two appearances; None if one is unknown."""
    return None if a is None or b is None else hellinger_distance(a, b)


def _is_reachable(track: Track, predicted: FaceBox, detection: FaceBox, seconds: float) -> bool:
    """Whether a person who is no longer detected can have moved to a detection."""
    away = math.dist(predicted.center, detection.center) / max(predicted.width, detection.width)
    sizes = sorted((predicted.height, detection.height))
    near = away < _REACH * (0.5 + seconds - track.detected_seconds)
    return not track.is_visible and near and sizes[0] > _SIZE_RATIO * sizes[1]
