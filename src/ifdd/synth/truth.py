"""The ground truth of each frame, as a record and as JSON."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from ifdd.data.action_units import action_unit_column
from ifdd.synth.behaviour.action_units import ACTION_UNITS
from ifdd.synth.config import BackgroundKind
from ifdd.synth.rig import FaceTruth


class FrameTruth(NamedTuple):
    """The ground truth of one frame; angles in degrees, shares and intensities from 0 to 1."""

    seconds: float
    activation: Float[np.ndarray, "sides=2 units"]
    intensity: float
    yaw: float
    pitch: float
    roll: float
    gaze: tuple[float, float]
    speech: float
    occlusion: float
    """Share of the face box within the picture that the hand occludes."""
    face: FaceTruth
    light: tuple[float, float, float]
    """Unit vector towards the light: x right, y down, z towards the viewer."""
    brightness: float
    """Mean of the face box in the picture, from 0, black, to 1, white."""


class SceneTruth(NamedTuple):
    """The ground truth of a scene that stays the same throughout a clip."""

    background: BackgroundKind
    light_contrast: float
    """Share of directed light, 0 to 1; the rest is ambient."""
    fill_lights: int
    """Number of further lights; the drawn rig ignores them."""
    grey: bool
    """Whether the clip is black and white."""
    resolution: float
    """Factor by which the picture was reduced and enlarged again."""


def hidden_share(
    picture_before: UInt8[np.ndarray, "h w 3"],
    picture_after: UInt8[np.ndarray, "h w 3"],
    box: tuple[float, float, float, float],
) -> float:
    """Return the share of the face box that the hand occludes: the pixels that differ between the two pictures."""
    x, y, width, height = (round(value) for value in box)
    rows, columns = slice(max(y, 0), max(y + height, 0)), slice(max(x, 0), max(x + width, 0))
    changed = np.any(picture_before[rows, columns] != picture_after[rows, columns], axis=-1)
    return float(changed.mean()) if changed.size else 0.0


def unseen_share(outside: float, hidden: float) -> float:
    """Return the share of a face that is not seen: what lies outside the picture, and what is hidden of the rest."""
    return 1 - (1 - outside) * (1 - hidden)


def truth_record(truth: FrameTruth) -> dict[str, Any]:
    """Return one frame's truth as written to the JSON file."""
    left, right = truth.activation
    return {
        "seconds": round(truth.seconds, 4),
        "intensity": round(truth.intensity, 4),
        "action_units": {
            str(number): [round(float(left[column]), 3), round(float(right[column]), 3)]
            for column, number in enumerate(ACTION_UNITS)
            if left[column] > 0.0005 or right[column] > 0.0005
        },
        "pose": {"yaw": round(truth.yaw, 2), "pitch": round(truth.pitch, 2), "roll": round(truth.roll, 2)},
        "gaze": {"yaw": round(truth.gaze[0], 2), "pitch": round(truth.gaze[1], 2)},
        "speech": round(truth.speech, 3),
        "occlusion": round(truth.occlusion, 3),
        "box": dict(zip(("x", "y", "width", "height"), (round(value, 2) for value in truth.face.box), strict=True)),
        "landmarks": truth.face.landmarks.round(2).tolist(),
        "light": dict(zip("xyz", (round(value, 3) for value in truth.light), strict=True)),
        "brightness": round(truth.brightness, 3),
    }


def scene_record(scene: SceneTruth) -> dict[str, Any]:
    """Return the truth of a scene as written to the JSON file."""
    return scene._asdict() | {
        "light_contrast": round(scene.light_contrast, 3),
        "resolution": round(scene.resolution, 3),
    }


def action_unit_attributes(frames: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return a clip's columns of action units in the manifest: the mean intensity over its frames and both sides.

    The mean, because it is what a model of whole clips can learn: it pools over the frames, and training mirrors clips.

    Args:
        frames: the clip's frames, as ``truth_record`` gives them.
    """
    return {
        action_unit_column(number): f"{_mean_intensity(frames, str(number)):.3f}" for number in sorted(ACTION_UNITS)
    }


def _mean_intensity(frames: Sequence[dict[str, Any]], unit: str) -> float:
    return sum(sum(frame["action_units"].get(unit, (0.0, 0.0))) for frame in frames) / (2 * len(frames))
