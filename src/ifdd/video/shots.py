"""Shot boundaries: hard cuts, dissolves and fades."""

import math
from collections import deque
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from ifdd.video.fitting import has_same_shape
from ifdd.video.timestamps import TIME_TOLERANCE

SHOT_THRESHOLD = 0.2
"""Distance between the colour histograms of two frames, 0 to 1, from which they belong to different shots."""

SMALLEST_DIFFERENCE = 8.0
"""Mean difference of the pixels, of 255 levels, below which two frames belong to the same shot."""

SAME_EDGES = 0.8
"""Agreement of the edges of two successive frames from which they show one scene in different light."""

SAME_SCENE = 0.9
"""Correlation of the ends of a dissolve from which they show one scene. Edges would not do: mixtures share theirs."""

FADING_SCENE, FADING_SHARE, FADING_STEP = 0.4, 0.95, 1.0
"""A picture that fades to black keeps this correlation with what it was, and this share of its values falls. As long
as their mean falls by this many of 255 levels per frame, the boundary is still to come."""

DISSOLVING_SECONDS = 0.4
"""Length of the window in which dissolves and fades are detected."""

DISSOLVED = 2.0
"""Multiple of the threshold by which a dissolve changes the histogram within the window."""

LARGEST_BEND = 0.25
"""Largest deviation of the middle frame of a dissolve from the mean of the outer ones, relative to their difference."""

LONGEST_SECONDS = 1.0
"""Longest time from the first sign of a dissolve or fade to its end."""

SHORTEST_SECONDS = 0.1
"""Shortest time between two boundaries; a fade would have a second one at its black frame."""


class _Thumbnail(NamedTuple):
    """What the detector remembers of a frame."""

    size: tuple[int, int]

    seconds: float
    small: UInt8[np.ndarray, "64 64 3"]
    colours: Float32[np.ndarray, "8 8 8"]


