"""Agreement in bins of time: confusion, Cohen's kappa, and intervals that resample blocks of time.

Neighbouring bins are alike, so that the bootstrap draws blocks of ``BLOCK_SECONDS`` instead of bins.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64, Int64

from ifdd.records import Estimate

BLOCK_SECONDS = 10.0
"""Length of a block; about how long an expression may last."""

FEWEST_BLOCKS = 5
"""Blocks below which there is no interval."""

RESAMPLES = 2000
LEVEL = 0.95

NOTHING = -1
"""The label of a bin without one."""

Statistic = Callable[[Float64[np.ndarray, "many labels labels"]], Float64[np.ndarray, " many"]]


def label_bins(
    intervals: Sequence[tuple[float, float, int]], middles: Float64[np.ndarray, " bins"]
) -> Int64[np.ndarray, " bins"]:
    """Return the label of each bin: that of the interval around its middle, or ``NOTHING``.

    Args:
        intervals: start, end and label; where they overlap, the last one counts.
        middles: middle of each bin in seconds, increasing.
    """
    labels = np.full(len(middles), NOTHING, np.int64)
    for start, end, label in intervals:
        labels[np.searchsorted(middles, start) : np.searchsorted(middles, end)] = label
    return labels


def block_confusions(
    coder: Int64[np.ndarray, " bins"],
    result: Int64[np.ndarray, " bins"],
    blocks: Int64[np.ndarray, " bins"],
    labels: int,
) -> Int64[np.ndarray, "blocks labels labels"]:
    """Return one confusion matrix for each block, the coder's labels in the rows.

    Args:
        coder: label of each bin.
        result: label of each bin; bins without a label on either side are left out.
        blocks: number of the block of each bin, from 0.
        labels: number of labels.
    """
    counts = np.zeros((int(blocks.max(initial=-1)) + 1, labels, labels), np.int64)
    both = (coder != NOTHING) & (result != NOTHING)
    np.add.at(counts, (blocks[both], coder[both], result[both]), 1)
    return counts


def cohen_kappa(confusion: Float64[np.ndarray, "many labels labels"]) -> Float64[np.ndarray, " many"]:
    """Return Cohen's kappa of each matrix (Educational and Psychological Measurement 1960).

    It is NaN if chance agrees always.

    Example:
        >>> import numpy as np
        >>> from ifdd.analysis.agreement.kappa import cohen_kappa
        >>> cohen_kappa(np.array([[[20.0, 5.0], [10.0, 15.0]]])).round(2)
        array([0.4])
    """
    total = confusion.sum((-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = observed_agreement(confusion)
        chance = (confusion.sum(-1) * confusion.sum(-2)).sum(-1) / total**2
        kappa: np.ndarray = np.where(chance < 1, (observed - chance) / (1 - chance), np.nan)
    return kappa


def observed_agreement(confusion: Float64[np.ndarray, "many labels labels"]) -> Float64[np.ndarray, " many"]:
    """Return the share of bins with equal labels; NaN without bins."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share: np.ndarray = np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum((-2, -1))
    return share


def estimate(statistic: Statistic, blocks: Int64[np.ndarray, "blocks labels labels"], seed: int = 0) -> Estimate | None:
    """Return a statistic of the summed confusion matrices with its interval; None if it is not defined.

    Args:
        statistic: of each of many confusion matrices.
        blocks: one confusion matrix for each block.
        seed: random seed.
    """
    filled = blocks[blocks.sum((1, 2)) > 0].astype(np.float64)
    if not len(filled):
        return None
    value = float(statistic(filled.sum(0, keepdims=True))[0])
    if not np.isfinite(value):
        return None
    low = high = None
    if len(filled) >= FEWEST_BLOCKS:
        draws = np.random.default_rng(seed).multinomial(len(filled), [1 / len(filled)] * len(filled), RESAMPLES)
        replicates = statistic(np.tensordot(draws.astype(np.float64), filled, 1))
        replicates = replicates[np.isfinite(replicates)]
        if len(replicates) and np.ptp(replicates) > 0:  # else nothing is known of how far other videos would differ
            low, high = (float(bound) for bound in np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    return Estimate(value, low, high)
