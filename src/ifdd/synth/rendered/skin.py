"""The skin: the colours of the face's texture, with lips, brows, beard and make-up, in sRGB."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from ifdd.synth.identity import Colour, Identity
from ifdd.synth.rendered.atlas import SIDE, Atlas, Layer, blurred, curve, mirrored, noise

Canvas = Float32[np.ndarray, "side side 3"]

INKS = 8
"""Number of different darknesses of the brows' hairs."""

SMOOTH = 0.35
"""Probability that a person's skin hardly folds; otherwise a model reads folds in place of what moves the skin."""

EAR_COLUMNS = 0.425
"""Distance from the middle of the texture, as a share of its side, beyond which the ears lie."""


@dataclass(frozen=True)
class Look:
    """Traits of a person's skin that the drawn rig does not know, drawn from the person's own random source."""

    blotches: float
    sockets: float
    """Darkness of the eye sockets."""
    lip_opacity: float
    lipstick: bool
    eyeshadow: bool
    liner: float
    """Darkness of the line along the upper lid."""
    brow_strokes: int
    brow_drop: float
    """Height of the brows below the landmarks, in pixels of the texture."""
    brow_thickness: float
    brow_opacity: float
    wrinkle_strength: float
    teeth: float
    """Brightness of the teeth, 0 to 1."""
    mouth: float
    """Brightness of the mouth's inside, 0 to 1."""
    oily: float
    """Strength of the skin's highlights."""
    shade: float
    """Darkening of hollows such as the eye sockets, per centimetre of depth."""
    recede: float
    """Height of the hairline over the average one in centimetres."""


def sample_look(identity: Identity, rng: np.random.Generator) -> Look:
    """Draw the traits of a person's skin."""
    feminine = identity.lashes > 0.65
    fair = float(np.dot(identity.skin, (0.3, 0.59, 0.11))) / 255
    made_up = feminine and rng.random() < 0.45
    return Look(
        blotches=rng.uniform(0.4, 1.3),
        sockets=rng.uniform(0.0, 0.45),
        lip_opacity=rng.uniform(0.95, 1.0) if made_up else rng.uniform(0.4, 0.9),
        lipstick=made_up,
        eyeshadow=feminine and rng.random() < 0.3,
        liner=rng.uniform(0.25, 0.9) if feminine else rng.uniform(0.0, 0.35),
        brow_strokes=int(rng.integers(200, 700)),
        brow_drop=rng.uniform(1.0, 15.0),
        brow_thickness=float(np.clip(identity.brow_thickness * rng.uniform(0.55, 1.35), 0.45, 1.7)),
        brow_opacity=rng.uniform(0.45, 1.0) * (0.75 if fair > 0.75 and rng.random() < 0.3 else 1.0),
        wrinkle_strength=rng.uniform(0.0, 0.2) if rng.random() < SMOOTH else rng.uniform(0.2, 1.3),
        teeth=rng.uniform(0.35, 0.95),
        mouth=rng.uniform(0.15, 0.9),
        oily=rng.uniform(0.3, 2.0),
        shade=rng.uniform(0.6, 2.6),
        recede=rng.uniform(-0.5, 1.2) + (rng.uniform(0.0, 2.0) if not feminine and identity.age > 0.4 else 0.0),
    )


