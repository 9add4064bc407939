"""What a person wears: glasses and clothes, and the piece of geometry that hair is made of too."""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from ifdd.synth.identity import Colour, Identity
from ifdd.synth.rendered.head import Head
from ifdd.synth.rendered.mesh import LANDMARK_VERTICES, Triangles
from ifdd.synth.rendered.renderer import Material, Vertices


class Piece(NamedTuple):
    """A rigid piece of geometry with its texture, in the coordinates of the head."""

    vertices: Vertices
    triangles: Triangles
    image: UInt8[np.ndarray, "height width 4"]
    material: Material
    follows_head: float = 1.0


def sheet(
    points: Float[np.ndarray, "rows columns 3"], uv: Float[np.ndarray, "rows columns 2"]
) -> tuple[Vertices, Triangles]:
    """Return vertices and triangles of a grid of points."""
    rows, columns = points.shape[:2]
    along, across = np.gradient(points, axis=0), np.gradient(points, axis=1)
    normals = np.cross(across, along)
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-9)
    vertices = np.concatenate([points, normals, uv, np.zeros((rows, columns, 1))], axis=2).reshape(-1, 9)
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    triangles = np.concatenate(
        [
            np.stack([first, first + 1, first + columns], 1),
            np.stack([first + 1, first + columns + 1, first + columns], 1),
        ]
    )
    return vertices.astype(np.float32), triangles.astype(np.int32)


def tube(path: Float[np.ndarray, "points 3"], radius: float, sides: int = 6) -> tuple[Vertices, Triangles]:
    """Return a tube along a path."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    helper = np.where(np.abs(tangent[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]])
    side = np.cross(helper, tangent)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(tangent, side)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * up[:, None]
    points = path[:, None] + radius * ring
    return sheet(points, np.full((*points.shape[:2], 2), 0.5))


def plain(colour: Colour | np.ndarray) -> UInt8[np.ndarray, "4 4 4"]:
    """Return a texture of one colour."""
    image = np.empty((4, 4, 4), np.uint8)
    image[:] = (*(int(np.clip(value, 0, 255)) for value in colour), 255)
    return image


def joined(pieces: list[tuple[Vertices, Triangles]]) -> tuple[Vertices, Triangles]:
    """Return pieces as one."""
    offsets = np.cumsum([0, *(len(vertices) for vertices, _ in pieces[:-1])])
    return (
        np.concatenate([vertices for vertices, _ in pieces]),
        np.concatenate([triangles + offset for (_, triangles), offset in zip(pieces, offsets, strict=True)]).astype(
            np.int32
        ),
    )


def make_glasses(identity: Identity, head: Head, rng: np.random.Generator) -> list[Piece]:
    """Return frame and temples of the person's glasses, fitted to the head at rest."""
    if identity.glasses == "none":
        return []
    point = head.rest.points[LANDMARK_VERTICES].astype(float)
    round_rims = identity.glasses == "round"
    half_width, half_height = rng.uniform(2.2, 2.7), rng.uniform(1.5, 2.3) if round_rims else rng.uniform(1.3, 1.9)
    power, thick = (1.0 if round_rims else 0.55), rng.uniform(0.07, 0.2)
    angle = np.linspace(0, 2 * np.pi, 41)
    parts = []
    bridge_z = point[27, 2] + 0.1
    for eye, out in ((point[36:42].mean(axis=0), -1.0), (point[42:48].mean(axis=0), 1.0)):
        x = eye[0] + out * 0.15 + half_width * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
        y = eye[1] - 0.25 + half_height * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
        z = bridge_z + 0.35 - 0.045 * x**2
        parts.append(tube(np.stack([x, y, z], axis=1), thick))
        ends = eye[0] + out * (half_width + 0.15)
        temple = np.array(
            [
                [ends, eye[1] + 0.3, bridge_z + 0.3 - 0.045 * ends**2],
                [out * 7.9, eye[1] + 0.4, 3.0],
                [out * 8.1, eye[1] + 0.2, -1.5],
            ]
        )
        parts.append(tube(temple, thick))
    nose = point[27]
    gap = abs(point[39, 0]) - half_width / 2 + 0.7
    parts.append(
        tube(
            np.array(
                [
                    [-gap, nose[1] - 0.1, bridge_z + 0.3],
                    [0, nose[1] + 0.1, bridge_z + 0.42],
                    [gap, nose[1] - 0.1, bridge_z + 0.3],
                ]
            ),
            thick,
        )
    )
    return [Piece(*joined(parts), plain(identity.glasses_colour), Material((0.4, 40.0)))]


def make_shoulders(identity: Identity, rng: np.random.Generator) -> list[Piece]:
    """Return the clothes: from the collar over the shoulders to the chest."""
    collar, slope = rng.uniform(-0.5, 1.5), rng.uniform(0.8, 1.2)
    angle = np.linspace(0, 2 * np.pi, 41)
    rings = []
    for height, across, deep in (
        (-11.5 + collar, 7.0, 6.4),
        (-13.5, 8.6, 7.0),
        (-15.5, 14.0 * slope, 8.2),
        (-18.0, 19.0 * slope, 9.5),
        (-24.0, 22.0 * slope, 11.0),
        (-48.0, 22.0, 12.0),
    ):
        dip = 2.4 * np.clip(np.sin(angle), 0, 1) ** 2 * (1.0 if height > -14 else 0.3)
        rings.append(np.stack([across * np.cos(angle), height - dip, -1.8 + deep * np.sin(angle)], axis=1))
    points = np.stack(rings)
    fold = rng.normal(0, 0.12, points.shape)
    image = plain(identity.shirt_colour)
    return [
        Piece(
            *sheet(points + fold, np.full((*points.shape[:2], 2), 0.5)),
            image,
            Material(hollow_strength=0.0),
            follows_head=0.0,
        )
    ]


def strands(
    colour: Colour | np.ndarray, rng: np.random.Generator, side: int = 256, contrast: float = 0.28
) -> Float32[np.ndarray, "side side 3"]:
    """Return the colours of hair whose strands run from the top to the bottom of the texture."""
    fine = cv2.resize(rng.standard_normal((6, side), dtype=np.float32), (side, side))
    broad = cv2.resize(
        rng.standard_normal((4, side // 12), dtype=np.float32), (side, side), interpolation=cv2.INTER_CUBIC
    )
    shade = 1 + contrast * (0.55 * fine + 0.6 * broad)
    return np.asarray(np.clip(np.asarray(colour, np.float32) * shade[..., None], 0, 255), np.float32)
