"""The skin: colour, relief, the effect of the action units on both, and shading."""

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from ifdd.synth.behaviour.action_units import ACTION_UNITS, UNIT_COLUMN, Activation
from ifdd.synth.drawn.geometry import DEPTH, SIDE_LIMIT, SIDE_SLOPE, TOP, Atlas, Profile, heights
from ifdd.synth.identity import Identity

RELIEF_FACTOR = 2.0
"""Resolution of the atlas relative to the relief's."""
WARP_FACTOR = 8.0
"""Resolution of the atlas relative to the warp field's."""

Blob = tuple[float, float, float, float, float]
"""A Gaussian on the right half of the face: x, y, width, height (standard deviations, head units) and strength."""

NEUTRAL_RELIEF: tuple[Blob, ...] = (
    (0.29, -0.12, 0.15, 0.085, -0.075),  # eye socket
    (0.29, -0.10, 0.10, 0.06, 0.04),  # eyeball
    (0.26, -0.31, 0.20, 0.06, 0.03),  # brow ridge
    (0.38, 0.16, 0.15, 0.13, 0.05),  # cheek
    (0.125, 0.235, 0.05, 0.05, 0.05),  # nose wing
    (0.10, 0.50, 0.16, 0.13, 0.045),  # muzzle
    (0.06, 0.83, 0.11, 0.09, 0.045),  # chin
    (0.08, 0.69, 0.11, 0.035, -0.03),  # furrow above the chin
    (0.60, -0.35, 0.10, 0.14, -0.03),  # temple
    (0.22, -0.58, 0.20, 0.14, 0.015),  # forehead
)

UNIT_RELIEF: dict[int, tuple[Blob, ...]] = {
    1: ((0.12, -0.45, 0.14, 0.05, 0.02),),
    2: ((0.38, -0.43, 0.12, 0.05, 0.02),),
    4: ((0.10, -0.33, 0.06, 0.06, 0.045), (0.0, -0.30, 0.025, 0.06, -0.02), (0.30, -0.26, 0.14, 0.04, 0.025)),
    6: ((0.36, 0.10, 0.13, 0.08, 0.065), (0.32, 0.02, 0.12, 0.03, 0.02)),
    7: ((0.29, -0.03, 0.11, 0.025, 0.015),),
    9: ((0.07, -0.10, 0.05, 0.06, 0.035), (0.17, 0.20, 0.06, 0.07, 0.05), (0.26, 0.05, 0.10, 0.06, 0.045)),
    10: ((0.24, 0.28, 0.06, 0.08, 0.045), (0.12, 0.40, 0.10, 0.05, 0.02)),
    12: ((0.39, 0.20, 0.13, 0.11, 0.065), (0.29, 0.42, 0.06, 0.09, -0.012)),
    14: ((0.33, 0.50, 0.035, 0.05, -0.045), (0.38, 0.47, 0.05, 0.08, 0.035)),
    15: ((0.27, 0.66, 0.05, 0.06, 0.035), (0.29, 0.56, 0.03, 0.04, -0.025)),
    17: ((0.06, 0.79, 0.09, 0.06, 0.06), (0.05, 0.68, 0.12, 0.03, -0.03)),
    20: ((0.36, 0.58, 0.05, 0.10, 0.03),),
    23: ((0.05, 0.42, 0.12, 0.03, 0.025), (0.05, 0.64, 0.12, 0.03, 0.025)),
    24: ((0.06, 0.41, 0.14, 0.035, 0.03), (0.06, 0.65, 0.14, 0.035, 0.035)),
    26: ((0.42, 0.55, 0.06, 0.16, -0.03),),
}
"""Unit -> where it makes the skin bulge (positive) or sink."""

