"""What a rig is: the part that draws a person, which can be exchanged."""

from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float, UInt8

from ifdd.synth.action_units import Activation
from ifdd.synth.geometry import Pose


class Light(NamedTuple):
    """The light of one moment."""

    direction: Float[np.ndarray, "3"]
    """Unit vector towards the light: x right, y down, z to the viewer."""
    colour: Float[np.ndarray, "3"]
    """Red, green, blue of the light, about 0..1."""
    ambient: Float[np.ndarray, "3"]
    """Light that comes from everywhere."""


class FaceState(NamedTuple):
    """Everything that a rig needs to know about one moment of one person."""

    activation: Activation
    pose: Pose
    gaze: tuple[float, float]
    """Yaw (right positive) and pitch (down positive) of the eyes in the head, degrees."""
    light: Light


class FaceTruth(NamedTuple):
    """Where the face came to lie on the picture, in pixels."""

    landmarks: Float[np.ndarray, "points=68 2"]
    """iBUG 300-W order."""
    box: tuple[float, float, float, float]
    """x, y, width, height of the part within the picture: upper forehead to chin, cheek to cheek."""


class Rig(Protocol):
    """A way to draw one person. Another one can be put in by adding it to ``render.RIGS``."""

    def draw(self, picture: UInt8[np.ndarray, "height width 3"], state: FaceState) -> FaceTruth:
        """Draw head, neck and shoulders over ``picture`` in place."""
        ...