class ShotBoundaryDetector:
    """Finds the first frame of each new shot; of a dissolve or fade, a frame near the middle.

    Hard cuts: two measures of successive frames must agree, the Bhattacharyya distance of their colour histograms (8
    levels for each of R, G, B) and the mean difference of their pixels. The histogram alone mistakes a plain wall that
    darkens slightly for a boundary, the pixels alone a fast movement. On eight real videos, the measures stay below
    0.13 and 13 of 255 levels within shots, and exceed 0.25 and 26 at all three hard cuts.

    Dissolves and fades: over 0.4 s each pixel changes linearly from one picture to another, so the middle frame is the
    mean of the outer ones, which motion never causes (the idea of Petersohn, "Dissolve shot boundary determination",
    2004). The boundary is reported within 0.25 s of the middle or, while the old picture darkens, when it is gone; only
    if frames are at most 0.1 s apart.

    In both cases the pictures must differ by more than their light. A lamp or a flash is not a boundary, because edges
    stay in place. Doubtful cases count as boundaries: a flash that overexposes nearly the whole picture, or light that
    dims slowly while much moves. A false boundary gives one person two ids; a missed one gives two people one id.

    A picture of another shape, as of a telephone that was turned, begins a shot too.

    Args:
        threshold: histogram distance, 0 to 1, from which a frame starts a shot.
        gradual: detect dissolves and fades too; otherwise only hard cuts, however close to each other.

    >>> import numpy as np
    >>> from ifdd.video import ShotBoundaryDetector
    >>> detector = ShotBoundaryDetector()
    >>> red, blue = (np.full((90, 160, 3), colour, np.uint8) for colour in ((200, 30, 30), (30, 30, 200)))
    >>> [detector.is_boundary(image, index / 25) for index, image in enumerate([red, red, blue, blue])]
    [False, False, True, False]
    """

    def __init__(self, threshold: float = SHOT_THRESHOLD, *, gradual: bool = True) -> None:
        self.threshold = threshold
        self.gradual = gradual
        self.last_score = 0.0
        """Histogram distance between the newest frame and the previous one, 0 to 1; 0 for the first frame."""
        self._thumbnails: deque[_Thumbnail] = deque()
        self._boundary_seconds = -math.inf

    def is_boundary(self, image: UInt8[np.ndarray, "height width 3"], seconds: float) -> bool:
        """Whether an RGB frame starts a new shot; the very first frame does not.

        Args:
            image: the next frame.
            seconds: its time.
        """
        small = _shrink(image)
        now = _Thumbnail(
            (image.shape[1], image.shape[0]),
            seconds,
            small,
            cv2.calcHist([small], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3),
        )
        before = self._thumbnails[-1] if self._thumbnails else None
        self.last_score = 0.0 if before is None else _distance(before, now)
        hard = before is not None and (not has_same_shape(before.size, now.size) or self._is_hard(before, now))
        if not self.gradual:
            self._thumbnails = deque([now])
            return hard
        if hard:
            self._thumbnails.clear()
        self._remember(now)
        least = SHORTEST_SECONDS if hard else LONGEST_SECONDS
        boundary = (hard or self._dissolves()) and seconds - self._boundary_seconds >= least
        if boundary:
            self._boundary_seconds = seconds
        return boundary

    def _remember(self, now: _Thumbnail) -> None:
        """Add a frame to the window, and drop those that have left it."""
        oldest = now.seconds - DISSOLVING_SECONDS + TIME_TOLERANCE
        while len(self._thumbnails) > 1 and self._thumbnails[1].seconds <= oldest:
            self._thumbnails.popleft()
        self._thumbnails.append(now)

    def _is_hard(self, before: _Thumbnail, now: _Thumbnail) -> bool:
        return _differ(before, now, self.threshold) and _agreement(before.small, now.small) < SAME_EDGES

    def _dissolves(self) -> bool:
        """Whether the window leads linearly from one picture to another."""
        thumbnails = self._thumbnails
        first, middle, last = thumbnails[0], thumbnails[len(thumbnails) // 2], thumbnails[-1]
        if len(thumbnails) < 5 or last.seconds - first.seconds < 0.75 * DISSOLVING_SECONDS:
            return False
        if not _differ(first, last, max(self.threshold, min(1.0, DISSOLVED * self.threshold))):
            return False
        a, b, c = (one.small.astype(np.float32) for one in (first, middle, last))
        alike = _correlation(a, c)
        if alike >= SAME_SCENE or (alike >= FADING_SCENE and self._darkens()):
            return False
        share = (middle.seconds - first.seconds) / (last.seconds - first.seconds)
        bend = np.abs(b - (1 - share) * a - share * c).mean() / np.abs(c - a).mean()
        return float(bend) <= LARGEST_BEND

    def _darkens(self) -> bool:
        """Whether the newest frame is darker than the first nearly everywhere, and than the previous one."""
        first, before, last = (self._thumbnails[i].small.astype(np.float32) for i in (0, -2, -1))
        darker = (last <= first + SMALLEST_DIFFERENCE).mean() >= FADING_SHARE
        return bool(darker and before.mean() - last.mean() >= FADING_STEP)


def _differ(before: _Thumbnail, now: _Thumbnail, distance: float) -> bool:
    """Whether the pixels of two frames differ much, and their colours by at least this distance."""
    if float(cv2.absdiff(before.small, now.small).mean()) < SMALLEST_DIFFERENCE:
        return False
    return _distance(before, now) >= distance


def _distance(before: _Thumbnail, now: _Thumbnail) -> float:
    """Return the Bhattacharyya distance of the colour histograms of two frames, 0 to 1."""
    return min(1.0, cv2.compareHist(before.colours, now.colours, cv2.HISTCMP_BHATTACHARYYA))


def _correlation(a: Float32[np.ndarray, "64 64 3"], b: Float32[np.ndarray, "64 64 3"]) -> float:
    """Return the correlation of two pictures; 0 if one is plain."""
    a, b = a - a.mean(axis=(0, 1)), b - b.mean(axis=(0, 1))
    size = float(np.sqrt(np.square(a).mean() * np.square(b).mean()))
    return float((a * b).mean()) / size if size > 1 else 0.0


def _agreement(a: UInt8[np.ndarray, "64 64 3"], b: UInt8[np.ndarray, "64 64 3"]) -> float:
    """Return the agreement in direction of edges that both pictures have: 1 all of them, 0 none or by chance."""
    (edges, sizes), (others, other_sizes) = _edges(a), _edges(b)
    common = float((sizes * other_sizes).sum())
    return float((edges * others).sum()) / common if common > 0 else 0.0


def _edges(
    small: UInt8[np.ndarray, "64 64 3"],
) -> tuple[Float32[np.ndarray, "2 63 63 3"], Float32[np.ndarray, "63 63 3"]]:
    """Return the gradients of red, green and blue, down and across, and their magnitudes."""
    soft = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 1)
    edges = np.stack([np.diff(soft, axis=0)[:, 1:], np.diff(soft, axis=1)[1:]])
    return edges, np.sqrt(np.square(edges).sum(axis=0))


def _shrink(image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "64 64 3"]:
    """Return the image in 64 x 64 pixels; halving it first is several times faster than resizing it at once."""
    while min(image.shape[:2]) >= 128:
        height, width = (side // 2 for side in image.shape[:2])
        image = cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA), np.uint8)
