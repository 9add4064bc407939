"""The face's texture: where its landmarks lie, and brushes to paint on it.

Places are in pixels of a square of ``SIDE``, x to the right of the picture, y down.
"""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Float32

from ifdd.synth.rendered.mesh import LANDMARK_VERTICES, HeadMesh

SIDE = 512
"""Side of the face's texture in pixels."""

Layer = Float32[np.ndarray, "side side"]
Place = Float[np.ndarray, "2"]


class Atlas:
    """What all people share: the places of the landmarks, and the position in space of every pixel.

    Args:
        mesh: the mesh.
    """

    def __init__(self, mesh: HeadMesh) -> None:
        uv = mesh.uv_of(LANDMARK_VERTICES)
        self.landmarks = uv * (SIDE, -SIDE) + (0, SIDE)
        """(68, 2): the landmarks."""
        self.position = _positions(mesh)
        """(side, side, 3): position in centimetres on the neutral head."""
        rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
        self.x, self.y = columns, rows

    def spot(self, place: Sequence[float] | Place, width: float, height: float | None = None) -> Layer:
        """Return a soft spot: a Gaussian of these standard deviations in pixels."""
        height = width if height is None else height
        return np.asarray(
            np.exp(-0.5 * (((self.x - place[0]) / width) ** 2 + ((self.y - place[1]) / height) ** 2)), np.float32
        )

    def both_spots(self, place: Sequence[float] | Place, width: float, height: float | None = None) -> Layer:
        """Return a soft spot and its mirror image on the other half of the face."""
        return np.maximum(
            self.spot(place, width, height), self.spot((SIDE - float(place[0]), float(place[1])), width, height)
        )

    def area(self, outline: Float[np.ndarray, "points 2"], softness: float) -> Layer:
        """Return a filled outline with soft edges."""
        layer = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(layer, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
        return blurred(layer.astype(np.float32) / 255, softness)

    def line(self, points: Float[np.ndarray, "points 2"], width: float, softness: float) -> Layer:
        """Return a soft line through points."""
        layer = np.zeros((SIDE, SIDE), np.uint8)
        path = np.round(curve(points, 24) * 16).astype(np.int32)
        cv2.polylines(layer, [path], False, 255, max(1, round(width)), cv2.LINE_AA, shift=4)
        return blurred(layer.astype(np.float32) / 255, softness)


@lru_cache(maxsize=1)
def shared_atlas(mesh: HeadMesh) -> Atlas:
    """Return the atlas of a mesh; all people of a process share it."""
    return Atlas(mesh)


def mirrored(points: Float[np.ndarray, "*points 2"]) -> Float[np.ndarray, "*points 2"]:
    """Return points on the other half of the face."""
    return points * (-1, 1) + (SIDE, 0)


def curve(points: Float[np.ndarray, "points 2"], count: int) -> Float[np.ndarray, "count 2"]:
    """Return ``count`` points on a smooth curve through points (a polynomial of at most third degree)."""
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    along = np.concatenate([[0], np.cumsum(lengths)])
    degree = min(3, len(points) - 1)
    wanted = np.linspace(0, along[-1], count)
    return np.stack([np.polyval(np.polyfit(along, points[:, axis], degree), wanted) for axis in range(2)], axis=1)


def blurred(layer: Layer, softness: float) -> Layer:
    """Return the layer blurred by a Gaussian of this standard deviation in pixels."""
    return layer if softness <= 0 else np.asarray(cv2.GaussianBlur(layer, (0, 0), softness), np.float32)


def noise(rng: np.random.Generator, cells: int, side: int = SIDE) -> Layer:
    """Return smooth noise of mean 0 and deviation about 1, with ``cells`` independent values along each side."""
    coarse = rng.standard_normal((cells, cells), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)


def _positions(mesh: HeadMesh) -> Float32[np.ndarray, "side side 3"]:
    """Return the position of every pixel, constant on a triangle, then blurred."""
    result = np.zeros((SIDE, SIDE, 3), np.float32)
    triangles = mesh.parts["face"]
    corners = np.round((mesh.uv[triangles] * (SIDE, -SIDE) + (0, SIDE)) * 16).astype(np.int32)
    centres = mesh.neutral[mesh.source[triangles]].mean(axis=1)
    for corner, centre in zip(corners, centres.tolist(), strict=True):
        cv2.fillConvexPoly(result, corner, centre, cv2.LINE_8, shift=4)
    return np.asarray(cv2.GaussianBlur(result, (0, 0), 1.5), np.float32)
