"""Scores of groups of clips, their intervals, and the largest gaps between groups.

The intervals are percentile intervals of the bootstrap, as in ``ifdd.evaluation.bootstrap``. Clips of one person are
alike, so subjects are drawn with replacement where they are known, each with all of their clips, and clips otherwise.
Clips of an unknown subject count as subjects of their own. All groups are resampled together.

Of several gaps the largest one exceeds its true size by selection, so its interval is wide enough for all pairs of
groups at once: the gap plus and minus the 95 % quantile of the largest difference between the errors of two groups,
where a group's error is its resampled minus its actual score (Tukey's range method, with the bootstrap's distribution).
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from ifdd.data.manifest import Sample
from ifdd.evaluation.bootstrap import CONFIDENCE, SEED
from ifdd.evaluation.calibration.reliability import BINS, bins_of, confidences_of
from ifdd.evaluation.groups.grouping import Grouping
from ifdd.records import Estimate, GapRecord, GroupRecord, GroupsRecord

RESAMPLES = 2000
MINIMUM_CLIPS = 30
"""Smaller groups are shown, but do not count toward the gaps."""
MINIMUM_SUBJECTS = 5
"""Groups of fewer subjects do not count toward the gaps either, if subjects are resampled."""

_DRAWN_AT_ONCE = 2_000_000
"""Upper limit of the numbers drawn at once, which bounds the memory."""

_Score = Literal["war", "uar", "overconfidence"]


class ResamplingUnits(NamedTuple):
    """What the bootstrap draws."""

    kind: Literal["subjects", "clips"]
    of_clip: Int64[np.ndarray, " clips"]
    """Index of each clip's unit."""
    number: int
    """Number of units."""


class _Scores(NamedTuple):
    """Scores of the actual clips or of each resample; NaN where there are no clips."""

    war: Float64[np.ndarray, " resamples"]
    uar: Float64[np.ndarray, " resamples"]
    overconfidence: Float64[np.ndarray, " resamples"]
    ece: Float64[np.ndarray, " resamples"]
    recalls: Float64[np.ndarray, "resamples classes"]


class _Group(NamedTuple):
    """A group with the scores of all resamples."""

    record: GroupRecord
    actual: _Scores
    resampled: _Scores


