"""Confidence intervals of scores: the percentile bootstrap over the test clips.

The percentile interval is described in Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
Resampling clips with replacement changes the scores only through the number of clips drawn per class and the number of
these that were recognised. Both follow one multinomial distribution, so the counts are drawn from it directly. This
gives the same intervals as drawing clip by clip, in milliseconds.

The clips of a fold are resampled together, not class by class. A class without clips in a resample is left out of its
UAR, as in the scores themselves. The intervals cover the random choice of the test clips; they do not cover training
with another seed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 0


class Interval(NamedTuple):
    """The confidence interval of a score, 0 to 1, at the level ``CONFIDENCE``."""

    low: float
    high: float


class Intervals(NamedTuple):
    """The intervals of WAR and UAR."""

    war: Interval
    uar: Interval


class Bootstrap(NamedTuple):
    """The intervals of a cross-validation."""

    folds: tuple[Intervals, ...]
    """Intervals of each fold's scores."""
    mean: Intervals
    """Intervals of the means over the folds."""
    pooled: Intervals
    """Intervals of the scores of all clips together."""


def bootstrap(
    confusions: Sequence[Int64[np.ndarray, "targets predictions"]], resamples: int = RESAMPLES, seed: int = SEED
) -> Bootstrap:
    """Return the intervals of WAR and UAR for each fold, for the means over the folds, and for all clips together.

    Args:
        confusions: confusion matrix of each fold in clips; rows are targets, columns predictions.
        resamples: number of resamples.
        seed: seed of the random draws.

    Example:
        >>> import numpy as np
        >>> from ifdd.evaluation.bootstrap import bootstrap
        >>> found = bootstrap([np.array([[40, 10], [5, 20]]), np.array([[45, 5], [10, 15]])])
        >>> [round(bound, 2) for bound in found.mean.war]  # WAR is 0.8 in both folds
        [0.73, 0.86]
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
    """Resample the clips; return the recognised clips and all clips of each class, for each resample."""
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
    """Return the central intervals of the resampled scores."""
    tails = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    return Intervals(*(Interval(*map(float, np.quantile(scores, tails))) for scores in (war, uar)))
