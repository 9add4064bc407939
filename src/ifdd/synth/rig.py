"""The interface of a rig, the part that draws a person, and the frame of reference that all rigs share.

Head frame: x to the right of the picture, y down, z towards the viewer, in head units. One unit is about 10 cm; y is 0
just below the eyes.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from ifdd.synth.behaviour.action_units import Activation

FOREHEAD, CHIN = -0.68, 0.95
"""Upper and lower end of the average face's box: the upper forehead, where YuNet's boxes begin, and the chin."""
FACE_HEIGHT, FACE_CENTRE = CHIN - FOREHEAD, (FOREHEAD + CHIN) / 2
"""Height and middle of the average face's box."""
CROP_SIDE = 1.35 * FACE_HEIGHT
"""Side of the square that a model's input shows: 1.35 x the height of the face box."""


class Pose(NamedTuple):
    """Position and orientation of the head: angles in degrees, the rest in pixels."""

    yaw: float
    """Positive: towards the right of the picture."""
    pitch: float
    """Positive: downwards."""
    roll: float
    """Positive: clockwise."""
    x: float
    y: float
    """Picture position of the middle of a frontal face's box."""
    scale: float
    """Pixels per head unit, at the depth of the face."""


class Light(NamedTuple):
    """The light of one moment."""

    direction: Float[np.ndarray, "3"]
    """Unit vector towards the light: x right, y down, z towards the viewer."""
    colour: Float[np.ndarray, "3"]
    """Red, green, blue of the directed light, about 0 to 1."""
    ambient: Float[np.ndarray, "3"]
    """Red, green, blue of the ambient light."""
    fills: tuple[tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]], ...] = ()
    """Direction and colour of up to two further lights; the drawn rig ignores them."""


class FaceState(NamedTuple):
    """Everything that a rig needs to know about one moment of one person."""

    activation: Activation
    pose: Pose
    gaze: tuple[float, float]
    """Yaw (right positive) and pitch (down positive) of the eyes in the head, in degrees."""
    light: Light
    camera_distance: float = 10.0
    """Distance of the camera from the face in head units, about 10 cm; the drawn rig has no perspective."""


class FaceTruth(NamedTuple):
    """Position of the face in the picture, in pixels."""

    landmarks: Float[np.ndarray, "points=68 2"]
    """In the order of iBUG 300-W."""
    box: tuple[float, float, float, float]
    """x, y, width, height of the part within the picture: upper forehead to chin, cheek to cheek."""
    outside: float = 0.0
    """Share of the face box that lies outside the picture."""


def face_truth(
    landmarks: Float[np.ndarray, "points=68 2"], extent: Float[np.ndarray, "points 2"], size: tuple[int, ...]
) -> FaceTruth:
    """Return the position of a face in a picture of height and width ``size``; its box spans the points ``extent``."""
    (left, top), (right, bottom) = extent.min(axis=0), extent.max(axis=0)
    whole = float(right - left) * float(bottom - top)
    height, width = size
    left, right = np.clip((left, right), 0, width)
    top, bottom = np.clip((top, bottom), 0, height)
    box = (float(left), float(top), float(right - left), float(bottom - top))
    return FaceTruth(landmarks, box, 1 - box[2] * box[3] / whole)


@runtime_checkable
class Rig(Protocol):
    """Draws one person. ``SynthDataset`` and ``render_clip`` take a function that builds another one."""

    def draw(self, picture: UInt8[np.ndarray, "height width 3"], state: FaceState) -> FaceTruth:
        """Draw head, neck and shoulders over ``picture`` in place."""
        ...
