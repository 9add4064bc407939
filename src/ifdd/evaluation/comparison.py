"""Comparing models that were trained with several seeds and tested on the same clips.

A score has an interval over the seeds (Student's t): what another training run of the same recipe may give on these
test clips. With three seeds the quantile is 4.3, so the interval is wide, and rightly so.

A difference between two models is paired by seed and by clip, and two things are random in it: the training run and the
people of the test set, whose clips are alike and therefore do not count as independent. A test over clips alone
(McNemar's) takes one lucky run for a better model; a test over three seeds alone throws the hundreds of test clips
away. So differences are tested as in studies with several readers and many cases (the readers are the seeds, the cases
are people): a two-way analysis of variance of the table seeds x people in which both are random. Its terms are those of
Dorfman, Berbaum and Metz (Investigative Radiology 1992) with the degrees of freedom of Hillis (Statistics in Medicine
2007). With one seed nothing is known of the training, and what remains is the paired t-test over people; the result
then holds for the two trained models, not for their recipes.

People have different numbers of clips, so a difference of accuracies is a ratio: of clips gained to clips. Its interval
rests on how far each person's gain is from the difference times the person's clips (the ratio estimator: Cochran,
Sampling Techniques, 1977, chapter 6). Its p-value rests on the gains themselves: between equal models, whose difference
is 0, they are these deviations.

The effect size is Cohen's d_z over people: the difference divided by the standard deviation of these deviations, which
for equal numbers of clips is that of the people's differences. Several comparisons are corrected by Holm's method
(Scandinavian Journal of Statistics 1979), which needs no assumption about how they depend on each other.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from ifdd.evaluation.bootstrap import CONFIDENCE, Interval

_ROUNDING = 1e-9
"""Differences of sums of clips below it come from rounding."""


class SeedMean(NamedTuple):
    """A score over several seeds."""

    mean: float
    deviation: float | None
    """Sample standard deviation over the seeds (n - 1); None for a single seed."""
    interval: Interval | None
    """Interval of the mean (Student's t over the seeds) at the level ``CONFIDENCE``; None for a single seed, and if all
    seeds have one score, which does not mean that another one would have it."""


class PairedComparison(NamedTuple):
    """The accuracy of a model less that of the reference, on the same seeds and clips."""

    difference: float
    interval: Interval | None
    """Interval of the difference over training runs and people, at the level ``CONFIDENCE``; None if the models differ,
    and with all seeds and people equally: that gives no variance to judge by."""
    effect_size: float | None
    """Cohen's d_z over people; None if all people differ equally."""
    p: float
    """Two-sided probability of such a difference between equal models, not corrected for other comparisons; without an
    interval, or if all people gain equally many clips, that of the sign test over people."""
    seeds: int
    people: int
    clips: int


def mean_over_seeds(scores: Sequence[float]) -> SeedMean:
    """Return the mean of a score over seeds, with Student's t interval.

    Args:
        scores: the score of each seed, at least one.

    Example:
        >>> from ifdd.evaluation.comparison import mean_over_seeds
        >>> found = mean_over_seeds([0.70, 0.72, 0.74])
        >>> round(found.mean, 2), [round(bound, 3) for bound in found.interval]
        (0.72, [0.67, 0.77])
    """
    from scipy import stats

    values = np.asarray(scores, np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return SeedMean(mean, None, None)
    deviation = float(values.std(ddof=1))
    if np.ptp(values) == 0:
        return SeedMean(mean, 0.0, None)
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * deviation / math.sqrt(len(values))
    return SeedMean(mean, deviation, Interval(mean - reach, mean + reach))


def compare(
    right: Bool[np.ndarray, "seeds clips"], reference: Bool[np.ndarray, "seeds clips"], people: Sequence[str]
) -> PairedComparison:
    """Compare the accuracies of two models.

    Args:
        right: whether the model recognised each clip, with each seed.
        reference: the same for the model that it is compared with; the same seeds and clips in the same order.
        people: the person of each clip, at least two different ones.

    Example:
        >>> import numpy as np
        >>> from ifdd.evaluation.comparison import compare
        >>> found = compare(np.ones((2, 4), bool), np.array([[1, 0, 1, 0], [1, 0, 0, 0]], bool), ["a", "a", "b", "c"])
        >>> round(found.difference, 3), found.people
        (0.625, 3)
    """
    table = differences_by_person(right, reference, people)
    seeds, count = table.shape
    difference = float(table.mean())
    clips = np.unique(np.asarray(people), return_counts=True)[1]
    deviations = table - difference * clips / clips.mean()
    spread = float(deviations.mean(axis=0).std(ddof=1))
    effect = difference / spread if spread > _ROUNDING else None
    interval, p = _interval(deviations, difference), _p_value(table, deviations, difference)
    return PairedComparison(difference, interval, effect, p, seeds, count, right.shape[1])


def differences_by_person(
    right: Bool[np.ndarray, "seeds clips"], reference: Bool[np.ndarray, "seeds clips"], people: Sequence[str]
) -> Float64[np.ndarray, "seeds people"]:
    """Return each person's part in the difference, scaled so that the mean over people is the difference of accuracies.

    People with more clips count for more, as they do in the accuracy.
    """
    names, owners = np.unique(np.asarray(people), return_inverse=True)
    change = right.astype(np.float64) - reference
    sums = np.zeros((len(change), len(names)))
    for row, values in zip(sums, change, strict=True):
        np.add.at(row, owners, values)
    return sums * len(names) / change.shape[1]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's method, in the given order.

    Example:
        >>> from ifdd.evaluation.comparison import holm
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def _standard_error(table: Float64[np.ndarray, "seeds people"]) -> tuple[float, float]:
    """Return the standard error of the mean of a table, and its degrees of freedom."""
    seeds, people = table.shape
    of_people = table.mean(axis=0)
    if seeds == 1:
        return float(of_people.std(ddof=1)) / math.sqrt(people), float(people - 1)
    of_seeds = table.mean(axis=1)
    residual = table - of_seeds[:, None] - of_people + table.mean()
    seed_square = people * float(of_seeds.var(ddof=1))
    people_square = seeds * float(of_people.var(ddof=1))
    residual_square = float((residual**2).sum()) / ((seeds - 1) * (people - 1))
    # the residual is part of both; seeds whose means agree more than chance allows are taken for chance
    seed_square = max(seed_square, residual_square)
    total = seed_square + max(people_square - residual_square, 0.0)
    freedom = (seeds - 1) * (total / seed_square) ** 2 if seed_square > 0 else math.inf
    return math.sqrt(total / (seeds * people)), freedom


def _interval(deviations: Float64[np.ndarray, "seeds people"], difference: float) -> Interval | None:
    """Return the interval of a difference of accuracies, from the people's deviations from it."""
    from scipy import stats

    if _is_constant(deviations):
        return Interval(0.0, 0.0) if difference == 0 else None
    error, freedom = _standard_error(deviations)
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    return Interval(max(difference - reach, -1.0), min(difference + reach, 1.0))


def _p_value(
    table: Float64[np.ndarray, "seeds people"], deviations: Float64[np.ndarray, "seeds people"], difference: float
) -> float:
    """Return the two-sided p-value of a difference of accuracies, the mean of a table."""
    from scipy import stats

    if difference == 0:
        return 1.0
    if _is_constant(table) or _is_constant(deviations):
        return float(2.0 ** (1 - table.shape[1]))
    error, freedom = _standard_error(table)
    return float(2 * stats.t.sf(abs(difference) / error, freedom))


def _is_constant(table: Float64[np.ndarray, "seeds people"]) -> bool:
    return bool(np.ptp(table) < _ROUNDING)
