"""The furrows that expressions make in the skin; each deepens with its action units and slightly with age."""

import numpy as np

from ifdd.synth.behaviour.action_units import UNIT_COLUMN, Activation
from ifdd.synth.drawn.drawing import Mask, dot, smooth, stroke
from ifdd.synth.drawn.geometry import Atlas
from ifdd.synth.drawn.layout import Layout, both

FAINTEST = 7.0
"""Darkness (of 255) below which a line is not drawn."""


class FurrowPainter:
    """Draws the furrows of a person of this ``age`` (0 to 1) on a mask: 0 is smooth skin, 255 the deepest furrow."""

    def __init__(self, age: float, atlas: Atlas) -> None:
        self.age = age
        self.atlas = atlas

    def draw(self, mask: Mask, layout: Layout, activation: Activation) -> None:
        """Draw all furrows at one moment."""
        self._forehead(mask, activation)
        self._nose_root(mask, both(activation, 9))
        self._chin(mask, layout, both(activation, 17))
        for side, sign in enumerate((-1, 1)):
            units = {number: float(activation[side, column]) for number, column in UNIT_COLUMN.items()}
            self._around_eye(mask, layout, units, side, sign)
            self._nasolabial(mask, layout, units, side, sign)
            self._around_mouth(mask, layout, units, side, sign)

    def _line(self, mask: Mask, points: list[tuple[float, float]], darkness: float, width: float) -> None:
        """Draw a spline through face points; ``width`` in head units."""
        if darkness > FAINTEST:
            curve = self.atlas.pixels(smooth(np.array(points), 10))
            stroke(mask, curve, min(darkness, 255.0), width * self.atlas.scale)

    def _forehead(self, mask: Mask, activation: Activation) -> None:
        """Draw the horizontal lines: central with 1, lateral with 2, dipping with 4."""
        inner, outer = both(activation, 1), both(activation, 2)
        dip = 0.02 * (1 + both(activation, 4)) - 0.035 * inner
        rest = 45 * max(0.0, self.age - 0.3)
        for y, depth in ((-0.50, 1.0), (-0.585, 0.8), (-0.665, 0.5)):
            lift = y - 0.035 * inner
            middle = [(-0.20, y + 0.015), (-0.1, lift), (0.0, y + dip), (0.1, lift), (0.20, y + 0.015)]
            self._line(mask, middle, 120 * inner * depth + rest, 0.020)
            for sign in (-1, 1):
                side = [(sign * 0.17, y + 0.01), (sign * 0.30, y - 0.03 * outer), (sign * 0.43, y + 0.035)]
                self._line(mask, side, 120 * outer * depth + 0.7 * rest, 0.020)

    def _nose_root(self, mask: Mask, wrinkled: float) -> None:
        for y, half in ((-0.17, 0.05), (-0.115, 0.07), (-0.06, 0.075)):
            points = [(-half, y + 0.022), (-0.4 * half, y), (0.4 * half, y), (half, y + 0.022)]
            self._line(mask, points, 200 * wrinkled, 0.017)

    def _chin(self, mask: Mask, layout: Layout, raised: float) -> None:
        """Draw what 17 does to the chin boss: an arc above it and dimples on it."""
        if raised < 0.05:
            return
        top = float(layout.mouth.outer_lower[3, 1]) + 0.055
        self._line(mask, [(-0.13, top + 0.05), (-0.06, top), (0.06, top), (0.13, top + 0.05)], 150 * raised, 0.028)
        for x, y in ((-0.06, 0.09), (0.0, 0.07), (0.06, 0.09), (-0.03, 0.13), (0.03, 0.13)):
            dot(mask, self.atlas.pixels(np.array([[x, top + y]])), 0.012 * self.atlas.scale, 90 * raised)

    def _around_eye(self, mask: Mask, layout: Layout, u: dict[int, float], side: int, sign: int) -> None:
        """Draw frown lines (4), crow's feet (6) and the furrow below the lower lid (6, 7, 9)."""
        brow, eye = layout.brows[side], layout.eyes[side]
        x, y = float(brow[0, 0]), float(brow[0, 1])
        frown = [(x - sign * 0.022, y - 0.085), (x - sign * 0.03, y), (x - sign * 0.02, y + 0.07)]
        self._line(mask, frown, 190 * u[4], 0.022)
        corner = eye.upper[0 if side == 0 else -1]
        x, y = float(corner[0]) + sign * 0.03, float(corner[1])
        for slope in (-0.45, 0.0, 0.42):
            foot = [(x, y + 0.05 * slope), (x + sign * 0.06, y + 0.14 * slope), (x + sign * 0.115, y + 0.30 * slope)]
            self._line(mask, foot, 150 * u[6] + 40 * max(0.0, self.age - 0.5), 0.014)
        bag = 35 * self.age + 150 * max(u[6], 0.6 * u[7], 0.5 * u[9])
        if bag > FAINTEST:
            stroke(mask, self.atlas.pixels(smooth(eye.bag, 12))[1:-1], min(bag, 255.0), 0.018 * self.atlas.scale)

    def _nasolabial(self, mask: Mask, layout: Layout, u: dict[int, float], side: int, sign: int) -> None:
        """Draw the fold from the nose wing to the mouth corner (12, 10, 9, slightly 6)."""
        wing_x, wing_y = layout.nose_wing[side]
        x, y = _corner(layout, side)
        out = 0.055 * max(u[12], 0.5 * u[10])
        points = [
            (wing_x + sign * 0.025, wing_y - 0.035),
            (wing_x + sign * (0.075 + out), wing_y + 0.06),
            (0.6 * x + 0.4 * wing_x + sign * (0.09 + out), 0.55 * y + 0.45 * wing_y),
            (x + sign * 0.075, y + 0.03 * (1 - u[12])),
        ]
        self._line(mask, points, 60 * self.age + 150 * max(0.85 * u[12], u[10], 0.9 * u[9], 0.5 * u[6]), 0.026)

    def _around_mouth(self, mask: Mask, layout: Layout, u: dict[int, float], side: int, sign: int) -> None:
        """Draw dimples (14), lines below (15) and beside (20) the mouth corners, tight and pressed lips (23, 24)."""
        x, y = _corner(layout, side)
        dimple = [(x + sign * 0.025, y - 0.06), (x + sign * 0.055, y), (x + sign * 0.03, y + 0.06)]
        self._line(mask, dimple, 210 * u[14], 0.026)
        below = [(x + sign * 0.005, y + 0.01), (x + sign * 0.03, y + 0.07), (x + sign * 0.02, y + 0.13)]
        self._line(mask, below, 150 * u[15], 0.024)
        beside = [(x + sign * 0.05, y - 0.08), (x + sign * 0.075, y), (x + sign * 0.06, y + 0.10)]
        self._line(mask, beside, 130 * u[20], 0.022)
        pressed = max(u[23], u[24])
        self._line(mask, [(x + sign * 0.02, y - 0.025), (x + sign * 0.03, y + 0.03)], 150 * pressed, 0.026)
        low = float(layout.mouth.outer_lower[3, 1]) + 0.02
        self._line(
            mask, [(sign * 0.02, low), (sign * 0.10, low - 0.004), (sign * 0.16, low - 0.015)], 90 * pressed, 0.024
        )


def _corner(layout: Layout, side: int) -> tuple[float, float]:
    x, y = layout.mouth.inner_upper[0 if side == 0 else -1]
    return float(x), float(y)
