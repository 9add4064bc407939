"""Paired statistics: how scores and predictions differ between two versions of the same clips.

The intervals are those of ``ifdd.evaluation.bootstrap``: subjects are drawn where they are known. Both versions of a
clip are drawn together, so that what they share, such as the difficulty of the clip, cancels in the differences.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64, Int64

from ifdd.evaluation.bootstrap import Units, estimate_of, resample
from ifdd.evaluation.metrics import ratio, war_and_uar
from ifdd.records import ChangeRecord

Probabilities = Float[np.ndarray, "clips classes"]


def compare(
    unchanged: Probabilities,
    changed: Probabilities,
    targets: Int64[np.ndarray, " clips"],
    units: Units,
    weights: Sequence[np.ndarray],
) -> ChangeRecord:
    """Return scores of changed clips and how they differ from those of the unchanged ones.

    Args:
        unchanged: probabilities of the clips as they are.
        changed: probabilities of the same clips, in the same order, under the condition.
        targets: index of each clip's class.
        units: what is resampled; the clips may lack some of them.
        weights: how often each unit is drawn in each resample, from ``draw_weights``.
    """
    by_unit = units.sums(_sums_of_clips(unchanged, changed, targets))
    classes, present = unchanged.shape[1], len(np.unique(units.of_clip))
    actual = _statistics(by_unit.sum(axis=0, keepdims=True), classes)
    resampled = _statistics(resample(weights, by_unit), classes)
    return ChangeRecord(**{name: estimate_of(actual[name], resampled[name], present) for name in actual})


def total_variation(first: Probabilities, second: Probabilities) -> Float64[np.ndarray, " clips"]:
    """Return the total variation distance of each clip's probabilities: half the sum of the absolute differences.

    Example:
        >>> import numpy as np
        >>> from ifdd.evaluation.stress.paired import total_variation
        >>> total_variation(np.array([[0.75, 0.25, 0.0]]), np.array([[0.25, 0.25, 0.5]]))
        array([0.5])
    """
    return np.abs(first.astype(np.float64) - second).sum(axis=1) / 2


def _sums_of_clips(
    unchanged: Probabilities, changed: Probabilities, targets: Int64[np.ndarray, " clips"]
) -> Float64[np.ndarray, "clips columns"]:
    """Return the columns whose sums give everything: by class, all clips and those recognised in each version."""
    before, after = unchanged.argmax(axis=1), changed.argmax(axis=1)
    total = np.eye(unchanged.shape[1])[targets]
    others = np.stack([before != after, total_variation(unchanged, changed)], axis=1)
    return np.concatenate(
        [total, total * (before == targets)[:, None], total * (after == targets)[:, None], others], axis=1
    )


def _statistics(sums: Float64[np.ndarray, "resamples columns"], classes: int) -> dict[str, np.ndarray]:
    """Return field of ``ChangeRecord`` -> its value in each resample; NaN for a resample without clips."""
    total, before, after = (sums[:, place * classes : (place + 1) * classes] for place in range(3))
    clips = total.sum(axis=1)
    (war, uar), (war_before, uar_before) = war_and_uar(after, total), war_and_uar(before, total)
    return {
        "war": war,
        "uar": uar,
        "war_difference": war - war_before,
        "uar_difference": uar - uar_before,
        "changed": ratio(sums[:, -2], clips),
        "distance": ratio(sums[:, -1], clips),
    }
