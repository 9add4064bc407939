"""Comparisons between models: against scipy, against a model of the data, and with planted effects."""

import math

import numpy as np
import pytest
from jaxtyping import Bool
from scipy import stats

from ifdd.evaluation.comparison import compare, differences_by_person, holm, mean_over_seeds

PEOPLE, CLIPS_EACH = 60, 5
OWNERS = [f"person {index // CLIPS_EACH}" for index in range(PEOPLE * CLIPS_EACH)]


def recognised(
    rng: np.random.Generator, seeds: int, person: np.ndarray, lift: float, seed_spread: float
) -> Bool[np.ndarray, "seeds clips"]:
    """Return which clips a simulated model recognises: people, its own taste in people, and training vary."""
    taste = rng.normal(0, 0.3, PEOPLE)
    training = rng.normal(0, seed_spread, (seeds, 1))
    chance = 1 / (1 + np.exp(-(0.7 + person + taste + training + lift)))
    drawn: Bool[np.ndarray, "seeds clips"] = rng.random((seeds, len(OWNERS))) < np.repeat(chance, CLIPS_EACH, axis=1)
    return drawn


def share_found(lift: float, seeds: int, seed_spread: float, studies: int = 200) -> float:
    """Return the share of simulated studies with p < 0.05."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(studies):
        person = rng.normal(0, 1, PEOPLE)
        better, other = (recognised(rng, seeds, person, each, seed_spread) for each in (lift, 0.0))
        found += compare(better, other, OWNERS).p < 0.05
    return found / studies


def test_the_interval_over_seeds_is_that_of_scipy() -> None:
    scores = [0.61, 0.66, 0.58, 0.64]
    found = mean_over_seeds(scores)
    expected = stats.t.interval(0.95, 3, loc=np.mean(scores), scale=stats.sem(scores))
    assert found.interval is not None
    assert list(found.interval) == pytest.approx(list(expected))
    assert found.deviation == pytest.approx(np.std(scores, ddof=1))


def test_a_single_seed_has_no_interval() -> None:
    assert mean_over_seeds([0.5]) == (0.5, None, None)


def test_with_one_seed_it_is_the_paired_t_test_over_people() -> None:
    rng = np.random.default_rng(3)
    first, second = (recognised(rng, 1, rng.normal(0, 1, PEOPLE), lift, 0) for lift in (0.4, 0.0))
    found = compare(first, second, OWNERS)
    of_people = [each.reshape(PEOPLE, CLIPS_EACH).mean(axis=1) for each in (first, second)]
    expected = stats.ttest_rel(*of_people)
    assert found.p == pytest.approx(expected.pvalue)
    assert list(found.interval or ()) == pytest.approx(list(expected.confidence_interval(0.95)))
    spread = np.std(of_people[0] - of_people[1], ddof=1)
    assert found.effect_size == pytest.approx(found.difference / spread)


def test_where_only_seeds_vary_it_is_the_paired_t_test_over_seeds() -> None:
    # All people share one difference in each seed, so that people tell nothing beyond the seeds.
    right = np.zeros((3, 40), bool)
    reference = np.zeros((3, 40), bool)
    for row, gained in zip(right, (1, 2, 3), strict=True):
        row.reshape(10, 4)[:, :gained] = True
    found = compare(right, reference, [str(index // 4) for index in range(40)])
    expected = stats.ttest_1samp([0.25, 0.5, 0.75], 0)
    assert found.p == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval(0.95)
    assert high > 1
    assert list(found.interval or ()) == pytest.approx([low, 1]), "a difference is at most 1"
    assert found.effect_size is None


def test_the_squares_are_those_of_the_two_way_analysis_of_variance() -> None:
    rng = np.random.default_rng(5)
    better, other = (recognised(rng, 3, rng.normal(0, 1, PEOPLE), lift, 0.4) for lift in (0.5, 0.0))
    table = differences_by_person(better, other, OWNERS)
    seeds, people = table.shape
    one_hot = [np.repeat(np.eye(seeds), people, axis=0), np.tile(np.eye(people), (seeds, 1))]

    def left(*columns: np.ndarray) -> float:
        """Return the squares that least squares on some columns leaves."""
        design = np.hstack([np.ones((seeds * people, 1)), *columns])
        return float(((table.ravel() - design @ np.linalg.lstsq(design, table.ravel(), rcond=None)[0]) ** 2).sum())

    residual = left(*one_hot) / ((seeds - 1) * (people - 1))
    of_seeds = (left(one_hot[1]) - left(*one_hot)) / (seeds - 1)
    of_people = (left(one_hot[0]) - left(*one_hot)) / (people - 1)
    assert of_seeds > residual, "the case that the formula below is for"
    total = of_seeds + max(of_people - residual, 0)
    freedom = (seeds - 1) * (total / of_seeds) ** 2
    error = math.sqrt(total / (seeds * people))
    found = compare(better, other, OWNERS)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(table.mean()) / error, freedom))


def test_the_difference_is_that_of_the_accuracies() -> None:
    rng = np.random.default_rng(1)
    right, reference = (rng.random((3, 50)) < 0.5 for _ in range(2))
    people = [str(number) for number in rng.integers(0, 9, 50)]  # with different numbers of clips
    found = compare(right, reference, people)
    assert found.difference == pytest.approx(right.mean() - reference.mean())
    assert found[4:] == (3, len(set(people)), 50)


def test_equal_models_differ_in_one_study_of_twenty_at_most_and_a_planted_effect_is_found() -> None:
    assert share_found(0.0, seeds=3, seed_spread=0.25) < 0.09
    assert share_found(0.0, seeds=3, seed_spread=0.0) < 0.09
    assert share_found(0.9, seeds=3, seed_spread=0.1) > 0.8


def test_identical_models() -> None:
    right = np.random.default_rng(0).random((3, 20)) < 0.5
    found = compare(right, right, [str(index) for index in range(20)])
    assert (found.difference, found.p, found.interval) == (0, 1, (0, 0))


@pytest.mark.parametrize(("seeds", "people", "p"), [(1, 2, 0.5), (3, 2, 0.5), (1, 6, 0.03125)])
def test_an_equal_difference_of_all_people_is_not_certain(seeds: int, people: int, p: float) -> None:
    right = np.ones((seeds, people), bool)
    found = compare(right, ~right, [str(index) for index in range(people)])
    assert (found.difference, found.interval, found.effect_size, found.p) == (1, None, None, p)


def test_seeds_of_one_score_have_no_interval() -> None:
    assert mean_over_seeds([0.7, 0.7, 0.7])[1:] == (0, None)


def test_holm_by_hand() -> None:
    # 4 * 0.005, 3 * 0.01, then 2 * 0.03, and 0.04, which may not fall below the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("seeds", [1, 3])
def test_people_of_different_numbers_of_clips_may_differ_equally(seeds: int) -> None:
    right = np.ones((seeds, 6), bool)
    found = compare(right, ~right, ["a", "b", "b", "c", "c", "c"])
    assert (found.difference, found.interval, found.effect_size, found.p) == (1, None, None, 0.25)


def test_an_equal_number_of_clips_gained_by_people_is_no_equal_difference() -> None:
    right = np.zeros((2, 6), bool)
    right[:, [0, 1, 3]] = True  # one clip of each person
    found = compare(right, np.zeros((2, 6), bool), ["a", "b", "b", "c", "c", "c"])
    assert found.interval is not None
    assert found.interval.low < found.difference == 0.5 < found.interval.high <= 1
    assert found.effect_size is not None
    assert found.p == 0.25, "the sign test"


def test_the_interval_of_people_with_different_numbers_of_clips_is_that_of_the_ratio() -> None:
    rng = np.random.default_rng(2)
    people = [str(number) for number in rng.integers(0, 60, 300)]
    better, other = rng.random((1, 300)) < 0.9, rng.random((1, 300)) < 0.4
    found = compare(better, other, people)
    assert found.interval is not None
    gains = {name: [0.0, 0] for name in people}
    for name, gain in zip(people, (better.astype(float) - other)[0], strict=True):
        gains[name][0] += gain
        gains[name][1] += 1
    sums, clips = map(np.array, zip(*gains.values(), strict=True))
    drawn = rng.integers(len(gains), size=(5000, len(gains)))
    ratios = sums[drawn].sum(axis=1) / clips[drawn].sum(axis=1)
    assert list(found.interval) == pytest.approx(np.quantile(ratios, [0.025, 0.975]), abs=0.012)
    assert found.effect_size is not None
    assert abs(found.effect_size) == pytest.approx(found.difference / (ratios.std() * len(gains) ** 0.5), rel=0.05)
