"""Confidence intervals of scores: the percentile bootstrap over the test clips, or over the people whom they show.

The percentile interval is described in Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. Clips
of one person are alike, so subjects are drawn with replacement where they are known, each with all of their clips, and
clips otherwise. Every score follows from sums over clips, so a resample needs only the sums of each unit and how often
the unit is drawn. The intervals cover the random choice of the test clips; they do not cover training with another
seed.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from ifdd.evaluation.metrics import war_and_uar
from ifdd.records import Estimate

CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 0

_TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)

_DRAWN_AT_ONCE = 2_000_000
"""Upper limit of the numbers drawn at once, which bounds the memory."""


class Interval(NamedTuple):
    """The confidence interval of a score, 0 to 1, at the level ``CONFIDENCE``."""

    low: float
    high: float


class Intervals(NamedTuple):
    """The intervals of WAR and UAR; None where the resamples do not differ, as those of a single unit."""

    war: Interval | None
    uar: Interval | None


class Bootstrap(NamedTuple):
    """The intervals of a cross-validation."""

    folds: tuple[Intervals, ...]
    """Intervals of each fold's scores."""
    mean: Intervals
    """Intervals of the means over the folds."""
    pooled: Intervals
    """Intervals of the scores of all clips together."""


class Units(NamedTuple):
    """What the bootstrap draws."""

    kind: Literal["subjects", "clips"]
    of_clip: Int64[np.ndarray, " clips"]
    """Index of each clip's unit."""
    number: int
    """Number of units."""

    def sums(self, of_clips: Float64[np.ndarray, "clips columns"]) -> Float64[np.ndarray, "units columns"]:
        """Return the sums over the clips of each unit."""
        sums = np.zeros((self.number, of_clips.shape[1]))
        np.add.at(sums, self.of_clip, of_clips)
        return sums


def units_of(clip_ids: Sequence[str], subjects: Sequence[str]) -> Units:
    """Return what the bootstrap draws: subjects if any is known, clips otherwise.

    Args:
        clip_ids: name of each clip.
        subjects: subject of each clip; empty if unknown, and the clip is then a subject of its own.

    Example:
        >>> from ifdd.evaluation.bootstrap import units_of
        >>> units_of(["a", "b", "c"], ["anna", "", "anna"]).of_clip
        array([0, 1, 0])
    """
    names = [(subject, "") if subject else ("", clip_id) for clip_id, subject in zip(clip_ids, subjects, strict=True)]
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    kind: Literal["subjects", "clips"] = "subjects" if any(subjects) else "clips"
    return Units(kind, np.array([places[name] for name in names], np.int64), len(places))


def draw_weights(units: int, resamples: int, seed: int | np.random.Generator) -> Iterator[np.ndarray]:
    """Yield how often each unit (column) is drawn in each resample (row), in parts of some resamples each."""
    rng = np.random.default_rng(seed)
    rows = max(1, _DRAWN_AT_ONCE // units)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = rng.integers(units, size=(count, units)) + units * np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * units).reshape(count, units).astype(np.uint16)


def resample(
    weights: Iterable[np.ndarray], sums: Float64[np.ndarray, "units columns"]
) -> Float64[np.ndarray, "resamples columns"]:
    """Return the sums of each resample, from those of the units and the weights of ``draw_weights``."""
    return np.concatenate([part.astype(np.float64) @ sums for part in weights])


def estimate_of(actual: np.ndarray, resampled: np.ndarray, units: int) -> Estimate:
    """Return a score with its central interval.

    A single unit, and units that are all right or all wrong, have no interval: the resamples do not differ, which
    does not mean that the score is certain.

    Args:
        actual: the score, as an array of one value.
        resampled: the score of each resample; NaN for one without clips.
        units: number of units with clips.
    """
    found = None if units < 2 else _interval(resampled[~np.isnan(resampled)])
    return Estimate(float(actual[0]), *(found or (None, None)))


def bootstrap(
    folds: Sequence[Int64[np.ndarray, "... targets predictions"]], resamples: int = RESAMPLES, seed: int = SEED
) -> Bootstrap:
    """Return the intervals of WAR and UAR for each fold, for the means over the folds, and for all clips together.

    The units of a fold are resampled together, not class by class. A class without clips in a resample is left out of
    its UAR, as in the scores themselves.

    Args:
        folds: confusion matrix of each fold in clips, of which clips are drawn, or those of each of its subjects, who
            are drawn; rows are targets, columns predictions.
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
    rights, totals = zip(*(_resample_fold(fold, resamples, rng) for fold in folds), strict=True)
    scores = [war_and_uar(right, total) for right, total in zip(rights, totals, strict=True)]
    return Bootstrap(
        folds=tuple(_intervals(war, uar) for war, uar in scores),
        mean=_intervals(np.mean([war for war, _ in scores], axis=0), np.mean([uar for _, uar in scores], axis=0)),
        pooled=_intervals(*war_and_uar(np.sum(rights, axis=0), np.sum(totals, axis=0))),
    )


def _resample_fold(
    fold: Int64[np.ndarray, "... targets predictions"], resamples: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the recognised clips and all clips (resamples, targets) of each class, for each resample."""
    right, total = fold.diagonal(axis1=-2, axis2=-1), fold.sum(axis=-1)
    classes = len(right.T)
    if fold.ndim == 3:
        sums = np.concatenate([right, total], axis=1).astype(np.float64)
        drawn = resample(draw_weights(len(sums), resamples, rng), sums)
        return drawn[:, :classes], drawn[:, classes:]
    # clips of one class that are all recognised, or all not, are alike: one draw decides how many of them there are
    cells = np.concatenate([right, total - right])
    alike = rng.multinomial(cells.sum(), cells / cells.sum(), size=resamples)
    return alike[:, :classes], alike[:, :classes] + alike[:, classes:]


def _intervals(war: Float64[np.ndarray, " resamples"], uar: Float64[np.ndarray, " resamples"]) -> Intervals:
    """Return the central intervals of the resampled scores."""
    return Intervals(_interval(war), _interval(uar))


def _interval(scores: Float64[np.ndarray, " resamples"]) -> Interval | None:
    return Interval(*map(float, np.quantile(scores, _TAILS))) if np.ptp(scores) > 0 else None
