"""Whether a face does not move at all: a photograph, a poster or a frozen picture beside living people.

Living faces that keep calm still change: they blink, breathe and turn by fractions of a degree. What remains of the
change after a rigid motion of a plane and a change of light is compared with the contrast of the face.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

SIDE = 48
"""Side in pixels to which crops are scaled, blurred before by ``BLUR`` of these pixels."""

BLUR = 1.5

NO_CHANGE = 0.045
"""Change in the part of the face that changes most, in multiples of its contrast, below which the face stands still."""

LIVING_CHANGE = 0.1
"""The same for a face that has never changed more: photographs in a shaking or flickering picture.

``benchmarks/still.py`` measures both for living people and for photographs.
"""

_STEPS = 3  # of the registration
_PART = 5  # side in pixels of the part of the face that counts
_HALF = (SIDE - 1) / 2
_DOWN, _ACROSS = ((np.mgrid[0:SIDE, 0:SIDE] - _HALF) / (SIDE / 2)).astype(np.float32)
_FACE = (np.abs(_DOWN) < 0.75) & (np.abs(_ACROSS) < 0.62)
_DARKEST, _BRIGHTEST = 3, 252  # grey levels outside are cut off, and do not follow the light

Grey = Float32[np.ndarray, "48 48"]


class Stillness:
    """Tells the windows of one face in which it stands still from those in which it lives."""

    def __init__(self) -> None:
        self._living = False

    def is_still(self, crops: Sequence[UInt8[np.ndarray, "size size 3"]]) -> bool:
        """Return whether the next window shows a still picture.

        A calm face that has lived before counts as still only where nothing changes at all.

        Args:
            crops: at least two, RGB, in order of time.
        """
        largest = largest_change(crops)
        self._living |= largest >= LIVING_CHANGE
        return largest < (NO_CHANGE if self._living else LIVING_CHANGE)


def largest_change(crops: Sequence[UInt8[np.ndarray, "size size 3"]], enough: float = LIVING_CHANGE) -> float:
    """Return the largest change between the middle crop of a face and others, or one that is at least ``enough``.

    Args:
        crops: at least two, RGB, in order of time.
        enough: where to stop; most living faces reach it with the first comparison.
    """
    middle = len(crops) // 2
    reference, largest = _grey(crops[middle]), 0.0
    for crop in (crops[0], crops[-1], *crops[1:middle], *crops[middle + 1 : -1]):
        largest = max(largest, change(reference, _grey(crop)))
        if largest >= enough:
            break
    return largest


def change(a: Grey, b: Grey) -> float:
    """Return how much a face changes between two pictures, in multiples of its contrast; 0 without contrast.

    The second is registered to the first by an affine motion with the two projective terms, a gain, an offset and
    gradients of both, solved by Gauss-Newton steps (Baker and Matthews, "Lucas-Kanade 20 years on", 2004).
    """
    contrast = float(a[_FACE].std()) + 2.0  # grey levels of noise that say nothing
    motion = np.eye(3)
    residual = np.zeros_like(a)
    for step in range(_STEPS + 1):
        moved = cv2.warpAffine(
            b, motion[:2], (SIDE, SIDE), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
        )
        valid = _FACE & _exposed(a) & _exposed(moved)
        if valid.sum() < _FACE.sum() / 4:
            return 0.0
        columns = _columns(moved, valid)
        target = (a - moved)[valid]
        squares = columns.T @ columns + 1e-3 * np.eye(columns.shape[1], dtype=np.float32)
        solved = np.linalg.solve(squares, columns.T @ target)
        if step == _STEPS:
            residual[valid] = target - columns @ solved
        motion = motion @ _matrix(solved[:6].astype(float))
    energy = cv2.boxFilter(residual * residual, -1, (_PART, _PART))
    return float(np.sqrt(energy[_FACE].max())) / contrast


def _columns(moved: Grey, valid: Bool[np.ndarray, "48 48"]) -> Float32[np.ndarray, "pixels 14"]:
    """Return what each parameter of motion and light changes."""
    down, across = (gradient[valid] for gradient in np.gradient(moved))
    x, y, grey = _ACROSS[valid], _DOWN[valid], moved[valid] / 64
    projective = across * x + down * y
    light = (grey, np.ones_like(grey), x, y, grey * x, grey * y)
    return np.stack(
        [across * x, across * y, across, down * x, down * y, down, projective * x, projective * y, *light], axis=1
    )


def _matrix(solved: np.ndarray) -> np.ndarray:
    """Return the affine motion in pixels for parameters in halves of the side, about the centre."""
    half = SIDE / 2
    a, b, c, d, e, f = solved
    return np.array(
        [
            [1 + a / half, b / half, c - _HALF * (a + b) / half],
            [d / half, 1 + e / half, f - _HALF * (d + e) / half],
            [0.0, 0.0, 1.0],
        ]
    )


def _exposed(grey: Grey) -> Bool[np.ndarray, "48 48"]:
    return (grey > _DARKEST) & (grey < _BRIGHTEST)


def _grey(crop: UInt8[np.ndarray, "size size 3"]) -> Grey:
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return cv2.resize(
        cv2.GaussianBlur(grey, (0, 0), BLUR * len(grey) / SIDE), (SIDE, SIDE), interpolation=cv2.INTER_AREA
    )
