"""Regions of the face from its 68 landmarks, and the regions where each action unit changes the face.

The table follows the descriptions of appearance changes in P. Ekman, W. V. Friesen, J. C. Hager, "Facial Action Coding
System" (2002). The outlines are assumptions of this module; lengths are relative to the distance between the outer
corners of the eyes.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float

Landmarks = Float[np.ndarray, "points=68 2"]
Outline = Float[np.ndarray, "_ 2"]
Mask = Bool[np.ndarray, "height width"]

REGIONS = ("brows", "eyes", "cheeks", "nose", "mouth", "chin")

UNIT_REGIONS: dict[int, tuple[str, ...]] = {
    1: ("brows",),
    2: ("brows",),
    4: ("brows",),
    5: ("eyes",),
    6: ("cheeks", "eyes"),
    7: ("eyes",),
    9: ("nose",),
    10: ("nose", "mouth"),
    12: ("mouth", "cheeks"),
    14: ("mouth",),
    15: ("mouth",),
    16: ("mouth",),
    17: ("chin", "mouth"),
    18: ("mouth",),
    20: ("mouth",),
    22: ("mouth",),
    23: ("mouth",),
    24: ("mouth",),
    25: ("mouth",),
    26: ("mouth", "chin"),
    27: ("mouth", "chin"),
    43: ("eyes",),
}
"""FACS number -> regions where the unit changes the face."""

FOREHEAD = 0.22
"""Height of the forehead that moves with the brows."""
AROUND = {"eyes": 0.06, "nose": 0.04, "mouth": 0.1}
"""Region -> width of the skin around the outline that moves with it."""


def region_outlines(points: Landmarks) -> dict[str, list[Outline]]:
    """Return region -> the points whose hulls make it up, in the unit of the landmarks."""
    unit = float(np.linalg.norm(points[45] - points[36]))
    brows = points[17:27]
    up = points[27] - points[8]
    up = up / max(float(np.linalg.norm(up)), 1e-6) * FOREHEAD * unit
    left = [36, 41, 40, 31, 48, 3, 2, 1]
    right = [45, 46, 47, 35, 54, 13, 14, 15]
    return {
        "brows": [np.vstack([brows, brows + up, points[27:28]])],
        "eyes": [_widened(points[36:42], AROUND["eyes"] * unit), _widened(points[42:48], AROUND["eyes"] * unit)],
        "cheeks": [points[left], points[right]],
        "nose": [_widened(points[27:36], AROUND["nose"] * unit)],
        "mouth": [_widened(points[48:60], AROUND["mouth"] * unit)],
        "chin": [np.vstack([points[55:60], points[6:11]])],
    }


def _widened(points: Outline, width: float) -> Outline:
    """Return points on circles around the given ones; the hull of theirs is wider by the radius."""
    angles = np.arange(8) * np.pi / 4
    return np.concatenate([points + width * np.array([np.cos(angle), np.sin(angle)]) for angle in angles])


def region_mask(points: Landmarks, names: Sequence[str], size: tuple[int, int]) -> Mask:
    """Return the pixels of some regions.

    Args:
        points: landmarks in pixels.
        names: regions.
        size: height and width of the picture.
    """
    mask = np.zeros(size, np.uint8)
    outlines = region_outlines(points)
    for name in names:
        for outline in outlines[name]:
            cv2.fillConvexPoly(mask, cv2.convexHull(outline.round().astype(np.int32)), 1)
    return mask.astype(bool)
