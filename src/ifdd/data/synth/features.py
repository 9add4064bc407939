"""Drawing the features on the atlas: eyes, brows, nose, mouth, and the lines that expressions make."""

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.data.synth.action_units import Activation
from ifdd.data.synth.geometry import Atlas
from ifdd.data.synth.identity import Colour, Identity
from ifdd.data.synth.layout import IRIS, Eye, Layout, Mouth, Points, both, pair, smooth

SHIFT = 4
"""Coordinates go to OpenCV in 1/16 pixel."""
SCLERA: Colour = (232, 226, 222)
TEETH: Colour = (232, 226, 214)
THROAT: Colour = (58, 20, 22)
TONGUE: Colour = (176, 84, 86)

Canvas = UInt8[np.ndarray, "h w 3"]
Mask = UInt8[np.ndarray, "h w"]


def fixed(points: Points) -> np.ndarray:
    """Return pixel positions in OpenCV's fixed-point form."""
    return np.asarray(np.rint(points * (1 << SHIFT)), np.int32)


def fill(canvas: np.ndarray, points: Points, colour: Colour | float) -> None:
    """Fill a polygon, given in pixels, with smooth edges."""
    cv2.fillPoly(canvas, [fixed(points)], colour, cv2.LINE_AA, SHIFT)


def stroke(canvas: np.ndarray, points: Points, colour: Colour | float, thickness: float) -> None:
    """Draw an open line, given in pixels, with smooth edges; thinner than a pixel is drawn one pixel wide."""
    cv2.polylines(canvas, [fixed(points)], False, colour, max(1, round(thickness)), cv2.LINE_AA, SHIFT)


