"""Drawing the features on the atlas: eyes, brows, nose and mouth."""

import cv2
import numpy as np
from jaxtyping import Float

from ifdd.synth.behaviour.action_units import Activation
from ifdd.synth.drawn.drawing import (
    SHIFT,
    Canvas,
    Mask,
    Points,
    blend,
    blurred,
    darkened,
    dot,
    fill,
    fixed,
    mix,
    smooth,
    stroke,
    taper,
)
from ifdd.synth.drawn.furrows import FurrowPainter
from ifdd.synth.drawn.geometry import Atlas
from ifdd.synth.drawn.layout import IRIS, Eye, Layout
from ifdd.synth.drawn.mouth import PARTED, Mouth
from ifdd.synth.identity import Colour, Identity

SCLERA: Colour = (232, 226, 222)
TEETH: Colour = (232, 226, 214)
THROAT: Colour = (58, 20, 22)
TONGUE: Colour = (176, 84, 86)
BROW_TAPER = np.array([0.55, 0.85, 1.0, 1.0, 0.95, 0.85, 0.72, 0.58, 0.42, 0.28, 0.12])[:, None]
"""Thickness of a brow from the inner to the outer end."""
LASH_TAPER = np.interp(np.linspace(0, 1, 15), (0, 0.6, 0.9, 1), (0.35, 1.0, 0.95, 0.4))
"""Thickness of the upper lashes from the inner to the outer corner."""
LIP_LINE_TAPER = np.interp(np.linspace(0, 1, 25), (0, 0.12, 0.5, 0.88, 1), (0.25, 0.8, 1.0, 0.8, 0.25))
"""Thickness of the line between the lips."""


