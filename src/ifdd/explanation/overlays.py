"""Frames in a row, plain or with a heat map over them."""

import numpy as np
from jaxtyping import UInt8

from ifdd.explanation.attribution import HeatMap

DYNAMIC_COLOUR = (226, 88, 20)
"""RGB of everything that belongs to Y_D."""
STATIC_COLOUR = (38, 120, 214)
"""RGB of everything that belongs to Y_S; it differs from the other in lightness and for colour-blind people."""

DIMMED = 0.85
"""Brightness of the grey frames below a heat map."""
OPAQUE = 0.9
"""Opacity of the hottest pixel."""


def strip(frames: UInt8[np.ndarray, "time height width 3"]) -> UInt8[np.ndarray, "height strip_width 3"]:
    """Return the frames side by side."""
    return np.concatenate(list(frames), axis=1)


def heat_frames(
    frames: UInt8[np.ndarray, "time height width 3"], heat: HeatMap, colour: tuple[int, int, int]
) -> UInt8[np.ndarray, "time height width 3"]:
    """Return the frames in grey with a heat map over them: more colour, more heat, on one scale for all frames.

    Args:
        frames: the clip.
        heat: its heat map; the hottest pixel of the clip is coloured most.
        colour: RGB.
    """
    grey = frames.mean(-1, keepdims=True) * DIMMED
    opacity = OPAQUE * (heat / max(float(heat.max()), 1e-12))[..., None]
    return (grey * (1 - opacity) + np.array(colour) * opacity).round().astype(np.uint8)
