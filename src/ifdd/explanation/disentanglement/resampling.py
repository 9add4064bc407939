"""Scores with intervals: the percentile bootstrap over people.

A score is a mean of ratios, one for each part: the recalls of the classes, the R2 of the outputs, or one mean.
Numerator and denominator of a ratio are sums over people, so that resampling people only needs their sums. All scores
are resampled with the same draws; the interval of a difference takes this into account.

The intervals cover the random choice of the people, not that of the clips that the probes learn from.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ifdd.records import Estimate

LEVEL = 0.95
"""Level of the intervals."""

Replicates = Float[np.ndarray, " resamples"]


class Tally(NamedTuple):
    """Numerators and denominators of a score, summed over the clips of each person."""

    gained: Float[np.ndarray, "people parts"]
    possible: Float[np.ndarray, "people parts"]


class Draws(NamedTuple):
    """How often each resample draws each person."""

    counts: Int[np.ndarray, "resamples people"]


class Resampled(NamedTuple):
    """A score, and its value in each resample; NaN where a resample has no such clip."""

    value: float
    replicates: Replicates

    def estimate(self) -> Estimate:
        """Return the score with its interval, which is missing for fewer than two people or equal outcomes."""
        known = self.replicates[np.isfinite(self.replicates)]
        if len(known) < 2 or np.ptp(known) < 1e-12:
            return Estimate(self.value, None, None)
        low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        return Estimate(self.value, float(low), float(high))


def draw_people(people: int, resamples: int, seed: int) -> Draws:
    """Draw people with replacement, as many as there are."""
    rng = np.random.default_rng([seed, 1])
    return Draws(rng.multinomial(people, np.full(people, 1 / people), size=resamples))


def resample(tally: Tally, draws: Draws) -> Resampled:
    """Return the score of a tally and its replicates; parts without clips are left out of the mean."""
    whole = _mean_ratio(tally.gained.sum(0, keepdims=True), tally.possible.sum(0, keepdims=True))
    return Resampled(float(whole[0]), _mean_ratio(draws.counts @ tally.gained, draws.counts @ tally.possible))


def parts_of(tally: Tally) -> Float[np.ndarray, " parts"]:
    """Return the ratio of every part; NaN without clips."""
    gained, possible = tally.gained.sum(0), tally.possible.sum(0)
    return np.divide(gained, possible, out=np.full_like(gained, np.nan), where=possible > 0)


def mean_tally(values: Float[np.ndarray, " clips"], people: Int[np.ndarray, " clips"], number_of_people: int) -> Tally:
    """Return the tally of a mean over clips; clips with the value NaN are left out."""
    kept = np.isfinite(values)
    gained = np.bincount(people[kept], values[kept], number_of_people)
    return Tally(gained[:, None], np.bincount(people[kept], minlength=number_of_people).astype(float)[:, None])


def combine(weights: dict[float, list[Resampled]]) -> Resampled:
    """Return the sum of weighted means of scores.

    Args:
        weights: weight -> the scores whose mean it multiplies; lists without scores count as 0.
    """
    value, replicates = 0.0, np.zeros(1)
    for weight, scores in weights.items():
        if scores:
            value += weight * float(np.mean([each.value for each in scores]))
            replicates = replicates + weight * np.mean([each.replicates for each in scores], axis=0)
    return Resampled(value, replicates)


def _mean_ratio(gained: Float[np.ndarray, "rows parts"], possible: Float[np.ndarray, "rows parts"]) -> Replicates:
    occurs = possible > 0
    ratios = np.divide(gained, possible, out=np.zeros_like(gained, dtype=float), where=occurs)
    count = occurs.sum(1)
    return np.divide(ratios.sum(1), count, out=np.full(len(count), np.nan), where=count > 0)
