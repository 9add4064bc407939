"""Does ISSM put the frames that show the emotion into the dynamic group?

A position between two frames belongs to both, in proportion. The selection of a frame is how much of it is in the
dynamic group, less how much of it is in the static group. Per clip whose intensity varies:

- intensity: Spearman's rank correlation of the selection with the true intensity of the emotion in the frames;
- change: the same with the absolute change of the intensity from frame to frame;
- gain: mean intensity of the dynamic group less that of the static group.

A selection that is equal for all frames has the correlation 0. A frame of the features covers several frames of the
clip; its intensity is their mean.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ifdd.explanation.disentanglement.features import ClipFeatures

VARIES = 0.2
"""Range of the intensity from which a clip counts."""

RANDOM_DRAWS = 100
"""Random splits of each clip."""

Courses = Float[np.ndarray, "clips frames"]
PerClip = Float[np.ndarray, " clips"]


class Selection(NamedTuple):
    """How well a split selects emotional frames, for each clip; NaN for clips whose intensity does not vary."""

    intensity: PerClip
    change: PerClip
    gain: PerClip


def feature_intensity(
    intensity: Float[np.ndarray, "clips clip_frames"], frames: int
) -> Float[np.ndarray, "clips {frames}"]:
    """Return the mean intensity of the frames of the clip that each of the features' ``frames`` covers."""
    return intensity.reshape(len(intensity), frames, -1).mean(2)


def select_by_model(found: ClipFeatures, intensity: Courses) -> Selection:
    """Return how well the model's split selects."""
    return score_selection(found.static_position, found.dynamic_position, intensity)


def select_by_parity(intensity: Courses) -> Selection:
    """Return how well the even/odd split selects."""
    clips, frames = intensity.shape
    index = np.tile(np.arange(float(frames)), (clips, 1))
    return score_selection(index[:, 0::2], index[:, 1::2], intensity)


def select_at_random(intensity: Courses, seed: int) -> Selection:
    """Return how well random halves select, each clip's mean over ``RANDOM_DRAWS``."""
    clips, frames = intensity.shape
    rng = np.random.default_rng([seed, 5])
    drawn = []
    for _ in range(RANDOM_DRAWS):
        order = rng.permuted(np.tile(np.arange(float(frames)), (clips, 1)), axis=1)
        drawn.append(score_selection(order[:, : frames // 2], order[:, frames // 2 :], intensity))
    return Selection(*(np.mean(each, axis=0) for each in zip(*drawn, strict=True)))


def score_selection(
    static: Float[np.ndarray, "clips half"], dynamic: Float[np.ndarray, "clips half"], intensity: Courses
) -> Selection:
    """Return how well the positions of two groups select emotional frames.

    Args:
        static: positions of the static group, in frames of the features.
        dynamic: positions of the dynamic group.
        intensity: true intensity in the features' frames.

    Example:
        >>> import numpy as np
        >>> from ifdd.explanation.disentanglement.dynamic_index import score_selection
        >>> found = score_selection(np.array([[0.0, 1.0]]), np.array([[2.0, 3.0]]), np.array([[0.0, 0.0, 0.5, 1.0]]))
        >>> round(float(found.gain[0]), 2)
        0.75
    """
    frames = intensity.shape[1]
    in_static, in_dynamic = (_shares(each, frames) for each in (static, dynamic))
    selected = in_dynamic - in_static
    varies = np.ptp(intensity, axis=1) >= VARIES
    change = np.abs(np.gradient(intensity, axis=1))
    gain = (in_dynamic * intensity).sum(1) / in_dynamic.sum(1) - (in_static * intensity).sum(1) / in_static.sum(1)
    measured = (rank_correlation(selected, intensity), rank_correlation(selected, change), gain)
    return Selection(*(np.where(varies, each, np.nan) for each in measured))


def _shares(positions: Float[np.ndarray, "clips half"], frames: int) -> Courses:
    """Return how much of each frame is in a group: the sum of its weights in the linear interpolation."""
    distance = np.abs(positions.clip(0, frames - 1)[:, :, None] - np.arange(frames))
    return (1 - distance).clip(0).sum(1)


def rank_correlation(first: Courses, second: Courses) -> PerClip:
    """Return Spearman's rank correlation of each row; 0 where one of them is constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(each.round(9), axis=1) for each in (first, second)]
    centred = [each - each.mean(1, keepdims=True) for each in ranks]
    norm = np.sqrt(np.square(centred[0]).sum(1) * np.square(centred[1]).sum(1))
    return np.divide((centred[0] * centred[1]).sum(1), norm, out=np.zeros(len(norm)), where=norm > 0)
