"""How sure scores are: the percentile bootstrap over the clips of a test.

Resampling clips with replacement changes the scores only through how many clips of each class are drawn, and how many
of those were recognised. These counts are drawn at once from the multinomial distribution that n draws with
replacement have, which gives what drawing clip by clip gives, in milliseconds.

The clips of a fold are resampled among themselves, not class by class: a class without clips in a resample is left out
of its UAR, as in the scores themselves. The intervals say how far the scores depend on which clips happen to be in the
test; they know nothing of another training with another seed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 0


class Interval(NamedTuple):
    """Where a score lies with the probability ``CONFIDENCE``."""

    low: float
    high: float


class Intervals(NamedTuple):
    """Intervals of WAR and UAR."""

    war: Interval
    uar: Interval


class Bootstrap(NamedTuple):
    """Intervals of a cross-validation."""

    folds: tuple[Intervals, ...]
    mean: Intervals
    """Of the means over the folds."""
    pooled: Intervals
    """Of the scores of all clips together."""


def bootstrap(
    confusions: Sequence[Int64[np.ndarray, "targets predictions"]], resamples: int = RESAMPLES, seed: int = SEED
) -> Bootstrap:
    """Return the intervals of WAR and UAR: of each fold, of their means, and of all clips together.

    Args:
        confusions: numbers of clips of each fold; rows are targets, columns predictions.
        resamples: how often the clips are drawn anew.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    rights, totals = zip(*(_resample(confusion, resamples, rng) for confusion in confusions), strict=True)
    scores = [_scores(right, total) for right, total in zip(rights, totals, strict=True)]
    return Bootstrap(
        folds=tuple(_intervals(war, uar) for war, uar in scores),
        mean=_intervals(np.mean([war for war, _ in scores], axis=0), np.mean([uar for _, uar in scores], axis=0)),
        pooled=_intervals(*_scores(np.sum(rights, axis=0), np.sum(totals, axis=0))),
    )


def _resample(
    confusion: Int64[np.ndarray, "targets predictions"], resamples: int, rng: np.random.Generator
) -> tuple[Int64[np.ndarray, "resamples targets"], Int64[np.ndarray, "resamples targets"]]:
    """Draw as many clips as there are; return how many of each class were recognised, and how many it has."""
    right = confusion.diagonal()
    cells = np.concatenate([right, confusion.sum(axis=1) - right])
    drawn = rng.multinomial(cells.sum(), cells / cells.sum(), size=resamples)
    classes = len(right)
    return drawn[:, :classes], drawn[:, :classes] + drawn[:, classes:]


def _scores(
    right: Int64[np.ndarray, "resamples targets"], total: Int64[np.ndarray, "resamples targets"]
) -> tuple[Float64[np.ndarray, " resamples"], Float64[np.ndarray, " resamples"]]:
    """Return WAR and UAR of each resample."""
    recalls = right / np.maximum(total, 1)
    return right.sum(axis=1) / total.sum(axis=1), recalls.sum(axis=1) / (total > 0).sum(axis=1)


def _intervals(war: Float64[np.ndarray, " resamples"], uar: Float64[np.ndarray, " resamples"]) -> Intervals:
    """Return the middle part of the resamples' scores."""
    tails = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    return Intervals(*(Interval(*map(float, np.quantile(scores, tails))) for scores in (war, uar)))
