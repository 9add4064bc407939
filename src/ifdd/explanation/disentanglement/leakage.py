"""Leakage: how well one half can be predicted from the other by ridge regression, people disjoint.

R2 is averaged over the dimensions that vary: 1 if one half is a linear function of the other, 0 if it says nothing
linear about it.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ifdd.explanation.disentanglement.probes import make_folds, predict_values, tally_values
from ifdd.explanation.disentanglement.resampling import Tally


class Leak(NamedTuple):
    """What one kind of features says about another."""

    source: Float[np.ndarray, "clips width"]
    target: Float[np.ndarray, "clips width"]
    people: Int[np.ndarray, " clips"]
    number_of_people: int


def measure_leakage(leak: Leak, folds: int, seed: int, shuffled: bool = False) -> Tally:
    """Return the tally of R2 over the dimensions of the target.

    Args:
        leak: from what to predict what.
        folds: number of folds.
        seed: of the division into folds.
        shuffled: the control: permute the target over the clips first.

    Example:
        >>> import numpy as np
        >>> from ifdd.explanation.disentanglement.leakage import Leak, measure_leakage
        >>> from ifdd.explanation.disentanglement.resampling import draw_people, resample
        >>> source, people = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) // 3
        >>> tally = measure_leakage(Leak(source, 2 * source[:, ::-1] + 1, people, 20), folds=3, seed=0)
        >>> round(resample(tally, draw_people(20, 100, seed=0)).value, 2)
        1.0
    """
    deviation = leak.target.std(0)
    target = leak.target[:, deviation > 1e-6 * max(float(deviation.max(initial=0.0)), 1e-12)]
    if shuffled:
        target = target[np.random.default_rng([seed, 4]).permutation(len(target))]
    parts = make_folds(leak.people, folds, disjoint=True, seed=seed)
    residual, spread = predict_values(leak.source, target, parts, "linear", seed)
    return tally_values(residual, spread, leak.people, leak.number_of_people)