UNIT_WARP: dict[int, tuple[tuple[float, float, float, float, float, float], ...]] = {
    1: ((0.12, -0.42, 0.12, 0.14, 0.0, -0.06),),
    2: ((0.38, -0.42, 0.14, 0.14, 0.0, -0.06),),
    4: ((0.14, -0.36, 0.14, 0.12, -0.03, 0.05),),
    6: ((0.36, 0.12, 0.16, 0.13, 0.0, -0.05),),
    9: ((0.14, 0.18, 0.10, 0.12, 0.01, -0.045), (0.08, -0.12, 0.08, 0.10, -0.01, 0.03)),
    10: ((0.16, 0.38, 0.14, 0.10, 0.0, -0.05),),
    12: ((0.34, 0.42, 0.14, 0.18, 0.05, -0.07),),
    14: ((0.32, 0.50, 0.08, 0.10, -0.015, -0.01),),
    15: ((0.27, 0.60, 0.12, 0.10, 0.0, 0.06),),
    17: ((0.06, 0.78, 0.14, 0.12, 0.0, -0.05),),
    20: ((0.32, 0.58, 0.13, 0.14, 0.06, 0.01),),
}
"""Unit -> how it drags the skin: x, y, width, height of a Gaussian, displacement in x and y (right half)."""


def _gaussian(grid: tuple[np.ndarray, np.ndarray], blob: tuple[float, ...], sign: int) -> Float32[np.ndarray, "h w"]:
    x, y = grid
    across = np.exp(-0.5 * ((x[0] - sign * blob[0]) / blob[2]) ** 2)
    down = np.exp(-0.5 * ((y[:, 0] - blob[1]) / blob[3]) ** 2)
    return np.asarray(np.outer(down, across), np.float32)


@lru_cache(maxsize=16)
def _unit_relief(scale: float) -> tuple[Float32[np.ndarray, "rows pixels"], np.ndarray, tuple[int, int]]:
    grid = Atlas(scale).grid(RELIEF_FACTOR)
    images, rows = [], []
    for number, blobs in UNIT_RELIEF.items():
        for side, sign in enumerate((-1, 1)):
            images.append(
                np.sum([blob[4] * _gaussian(grid, blob, sign) for blob in blobs], axis=0, dtype=np.float32).ravel()
            )
            rows.append(side * len(ACTION_UNITS) + UNIT_COLUMN[number])
    return np.stack(images), np.array(rows), grid[0].shape


@lru_cache(maxsize=16)
def _unit_warp(scale: float) -> tuple[Float32[np.ndarray, "rows pixels"], np.ndarray, tuple[int, int]]:
    grid = Atlas(scale).grid(WARP_FACTOR)
    images, rows = [], []
    for number, pulls in UNIT_WARP.items():
        for side, sign in enumerate((-1, 1)):
            field = np.zeros((2, *grid[0].shape), np.float32)
            for pull in pulls:
                gaussian = _gaussian(grid, pull, sign)
                field[0] += sign * pull[4] * gaussian
                field[1] += pull[5] * gaussian
            images.append(field.ravel())
            rows.append(side * len(ACTION_UNITS) + UNIT_COLUMN[number])
    return np.stack(images), np.array(rows), grid[0].shape


def _blob_sum(grid: tuple[np.ndarray, np.ndarray], blobs: tuple[Blob, ...]) -> Float32[np.ndarray, "h w"]:
    """Return the sum of the blobs and their mirror images."""
    return np.asarray(sum(blob[4] * _gaussian(grid, blob, sign) for blob in blobs for sign in (-1, 1)), np.float32)


@lru_cache(maxsize=16)
def _neutral_relief(scale: float) -> Float32[np.ndarray, "h w"]:
    return _blob_sum(Atlas(scale).grid(RELIEF_FACTOR), NEUTRAL_RELIEF)


def neutral_relief(identity: Identity, atlas: Atlas) -> Float32[np.ndarray, "h w"]:
    """Return the relief of one person's neutral face, without hair."""
    x, y = atlas.grid(RELIEF_FACTOR)
    down = y[:, 0] - identity.nose_length
    ridge = (
        np.interp(down, [-0.34, -0.16, 0.05, 0.17, 0.25, 0.33], [0, 0.045, 0.11, 0.16, 0.12, 0]) * identity.nose_bridge
    )
    spread = np.interp(down, [-0.25, -0.05, 0.12, 0.24], [0.075, 0.055, 0.065, 0.095]) * identity.nose_width
    soft_ridge = cv2.GaussianBlur(ridge.astype(np.float32).reshape(-1, 1), (0, 0), 0.03 * atlas.scale / RELIEF_FACTOR)
    nose = soft_ridge * np.exp(-0.5 * (x / spread[:, None]) ** 2)
    # The tip is a separate ball.
    across, below = x / (0.075 * identity.nose_width), (down[:, None] - 0.205) / 0.06
    tip = 0.11 * identity.nose_bridge * np.exp(-0.5 * (across * across + below * below))
    return np.asarray(_neutral_relief(atlas.scale) + nose + tip, np.float32)


