"""Hair, beard and headscarf: painted on the atlas with a relief, and drawn where they hang behind the head."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from ifdd.synth.drawn.drawing import Points, blurred, fill, smooth, stroke
from ifdd.synth.drawn.geometry import Atlas, Surface
from ifdd.synth.identity import Identity

HAIRLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "short": (
        (0.0, -0.74),
        (0.28, -0.74),
        (0.44, -0.66),
        (0.53, -0.45),
        (0.60, -0.28),
        (0.66, 0.08),
        (0.78, 0.08),
        (0.9, 0.25),
        (1.2, 0.5),
    ),
    "swept": (
        (0.0, -0.70),
        (0.25, -0.76),
        (0.45, -0.64),
        (0.54, -0.45),
        (0.60, -0.30),
        (0.65, 0.10),
        (0.78, 0.08),
        (0.9, 0.28),
        (1.2, 0.5),
    ),
    "fringe": (
        (0.0, -0.45),
        (0.25, -0.43),
        (0.45, -0.38),
        (0.54, -0.25),
        (0.58, 0.0),
        (0.60, 0.45),
        (0.78, 0.75),
        (0.9, 0.8),
        (1.2, 0.9),
    ),
    "crop": (
        (0.0, -0.72),
        (0.30, -0.74),
        (0.46, -0.68),
        (0.53, -0.45),
        (0.61, -0.28),
        (0.66, 0.02),
        (0.78, 0.05),
        (0.9, 0.25),
        (1.2, 0.5),
    ),
    "curly": (
        (0.0, -0.68),
        (0.25, -0.66),
        (0.45, -0.56),
        (0.53, -0.35),
        (0.58, -0.15),
        (0.62, 0.10),
        (0.78, 0.2),
        (0.9, 0.4),
        (1.2, 0.6),
    ),
    "long": (
        (0.0, -0.78),
        (0.10, -0.74),
        (0.30, -0.66),
        (0.46, -0.48),
        (0.55, -0.25),
        (0.59, 0.1),
        (0.62, 0.55),
        (0.78, 0.8),
        (1.2, 0.9),
    ),
    "bob": (
        (0.0, -0.74),
        (0.15, -0.70),
        (0.36, -0.60),
        (0.49, -0.42),
        (0.56, -0.20),
        (0.57, 0.15),
        (0.58, 0.55),
        (0.78, 0.75),
        (1.2, 0.8),
    ),
    "tied": (
        (0.0, -0.74),
        (0.25, -0.72),
        (0.43, -0.62),
        (0.53, -0.42),
        (0.60, -0.25),
        (0.65, 0.0),
        (0.78, 0.05),
        (0.9, 0.2),
        (1.2, 0.5),
    ),
    "scarf": (
        (0.0, -0.66),
        (0.25, -0.64),
        (0.42, -0.54),
        (0.53, -0.35),
        (0.58, -0.1),
        (0.60, 0.25),
        (0.55, 0.60),
        (0.50, 0.80),
        (1.2, 0.9),
    ),
}
"""Style -> points (x, y) of the hairline on the right half, from the middle outwards; bald heads have none."""

VOLUME: dict[str, tuple[float, float]] = {
    "short": (0.07, 0.05),
    "swept": (0.13, 0.06),
    "fringe": (0.09, 0.10),
    "crop": (0.03, 0.025),
    "bald": (0.0, 0.0),
    "curly": (0.20, 0.15),
    "long": (0.08, 0.09),
    "bob": (0.09, 0.14),
    "tied": (0.05, 0.03),
    "scarf": (0.08, 0.10),
}
"""Style -> thickness on the crown (head units) and relative thickness at the sides."""

BEHIND: dict[str, tuple[tuple[float, float], ...]] = {
    "long": ((0.0, -1.05), (0.5, -0.95), (0.78, -0.5), (0.84, 0.1), (0.88, 0.8), (0.92, 1.6)),
    "bob": ((0.0, -1.0), (0.5, -0.9), (0.76, -0.4), (0.84, 0.2), (0.82, 0.72), (0.55, 0.92)),
    "fringe": ((0.0, -1.0), (0.5, -0.9), (0.75, -0.4), (0.80, 0.2), (0.82, 0.8), (0.80, 1.5)),
    "curly": ((0.0, -1.1), (0.6, -0.95), (0.86, -0.4), (0.86, 0.1), (0.72, 0.5), (0.3, 0.6)),
    "scarf": ((0.0, -1.0), (0.5, -0.9), (0.74, -0.4), (0.76, 0.2), (0.70, 0.8), (0.95, 1.5)),
}
"""Style -> right half of the outline of the hair or scarf behind the head."""

EDGE = {"crop": 0.035, "scarf": 0.006}
"""Style -> softness of the hairline in head units, if not 0.02."""

COVERS_EARS = ("long", "bob", "fringe", "curly", "scarf")

MOUSTACHE = (
    (-0.27, 0.56),
    (-0.2, 0.43),
    (-0.05, 0.385),
    (0.05, 0.385),
    (0.2, 0.43),
    (0.27, 0.56),
    (0.18, 0.50),
    (0.0, 0.47),
    (-0.18, 0.50),
)
"""Outline of the moustache."""
GOATEE = (
    (-0.20, 0.68),
    (-0.28, 0.55),
    (-0.25, 0.85),
    (-0.1, 1.05),
    (0.1, 1.05),
    (0.25, 0.85),
    (0.28, 0.55),
    (0.20, 0.68),
    (0.0, 0.71),
)
"""Outline of the goatee."""
BEARD = (
    (0.0, 0.70),
    (0.17, 0.68),
    (0.26, 0.57),
    (0.34, 0.50),
    (0.50, 0.30),
    (0.60, 0.0),
    (0.85, 0.0),
    (0.95, 1.3),
    (0.0, 1.34),
)
"""Right half of the outline of the full beard."""
BEARD_OPACITY = {"stubble": 0.38, "moustache": 0.9, "goatee": 0.88, "full": 0.9}


def paint_hair(
    skin: UInt8[np.ndarray, "h w 3"], identity: Identity, atlas: Atlas, rng: np.random.Generator
) -> Float32[np.ndarray, "h w"]:
    """Paint beard and hair over the skin in place; return the hair's relief (relative height) on the atlas."""
    _paint_beard(skin, identity, atlas, rng)
    height, width = atlas.shape
    if identity.hair_style == "bald":
        return np.zeros((height, width), np.float32)
    line = np.array(HAIRLINES[identity.hair_style])
    line = line * (identity.face_width / 0.66, 1)
    if identity.hair_style in ("swept", "long"):
        right, left = line + np.array([0, 0.03]), line - np.array([0.03, 0.02])
    else:
        right = left = line
    points = np.concatenate([smooth(left, 40)[::-1] * (-1, 1), smooth(right, 40)])
    frame = np.array([[1.3, -1.6], [-1.3, -1.6]])
    mask = np.zeros((height, width), np.uint8)
    fill(mask, atlas.pixels(np.concatenate([points, frame])), 255.0)
    soft = blurred(mask, EDGE.get(identity.hair_style, 0.02) * atlas.scale)
    strands = _strands(identity, atlas, rng)
    share = (soft.astype(np.float32) / 255)[..., None]
    colour = np.array(identity.hair_colour, np.float32)
    hair = colour * strands[..., None]
    skin[:] = cv2.convertScaleAbs(skin * (1 - share * 0.97) + hair * (share * 0.97))
    side = VOLUME[identity.hair_style][1] * identity.hair_volume
    relief = blurred(mask, (0.05 + 0.2 * side) * atlas.scale).astype(np.float32) * np.float32(side / 255)
    # Below the ears the hair hangs clear of the head; draw_behind draws that part.
    relief *= np.clip((0.75 - atlas.grid()[1]) / 0.4, 0, 1)
    if identity.hair_style == "curly":
        relief *= 1 + 0.08 * cv2.resize(
            rng.normal(0, 1, (20, 16)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
    return relief


def crown_thickness(identity: Identity) -> float:
    """Return the thickness of the hair on the crown, in head units."""
    return VOLUME[identity.hair_style][0] * identity.hair_volume


def draw_behind(picture: UInt8[np.ndarray, "h w 3"], identity: Identity, surface: Surface, brightness: float) -> None:
    """Draw the hair or scarf behind head and neck."""
    if identity.hair_style not in BEHIND:
        return
    half = smooth(np.array(BEHIND[identity.hair_style]) * (identity.face_width / 0.66, 1), 24)
    red, green, blue = (float(value) * 0.62 * brightness for value in identity.hair_colour)
    fill(picture, _hanging(surface, np.concatenate([half, half[::-1] * (-1, 1)])), (red, green, blue))
    if identity.hair_style in ("curly", "scarf"):
        return
    for share, tone in ((0.97, 0.8), (0.90, 1.25), (0.82, 0.8), (0.74, 1.25)):
        for sign in (-1, 1):
            line = _hanging(surface, half[3:] * (sign * share, 1))
            stroke(picture, line, (red * tone, green * tone, blue * tone), 0.035 * surface.pose.scale)


def _hanging(surface: Surface, points: Points) -> Points:
    """Return the picture positions of hair that turns with the head at the top and hangs down below."""
    pose = surface.pose
    still = surface.posed(pose._replace(yaw=0.3 * pose.yaw, pitch=0.0, roll=0.1 * pose.roll))
    space = np.column_stack([points, np.full(len(points), -0.25)])
    share = np.clip(points[:, 1:] / 0.9, 0, 1)
    return surface.project(space) * (1 - share) + still.project(space) * share


def _strands(identity: Identity, atlas: Atlas, rng: np.random.Generator) -> Float32[np.ndarray, "h w"]:
    height, width = atlas.shape
    x, y = atlas.grid()
    if identity.hair_style == "scarf":
        fold = np.sin(9 * (y + 0.5 * np.abs(x)) + 3 * x) * 0.08
        return (0.92 + fold).astype(np.float32)
    if identity.hair_style in ("curly", "crop"):
        noise = cv2.resize(
            rng.normal(0, 1, (64, 52)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
        return np.clip(0.85 + 0.2 * noise, 0.3, 1.4)
    noise = cv2.resize(rng.normal(0, 1, (7, 150)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    # Strands run from the parting: sideways on top, downwards at the sides.
    lean = x + (0.35 if identity.hair_style == "swept" else 0.0) * (y + 1.0)
    columns = ((lean / (1.0 + 0.45 * np.clip(-y - 0.2, 0, 1)) / 2.4 + 0.5) * width).astype(np.float32)
    rows = ((y + 1.5) / 2.9 * height).astype(np.float32)
    strands = cv2.remap(noise, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    sheen = 0.22 * np.exp(-0.5 * ((y + 0.86 + 0.25 * x * x) / 0.09) ** 2)
    return np.clip(0.85 + 0.16 * strands + sheen, 0.3, 1.5).astype(np.float32)


def _paint_beard(skin: UInt8[np.ndarray, "h w 3"], identity: Identity, atlas: Atlas, rng: np.random.Generator) -> None:
    if identity.beard == "none":
        return
    height, width = atlas.shape
    mask = np.zeros((height, width), np.uint8)
    fill(mask, atlas.pixels(np.array(MOUSTACHE)), 255.0)
    if identity.beard == "goatee":
        fill(mask, atlas.pixels(np.array(GOATEE)), 255.0)
    if identity.beard in ("full", "stubble"):
        half = smooth(np.array(BEARD), 40)
        fill(mask, atlas.pixels(np.concatenate([half, half[::-1] * (-1, 1)])), 255.0)
    mask = blurred(mask, 0.025 * atlas.scale)
    noise = cv2.resize(rng.normal(0, 1, (110, 90)).astype(np.float32), (width, height))
    opacity = BEARD_OPACITY[identity.beard]
    share = np.clip(mask.astype(np.float32) / 255 * opacity * (1 + 0.25 * noise), 0, 1)[..., None]
    colour = np.array(identity.brow_colour, np.float32) * (1 + 0.12 * noise[..., None])
    skin[:] = cv2.convertScaleAbs(skin * (1 - share) + colour * share)
