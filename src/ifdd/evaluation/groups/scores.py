"""Scores of groups of clips, their intervals, and the largest gaps between groups.

The intervals are those of ``ifdd.evaluation.bootstrap``: subjects are drawn where they are known, and clips otherwise.
All groups are resampled together.

Of several gaps the largest one exceeds its true size by selection, so its interval is wide enough for all pairs of
groups at once: the gap plus and minus the 95 % quantile of the largest difference between the errors of two groups,
where a group's error is its resampled minus its actual score (Tukey's range method, with the bootstrap's distribution).

The expected calibration error has no interval: it sums absolute values, which resampling raises, so that a percentile
interval need not contain it.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from ifdd.data.manifest import Sample
from ifdd.evaluation.bootstrap import CONFIDENCE, SEED, Units, draw_weights, estimate_of, resample, units_of
from ifdd.evaluation.calibration.reliability import BINS, bins_of, confidences_of
from ifdd.evaluation.groups.grouping import Grouping
from ifdd.evaluation.metrics import ratio, war_and_uar
from ifdd.records import Estimate, GapRecord, GroupRecord, GroupsRecord

RESAMPLES = 2000
MINIMUM_CLIPS = 30
"""Smaller groups are shown, but do not count toward the gaps."""
MINIMUM_SUBJECTS = 5
"""Groups of fewer subjects do not count toward the gaps either, if subjects are resampled."""

_Score = Literal["war", "uar", "overconfidence"]


class _Scores(NamedTuple):
    """Scores of the actual clips or of each resample; NaN where there are no clips."""

    war: Float64[np.ndarray, " resamples"]
    uar: Float64[np.ndarray, " resamples"]
    overconfidence: Float64[np.ndarray, " resamples"]
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
    # the groups of the column "subject" have one subject each, so clips are drawn
    subjects = ["" if grouping.column == "subject" else sample.subject for sample in samples]
    units = units_of([sample.clip_id for sample in samples], subjects)
    sums = _sums_of_clips(probabilities, targets)
    weights = list(draw_weights(units.number, resamples, seed))
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


def _sums_of_clips(
    probabilities: np.ndarray, targets: Int64[np.ndarray, " clips"]
) -> Float64[np.ndarray, "clips columns"]:
    """Return the columns whose sums give all scores: recognised and total by class, confidence minus right by bin."""
    confidences, right = confidences_of(probabilities, targets)
    total = np.eye(probabilities.shape[1])[targets]
    excess = np.eye(BINS)[bins_of(confidences)] * (confidences - right)[:, None]
    return np.concatenate([total * right[:, None], total, excess], axis=1)


def _group(
    name: str,
    chosen: np.ndarray,
    units: Units,
    sums: Float64[np.ndarray, "clips columns"],
    weights: Sequence[np.ndarray],
    classes: Sequence[str],
    probabilities: np.ndarray,
) -> _Group:
    """Return the results of the chosen clips."""
    present, unit = np.unique(units.of_clip[chosen], return_inverse=True)
    by_unit = Units(units.kind, unit, len(present)).sums(sums[chosen])
    actual = _scores(by_unit.sum(axis=0, keepdims=True), len(classes))
    resampled = _scores(resample([part[:, present] for part in weights], by_unit), len(classes))
    support, excess = by_unit[:, len(classes) : 2 * len(classes)], by_unit[:, 2 * len(classes) :]
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
        ece=Estimate(float(np.abs(excess.sum(axis=0)).sum() / clips), None, None),
    )
    return _Group(record, actual, resampled)


def _scores(sums: Float64[np.ndarray, "resamples columns"], classes: int) -> _Scores:
    """Return the scores of each resample from its sums."""
    right, total, excess = sums[:, :classes], sums[:, classes : 2 * classes], sums[:, 2 * classes :]
    overconfidence = ratio(excess.sum(axis=1), total.sum(axis=1))
    return _Scores(*war_and_uar(right, total), overconfidence, ratio(right, total))


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