def paint_skin(identity: Identity, look: Look, atlas: Atlas, rng: np.random.Generator) -> UInt8[np.ndarray, "s s 4"]:
    """Return the texture of the face: red, green, blue, opaque."""
    canvas = np.empty((SIDE, SIDE, 3), np.float32)
    canvas[:] = identity.skin
    _blotch(canvas, identity, look, atlas, rng)
    _lips(canvas, identity, look, atlas, rng)
    _eyes(canvas, identity, look, atlas, rng)
    _brows(canvas, identity, look, atlas, rng)
    _beard(canvas, identity, atlas, rng)
    grain = 1 + 0.02 * noise(rng, SIDE) + 0.014 * noise(rng, SIDE // 4) * (0.5 + identity.age)
    canvas *= grain[..., None]
    opaque = np.full((SIDE, SIDE, 1), 255, np.float32)
    return np.asarray(np.clip(np.concatenate([canvas, opaque], axis=2), 0, 255).astype(np.uint8))


def mix(canvas: Canvas, colour: Colour | np.ndarray, opacity: Layer) -> None:
    """Paint a colour over the canvas in place."""
    canvas += opacity[..., None] * (np.asarray(colour, np.float32) - canvas)


def _blotch(canvas: Canvas, identity: Identity, look: Look, atlas: Atlas, rng: np.random.Generator) -> None:
    point = atlas.landmarks
    fair = float(np.dot(identity.skin, (0.3, 0.59, 0.11))) / 255
    cheek = (point[2] + point[31] * 2) / 3
    redness = 0.8 * atlas.both_spots(cheek, 42.0, 34.0) + 0.9 * atlas.spot(point[30], 22.0, 24.0)
    redness += 0.35 * atlas.spot(point[8], 40.0, 24.0) + 0.25 * atlas.spot((SIDE / 2, point[19][1] - 50), 90.0, 30.0)
    redness += 0.8 * (np.abs(atlas.x - SIDE / 2) > EAR_COLUMNS * SIDE) * (atlas.y > 0.3 * SIDE) * (atlas.y < 0.6 * SIDE)
    redness += 0.25 * look.blotches * noise(rng, 14)
    strength = identity.blush * (0.35 + 0.65 * fair)
    canvas *= 1 + redness[..., None] * strength * np.array([0.05, -0.20, -0.16], np.float32)
    shade = 0.03 * noise(rng, 8) + 0.018 * noise(rng, 40) + 0.012 * noise(rng, 160)
    canvas *= 1 + look.blotches * shade[..., None] * np.array([0.8, 1.0, 1.1], np.float32)
    # Yellower forehead, darker sides and neck.
    canvas *= 1 - 0.10 * np.clip((atlas.y - 0.8 * SIDE) / (0.2 * SIDE), 0, 1)[..., None]
    if identity.freckles > 0:
        cells = (noise(rng, 150) > 2.4 - 0.5 * identity.freckles).astype(np.float32)
        where = np.clip(atlas.both_spots(cheek, 60.0, 40.0) + atlas.spot(point[29], 50.0, 40.0), 0, 1)
        mix(canvas, np.array(identity.skin) * (0.66, 0.5, 0.42), blurred(cells, 0.8) * where * 0.8)
    for _ in range(int(rng.integers(0, 4))):
        mole = (rng.uniform(0.2, 0.8) * SIDE, rng.uniform(0.2, 0.8) * SIDE)
        mix(canvas, np.array(identity.skin) * (0.45, 0.34, 0.3), 0.8 * atlas.spot(mole, rng.uniform(0.8, 1.8)))


def _lips(canvas: Canvas, identity: Identity, look: Look, atlas: Atlas, rng: np.random.Generator) -> None:
    point = atlas.landmarks
    lips = atlas.area(curve_closed(point[48:60]), 1.6 if look.lipstick else 2.6)
    colour = np.array(identity.lip_colour, np.float32)
    if look.lipstick:
        hue = np.array([(168, 30, 44), (186, 62, 78), (120, 24, 40), (200, 96, 96)])[int(rng.integers(4))]
        colour = hue * rng.uniform(0.75, 1.1)
    stripes = cv2.resize(rng.standard_normal((6, 90), dtype=np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    mix(canvas, colour, lips * look.lip_opacity)
    canvas *= (1 + 0.05 * stripes * lips)[..., None]
    # The lips' inner edge is wet and dark.
    inner = atlas.area(curve_closed(point[60:68]), 2.5)
    canvas *= (1 - 0.35 * inner)[..., None]


def _eyes(canvas: Canvas, identity: Identity, look: Look, atlas: Atlas, rng: np.random.Generator) -> None:
    point = atlas.landmarks
    middle = point[36:42].mean(axis=0)
    sockets = atlas.both_spots((middle[0], middle[1] + 8), 34.0, 13.0) + 0.8 * atlas.both_spots(
        point[39] + (6, 0), 12.0, 14.0
    )
    canvas *= 1 - look.sockets * np.clip(sockets, 0, 1)[..., None] * np.array([0.8, 1.0, 0.95], np.float32)
    if look.eyeshadow:
        colour = rng.uniform(40, 150, 3)
        mix(canvas, colour, rng.uniform(0.2, 0.6) * atlas.both_spots((middle[0], middle[1] - 9), 26.0, 8.0))
    for lid, opacity in ((point[36:40], look.liner), (point[[36, 41, 40, 39]], 0.4 * look.liner)):
        line = atlas.line(lid, 2.0, 0.9)
        mix(canvas, (38, 26, 22), np.clip(1.2 * opacity * np.maximum(line, line[:, ::-1]), 0, 0.9))
    # Wet, red rims hide where skin meets the eyeball.
    rim = atlas.area(curve_closed(point[36:42]), 1.0)
    mix(canvas, np.array(identity.skin) * (0.86, 0.62, 0.58), 0.7 * np.maximum(rim, rim[:, ::-1]))


def _brows(canvas: Canvas, identity: Identity, look: Look, atlas: Atlas, rng: np.random.Generator) -> None:
    """Paint the brows as strokes: upright at the inner end, along the brow at the outer end."""
    path = curve(atlas.landmarks[17:22], 64)
    path[:, 1] += look.brow_drop
    path[:, 1] -= (identity.brow_arch - 0.5) * 7 * np.exp(-(((np.linspace(0, 1, 64) - 0.4) / 0.25) ** 2))
    # Inner ends that lie high look worried at rest.
    path[:, 1] += rng.uniform(0, 8) * (np.linspace(0, 1, 64) - 0.4)
    layer = np.zeros((SIDE, SIDE), np.uint8)
    strokes = np.concatenate([_strokes(path, look, rng), mirrored(_strokes(path, look, rng))])
    inks = rng.uniform(110, 235, INKS) * look.brow_opacity
    for number, ink in enumerate(inks):
        paths = np.round(strokes[number::INKS] * 16).astype(np.int32)
        cv2.polylines(layer, list(paths), False, int(ink), 1, cv2.LINE_AA, shift=4)
    soft = blurred(layer.astype(np.float32) / 255, 0.7)
    under = blurred(layer.astype(np.float32) / 255, 3.0) * 0.55
    mix(canvas, identity.brow_colour, np.clip(np.maximum(1.15 * soft, under), 0, 0.97))


def _strokes(path: np.ndarray, look: Look, rng: np.random.Generator) -> Float32[np.ndarray, "strokes 2 2"]:
    """Return start and end of the hairs of one brow, which begin around a path from its outer to its inner end."""
    along = rng.beta(1.3, 1.0, look.brow_strokes)[:, None]
    step = (along[:, 0] * (len(path) - 2)).astype(int)
    outward = path[step] - path[step + 1]
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    half = look.brow_thickness * (2.0 + 5.0 * along**0.7) * np.where(along < 0.93, 1.0, 0.75)
    start = path[step] + half * np.clip(rng.normal(0, 0.5, along.shape), -1.1, 1.1) * (0.0, 1.0)
    upright = np.clip((along - 0.55) / 0.45, 0, 1)
    direction = (1 - upright) * outward + upright * (0.1, -1.0) + rng.normal(0, 0.18, outward.shape)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return np.stack([start, start + direction * rng.uniform(5, 11, along.shape)], axis=1).astype(np.float32)


def _beard(canvas: Canvas, identity: Identity, atlas: Atlas, rng: np.random.Generator) -> None:
    if identity.beard == "none":
        return
    point = atlas.landmarks
    lips = atlas.area(curve_closed(point[48:60] * 1.0), 2.0)
    moustache = atlas.area(
        np.array(
            [
                point[48] + (-8, 8),
                point[49] + (-8, -8),
                point[32] + (0, 8),
                point[34] + (0, 8),
                point[53] + (8, -8),
                point[54] + (8, 8),
                point[51],
            ]
        ),
        5.0,
    )
    chin = atlas.area(
        np.array(
            [
                point[48] + (-12, 0),
                point[57] + (0, 6),
                point[54] + (12, 0),
                point[9] + (14, 24),
                point[8] + (0, 40),
                point[7] + (-14, 24),
            ]
        ),
        6.0,
    )
    jaw = atlas.area(
        np.concatenate(
            [point[2:15] * 1.0 + (0, 6), [point[54] + (10, 12), point[57] + (0, 12), point[48] + (-10, 12)]]
        ),
        9.0,
    )
    jaw = np.maximum(jaw, np.exp(-0.5 * ((atlas.y - point[8][1] - 26) / 20) ** 2) * (np.abs(atlas.x - SIDE / 2) < 150))
    everywhere = np.maximum(np.maximum(moustache, chin), jaw)
    areas = {"moustache": moustache, "goatee": np.maximum(moustache, chin), "stubble": everywhere, "full": everywhere}
    where = areas[identity.beard] * (1 - np.clip(1.3 * lips, 0, 1))
    hair = noise(rng, SIDE) * 0.5 + noise(rng, SIDE // 2) * 0.5
    if identity.beard == "stubble":
        mix(canvas, identity.brow_colour, np.asarray(where * np.clip(0.28 + 0.22 * hair, 0, 0.6), np.float32))
        return
    strands = cv2.resize(rng.standard_normal((SIDE // 10, SIDE // 2), dtype=np.float32), (SIDE, SIDE))
    colour = np.array(identity.brow_colour)
    mix(canvas, colour, np.asarray(np.clip(where * (1.15 + 0.25 * hair), 0, 0.96), np.float32))
    canvas *= (1 + 0.22 * np.clip(where, 0, 1) * strands)[..., None]


def curve_closed(points: np.ndarray, count: int = 60) -> np.ndarray:
    """Return ``count`` points on a smooth closed curve through points."""
    closed = np.concatenate([points[-2:], points, points[:3]])
    knots = np.arange(len(closed)) - 2
    wanted = np.linspace(0, len(points), count, endpoint=False)
    # Catmull-Rom spline.
    index = np.floor(wanted).astype(int) + 2
    t = (wanted - knots[index])[:, None]
    a, b, c, d = (closed[index + step] for step in (-1, 0, 1, 2))
    return np.asarray(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
