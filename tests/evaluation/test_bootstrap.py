"""Intervals compared with scipy's bootstrap, with drawing clip by clip or person by person, and with scores by hand."""

import numpy as np
import pytest
from scipy import stats

from ifdd.evaluation.bootstrap import Interval, bootstrap, units_of

FIRST = np.array([[40, 5, 5], [6, 20, 4], [2, 3, 14]])
SECOND = np.array([[30, 10, 10], [1, 25, 4], [0, 2, 18]])


def clips(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the target of each clip, and whether it was recognised."""
    places = np.repeat(np.arange(confusion.size), confusion.ravel())
    targets, predictions = np.divmod(places, len(confusion))
    return targets, targets == predictions


def uar(targets: np.ndarray, right: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return the mean recall of three classes, for many resamples at once."""
    recalls = [(right & (targets == each)).sum(axis) / (targets == each).sum(axis) for each in range(3)]
    return np.asarray(np.mean(recalls, axis=0))


def test_the_intervals_of_a_fold_agree_with_scipy() -> None:
    targets, right = clips(FIRST)
    options = {"n_resamples": 10_000, "method": "percentile", "paired": True, "vectorized": True, "batch": 1000}
    rng = np.random.default_rng(1)
    war = stats.bootstrap((right.astype(float),), np.mean, rng=rng, **options).confidence_interval
    mean_recall = stats.bootstrap((targets, right), uar, rng=rng, **options).confidence_interval
    ours = bootstrap([FIRST]).folds[0]
    assert ours.war == pytest.approx(tuple(war), abs=0.012)  # one clip of 99 is 0.01
    assert ours.uar == pytest.approx(tuple(mean_recall), abs=0.012)


def test_mean_and_pooled_intervals_agree_with_drawing_clip_by_clip() -> None:
    rng = np.random.default_rng(2)
    means, pooled = [], []
    for _ in range(4000):
        drawn = []
        for targets, right in map(clips, (FIRST, SECOND)):
            places = rng.integers(len(targets), size=len(targets))
            drawn.append((targets[places], right[places]))
        means.append((np.mean([right.mean() for _, right in drawn]), np.mean([uar(*each) for each in drawn])))
        both = [np.concatenate(part) for part in zip(*drawn, strict=True)]
        pooled.append((both[1].mean(), uar(both[0], both[1])))
    found = bootstrap([FIRST, SECOND])
    for ours, slow in ((found.mean, means), (found.pooled, pooled)):
        for interval, scores in zip(ours, np.transpose(slow), strict=True):
            assert interval == pytest.approx(np.quantile(scores, [0.025, 0.975]), abs=0.008)
    assert width(found.mean.war) < width(found.folds[0].war)


def width(interval: Interval | None) -> float:
    assert interval is not None
    return interval.high - interval.low


def people(skills: list[float], seed: int) -> np.ndarray:
    """Return the confusion matrices of subjects of different skill, with 12 clips each."""
    rng = np.random.default_rng(seed)
    found = np.zeros((len(skills), 3, 3), np.int64)
    for subject, skill in enumerate(skills):
        for target in rng.integers(3, size=12):
            found[subject, target, target if rng.random() < skill else (target + 1) % 3] += 1
    return found


def test_intervals_of_subjects_agree_with_drawing_subject_by_subject() -> None:
    folds = [people([0.2, 0.9, 0.5, 1.0, 0.1], 3), people([0.4, 0.8, 0.6, 0.3], 4)]
    rng = np.random.default_rng(5)
    means, pooled = [], []
    for _ in range(4000):
        drawn = [clips(fold[rng.integers(len(fold), size=len(fold))].sum(axis=0)) for fold in folds]
        means.append((np.mean([right.mean() for _, right in drawn]), np.mean([uar(*each) for each in drawn])))
        both = [np.concatenate(part) for part in zip(*drawn, strict=True)]
        pooled.append((both[1].mean(), uar(both[0], both[1])))
    found = bootstrap(folds)
    for ours, slow in ((found.mean, means), (found.pooled, pooled)):
        for interval, scores in zip(ours, np.transpose(slow), strict=True):
            assert interval == pytest.approx(np.quantile(scores, [0.025, 0.975]), abs=0.01)
    of_clips = bootstrap([fold.sum(axis=0) for fold in folds])
    assert width(found.mean.war) > 1.3 * width(of_clips.mean.war)


def test_clips_are_drawn_only_where_no_subject_is_known() -> None:
    assert units_of("abc", ["", "", ""]).kind == "clips"
    found = units_of("abcd", ["anna", "", "anna", ""])
    assert (found.kind, found.number, found.of_clip.tolist()) == ("subjects", 3, [0, 1, 0, 2])


def test_resamples_that_do_not_differ_give_no_interval() -> None:
    perfect = bootstrap([np.diag([3, 0, 1])])
    assert perfect.folds[0].war is perfect.mean.uar is perfect.pooled.uar is None
    assert bootstrap([FIRST[None]]).pooled == (None, None)  # a single subject


def test_the_seed_decides_the_draws() -> None:
    assert bootstrap([FIRST, SECOND]) == bootstrap([FIRST, SECOND])
    assert bootstrap([FIRST], seed=1) != bootstrap([FIRST], seed=2)


def test_a_class_that_a_resample_lacks_is_left_out_of_its_uar() -> None:
    lonely = bootstrap([np.array([[50, 50], [1, 0]])]).folds[
        0
    ]  # the second class has one clip, classified as the first
    # in about a third of the resamples it is absent and UAR is near 0.5, else it is near 0.25
    assert lonely.uar is not None
    assert lonely.uar.low < 0.3
    assert lonely.uar.high > 0.5
