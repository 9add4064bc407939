"""The head as a surface: where a point of the painted face lies in space and in the picture.

In the head frame (``rig.py``) the head is a stack of ellipses: at height y, x = r W(y) sin(s) and
z = c(y) + r K W(y) cos(s), with r = 1 + relief. The face is painted on an atlas whose columns are W(y) q(s): the
frontal view for |s| <= 1 (q = sin), continued around the sides of the head. Turning the head is one look-up per pixel:
for a given yaw, x' = r A cos(s - s0) + c sin(yaw) can be solved for s, so a few fixed-point iterations over height,
relief and perspective yield the atlas point that each pixel shows.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Float32

from ifdd.synth.identity import Identity
from ifdd.synth.rig import CHIN, FACE_CENTRE, Pose

TOP, BOTTOM, HALF_WIDTH = -1.45, 1.35, 1.12
"""Extent of the atlas, in head units."""
ROWS = 1024
"""Number of entries of the tables over y."""
FOCAL = 7.0
"""Distance of the camera from the head, in head units, which determines the perspective."""
FACE_DEPTH = 0.7
"""Distance of the face from the middle of the head, in head units: the depth at which a pose's scale holds."""
PIVOT = 0.25
"""Height of the pivot about which the head turns."""
DEPTH = 1.12
"""K: depth of the head's ellipses relative to their width."""
JAW_TRAVEL = 0.28
"""Downward shift of the chin when the jaw is fully dropped."""
SIDE_LIMIT, SIDE_SLOPE = 1.0, float(np.cos(1.0))


class Profile(NamedTuple):
    """Tables over y (TOP to BOTTOM, ROWS entries): half width and centre depth of the head's ellipses."""

    width: Float[np.ndarray, " rows"]
    centre: Float[np.ndarray, " rows"]


class AtlasPoints(NamedTuple):
    """The point of the atlas (in head units) that each picture point shows."""

    column: Float32[np.ndarray, "height width"]
    row: Float32[np.ndarray, "height width"]


def heights() -> Float[np.ndarray, " rows"]:
    """Return the y of each entry of a table over y."""
    return np.linspace(TOP, BOTTOM, ROWS)


def jaw_shift(y: Float[np.ndarray, " heights"], jaw: float) -> Float[np.ndarray, " heights"]:
    """Return the downward shift of the skin at neutral height ``y`` for a jaw dropped by ``jaw`` (0 to 1)."""
    share = np.clip((y - 0.25) / 0.40, 0, 1)
    return JAW_TRAVEL * jaw * share * share * (3 - 2 * share)


def head_profile(identity: Identity, hair_top: float) -> Profile:
    """Return the neutral profile of one person; ``hair_top`` is the thickness of the hair on the crown."""
    y = heights()
    crown, cheek, chin = -1.08 - hair_top, 0.02, CHIN + identity.chin
    upper = np.clip((cheek - y) / (cheek - crown), 0, 1)
    lower = np.clip((y - cheek) / (chin - cheek), 0, 1)
    squareness = 2.0 + 1.3 * identity.jaw
    taper = (1 - lower**squareness) ** (0.72 - 0.17 * identity.jaw)
    width = identity.face_width * np.where(y < cheek, (1 - upper**2.5) ** (1 / 2.3), taper)
    front = np.interp(
        y, [crown, crown + 0.12, -0.75, -0.3, 0.1, 0.5, chin - 0.1, chin], [0.1, 0.4, 0.68, 0.74, 0.72, 0.75, 0.72, 0.6]
    )
    front = cv2.GaussianBlur(front.reshape(-1, 1), (1, 91), 0).ravel()
    return Profile(np.maximum(width, 1e-3), front - DEPTH * width)


def drop_jaw(profile: Profile, jaw: float) -> Profile:
    """Return the profile with the jaw dropped by ``jaw`` (0 to 1)."""
    y = heights()
    neutral = np.interp(y, y + jaw_shift(y, jaw), y)
    # Stretched cheeks get thinner.
    thinner = 1 - 0.08 * jaw * np.clip((y - 0.1) / 0.4, 0, 1)
    return Profile(np.interp(neutral, y, profile.width) * thinner, np.interp(neutral, y, profile.centre))


