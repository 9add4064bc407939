"""One person's head: its shape at rest, and the surface at every moment."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from ifdd.synth.behaviour.action_units import Activation
from ifdd.synth.rendered.mesh import LANDMARK_VERTICES, TOOTH_VERTICES, HeadMesh, Points
from ifdd.synth.rendered.units import furrow_shapes, limit_weights, shape_weights

IDENTITY_SPREAD, LARGEST_IDENTITY = (0.6, 1.0), 2.2
"""Range of the standard deviation of the identity weights, and their largest value."""

GAIN_SPREAD, GAINS = 0.25, (0.55, 1.5)
"""Deviation of the logarithm of how far people's faces move in each expression shape, and its range: the muscles of
one person move the skin further than those of another at the same intensity."""

BROW_DROP, BROW_DROP_SPREAD, LARGEST_BROW_DROP = 0.42, 0.28, (-0.3, 1.0)
"""Mean, deviation and range of how much lower than the average head's a person's brows lie, in centimetres. On
photographs of calm people they lie 3 to 4 % of the distance between the outer corners of the eyes lower."""

MOUTH_WIDENING, MOUTH_WIDENING_SPREAD = 0.1, 0.07
"""Mean and deviation of how much wider than the average head's a person's mouth is, as a share of its width."""

BROW_REACH, MOUTH_REACH = (2.6, 0.9, 3.0), (3.5, 1.5, 3.5)
"""Deviations in centimetres of the regions that move with brows and mouth, across, up and forward."""

TEETH_BACK = 0.25
"""Distance in centimetres by which the teeth are moved back: the published ones push through the lips."""


class Surface(NamedTuple):
    """The deformed head."""

    points: Points
    normals: Points
    hollows: Float32[np.ndarray, " vertices"]
    """Depth below the neighbouring vertices in centimetres."""


class Head:
    """The geometry of one person.

    Args:
        mesh: the mesh that all people share.
        rng: random source of the person.
    """

    def __init__(self, mesh: HeadMesh, rng: np.random.Generator) -> None:
        self.mesh = mesh
        spread = rng.uniform(*IDENTITY_SPREAD)
        weights = np.clip(rng.normal(0, spread, len(mesh.model.identity)), -LARGEST_IDENTITY, LARGEST_IDENTITY)
        shape = np.tensordot(weights.astype(np.float32), mesh.model.identity.astype(np.float32), 1)
        self.neutral = mesh.neutral + shape
        self.neutral += _resting_shift(mesh, self.neutral, rng)
        self.neutral[TOOTH_VERTICES, 2] -= TEETH_BACK
        self._furrows = furrow_shapes(mesh)
        self._gains = _shape_gains([*mesh.expression_row, *self._furrows], rng.spawn(1)[0])
        self._resting = _resting_weights(rng)
        rest = self.surface(np.zeros((2, 0), np.float32), (0.0, 0.0))
        self.rest = rest
        """The face at rest."""

    def surface(self, activation: Activation, gaze: tuple[float, float]) -> Surface:
        """Return the surface at one moment; an activation without columns is a face at rest."""
        weights = dict(self._resting)
        if activation.shape[1]:
            for name, weight in shape_weights(activation, gaze).items():
                weights[name] = weights.get(name, 0.0) + weight * self._gains.get(name, 1.0)
            limit_weights(weights)
        points = self._deformed(weights)
        normals = self.mesh.normals(points)
        return Surface(points, normals, self.mesh.hollows(points, normals))

    def _deformed(self, weights: dict[str, float]) -> Points:
        rows = {name: self.mesh.expression_row[name] for name in weights if name in self.mesh.expression_row}
        used = [name for name in rows if abs(weights[name]) > 1e-4]
        points = self.neutral.copy()
        for name in used:
            points += np.float32(weights[name]) * self.mesh.expression[rows[name]]
        for name, shape in self._furrows.items():
            if weights.get(name, 0.0) > 1e-4:
                points += np.float32(weights[name]) * shape
        return points


def _shape_gains(names: list[str], rng: np.random.Generator) -> dict[str, float]:
    """Draw how far this person's face moves in each shape, the same on both sides; lids close and eyes turn alike."""
    shape_of = {name: name.removesuffix("_L").removesuffix("_R") for name in names}
    shapes = sorted(set(shape_of.values()))
    gains = dict(zip(shapes, np.clip(np.exp(rng.normal(0, GAIN_SPREAD, len(shapes))), *GAINS).tolist(), strict=True))
    return {name: gains[shape] for name, shape in shape_of.items() if not name.startswith(("eyeBlink", "eyeLook"))}


def _resting_shift(mesh: HeadMesh, points: Points, rng: np.random.Generator) -> Points:
    """Draw how a person's brows and mouth differ from the average head's: identity weights alone keep their means."""
    drop = np.clip(rng.normal(BROW_DROP, BROW_DROP_SPREAD), *LARGEST_BROW_DROP)
    widening = MOUTH_WIDENING + MOUTH_WIDENING_SPREAD * np.clip(rng.normal(), -2, 2)
    front = mesh.model.neutral[:, 2] > 0
    shift = np.zeros_like(points)
    for brow in (slice(17, 22), slice(22, 27)):
        centre = points[list(LANDMARK_VERTICES[brow])].mean(axis=0)
        near = np.exp(-(((points - centre) / BROW_REACH) ** 2).sum(axis=1) / 2)
        shift[:, 1] -= np.float32(drop) * near * front
    centre = points[list(LANDMARK_VERTICES[48:60])].mean(axis=0)
    near = np.exp(-(((points - centre) / MOUTH_REACH) ** 2).sum(axis=1) / 2)
    shift[:, 0] += np.float32(widening) * (points[:, 0] - centre[0]) * near * front
    return shift


def _resting_weights(rng: np.random.Generator) -> dict[str, float]:
    """Draw how this person's brows, lids and mouth lie at rest, a little different on the two sides."""
    weights: dict[str, float] = {}
    for names, low, high in (
        (("browDown_{side}", "browInnerUp_{side}"), -0.35, 0.12),
        (("browOuterUp_{side}",), -0.3, 0.35),
        (("eyeBlink_{side}",), -0.06, 0.2),
        (("eyeSquint_{side}",), 0.0, 0.2),
        (("mouthFrown_{side}", "mouthSmile_{side}"), -0.12, 0.12),
    ):
        value = rng.uniform(low, high)
        for side in ("L", "R"):
            own = value + 0.12 * (high - low) * rng.normal()
            # A pair of opposites: negative values are weights of the first shape.
            name = names[0] if len(names) == 1 or own < 0 else names[1]
            weights[name.format(side=side)] = abs(own) if len(names) > 1 else own
    return weights