def moved_relief(
    neutral: Float32[np.ndarray, "h w"], atlas: Atlas, activation: Activation
) -> Float32[np.ndarray, "h w"]:
    """Return the relief with the bulges and furrows of the active units added."""
    images, rows, shape = _unit_relief(atlas.scale)
    weights = activation.ravel()[rows]
    used = np.flatnonzero(weights)
    return neutral if not used.size else neutral + (weights[used] @ images[used]).reshape(shape)


def warp_field(atlas: Atlas, activation: Activation) -> Float32[np.ndarray, "2 h w"] | None:
    """Return the displacement (x, y in head units) of the skin on a coarse atlas, or None if nothing moves."""
    images, rows, shape = _unit_warp(atlas.scale)
    weights = activation.ravel()[rows]
    used = np.flatnonzero(weights)
    return (weights[used] @ images[used]).reshape(2, *shape) if used.size else None


class Shader:
    """Shades the head from the ellipses' normals, tilted by the relief."""

    def __init__(self, profile: Profile, atlas: Atlas) -> None:
        x, y = atlas.grid(RELIEF_FACTOR)
        down = y[:, 0]
        # Crown and chin are pointed; shade them as if they were rounder.
        width = np.maximum(np.interp(down, heights(), profile.width), 0.25).astype(np.float32)[:, None]
        q = np.abs(x / width)
        inside = np.arcsin(np.minimum(q, np.sin(SIDE_LIMIT)))
        s = np.sign(x) * np.minimum(inside + np.maximum(q - np.sin(SIDE_LIMIT), 0) / SIDE_SLOPE, 2.2)
        front = np.interp(down, heights(), profile.centre + DEPTH * profile.width)
        lean = np.gradient(front, down) + 1.3 * np.clip(-0.4 - down, 0, 1) ** 2 - 1.8 * np.clip(down - 0.72, 0, 1)
        lean = np.clip(lean, -1.5, 1.5)[:, None]
        normal = np.stack([np.sin(s), -lean * np.ones_like(s), np.cos(s) / DEPTH])
        self.normal = (normal / np.linalg.norm(normal, axis=0)).astype(np.float32)
        self.along = np.stack([np.cos(s), -np.sin(s)]).astype(np.float32)
        # From Sobel sums of relative heights to a slope; 0.75 is about the depth of the head.
        self.slope = 0.75 * atlas.scale / RELIEF_FACTOR / 8

    def light(
        self, relief: Float32[np.ndarray, "h w"], direction: Float[np.ndarray, "3"], shine: float
    ) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
        """Return diffuse and specular shading (0 to 1) for light from ``direction`` (unit vector, head frame)."""
        down = cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3, scale=self.slope)
        across = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3, scale=self.slope)
        length = cv2.sqrt(1 + across * across + down * down)
        diffuse = self._towards(direction, across, down) / length
        middle = direction + np.array([0, 0, 1])
        gloss = np.maximum(self._towards(middle / np.linalg.norm(middle), across, down) / length, 0)
        gloss *= gloss
        gloss *= gloss
        gloss *= gloss
        gloss *= gloss
        return np.maximum(diffuse * 0.85 + 0.15, 0), gloss * np.float32(shine)

    def _towards(self, direction: Float[np.ndarray, "3"], across: np.ndarray, down: np.ndarray) -> np.ndarray:
        dx, dy, dz = (np.float32(value) for value in direction)
        flat = self.normal[0] * dx + self.normal[1] * dy + self.normal[2] * dz
        return np.asarray(flat - across * (self.along[0] * dx + self.along[1] * dz) - down * dy)


BLUSH: tuple[Blob, ...] = (
    (0.36, 0.14, 0.14, 0.12, 1.0),
    (0.0, 0.22, 0.10, 0.07, 0.22),
    (0.05, 0.85, 0.12, 0.08, 0.3),
    (0.68, 0.05, 0.08, 0.2, 0.5),
)
"""Where the skin is redder: cheeks, nose tip, chin, ears."""