def score_groups(
    probabilities: np.ndarray,
    targets: Int64[np.ndarray, " clips"],
    classes: Sequence[str],
    samples: Sequence[Sample],
    grouping: Grouping,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> GroupsRecord:
    """Return the scores of each group with intervals, and the largest gaps between groups.

    Args:
        probabilities: probabilities (clips, classes) of each clip.
        targets: index of each clip's class.
        classes: class names in the order of the probabilities.
        samples: the clips in the same order, for their subjects.
        grouping: the groups of the clips.
        resamples: number of resamples.
        seed: seed of the random draws.
    """
    units = resampling_units(samples, grouping.column)
    sums = _sums_of_clips(probabilities, targets)
    weights = draw_weights(units.number, resamples, seed)
    everywhere = np.ones(len(targets), bool)
    groups = [
        _group(name, grouping.of_clip == place, units, sums, weights, classes, probabilities)
        for place, name in enumerate(grouping.names)
    ]
    overall = _group("all", everywhere, units, sums, weights, classes, probabilities).record
    return GroupsRecord(
        column=grouping.column,
        band=grouping.band,
        groups=tuple(group.record for group in groups),
        overall=overall,
        gaps=tuple(_gaps(groups, {name for name, count in overall.support.items() if count})),
        minimum_clips=MINIMUM_CLIPS,
        minimum_subjects=MINIMUM_SUBJECTS if units.kind == "subjects" else None,
        bins=BINS,
        level=CONFIDENCE,
        resampled=units.kind,
        resamples=resamples,
        seed=seed,
    )


def resampling_units(samples: Sequence[Sample], column: str) -> ResamplingUnits:
    """Return what is resampled: the groups of the column ``subject`` have one subject each, so clips are drawn."""
    if column == "subject" or not any(sample.subject for sample in samples):
        return ResamplingUnits("clips", np.arange(len(samples)), len(samples))
    names = [(sample.subject, "") if sample.subject else ("", sample.clip_id) for sample in samples]
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return ResamplingUnits("subjects", np.array([places[name] for name in names], np.int64), len(places))


def _sums_of_clips(
    probabilities: np.ndarray, targets: Int64[np.ndarray, " clips"]
) -> Float64[np.ndarray, "clips columns"]:
    """Return the columns whose sums give all scores: recognised and total by class, confidence minus right by bin."""
    confidences, right = confidences_of(probabilities, targets)
    total = np.eye(probabilities.shape[1])[targets]
    excess = np.eye(BINS)[bins_of(confidences)] * (confidences - right)[:, None]
    return np.concatenate([total * right[:, None], total, excess], axis=1)


def draw_weights(units: int, resamples: int, seed: int) -> list[np.ndarray]:
    """Return how often each unit (column) is drawn in each resample (row), in parts of some resamples each."""
    rng = np.random.default_rng(seed)
    rows = max(1, _DRAWN_AT_ONCE // units)
    parts = []
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = rng.integers(units, size=(count, units)) + units * np.arange(count)[:, None]
        parts.append(np.bincount(drawn.ravel(), minlength=count * units).reshape(count, units).astype(np.uint16))
    return parts


def _group(
    name: str,
    chosen: np.ndarray,
    units: ResamplingUnits,
    sums: Float64[np.ndarray, "clips columns"],
    weights: Sequence[np.ndarray],
    classes: Sequence[str],
    probabilities: np.ndarray,
) -> _Group:
    """Return the results of the chosen clips."""
    present, unit = np.unique(units.of_clip[chosen], return_inverse=True)
    by_unit = np.zeros((len(present), sums.shape[1]))
    np.add.at(by_unit, unit, sums[chosen])
    actual = _scores(by_unit.sum(axis=0, keepdims=True), len(classes))
    drawn = np.concatenate([part[:, present].astype(np.float64) @ by_unit for part in weights])
    resampled = _scores(drawn, len(classes))
    support = by_unit[:, len(classes) : 2 * len(classes)]
    clips = int(chosen.sum())
    enough = units.kind == "clips" or len(present) >= MINIMUM_SUBJECTS
    record = GroupRecord(
        group=name,
        clips=clips,
        subjects=len(present) if units.kind == "subjects" else None,
        counted=bool(name) and clips >= MINIMUM_CLIPS and enough,
        war=estimate_of(actual.war, resampled.war, len(present)),
        uar=estimate_of(actual.uar, resampled.uar, len(present)),
        recalls={
            each: estimate_of(actual.recalls[:, place], resampled.recalls[:, place], int((support[:, place] > 0).sum()))
            if support[:, place].any()
            else None
            for place, each in enumerate(classes)
        },
        support={each: int(count) for each, count in zip(classes, support.sum(axis=0), strict=True)},
        confidence=float(probabilities[chosen].max(axis=1).mean(dtype=np.float64)),
        overconfidence=estimate_of(actual.overconfidence, resampled.overconfidence, len(present)),
        ece=estimate_of(actual.ece, resampled.ece, len(present)),
    )
    return _Group(record, actual, resampled)


def _scores(sums: Float64[np.ndarray, "resamples columns"], classes: int) -> _Scores:
    """Return the scores of each resample from its sums."""
    right, total, excess = sums[:, :classes], sums[:, classes : 2 * classes], sums[:, 2 * classes :]
    clips, occurring = total.sum(axis=1), (total > 0).sum(axis=1)
    none = np.full(len(sums), np.nan)
    recalls = np.divide(right, total, out=np.full(total.shape, np.nan), where=total > 0)

    def mean(values: np.ndarray, count: np.ndarray) -> np.ndarray:
        return np.divide(values, count, out=none.copy(), where=count > 0)

    return _Scores(
        war=mean(right.sum(axis=1), clips),
        uar=mean(np.where(total > 0, recalls, 0).sum(axis=1), occurring),
        overconfidence=mean(excess.sum(axis=1), clips),
        ece=mean(np.abs(excess).sum(axis=1), clips),
        recalls=recalls,
    )


def estimate_of(actual: np.ndarray, resampled: np.ndarray, units: int) -> Estimate:
    """Return a score with its central interval.

    A single unit, and units that are all right or all wrong, have no interval: the resamples do not differ, which
    does not mean that the score is certain.
    """
    value, known = float(actual[0]), resampled[~np.isnan(resampled)]
    if units < 2 or np.ptp(known) == 0:
        return Estimate(value, None, None)
    tails = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
    low, high = map(float, np.quantile(known, tails))
    return Estimate(value, low, high)


def _gaps(groups: Sequence[_Group], occurring: set[str]) -> Iterator[GapRecord]:
    """Yield the largest gap of each score between counted groups.

    The UAR of a group that lacks a class is the mean over other classes, so it is not compared.
    """
    counted = [group for group in groups if group.record.counted]
    complete = [group for group in counted if all(group.record.support[name] for name in occurring)]
    scores: tuple[tuple[_Score, list[_Group]], ...] = (
        ("war", counted),
        ("uar", complete),
        ("overconfidence", counted),
    )
    for score, compared in scores:
        if len(compared) > 1:
            yield _gap(score, compared)


def _gap(score: _Score, groups: Sequence[_Group]) -> GapRecord:
    values = [float(getattr(group.actual, score)[0]) for group in groups]
    lowest, *_, highest = np.argsort(values, kind="stable")  # two groups, also in a tie
    errors = np.array([getattr(group.resampled, score) - value for group, value in zip(groups, values, strict=True)])
    ranges = np.fmax.reduce(errors) - np.fmin.reduce(errors)  # a group that a resample lacks is left out
    margin = float(np.quantile(ranges[~np.isnan(ranges)], CONFIDENCE))
    gap = values[highest] - values[lowest]
    highest_gap = gap + margin if score == "overconfidence" else min(gap + margin, 1.0)
    estimate = Estimate(gap, gap - margin, highest_gap) if margin else Estimate(gap, None, None)
    return GapRecord(score, groups[highest].record.group, groups[lowest].record.group, estimate)