class FeaturePainter:
    """Draws one person's features on the skin, frame by frame."""

    def __init__(self, identity: Identity, atlas: Atlas) -> None:
        self.identity = identity
        self.atlas = atlas
        self.furrows = FurrowPainter(identity.age, atlas)
        rng = np.random.default_rng(identity.texture_seed)
        # Brow hairs are upright at the inner end and lie flat towards the outer end.
        share = np.linspace(0, 1, 26)
        self.hair_place = share * (len(BROW_TAPER) - 2)
        self.hair_offset = rng.uniform(-0.9, 0.9, (26, 1))
        self.hair_lean = np.stack([0.4 + 0.6 * share, -0.9 + 1.3 * share], axis=1) * rng.uniform(0.022, 0.05, (26, 1))

    def paint(self, canvas: Canvas, layout: Layout, activation: Activation) -> Mask:
        """Draw all features on ``canvas``; return the mask of furrows and creases (0 to 255), for shading."""
        crease = np.zeros(canvas.shape[:2], np.uint8)
        self.furrows.draw(crease, layout, activation)
        crease = blurred(crease, 0.011 * self.atlas.scale)
        self._nose(canvas, crease, layout)
        self._mouth(canvas, layout.mouth)
        for eye in layout.eyes:
            self._eye(canvas, crease, eye)
        self._brows(canvas, layout)
        return crease

    def highlights(self, picture: Canvas, layout: Layout, light: tuple[float, float]) -> None:
        """Add the catchlights of the eyes to the lit picture."""
        for eye in layout.eyes:
            if eye.opening < 0.45:
                continue
            # The catchlight lies on the iris, below the lid.
            height = max(eye.iris[1] - 0.024, float(eye.upper[2, 1]) + 0.022)
            centre = np.array([[eye.iris[0] + 0.028 * light[0] + 0.008, height]])
            dot(picture, self.atlas.pixels(centre), 0.014 * self.atlas.scale, (250.0, 250.0, 250.0))

    def _px(self, points: Points, samples: int = 0) -> Float[np.ndarray, "drawn 2"]:
        return self.atlas.pixels(smooth(points, samples) if samples else points)

    def _eye(self, canvas: Canvas, crease: Mask, eye: Eye) -> None:
        scale = self.atlas.scale
        upper, lower = self._px(eye.upper, 15), self._px(eye.lower, 15)
        contour = np.concatenate([upper, lower[::-1]])
        low, high = np.floor(contour.min(axis=0)).astype(int) - 2, np.ceil(contour.max(axis=0)).astype(int) + 3
        region = canvas[low[1] : high[1], low[0] : high[0]]
        inside = np.zeros(region.shape[:2], np.uint8)
        fill(inside, contour - low, 255.0)
        ball = np.empty_like(region)
        ball[:] = SCLERA
        centre = self.atlas.pixels(np.array([eye.iris])) - low
        colour = self.identity.eye_colour
        pupil: Colour = (12, 10, 10)
        rings = (
            (1.0, mix(colour, pupil, 0.6)),
            (0.85, colour),
            (0.62, mix(colour, (255, 230, 190), 0.15)),
            (0.42, pupil),
        )
        for radius, tint in rings:
            dot(ball, centre, radius * IRIS * self.identity.eye_size * scale, tint)
        # The lid casts a shadow on the eyeball.
        shadow = np.zeros_like(inside)
        stroke(shadow, upper - low + (0, 0.012 * scale), 150.0, 0.035 * scale)
        shadow = blurred(shadow, 0.013 * scale)
        ball = darkened(ball, shadow)
        blend(region, ball, inside)
        lash = mix((22, 14, 12), self.identity.skin, 0.12)
        stroke(canvas, lower, mix(self.identity.skin, (140, 72, 62), 0.4), 0.012 * scale)
        widths = LASH_TAPER * (0.022 + 0.014 * self.identity.lashes) * scale
        taper(canvas, upper, lash, widths[::-1] if eye.upper[2, 0] < 0 else widths)
        if self.identity.lid_crease > 0:
            stroke(crease, self._px(eye.crease, 12)[1:-1], 95.0, 0.016 * scale)

    def _brows(self, canvas: Canvas, layout: Layout) -> None:
        scale = self.atlas.scale
        points = self._px(np.concatenate(layout.brows))
        low = np.floor(points.min(axis=0) - 0.08 * scale).astype(int)
        high = np.ceil(points.max(axis=0) + 0.08 * scale).astype(int)
        region = canvas[low[1] : high[1], low[0] : high[0]]
        mask = np.zeros(region.shape[:2], np.uint8)
        half = BROW_TAPER * (0.040 * self.identity.brow_thickness * scale)
        for sign, brow in zip((-1, 1), layout.brows, strict=True):
            line = self._px(brow, len(BROW_TAPER)) - low
            along = np.gradient(line, axis=0)
            across = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.hypot(along[:, 0], along[:, 1])[:, None]
            fill(mask, np.concatenate([line + across * half, (line - across * half)[::-1]]), 215.0)
            place = self.hair_place.astype(int)
            root = (
                line[place]
                + along[place] * (self.hair_place - place)[:, None]
                + across[place] * half[place] * self.hair_offset
            )
            tip = root + self.hair_lean * (sign * scale, scale)
            cv2.polylines(mask, list(fixed(np.stack([root, tip], axis=1))), False, 235.0, 1, cv2.LINE_AA, SHIFT)
        mask = blurred(mask, 0.008 * scale)
        blend(region, np.broadcast_to(np.array(self.identity.brow_colour, np.uint8), region.shape), mask)

    def _nose(self, canvas: Canvas, crease: Mask, layout: Layout) -> None:
        scale = self.atlas.scale
        dark = mix(self.identity.skin, (30, 10, 8), 0.72)
        for sign, (wing_x, wing_y) in zip((-1, 1), layout.nose_wing, strict=True):
            outer = np.array(
                [
                    [wing_x - sign * 0.02, wing_y - 0.045],
                    [wing_x + sign * 0.008, wing_y],
                    [wing_x - sign * 0.012, wing_y + 0.038],
                ]
            )
            stroke(crease, self._px(outer, 8), 90.0, 0.018 * scale)
            x, y = fixed(self.atlas.pixels(np.array([[wing_x * 0.56, wing_y + 0.045]])))[0]
            axes = (round(0.042 * self.identity.nose_width * scale * 16), round(0.017 * scale * 16))
            cv2.ellipse(canvas, (int(x), int(y)), axes, sign * 18, 0, 360, dark, -1, cv2.LINE_AA, SHIFT)
        base_y = layout.nose_tip[1] + 0.072
        base = np.array([[-0.035, base_y], [0, base_y + 0.008], [0.035, base_y]])
        stroke(crease, self._px(base, 6), 70.0, 0.02 * scale)

    def _mouth(self, canvas: Canvas, mouth: Mouth) -> None:
        scale = self.atlas.scale
        outer_upper, inner_upper = self._px(mouth.outer_upper, 25), self._px(mouth.inner_upper, 25)
        inner_lower, outer_lower = self._px(mouth.inner_lower, 25), self._px(mouth.outer_lower, 25)
        contour = np.concatenate([outer_upper, outer_lower[::-1]])
        margin = 0.04 * scale
        low, high = (
            np.floor(contour.min(axis=0) - margin).astype(int),
            np.ceil(contour.max(axis=0) + margin).astype(int),
        )
        region = canvas[low[1] : high[1], low[0] : high[0]]
        lip = self.identity.lip_colour
        paint = np.empty_like(region)
        paint[:] = mix(lip, (60, 20, 24), 0.22)
        lower_middle = (inner_lower + outer_lower) / 2 - low
        fill(paint, np.concatenate([inner_lower, outer_lower[::-1] + np.array([0, 0.05 * scale])]) - low, lip)
        stroke(paint, lower_middle[8:17] - (0, 0.008 * scale), mix(lip, (255, 220, 215), 0.25), 0.03 * scale)
        paint = blurred(paint, 0.012 * scale)
        if mouth.gap > PARTED:
            self._interior(paint, mouth, np.concatenate([inner_upper, inner_lower[::-1]]) - low, low)
        inside = np.zeros(region.shape[:2], np.uint8)
        fill(inside, contour - low, 255.0)
        inside = blurred(inside, 0.007 * scale)
        blend(region, paint, inside)
        line = mix(lip, (35, 10, 12), 0.75)
        taper(canvas, inner_upper, line, LIP_LINE_TAPER * (0.022 if mouth.gap > PARTED else 0.026) * scale)

    def _interior(self, paint: Canvas, mouth: Mouth, contour: Points, low: np.ndarray) -> None:
        scale = self.atlas.scale
        hole = np.zeros(paint.shape[:2], np.uint8)
        fill(hole, contour, 255.0)
        inside = np.empty_like(paint)
        inside[:] = THROAT
        width = mouth.inner_upper[-1, 0] - mouth.inner_upper[0, 0]
        middle_x, low_y = float(mouth.inner_lower[3, 0]), float(mouth.inner_lower[3, 1])
        if mouth.gap > 0.10:
            x, y = fixed(self.atlas.pixels(np.array([[middle_x, low_y + 0.01]])) - low)[0]
            axes = (round(0.30 * width * scale * 16), round(min(0.09, 0.42 * mouth.gap) * scale * 16))
            cv2.ellipse(inside, (int(x), int(y)), axes, 0, 0, 360, TONGUE, -1, cv2.LINE_AA, SHIFT)
        edge = self._px(mouth.inner_upper * (0.93, 1.0), 25)
        bottom = np.full(len(edge), mouth.teeth_lower) + 0.25 * (
            smooth(mouth.inner_upper, 25)[:, 1] - mouth.inner_upper[3, 1]
        )
        lower_edge = edge.copy()
        lower_edge[:, 1] = self.atlas.pixels(np.stack([np.zeros(len(bottom)), bottom], axis=1))[:, 1]
        fill(inside, np.concatenate([edge - (0, 0.05 * scale), lower_edge[::-1]]) - low, TEETH)
        for share in (0.26, 0.38, 0.5, 0.62, 0.74):
            index = round(share * 24)
            stroke(inside, np.stack([edge[index], lower_edge[index]]) - low, mix(TEETH, THROAT, 0.22), 1.0)
        shadow = np.zeros_like(hole)
        stroke(shadow, contour, 170.0, 0.03 * scale)
        shadow = blurred(shadow, 0.018 * scale)
        inside = darkened(inside, shadow)
        blend(paint, inside, hole)
