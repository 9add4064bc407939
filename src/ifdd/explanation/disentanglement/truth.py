"""The ground truth of SynthDFER's clips, as ``ifdd synth`` writes it next to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ifdd.data.manifest import Sample
from ifdd.errors import InputError
from ifdd.files import parse_json

UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 27, 43)
"""FACS numbers of SynthDFER's action units without the blink, 45, which says nothing about emotion."""


class ClipTruth(NamedTuple):
    """The truth of the frames that the model sees of one clip."""

    intensity: Float[np.ndarray, " frames"]
    """Intensity of the emotion, 0 to 1."""
    units: Float[np.ndarray, "frames units"]
    """Intensity of each of ``UNITS``, mean of both sides of the face."""
    pose: Float[np.ndarray, "frames 2"]
    """Yaw and pitch in degrees."""
    speech: Float[np.ndarray, " frames"]
    landmarks: Float[np.ndarray, "frames points=68 2"]
    """x and y as a share of the picture's side."""
    light: Float[np.ndarray, "frames 4"] | None
    """Direction from the left (-1) to the right (1) and from above (-1) to below (1), share of directed light,
    brightness of the face; None in sets of earlier versions."""
    background: str | None
    """Kind of background; None in sets of earlier versions."""


def find_truth(sample: Sample) -> Path | None:
    """Return the file with the truth of a clip, or None."""
    path = sample.path.parent / f"{sample.clip_id}.json"
    return path if path.is_file() else None


def read_truth(path: Path, positions: Int[np.ndarray, " frames"]) -> ClipTruth:
    """Read the truth of some frames of a clip.

    Raises:
        InputError: the file is damaged or has too few frames.
    """
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
        frames = [content["frames"][position] for position in positions]
        return _clip_truth(content, frames)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(
            f"{path} is no truth of SynthDFER, or damaged ({type(error).__name__}: {error}); write the clip again with "
            "'ifdd synth', or remove the file"
        ) from error


def _clip_truth(content: dict[str, Any], frames: Sequence[dict[str, Any]]) -> ClipTruth:
    scene = content.get("scene")
    light = None
    if not content["size"] > 0:
        raise ValueError(f"size is {content['size']}")
    if scene is not None:
        light = np.array(
            [[each["light"]["x"], each["light"]["y"], scene["light_contrast"], each["brightness"]] for each in frames]
        )
    return ClipTruth(
        intensity=np.array([each["intensity"] for each in frames], float),
        units=np.array([[sum(each["action_units"].get(str(unit), (0, 0))) / 2 for unit in UNITS] for each in frames]),
        pose=np.array([[each["pose"]["yaw"], each["pose"]["pitch"]] for each in frames], float),
        speech=np.array([each["speech"] for each in frames], float),
        landmarks=np.array([each["landmarks"] for each in frames], float) / content["size"],
        light=light,
        background=None if scene is None else scene["background"],
    )