@dataclass(frozen=True)
class Atlas:
    """The canvas on which the face is painted."""

    scale: float
    """Pixels per head unit."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return round((BOTTOM - TOP) * self.scale), round(2 * HALF_WIDTH * self.scale)

    def pixels(self, points: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
        """Return the pixel positions of face points (x, y in head units)."""
        return (points + np.array([HALF_WIDTH, -TOP])) * self.scale - 0.5

    def grid(self, factor: float = 1.0) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
        """Return x and y of every pixel of the atlas at 1 / ``factor`` of its resolution."""
        height, width = (round(side / factor) for side in self.shape)
        x = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 * HALF_WIDTH - HALF_WIDTH
        y = (np.arange(height, dtype=np.float32) + 0.5) / height * (BOTTOM - TOP) + TOP
        grid_x, grid_y = np.meshgrid(x, y)
        return grid_x, grid_y


class Surface:
    """The head at one moment, with its projection to the picture.

    Args:
        profile: the head's ellipses.
        relief: relative height of skin and hair above the ellipses, on an atlas of any resolution.
        pose: position and orientation of the head.
    """

    def __init__(self, profile: Profile, relief: Float32[np.ndarray, "h w"], pose: Pose) -> None:
        self.width = profile.width.astype(np.float32)
        self.centre = profile.centre.astype(np.float32)
        self.relief = relief
        self.pose = pose = Pose(*map(float, pose))
        yaw, pitch, roll = np.deg2rad([pose.yaw, pose.pitch, pose.roll])
        self.sin_yaw, self.cos_yaw = float(np.sin(yaw)), float(np.cos(yaw))
        self.sin_pitch, self.cos_pitch = float(np.sin(pitch)), float(np.cos(pitch))
        self.sin_roll, self.cos_roll = float(np.sin(roll)), float(np.cos(roll))
        self.reach = float(np.hypot(self.cos_yaw, DEPTH * self.sin_yaw))
        self.limb = float(np.arctan2(self.cos_yaw, DEPTH * self.sin_yaw))
        # With any perspective, the middle of a frontal face's box must lie at (pose.x, pose.y).
        self.anchor = FACE_CENTRE - PIVOT

    def posed(self, pose: Pose) -> "Surface":
        """Return the same head in another pose."""
        return Surface(Profile(self.width, self.centre), self.relief, pose)

    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """Return the matrix from the head frame to the viewer's frame."""
        yaw = np.array([[self.cos_yaw, 0, self.sin_yaw], [0, 1, 0], [-self.sin_yaw, 0, self.cos_yaw]])
        pitch = np.array([[1, 0, 0], [0, self.cos_pitch, self.sin_pitch], [0, -self.sin_pitch, self.cos_pitch]])
        roll = np.array([[self.cos_roll, -self.sin_roll, 0], [self.sin_roll, self.cos_roll, 0], [0, 0, 1]])
        return np.asarray(roll @ pitch @ yaw)

    def project(self, points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 2"]:
        """Return the picture positions, in pixels, of points in the head frame."""
        turned = (points - (0, PIVOT, 0)) @ self.rotation().T
        seen = turned[:, :2] * ((FOCAL - FACE_DEPTH) / (FOCAL - turned[:, 2:]))
        return (seen - (0, self.anchor)) * self.pose.scale + (self.pose.x, self.pose.y)

    def lift(self, points: Float[np.ndarray, "points 2"], above: float = 0.0) -> Float[np.ndarray, "points 3"]:
        """Return face points (frontal x, y) in the head frame, ``above`` units over the surface."""
        index = self._index(points[:, 1])
        width = self.width[index]
        q = np.clip(points[:, 0] / width, -2.0, 2.0)
        s = np.where(np.abs(q) <= np.sin(SIDE_LIMIT), np.arcsin(np.clip(q, -1, 1)), 0)
        beyond = np.sign(q) * (SIDE_LIMIT + (np.abs(q) - np.sin(SIDE_LIMIT)) / SIDE_SLOPE)
        s = np.where(np.abs(q) <= np.sin(SIDE_LIMIT), s, beyond)
        r = 1 + self._relief_at(points[:, :1].astype(np.float32), points[:, 1:].astype(np.float32)).ravel()
        return np.stack(
            [
                (r * width + above) * np.sin(s),
                points[:, 1],
                self.centre[index] + (r * DEPTH * width + above) * np.cos(s),
            ],
            axis=1,
        )

    def outline(self) -> Float[np.ndarray, "points 2"]:
        """Return the head's outline in the picture, in pixels."""
        y = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 72))  # denser towards crown and chin, where the outline curves
        top, bottom = heights()[self.width > 2e-3][[0, -1]]
        y = (top + bottom) / 2 + y * (bottom - top) / 2
        index = self._index(y)
        width = self.width[index]
        sides = []
        for s in (self.limb, self.limb - np.pi):
            r = (
                1
                + self._relief_at(
                    (width * _q(np.full_like(width, s)))[:, None].astype(np.float32), y[:, None].astype(np.float32)
                ).ravel()
            )
            sides.append(
                np.stack([r * width * np.sin(s), y, self.centre[index] + r * DEPTH * width * np.cos(s)], axis=1)
            )
        return self.project(np.concatenate([sides[0], sides[1][::-1]]))

    def atlas_points(self, size: tuple[int, int], step: float, iterations: int = 4) -> AtlasPoints:
        """Return the point of the atlas that each picture point shows.

        Args:
            size: picture height and width in pixels.
            step: distance of the computed points in pixels; the caller interpolates between them.
            iterations: number of fixed-point iterations.
        """
        height, width = (int(np.ceil(side / step)) for side in size)
        px = ((np.arange(width, dtype=np.float32) + 0.5) * (size[1] / width) - 0.5 - self.pose.x) / self.pose.scale
        py = (
            (np.arange(height, dtype=np.float32) + 0.5) * (size[0] / height) - 0.5 - self.pose.y
        ) / self.pose.scale + self.anchor
        seen_x = self.cos_roll * px[None, :] + self.sin_roll * py[:, None]
        seen_y = -self.sin_roll * px[None, :] + self.cos_roll * py[:, None]
        depth: np.ndarray | np.float32 = np.float32(FACE_DEPTH)
        turned_z = np.full_like(seen_x, FACE_DEPTH)
        r: np.ndarray | np.float32 = np.float32(1)
        for iteration in range(iterations):
            shrink = (np.float32(FOCAL) - depth) / np.float32(FOCAL - FACE_DEPTH)
            x, y = np.asarray(seen_x * shrink), np.asarray(seen_y * shrink)
            y = (y - self.sin_pitch * turned_z) / self.cos_pitch
            index = self._index(y + PIVOT)
            ring, centre = self.width[index], self.centre[index]
            s = self.limb - np.arccos(np.clip((x - centre * self.sin_yaw) / (r * ring * self.reach), -1, 1))
            column = ring * _q(s)
            if iteration == iterations - 1:
                break
            r = 1 + self._relief_at(column, y + PIVOT)
            turned_z = self.cos_yaw * (centre + r * DEPTH * ring * np.cos(s)) - self.sin_yaw * (r * ring * np.sin(s))
            depth = self.cos_pitch * turned_z - self.sin_pitch * y
        return AtlasPoints(column, (y + PIVOT).astype(np.float32))

    def _index(self, y: Float[np.ndarray, "..."]) -> np.ndarray:
        return np.clip((y - TOP) * ((ROWS - 1) / (BOTTOM - TOP)), 0, ROWS - 1).astype(np.int32)

    def _relief_at(self, x: Float32[np.ndarray, "h w"], y: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
        height, width = self.relief.shape
        column = (x + np.float32(HALF_WIDTH)) * np.float32(width / (2 * HALF_WIDTH)) - np.float32(0.5)
        row = (y - np.float32(TOP)) * np.float32(height / (BOTTOM - TOP)) - np.float32(0.5)
        return np.asarray(cv2.remap(self.relief, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _q(s: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    inside = np.clip(s, -SIDE_LIMIT, SIDE_LIMIT)
    return np.sin(inside) + np.float32(SIDE_SLOPE) * (s - inside)
