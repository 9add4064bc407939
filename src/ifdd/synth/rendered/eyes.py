"""Textures of eyeballs, lashes, teeth and the inside of the mouth, in sRGB."""

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.synth.identity import Identity

EYE_SIDE = 256
IRIS_RADIUS = 0.225
"""Radius of the iris, 6 mm on the eyeball, as a share of half the side of its texture."""

LASH_SIDE = 256

Texture = UInt8[np.ndarray, "height width 4"]


def paint_eyeball(identity: Identity, rng: np.random.Generator) -> Texture:
    """Return the texture of an eyeball: white with veins, iris and pupil; its middle looks ahead."""
    side = EYE_SIDE
    y, x = (np.mgrid[0:side, 0:side].astype(np.float32) + 0.5) / side * 2 - 1
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    image = np.empty((side, side, 3), np.float32)
    image[:] = np.array([224, 214, 206], np.float32) * rng.uniform(0.78, 0.98)
    image *= 1 + 0.02 * rng.standard_normal((side, side, 1), dtype=np.float32)
    image *= 1 - 0.5 * np.clip(radius - IRIS_RADIUS, 0, 1)[..., None] * np.array([0.4, 1.0, 1.0], np.float32)
    spokes = 0.5 + 0.5 * np.sin(angle * 23 + rng.uniform(0, 6)) * np.sin(angle * 37 + rng.uniform(0, 6))
    ring = np.clip((radius / IRIS_RADIUS - 0.75) / 0.25, 0, 1)
    colour = np.array(identity.eye_colour, np.float32) * ((0.8 + 0.5 * spokes) * (1 - 0.65 * ring))[..., None]
    image = _blend(image, colour, _inside(radius, IRIS_RADIUS, 0.02))
    image = _blend(
        image, np.array([8, 6, 6], np.float32), _inside(radius, IRIS_RADIUS * rng.uniform(0.34, 0.55), 0.015)
    )
    return _opaque(image)


def paint_lashes(identity: Identity, rng: np.random.Generator) -> Texture:
    """Return the texture of the lashes: stippled strands, because opaque cards look like a painted line."""
    keep = float(np.clip(0.25 + 0.45 * identity.lashes, 0.2, 0.75))
    strands = (rng.random(LASH_SIDE) < keep).astype(np.uint8) * 255
    image = np.zeros((LASH_SIDE, LASH_SIDE, 4), np.uint8)
    image[..., :3] = (28, 20, 16)
    stipple = (rng.random((LASH_SIDE, LASH_SIDE)) < 0.75).astype(np.uint8)
    image[..., 3] = strands[None, :] * stipple
    return image


def paint_teeth(brightness: float) -> Texture:
    """Return the texture of the teeth."""
    image = np.empty((8, 8, 3), np.float32)
    image[:] = np.array([236, 226, 206], np.float32) * (0.62 + 0.38 * brightness)
    return _opaque(image)


def paint_mouth(brightness: float) -> Texture:
    """Return the texture of gums and tongue."""
    image = np.empty((8, 8, 3), np.float32)
    image[:] = np.array([168, 72, 74], np.float32) * (0.30 + 0.6 * brightness)
    return _opaque(image)


def _inside(radius: np.ndarray, size: float, soft: float) -> np.ndarray:
    return np.clip((size - radius) / soft + 0.5, 0, 1)[..., None]


def _blend(image: np.ndarray, colour: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    return image + opacity * (colour - image)


def _opaque(image: np.ndarray) -> Texture:
    image = cv2.GaussianBlur(np.clip(image, 0, 255), (0, 0), 0.6)
    return np.dstack([image.astype(np.uint8), np.full(image.shape[:2], 255, np.uint8)])
