"""Antialiased polygons, lines and blending: OpenCV's drawing with sub-pixel coordinates."""

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from ifdd.synth.identity import Colour

SHIFT = 4
"""Fractional bits of the coordinates passed to OpenCV: 1/16 pixel."""
Canvas = UInt8[np.ndarray, "h w 3"]
Points = Float[np.ndarray, "points 2"]
Mask = UInt8[np.ndarray, "h w"]


def fixed(points: Float[np.ndarray, "*lines points 2"]) -> np.ndarray:
    """Return pixel positions in OpenCV's fixed-point format."""
    return np.asarray(np.rint(points * (1 << SHIFT)), np.int32)


def fill(canvas: np.ndarray, points: Points, colour: Colour | float) -> None:
    """Fill an antialiased polygon, given in pixels."""
    cv2.fillPoly(canvas, [fixed(points)], colour, cv2.LINE_AA, SHIFT)


def stroke(canvas: np.ndarray, points: Points, colour: Colour | float, thickness: float) -> None:
    """Draw an antialiased open line, given in pixels, at least one pixel wide."""
    cv2.polylines(canvas, [fixed(points)], False, colour, max(1, round(thickness)), cv2.LINE_AA, SHIFT)


def taper(canvas: np.ndarray, points: Points, colour: Colour | float, widths: np.ndarray) -> None:
    """Draw a line, given in pixels, whose width varies from point to point."""
    along = np.gradient(points, axis=0)
    along[np.hypot(along[:, 0], along[:, 1]) < 1e-6] = (1, 0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.hypot(along[:, 0], along[:, 1])[:, None]
    half = across * (widths / 2)[:, None]
    fill(canvas, np.concatenate([points + half, (points - half)[::-1]]), colour)


def dot(canvas: np.ndarray, centre: Points, radius: float, colour: Colour | float) -> None:
    """Fill an antialiased disc; centre (one point) and radius in pixels."""
    x, y = fixed(centre)[0]
    cv2.circle(canvas, (int(x), int(y)), round(radius * (1 << SHIFT)), colour, -1, cv2.LINE_AA, SHIFT)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the linear interpolation of two colours; share 0 is the first, 1 the second."""
    red, green, blue = (a * (1 - share) + b * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def blend(below: Canvas, above: np.ndarray, mask: Mask) -> None:
    """Blend ``above`` over ``below`` in place, with the mask (0 to 255) as its opacity."""
    share = mask.astype(np.uint16)[..., None]
    mixed = below.astype(np.uint16) * (255 - share) + above.astype(np.uint16) * share
    below[:] = ((mixed + 127) // 255).astype(np.uint8)


def blurred(picture: UInt8[np.ndarray, "..."], sigma: float) -> UInt8[np.ndarray, "..."]:
    """Return the picture or mask after a Gaussian blur of ``sigma`` pixels."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma))


def darkened(picture: Canvas, shadow: Mask) -> Canvas:
    """Return the picture darkened by ``shadow`` (255: black)."""
    return np.asarray(cv2.multiply(picture, cv2.merge([255 - shadow] * 3), scale=1 / 255))


@lru_cache(maxsize=64)
def _spline_weights(controls: int, samples: int) -> Float[np.ndarray, "samples controls"]:
    position = np.linspace(0, controls - 1, samples)
    start = np.minimum(position.astype(int), controls - 2)
    t = position - start
    cubic = np.stack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]) / 2
    weights = np.zeros((samples, controls + 2))
    for offset in range(4):
        weights[np.arange(samples), start + offset] += cubic[offset]
    # Extrapolate the points before the first and after the last linearly.
    weights[:, 1] += 2 * weights[:, 0]
    weights[:, 2] -= weights[:, 0]
    weights[:, -2] += 2 * weights[:, -1]
    weights[:, -3] -= weights[:, -1]
    return np.asarray(weights[:, 1:-1])


def smooth(points: Points, samples: int) -> Float[np.ndarray, "samples 2"]:
    """Return ``samples`` points on the Catmull-Rom spline through ``points``."""
    return np.asarray(_spline_weights(len(points), samples) @ points)