def taper(canvas: np.ndarray, points: Points, colour: Colour | float, widths: np.ndarray) -> None:
    """Draw a line, given in pixels, whose full width changes from point to point."""
    along = np.gradient(points, axis=0)
    along[np.hypot(along[:, 0], along[:, 1]) < 1e-6] = (1, 0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.hypot(along[:, 0], along[:, 1])[:, None]
    half = across * (widths / 2)[:, None]
    fill(canvas, np.concatenate([points + half, (points - half)[::-1]]), colour)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour ``share`` of the way from the first to the second."""
    red, green, blue = (a * (1 - share) + b * share for a, b in zip(first, second, strict=True))
    return red, green, blue


class FeaturePainter:
    """Draws one person's features, frame after frame, on copies of the same skin."""

    def __init__(self, identity: Identity, atlas: Atlas) -> None:
        self.identity = identity
        self.atlas = atlas
        self.dark = mix(identity.skin, (40, 16, 12), 0.62)
        self.lid = mix(identity.skin, (120, 60, 50), 0.22)
        rng = np.random.default_rng(identity.texture_seed)
        self.hairs = rng.uniform(-1, 1, (26, 3))

    def paint(self, canvas: Canvas, layout: Layout, activation: Activation) -> Mask:
        """Draw all features on ``canvas``; return the mask of lines and hollows (0..255), to be darkened softly."""
        crease = np.zeros(canvas.shape[:2], np.uint8)
        self._lines(crease, layout, activation)
        crease = cv2.GaussianBlur(crease, (0, 0), 0.011 * self.atlas.scale)
        self._nose(canvas, crease, layout)
        self._mouth(canvas, layout.mouth)
        for eye in layout.eyes:
            self._eye(canvas, crease, eye)
        self._brows(canvas, layout)
        return crease

    def highlights(self, picture: Canvas, layout: Layout, light: tuple[float, float]) -> None:
        """Add the glints of eyes, after the light has been put on."""
        for eye in layout.eyes:
            if eye.opening < 0.45:
                continue
            centre = np.array([[eye.iris[0] + 0.028 * light[0] + 0.008, eye.iris[1] - 0.024]])
            x, y = fixed(self.atlas.pixels(centre))[0]
            cv2.circle(
                picture, (int(x), int(y)), round(0.014 * self.atlas.scale * 16), (250, 250, 250), -1, cv2.LINE_AA, SHIFT
            )

    def _px(self, points: Points, samples: int = 0) -> Points:
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
        x, y = fixed(self.atlas.pixels(np.array([eye.iris])) - low)[0]
        size = self.identity.eye_size * scale * 16
        colour = self.identity.eye_colour
        for radius, tint in (
            (IRIS, mix(colour, (10, 8, 8), 0.6)),
            (0.85 * IRIS, colour),
            (0.62 * IRIS, mix(colour, (255, 230, 190), 0.15)),
            (0.42 * IRIS, (12, 10, 10)),
        ):
            cv2.circle(ball, (int(x), int(y)), round(radius * size), tint, -1, cv2.LINE_AA, SHIFT)
        # The lid throws a shadow on the ball; the corners are redder.
        shadow = np.zeros_like(inside)
        stroke(shadow, upper - low + (0, 0.012 * scale), 150.0, 0.035 * scale)
        shadow = cv2.GaussianBlur(shadow, (0, 0), 0.013 * scale)
        ball = cv2.multiply(ball, cv2.merge([255 - shadow] * 3), scale=1 / 255)
        _blend(region, ball, inside)
        lash = mix((22, 14, 12), self.identity.skin, 0.12)
        stroke(canvas, lower, mix(self.lid, (150, 80, 70), 0.3), 0.012 * scale)
        widths = np.interp(np.linspace(0, 1, 15), (0, 0.6, 0.9, 1), (0.35, 1.0, 0.95, 0.4))
        widths = widths * (0.022 + 0.014 * self.identity.lashes) * scale
        taper(canvas, upper, lash, widths[::-1] if eye.upper[2, 0] < 0 else widths)
        if self.identity.lid_crease > 0:
            stroke(crease, self._px(eye.crease, 12)[1:-1], 95.0, 0.016 * scale)

    def _brows(self, canvas: Canvas, layout: Layout) -> None:
        scale = self.atlas.scale
        thickness = 0.040 * self.identity.brow_thickness
        points = np.concatenate([self._px(brow) for brow in layout.brows])
        low, high = (
            np.floor(points.min(axis=0) - 0.08 * scale).astype(int),
            np.ceil(points.max(axis=0) + 0.08 * scale).astype(int),
        )
        region = canvas[low[1] : high[1], low[0] : high[0]]
        mask = np.zeros(region.shape[:2], np.uint8)
        taper = np.array([0.55, 0.85, 1.0, 1.0, 0.95, 0.85, 0.72, 0.58, 0.42, 0.28, 0.12])[:, None] * (
            thickness * scale
        )
        for brow in layout.brows:
            line = self._px(brow, 11) - low
            along = np.gradient(line, axis=0)
            normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True)
            fill(mask, np.concatenate([line + normal * taper, (line - normal * taper)[::-1]]), 215.0)
            outward = np.sign(line[-1, 0] - line[0, 0])
            where = np.linspace(0, 9, len(self.hairs))
            index = where.astype(int)
            base = (
                line[index]
                + along[index] * (where - index)[:, None]
                + normal[index] * (self.hairs[:, :1] * taper[index] * 0.9)
            )
            lean = np.stack([outward * (0.4 + 0.6 * where / 9), -0.9 + 1.3 * where / 9], axis=1) * (0.045 * scale)
            for start, end, shade in zip(
                base, base + lean * (0.8 + 0.3 * self.hairs[:, 1:2]), self.hairs[:, 2], strict=True
            ):
                stroke(mask, np.stack([start, end]), 200.0 + 50 * shade, 1)
        mask = cv2.GaussianBlur(mask, (0, 0), 0.008 * scale)
        _blend(region, np.broadcast_to(np.array(self.identity.brow_colour, np.uint8), region.shape), mask)

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
        fill(paint, np.concatenate([inner_lower, outer_lower[::-1] + (0, 0.05 * scale)]) - low, lip)
        stroke(paint, lower_middle[8:17] - (0, 0.008 * scale), mix(lip, (255, 220, 215), 0.25), 0.03 * scale)
        paint = cv2.GaussianBlur(paint, (0, 0), 0.012 * scale)
        if mouth.gap > 0.012:
            self._interior(paint, mouth, np.concatenate([inner_upper, inner_lower[::-1]]) - low, low)
        inside = np.zeros(region.shape[:2], np.uint8)
        fill(inside, contour - low, 255.0)
        inside = cv2.GaussianBlur(inside, (0, 0), 0.007 * scale)
        _blend(region, paint, inside)
        line = mix(lip, (35, 10, 12), 0.75)
        widths = np.interp(np.linspace(0, 1, 25), (0, 0.12, 0.5, 0.88, 1), (0.25, 0.8, 1.0, 0.8, 0.25))
        taper(canvas, inner_upper, line, widths * (0.022 if mouth.gap > 0.012 else 0.026) * scale)

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
            stroke(inside, np.stack([edge[index], lower_edge[index]]) - low, mix(TEETH, THROAT, 0.22), 1)
        shadow = np.zeros_like(hole)
        stroke(shadow, contour, 170.0, 0.03 * scale)
        shadow = cv2.GaussianBlur(shadow, (0, 0), 0.018 * scale)
        inside = cv2.multiply(inside, cv2.merge([255 - shadow] * 3), scale=1 / 255)
        _blend(paint, inside, hole)

    def _lines(self, crease: Mask, layout: Layout, activation: Activation) -> None:
        """Draw the furrows: each grows with its units and, a little, with age."""
        scale, age = self.atlas.scale, self.identity.age
        inner, outer = both(activation, 1), both(activation, 2)
        lowered = both(activation, 4)
        rest = 45 * max(0.0, age - 0.3)
        for y, bow in ((-0.50, 1.0), (-0.585, 0.8), (-0.665, 0.5)):
            middle, sides = 120 * inner * bow + rest, 120 * outer * bow + rest * 0.7
            lift = -0.035 * inner
            if middle > 6:
                dip = 0.02 * (1 + lowered)
                line = np.array(
                    [[-0.20, y + 0.015], [-0.1, y + lift], [0, y + lift + dip], [0.1, y + lift], [0.20, y + 0.015]]
                )
                stroke(crease, self._px(line, 16), min(middle, 255.0), 0.020 * scale)
            if sides > 6:
                for sign in (-1, 1):
                    line = np.array(
                        [[sign * 0.17, y + 0.01], [sign * 0.30, y - 0.03 * outer], [sign * 0.43, y + 0.035]]
                    )
                    stroke(crease, self._px(line, 10), min(sides, 255.0), 0.020 * scale)
        for side, sign in enumerate((-1, 1)):
            self._side_lines(crease, layout, activation, side, sign)
        wrinkled = both(activation, 9)
        if wrinkled > 0.05:
            for y, half in ((-0.17, 0.05), (-0.115, 0.07), (-0.06, 0.075)):
                line = np.array([[-half, y + 0.022], [-0.4 * half, y], [0.4 * half, y], [half, y + 0.022]])
                stroke(crease, self._px(line, 10), 215 * wrinkled, 0.019 * scale)
        raised = both(activation, 17)
        if raised > 0.05:
            top = layout.mouth.outer_lower[3, 1] + 0.055
            line = np.array([[-0.13, top + 0.05], [-0.06, top], [0.06, top], [0.13, top + 0.05]])
            stroke(crease, self._px(line, 12), 150 * raised, 0.028 * scale)
            for x, y in ((-0.06, 0.09), (0.0, 0.07), (0.06, 0.09), (-0.03, 0.13), (0.03, 0.13)):
                centre = fixed(self.atlas.pixels(np.array([[x, top + y]])))[0]
                cv2.circle(
                    crease,
                    (int(centre[0]), int(centre[1])),
                    round(0.012 * scale * 16),
                    90 * raised,
                    -1,
                    cv2.LINE_AA,
                    SHIFT,
                )

    def _side_lines(self, crease: Mask, layout: Layout, activation: Activation, side: int, sign: int) -> None:
        scale, age = self.atlas.scale, self.identity.age
        u = {number: pair(activation, number)[side] for number in (1, 4, 6, 7, 9, 10, 12, 14, 15, 20, 23, 24)}
        mouth, brow, eye = layout.mouth, layout.brows[side], layout.eyes[side]
        corner = mouth.inner_upper[0 if side == 0 else -1]
        if u[4] > 0.05:
            x, y = brow[0]
            line = np.array([[x - sign * 0.022, y - 0.085], [x - sign * 0.03, y], [x - sign * 0.02, y + 0.07]])
            stroke(crease, self._px(line, 8), 190 * u[4], 0.022 * scale)
        fold = 60 * age + 150 * max(u[12] * 0.85, u[10], u[9] * 0.9, u[6] * 0.5)
        if fold > 8:
            out = 0.055 * max(u[12], 0.5 * u[10])
            wing_x, wing_y = layout.nose_wing[side]
            line = np.array(
                [
                    [wing_x + sign * 0.025, wing_y - 0.035],
                    [wing_x + sign * (0.075 + out), wing_y + 0.06],
                    [0.6 * corner[0] + 0.4 * wing_x + sign * (0.09 + out), 0.55 * corner[1] + 0.45 * wing_y],
                    [corner[0] + sign * 0.075, corner[1] + 0.03 * (1 - u[12])],
                ]
            )
            stroke(crease, self._px(line, 14), min(fold, 255.0), 0.026 * scale)
        feet = 150 * u[6] + 40 * max(0.0, age - 0.5)
        if feet > 8:
            x, y = sign * (abs(eye.upper[:, 0]).max() + 0.03), eye.upper[0 if side == 0 else -1, 1]
            for angle in (-0.45, 0.0, 0.42):
                line = np.array(
                    [[x, y + 0.05 * angle], [x + sign * 0.06, y + 0.14 * angle], [x + sign * 0.115, y + 0.30 * angle]]
                )
                stroke(crease, self._px(line, 6), min(feet, 255.0), 0.014 * scale)
        bag = 35 * age + 150 * max(u[6], 0.6 * u[7], 0.5 * u[9])
        if bag > 8:
            stroke(crease, self._px(eye.bag, 12)[1:-1], min(bag, 255.0), 0.018 * scale)
        if u[14] > 0.05:
            line = np.array(
                [
                    [corner[0] + sign * 0.025, corner[1] - 0.06],
                    [corner[0] + sign * 0.055, corner[1]],
                    [corner[0] + sign * 0.03, corner[1] + 0.06],
                ]
            )
            stroke(crease, self._px(line, 8), 210 * u[14], 0.026 * scale)
        if u[15] > 0.05:
            line = np.array(
                [
                    [corner[0] + sign * 0.005, corner[1] + 0.01],
                    [corner[0] + sign * 0.03, corner[1] + 0.07],
                    [corner[0] + sign * 0.02, corner[1] + 0.13],
                ]
            )
            stroke(crease, self._px(line, 8), 150 * u[15], 0.024 * scale)
        if u[20] > 0.05:
            line = np.array(
                [
                    [corner[0] + sign * 0.05, corner[1] - 0.08],
                    [corner[0] + sign * 0.075, corner[1]],
                    [corner[0] + sign * 0.06, corner[1] + 0.10],
                ]
            )
            stroke(crease, self._px(line, 8), 130 * u[20], 0.022 * scale)
        pressed = max(u[23], u[24])
        if pressed > 0.05:
            stroke(
                crease,
                self._px(np.array([corner + (sign * 0.02, -0.025), corner + (sign * 0.03, 0.03)])),
                150 * pressed,
                0.026 * scale,
            )
            low = mouth.outer_lower[3, 1] + 0.02
            half = [[sign * 0.02, low], [sign * 0.10, low - 0.004], [sign * 0.16, low - 0.015]]
            stroke(crease, self._px(np.array(half), 8), 90 * pressed, 0.024 * scale)


def _blend(below: Canvas, above: np.ndarray, mask: Mask) -> None:
    """Put ``above`` over ``below`` in place where the mask (0..255) says."""
    share = mask.astype(np.uint16)[..., None]
    mixed = below.astype(np.uint16) * (255 - share) + above.astype(np.uint16) * share
    below[:] = ((mixed + 127) // 255).astype(np.uint8)
