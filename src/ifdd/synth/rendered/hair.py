"""Hair: a shell over the scalp with volume, curtains beside the face, and a fringe over the forehead."""

import numpy as np
from jaxtyping import Float, Float32, UInt8

from ifdd.synth.identity import Identity
from ifdd.synth.rendered.accessories import Piece, sheet, strands
from ifdd.synth.rendered.atlas import SIDE, Atlas, blurred, noise
from ifdd.synth.rendered.head import Head
from ifdd.synth.rendered.mesh import HeadMesh
from ifdd.synth.rendered.renderer import Material

CENTRE = np.array([0.0, 5.0, 0.5])
"""Centre of the skull in centimetres."""

VOLUME = {
    "short": (0.5, 1.1),
    "swept": (0.9, 1.8),
    "fringe": (0.8, 1.5),
    "crop": (0.25, 0.5),
    "curly": (1.2, 2.8),
    "long": (0.7, 1.6),
    "bob": (0.8, 1.6),
    "tied": (0.3, 0.6),
    "scarf": (0.8, 1.2),
    "bald": (0.0, 0.0),
}
"""Hair style -> range of the thickness over the scalp in centimetres."""

CURTAINS = {"long": (-17.0, -9.0), "bob": (-7.0, -3.0), "curly": (-8.0, 0.0), "scarf": (-16.0, -12.0)}
"""Hair style -> range of the height in centimetres to which hair falls beside the face."""

HAIR = Material((0.10, 12.0), (0.25, 0.25, 0.25), 0.0, cut=0.5, shadowed=0.6)


def inside_hairline(points: Float[np.ndarray, "*shape 3"], recede: float = 0.0) -> Float[np.ndarray, " *shape"]:
    """Return the distance in centimetres by which points on the head lie inside the hairline; negative outside."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    azimuth = np.degrees(np.abs(np.arctan2(x, z)))
    heights = np.interp(
        azimuth, [0, 22, 42, 58, 72, 84, 94, 112, 150, 180], [9.9, 10.1, 9.4, 7.4, 4.6, 2.2, 3.4, -1.0, -4.0, -4.5]
    )
    front = np.exp(-((azimuth / 38) ** 2)) + 0.8 * np.exp(-(((azimuth - 32) / 16) ** 2))
    return np.asarray(y - heights - recede * front)


def paint_scalp(
    skin: UInt8[np.ndarray, "side side 4"], identity: Identity, recede: float, atlas: Atlas, rng: np.random.Generator
) -> None:
    """Paint the roots of the hair on the face's texture in place, so that no skin shines through."""
    distance = inside_hairline(atlas.position, recede) + 0.25 * noise(rng, 60)
    ears = (np.abs(atlas.x - SIDE / 2) > 0.43 * SIDE) & (atlas.y > 0.3 * SIDE)
    opacity = np.clip(distance / 1.2 + 0.2, 0, 1) * (1 - ears)
    opacity = blurred(opacity.astype(np.float32), 2.0) * (0.25 if identity.hair_style == "bald" else 0.9)
    colour = np.array(identity.hair_colour, np.float32) * 0.8
    skin[..., :3] = (skin[..., :3] + opacity[..., None] * (colour - skin[..., :3])).astype(np.uint8)


def make_hair(identity: Identity, head: Head, recede: float, rng: np.random.Generator) -> list[Piece]:
    """Return the pieces of a person's hair or headscarf; the hairline lies ``recede`` centimetres above the average."""
    style = identity.hair_style
    if style == "bald":
        return []
    cloth = style == "scarf"
    volume = rng.uniform(*VOLUME[style]) * identity.hair_volume
    colours = strands(identity.hair_colour, rng, contrast=0.05 if cloth else rng.uniform(0.15, 0.35))
    pieces = [_cap(identity, head, recede, volume, colours, rng)]
    if style in CURTAINS and (style != "curly" or rng.random() < 0.5):
        pieces.append(_curtain(style, volume, colours, rng))
    if style == "fringe" or (style in ("short", "bob", "swept", "long") and rng.random() < 0.15):
        pieces.append(_fringe(volume, colours, rng))
    if style == "tied":
        pieces.append(_bun(colours, rng))
    return pieces


def _cap(
    identity: Identity,
    head: Head,
    recede: float,
    volume: float,
    colours: Float32[np.ndarray, "s s 3"],
    rng: np.random.Generator,
) -> Piece:
    """Return the scalp, moved outwards."""
    mesh = head.mesh
    points, normals = head.rest.points[mesh.source], head.rest.normals[mesh.source]
    inside = inside_hairline(points, recede)
    if identity.hair_style == "scarf":
        inside = inside + 1.0
    chosen = np.concatenate([mesh.parts["face"], mesh.parts["scalp"]])
    hairy = (inside > -1.8) & ~_ears(mesh)
    chosen = chosen[hairy[chosen].all(axis=1)]
    outward = points - CENTRE
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    rise = np.clip((inside + 0.8) / 2.2, 0, 1)
    bumps = 0.0
    if identity.hair_style == "curly":
        bumps = 0.22 * np.sin(points @ rng.normal(0, 2.0, 3)) * np.sin(points @ rng.normal(0, 2.0, 3))
    top = 1 + 0.5 * np.clip((points[:, 1] - 8) / 6, 0, 1)
    thick = volume * rise * top * (1 + bumps) + 0.12
    moved = points + thick[:, None] * (0.6 * outward + 0.4 * normals)
    used, triangles = np.unique(chosen, return_inverse=True)
    azimuth = np.arctan2(points[:, 0], points[:, 2])
    # Columns mirror at the back, where the azimuth jumps; strands run away from the hairline.
    uv = np.stack([np.abs(azimuth) / np.pi, np.clip((inside + 1.8) / 10, 0.0, 0.99)], axis=1)
    vertices = np.concatenate([moved, normals, uv, np.zeros((len(points), 1))], axis=1)[used].astype(np.float32)
    ragged = _ragged_ends(colours.shape[0], rng, 0.0 if identity.hair_style == "scarf" else 0.14, least=0.1)
    return Piece(
        vertices, triangles.reshape(-1, 3).astype(np.int32), np.dstack([colours.astype(np.uint8), ragged]), HAIR
    )


