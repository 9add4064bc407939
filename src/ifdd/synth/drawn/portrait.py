"""The drawn rig: a face painted on an atlas, shaded by its relief and wrapped around the head."""

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from ifdd.synth.behaviour.action_units import Activation
from ifdd.synth.drawn.drawing import fill, mix, smooth, stroke
from ifdd.synth.drawn.features import FeaturePainter
from ifdd.synth.drawn.geometry import (
    HALF_WIDTH,
    TOP,
    Atlas,
    Profile,
    Surface,
    drop_jaw,
    head_profile,
    heights,
    jaw_shift,
)
from ifdd.synth.drawn.hair import COVERS_EARS, crown_thickness, draw_behind, paint_hair
from ifdd.synth.drawn.layout import Layout, both, box_points, drawn_activation, landmarks, make_layout
from ifdd.synth.drawn.skin import Shader, jaw_rows, moved_relief, neutral_relief, paint_skin, warp_field, warped
from ifdd.synth.identity import Colour, Identity
from ifdd.synth.rig import FaceState, FaceTruth, Light, Pose, face_truth

OVERSAMPLING = 1.5
"""Atlas pixels per picture pixel."""
SCALE_STEP = 6.0
"""Atlas scales are multiples of this, in pixels per head unit, so that templates can be cached."""
FURROW_DEPTH = (0.42, 0.52, 0.56)
"""Share of red, green and blue light that the deepest furrow absorbs."""
POINT_STEP = 0.04
"""Distance in head units of the points whose atlas point is computed; about 2 pixels in a clip."""

Picture = UInt8[np.ndarray, "height width 3"]