HOLLOWS: tuple[Blob, ...] = (
    (0.23, -0.13, 0.10, 0.07, 0.32),
    (0.31, -0.17, 0.13, 0.05, 0.22),
    (0.0, 0.325, 0.09, 0.03, 0.14),
    (0.05, 0.675, 0.10, 0.03, 0.2),
    (0.19, 0.27, 0.03, 0.05, 0.15),
    (0.30, 0.0, 0.12, 0.04, 0.12),
)
"""Where less light arrives: eye sockets, below the nose, above the chin, beside the nose wings, below the eyes."""


@lru_cache(maxsize=16)
def _tint_masks(scale: float) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    grid = Atlas(scale).grid()
    return _blob_sum(grid, BLUSH), _blob_sum(grid, HOLLOWS)


def paint_skin(identity: Identity, atlas: Atlas, rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    """Return the skin colour on the atlas: complexion, blush, shadows in the hollows, freckles."""
    height, width = atlas.shape
    warm, dark = _tint_masks(atlas.scale)
    spots = cv2.resize(rng.normal(0, 1, (20, 16)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(rng.normal(0, 1, (90, 72)).astype(np.float32), (width, height))
    value = (1 + 0.012 * spots + 0.012 * fine) * (1 - dark * (0.55 + 0.35 * identity.age))
    warm = warm * np.float32(identity.blush)
    skin = cv2.merge(
        [
            value * (identity.skin[0] * (1 - 0.02 * warm)),
            value * (identity.skin[1] * (1 - 0.22 * warm)),
            value * (identity.skin[2] * (1 - 0.2 * warm)),
        ]
    )
    skin = cv2.convertScaleAbs(skin)
    if identity.freckles > 0:
        _add_freckles(skin, identity, atlas, rng)
    return np.asarray(skin)


def _add_freckles(skin: UInt8[np.ndarray, "h w 3"], identity: Identity, atlas: Atlas, rng: np.random.Generator) -> None:
    count = int(120 * identity.freckles)
    places = np.stack([rng.normal(0, 0.3, count), rng.normal(0.08, 0.14, count)], axis=1)
    for (x, y), radius in zip(atlas.pixels(places), rng.uniform(0.004, 0.010, count) * atlas.scale, strict=True):
        colour = [0.82 * float(value) for value in identity.skin]
        cv2.circle(skin, (round(x * 16), round(y * 16)), max(8, round(radius * 16)), colour, -1, cv2.LINE_AA, 4)


def warped(
    texture: UInt8[np.ndarray, "h w 3"],
    atlas: Atlas,
    field: Float32[np.ndarray, "2 coarse_h coarse_w"] | None,
    rows: Float32[np.ndarray, " h"] | None,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return the texture warped by ``field`` and, if the jaw is dropped, with rows taken from ``rows`` (pixels)."""
    if field is None and rows is None:
        return texture.copy()
    height, width = texture.shape[:2]
    column_map, row_map = _identity_maps(height, width)
    if rows is not None:
        row_map = np.repeat(rows[:, None], width, axis=1)
    if field is not None:
        moved = cv2.resize(np.moveaxis(field, 0, -1), (width, height), interpolation=cv2.INTER_LINEAR)
        column_map = column_map - moved[..., 0] * np.float32(atlas.scale)
        row_map = row_map - moved[..., 1] * np.float32(atlas.scale)
    return np.asarray(cv2.remap(texture, column_map, row_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


@lru_cache(maxsize=16)
def _identity_maps(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return columns, rows


def jaw_rows(atlas: Atlas, profile_shift: Float[np.ndarray, " rows"]) -> Float32[np.ndarray, " h"]:
    """Return, for each atlas row, the row of the neutral texture that the dropped jaw moves there."""
    y = heights()
    row_y = (np.arange(atlas.shape[0]) + 0.5) / atlas.scale + TOP
    neutral = np.interp(row_y, y + profile_shift, y)
    return ((neutral - TOP) * atlas.scale - 0.5).astype(np.float32)