def _curtain(style: str, volume: float, colours: Float32[np.ndarray, "s s 3"], rng: np.random.Generator) -> Piece:
    """Return hair that falls from the crown beside the face and behind it."""
    low = rng.uniform(*CURTAINS[style])
    front = np.radians(rng.uniform(52, 80)) if style != "scarf" else np.radians(60)
    uneven = rng.uniform(-0.25, 0.15) if rng.random() < 0.4 and style != "scarf" else 0.0
    columns, rows = 60, 18
    azimuth = np.linspace(front + uneven, 2 * np.pi - front, columns)
    t = np.linspace(0, 1, rows)[:, None]
    height = np.broadcast_to(9.5 + (low - 9.5) * t, (rows, columns))
    wave = 0.35 * np.sin(6 * t + rng.uniform(0, 6) + 3 * np.sin(3 * azimuth))
    radius_x, radius_z = 7.6 + volume + 0.6 * np.sin(np.pi * np.clip(t * 1.2, 0, 1)), 8.6 + volume
    taper = np.clip((height - 5) / 9.5, 0, 1)
    shrink = np.sqrt(np.clip(1 - taper**2, 0.05, 1))
    x = np.sin(azimuth) * (radius_x * shrink + wave)
    z = np.cos(azimuth) * (radius_z * shrink + wave)
    points = np.stack([x, height, z], axis=2)
    uv = np.stack([np.broadcast_to(np.linspace(0, 1, columns), x.shape), np.broadcast_to(1 - t, x.shape)], axis=2)
    ends = _ragged_ends(colours.shape[0], rng, 0.25 if style != "scarf" else 0.0)
    return Piece(*sheet(points, uv), np.dstack([colours.astype(np.uint8), ends]), HAIR)


def _fringe(volume: float, colours: Float32[np.ndarray, "s s 3"], rng: np.random.Generator) -> Piece:
    """Return hair that falls over the forehead, straight or to one side."""
    reach, low = np.radians(rng.uniform(35, 60)), rng.uniform(5.6, 8.4)
    slant = rng.uniform(-1.8, 1.8)
    columns, rows = 40, 10
    azimuth = np.linspace(-reach, reach, columns)
    t = np.linspace(0, 1, rows)[:, None]
    share = azimuth / reach
    bottom = low + slant * share - 1.2 * share**2
    height = 11.6 + volume * 0.6 + (bottom - 11.6 - volume * 0.6) * t
    radius = (
        8.4
        + 0.55 * volume * np.sin(np.pi * (0.25 + 0.75 * t))
        + 1.55 * np.sin(np.pi / 2 * np.clip(t * 1.15, 0, 1))
        + 0.25
    )
    x = np.sin(azimuth) * radius * 0.86
    z = 0.3 + np.cos(azimuth) * (radius + 0.7)
    points = np.stack([x, np.broadcast_to(height, x.shape), z], axis=2)
    uv = np.stack([np.broadcast_to(np.linspace(0, 1, columns), x.shape), np.broadcast_to(1 - t, x.shape)], axis=2)
    ends = _ragged_ends(colours.shape[0], rng, rng.uniform(0.2, 0.7))
    return Piece(*sheet(points, uv), np.dstack([colours.astype(np.uint8), ends]), HAIR)


def _bun(colours: Float32[np.ndarray, "s s 3"], rng: np.random.Generator) -> Piece:
    """Return a knot of hair at the back or on top of the head."""
    size, place = rng.uniform(2.2, 3.4), np.array([0.0, *(rng.uniform(8, 14), rng.uniform(-9, -6))])
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 17), np.linspace(0.05, np.pi - 0.05, 11))
    points = place + size * np.stack([np.sin(v) * np.sin(u), np.cos(v), np.sin(v) * np.cos(u)], axis=2)
    uv = np.stack([u / (2 * np.pi), v / np.pi], axis=2)
    opaque = np.full(colours.shape[:2], 255, np.uint8)
    return Piece(*sheet(points, uv), np.dstack([colours.astype(np.uint8), opaque]), HAIR)


def _ragged_ends(
    side: int, rng: np.random.Generator, length: float, least: float = 0.0
) -> UInt8[np.ndarray, "side side"]:
    """Return opacity that ends strand by strand in the lowest part of the texture.

    Args:
        side: side of the texture in pixels.
        rng: random source.
        length: share of the texture in which the strands end.
        least: share below which no strand reaches.
    """
    fine = rng.random(side) * 0.5 + 0.5 * np.interp(np.arange(side), np.linspace(0, side, 24), rng.random(24))
    end = 1 - least - length * (fine - 0.5 * bool(least))
    rows = (np.arange(side) + 0.5) / side
    return np.asarray((rows[:, None] < end[None, :]) * 255, np.uint8)


def _ears(mesh: HeadMesh) -> np.ndarray:
    face = np.zeros(len(mesh.source), bool)
    face[np.unique(mesh.parts["face"])] = True
    return face & (np.abs(mesh.uv[:, 0] - 0.5) > 0.43) & (mesh.uv[:, 1] < 0.70) & (mesh.uv[:, 1] > 0.36)