class PortraitRig:
    """Draws one person.

    Args:
        identity: the person.
        scale: pixels per head unit of the face in the picture, which determines the atlas's resolution.
    """

    def __init__(self, identity: Identity, scale: float) -> None:
        self.identity = identity
        self.atlas = Atlas(scale=float(np.clip(SCALE_STEP * round(OVERSAMPLING * scale / SCALE_STEP), 36, 400)))
        rng = np.random.default_rng(identity.texture_seed)
        self.profile = head_profile(identity, crown_thickness(identity))
        self.texture = paint_skin(identity, self.atlas, rng)
        hair = paint_hair(self.texture, identity, self.atlas, rng)
        face = neutral_relief(identity, self.atlas)
        self.hair_relief = cv2.resize(hair, face.shape[::-1], interpolation=cv2.INTER_AREA)
        self.relief = face
        self.shader = Shader(self.profile, self.atlas)
        self.painter = FeaturePainter(identity, self.atlas)

    def draw(self, picture: Picture, state: FaceState) -> FaceTruth:
        """Draw head, neck and shoulders over ``picture`` in place."""
        activation = drawn_activation(state.activation)
        layout = make_layout(self.identity, activation, state.gaze)
        profile = drop_jaw(self.profile, both(activation, 26))
        relief = moved_relief(self.relief, self.atlas, activation) + self.hair_relief
        surface = Surface(profile, relief, state.pose)
        brightness = float(np.mean(state.light.ambient) + 0.5 * np.mean(state.light.colour))
        draw_behind(picture, self.identity, surface, brightness)
        self._shoulders(picture, surface, state)
        self._ears(picture, surface, state, near=False)
        self._head(picture, surface, self._painted(layout, activation, relief, surface, state.light))
        self._ears(picture, surface, state, near=True)
        self._glasses(picture, surface)
        return self._truth(layout, surface, profile, picture.shape[:2])

    def _painted(
        self, layout: Layout, activation: Activation, relief: Float32[np.ndarray, "h w"], surface: Surface, light: Light
    ) -> Picture:
        """Return the atlas with everything painted on it and lit."""
        jaw = both(activation, 26)
        rows = jaw_rows(self.atlas, jaw_shift(heights(), jaw)) if jaw > 0 else None
        canvas = warped(self.texture, self.atlas, warp_field(self.atlas, activation), rows)
        crease = self.painter.paint(canvas, layout, activation)
        direction = surface.rotation().T @ light.direction
        diffuse, gloss = self.shader.light(relief, direction, shine=0.22)
        size = canvas.shape[1::-1]
        shade = cv2.resize(diffuse, size, interpolation=cv2.INTER_LINEAR)
        shine = cv2.resize(gloss, size, interpolation=cv2.INTER_LINEAR)
        # Furrows receive less light, and reflect redder light than the skin.
        lost = crease.astype(np.float32) * np.float32(1 / 255)
        lit = cv2.merge(
            [
                (shade * np.float32(directed) + np.float32(ambient)) * (1 - lost * np.float32(depth))
                for directed, ambient, depth in zip(light.colour, light.ambient, FURROW_DEPTH, strict=True)
            ]
        )
        result = cv2.multiply(canvas, lit, dtype=cv2.CV_8U)
        result = cv2.add(result, cv2.merge([cv2.convertScaleAbs(shine, alpha=255 * float(c)) for c in light.colour]))
        self.painter.highlights(result, layout, (float(direction[0]), float(direction[1])))
        return np.asarray(result)

    def _head(self, picture: Picture, surface: Surface, painted: UInt8[np.ndarray, "rows columns 3"]) -> None:
        outline = surface.outline()
        low = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 1, 0)
        high = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 2, picture.shape[1::-1])
        if np.any(high <= low):
            return
        region = picture[low[1] : high[1], low[0] : high[0]]
        inside = np.zeros(region.shape[:2], np.uint8)
        fill(inside, outline - low, 255.0)
        pose = surface.pose._replace(x=surface.pose.x - float(low[0]), y=surface.pose.y - float(low[1]))
        seen = surface.posed(pose).atlas_points(region.shape[:2], max(POINT_STEP * surface.pose.scale, 2.0))
        size = region.shape[1::-1]
        columns = cv2.resize(
            (seen.column + np.float32(HALF_WIDTH)) * np.float32(self.atlas.scale) - np.float32(0.5), size
        )
        rows = cv2.resize((seen.row - np.float32(TOP)) * np.float32(self.atlas.scale) - np.float32(0.5), size)
        head = cv2.remap(painted, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        share = inside.astype(np.float32)[..., None] * np.float32(1 / 255)
        region[:] = (region + share * (head.astype(np.float32) - region) + 0.5).astype(np.uint8)

    def _lit(self, colour: Colour, light: Light, amount: float) -> Colour:
        red, green, blue = (
            float(min(255.0, value * (a + amount * c)))
            for value, c, a in zip(colour, light.colour, light.ambient, strict=True)
        )
        return red, green, blue

    def _shoulders(self, picture: Picture, surface: Surface, state: FaceState) -> None:
        """Draw neck and shoulders, which follow the head's position but hardly its rotation."""
        pose, who = surface.pose, self.identity
        still = surface.posed(Pose(0.25 * pose.yaw, 0.0, 0.2 * pose.roll, pose.x, pose.y, pose.scale))
        half_neck = 0.62 * who.face_width + 0.05 * who.jaw
        neck = smooth(
            np.array(
                [
                    (half_neck * 0.96, 0.3),
                    (half_neck * 0.92, 0.85),
                    (half_neck * 0.98, 1.15),
                    (half_neck * 1.25, 1.35),
                    (half_neck * 1.3, 2.6),
                ]
            ),
            20,
        )
        body = smooth(
            np.array([(half_neck * 1.02, 1.20), (half_neck * 1.5, 1.36), (1.25, 1.55), (1.65, 1.85), (1.85, 3.2)]), 24
        )
        body = np.concatenate([body, [(1.9, 9.0)]])  # down to the floor, for people seen from afar
        light = state.light
        # A headscarf covers the neck.
        throat = who.hair_colour if who.hair_style == "scarf" else who.skin
        side = float(light.direction[0])
        fill(picture, _mirrored(still, neck, -0.25), self._lit(throat, light, 0.48))
        shadow = np.array([(half_neck * 0.93, 0.75), (half_neck * 0.93, 1.02), (half_neck * 0.5, 1.16), (0.0, 1.2)])
        fill(
            picture,
            _mirrored(still, smooth(shadow, 12), -0.2),
            self._lit(mix(throat, (70, 24, 14), 0.28), light, 0.30),
        )
        collar = smooth(np.array([(0.0, 1.62), (half_neck * 0.55, 1.52), (half_neck * 1.02, 1.20)]), 8)
        shirt = np.concatenate([collar, body])
        fill(picture, _mirrored(still, shirt, -0.3), self._lit(who.shirt_colour, light, 0.55 + 0.1 * side))
        edge = still.project(
            np.column_stack([np.concatenate([collar[::-1] * (-1, 1), collar]), np.full(2 * len(collar), -0.28)])
        )
        stroke(picture, edge, self._lit(mix(who.shirt_colour, (0, 0, 0), 0.3), light, 0.5), 0.03 * pose.scale)

    def _ears(self, picture: Picture, surface: Surface, state: FaceState, near: bool) -> None:
        if self.identity.hair_style in COVERS_EARS:
            return
        width = self.identity.face_width
        shape = np.array(
            [(0.0, -0.12), (0.05, -0.19), (0.115, -0.16), (0.125, -0.03), (0.09, 0.12), (0.03, 0.20), (-0.01, 0.17)]
        )
        inner = np.array([(0.03, -0.10), (0.075, -0.11), (0.085, -0.02), (0.05, 0.09), (0.03, 0.08)])
        for sign in (-1, 1):
            # The ear on the side turned to the viewer overlaps the head's outline.
            turned = -sign * state.pose.yaw
            if (turned > 5) != near:
                continue
            towards = sign * float(state.light.direction[0])
            for points, depth, colour, amount in (
                (shape, 0.0, self.identity.skin, 0.5 + 0.25 * towards),
                (inner, 0.01, mix(self.identity.skin, (110, 30, 20), 0.35), 0.35 + 0.2 * towards),
            ):
                outline = smooth(np.concatenate([points, points[:1]]), 28)
                x = width * 0.985 + outline[:, 0] * 0.8
                z = -0.02 - outline[:, 0] * 0.8 + depth
                space = np.column_stack([sign * x, outline[:, 1] + 0.02, z])
                fill(picture, surface.project(space), self._lit(colour, state.light, amount))

    def _glasses(self, picture: Picture, surface: Surface) -> None:
        if self.identity.glasses == "none":
            return
        colour, scale = self.identity.glasses_colour, surface.pose.scale
        angle = np.linspace(0, 2 * np.pi, 33)
        power = 1.0 if self.identity.glasses == "round" else 0.55
        x = 0.235 * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
        y = (
            (0.20 if self.identity.glasses == "round" else 0.165)
            * np.sign(np.sin(angle))
            * np.abs(np.sin(angle)) ** power
        )
        thickness = 0.026 * scale
        front = surface.lift(np.array([[0.0, -0.14]]), 0.05)[0, 2]
        for sign in (-1, 1):
            rim = np.column_stack([sign * 0.305 + x, -0.075 + y, front - 0.25 * np.abs(sign * 0.305 + x) ** 2])
            stroke(picture, surface.project(rim), colour, thickness)
            temple = np.array(
                [[sign * 0.535, -0.12, front - 0.08], [sign * (self.identity.face_width + 0.02), -0.11, 0.0]]
            )
            if -sign * surface.pose.yaw > -12:
                stroke(picture, surface.project(temple), colour, thickness)
        bridge = np.array([[-0.075, -0.10, front], [0.0, -0.125, front + 0.02], [0.075, -0.10, front]])
        stroke(picture, surface.project(bridge), colour, thickness)

    def _truth(self, layout: Layout, surface: Surface, profile: Profile, size: tuple[int, ...]) -> FaceTruth:
        points = landmarks(layout, self.identity, profile)
        seen = surface.project(surface.lift(points))
        extent = surface.project(surface.lift(box_points(points)))
        return face_truth(seen, extent, size)


def _mirrored(surface: Surface, half: Float[np.ndarray, "points 2"], depth: float) -> Float[np.ndarray, "outline 2"]:
    outline = np.concatenate([half, half[::-1] * (-1, 1)])
    return surface.project(np.column_stack([outline, np.full(len(outline), depth)]))
