"""The path of a face through a shot, from the frames in which it was detected: interpolated and smoothed."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float

from ifdd.faces.boxes import CropSquare, FaceBox, box_square, wrap_degrees
from ifdd.faces.landmarks import LARGEST_ROLL, head_roll
from ifdd.faces.similarity import absolute_square, plausible_square, relative_square
from ifdd.faces.tracking import TrackPoint

HOLD_SECONDS = 1.0
"""Frames further than this from the nearest detection of the face are taken not to show it."""

SMOOTHING_SECONDS = 0.12
"""Standard deviation of the temporal smoothing of the face's path, which has no lag."""

MEDIAN_COUNT = 5
"""Number of successive measurements of landmarks whose median is used: half a second of them."""


class Place(NamedTuple):
    """The face in one frame."""

    frame: int
    box: FaceBox
    """In pixels; the score is 0."""
    square: CropSquare
    """What the crop shows, in pixels; without roll if the detector finds no eyes."""


def box_path(points: Sequence[TrackPoint], frames: range, seconds: Sequence[float]) -> list[Place]:
    """Return the face in the frames of a shot that are close enough to a detection, with the square of ``crop_face``.

    Args:
        points: where the face was detected, at least one, in order of time; some may have landmarks, for the roll.
        frames: the frames of the shot.
        seconds: time of every frame of the clip.
    """
    times, detected = _times(points, frames, seconds)
    values = _between(times, detected, _box_values(points))
    points = settle_turn(points)
    known = [
        (p.seconds, roll)
        for p in points
        if p.box.landmarks and (roll := head_roll(p.box.landmarks, p.box.turn)) is not None
    ] or [(0.0, points[-1].box.turn)]
    angles = np.unwrap([[roll] for _, roll in known], axis=0, period=360.0)
    rolls = _between(times, np.array([time for time, _ in known]), angles)
    rows = _smooth(np.concatenate([values, rolls], axis=1), times)
    boxes = [_box(row[:4]) for row in rows]
    squares = [box_square(box, float(row[4])) for box, row in zip(boxes, rows, strict=True)]
    return _near_detections(frames, boxes, squares, times, detected)


def landmark_path(points: Sequence[TrackPoint], frames: range, seconds: Sequence[float]) -> list[Place]:
    """Return the same with the squares that landmarks give, relative to the box a median over ``MEDIAN_COUNT`` of them.

    Where landmarks are missing or implausible, the square lies to the box as it does before and after; if all are
    missing, it is the default square.

    Args:
        points: where the face was detected, at least one, in order of time.
        frames: the frames of the shot.
        seconds: time of every frame of the clip.
    """
    points = settle_turn(points)
    times, detected = _times(points, frames, seconds)
    boxes = [_box(row) for row in _smooth(_between(times, detected, _box_values(points)), times)]
    relative = _median(_relative_squares(points, detected))
    measured = [absolute_square(row, point.box) for row, point in zip(relative, points, strict=True)]
    rows = _between(times, detected, np.array([[s.x, s.y, math.log(s.side), s.roll] for s in measured]))
    rows = _smooth(rows, times)
    squares = [CropSquare(x, y, math.exp(log_side), roll) for x, y, log_side, roll in rows.tolist()]
    return _near_detections(frames, boxes, squares, times, detected)


def settle_turn(points: Sequence[TrackPoint]) -> list[TrackPoint]:
    """Return the points with the turn of the last one, which the most sightings support.

    Landmarks that were found another way up are dropped.
    """
    last = points[-1].box
    return [
        point
        if abs(wrap_degrees(point.box.turn - last.turn)) <= LARGEST_ROLL
        else point._replace(box=point.box._replace(landmarks=None, turn=last.turn))
        for point in points
    ]


def _times(
    points: Sequence[TrackPoint], frames: range, seconds: Sequence[float]
) -> tuple[Float[np.ndarray, " frames"], Float[np.ndarray, " points"]]:
    """Return the times of the frames and of the detections."""
    return np.array(seconds[frames.start : frames.stop]), np.array([point.seconds for point in points])


def _box_values(points: Sequence[TrackPoint]) -> Float[np.ndarray, "points 4"]:
    return np.array([[*point.box.center, point.box.width, point.box.height] for point in points])


def _box(row: Float[np.ndarray, "4"]) -> FaceBox:
    x, y, width, height = row.tolist()
    return FaceBox(x - width / 2, y - height / 2, width, height, 0.0)


def _near_detections(
    frames: range,
    boxes: Sequence[FaceBox],
    squares: Sequence[CropSquare],
    times: Float[np.ndarray, " frames"],
    detected: Float[np.ndarray, " points"],
) -> list[Place]:
    near = _away(times, detected) <= HOLD_SECONDS
    return [
        Place(*place) for place, is_near in zip(zip(frames, boxes, squares, strict=True), near, strict=True) if is_near
    ]


def _relative_squares(
    points: Sequence[TrackPoint], detected: Float[np.ndarray, " points"]
) -> Float[np.ndarray, "points 4"]:
    """Return the square at every detection, relative to the box; missing ones are interpolated."""
    squares = [plausible_square(point.box.landmarks, point.box) for point in points]
    known = [i for i, square in enumerate(squares) if square is not None]
    if not known:
        return np.array([[0.0, 0.0, 0.0, points[-1].box.turn]] * len(points))
    rows = np.array([relative_square(s, p.box) for s, p in zip(squares, points, strict=True) if s is not None])
    rows[:, 3] = np.unwrap(rows[:, 3], period=360.0)
    return _between(detected, detected[known], rows)


def _median(rows: Float[np.ndarray, "points columns"]) -> Float[np.ndarray, "points columns"]:
    """Return the running median over ``MEDIAN_COUNT`` rows; over fewer at both ends.

    It removes outliers and keeps steps and ramps, such as those of a jaw that drops, which makes the box longer.
    """
    reach = MEDIAN_COUNT // 2
    return np.array([np.median(rows[max(0, i - reach) : i + reach + 1], axis=0) for i in range(len(rows))])


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
