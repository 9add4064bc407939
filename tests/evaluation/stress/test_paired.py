"""Paired differences, against a slow second way to compute them."""

import numpy as np
import pytest

from ifdd.evaluation.bootstrap import Units, draw_weights
from ifdd.evaluation.stress.paired import compare, total_variation
from ifdd.records import Estimate

CLASSES = 3


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def invented(clips: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.integers(CLASSES, size=clips)
    unchanged = softmax(rng.normal(size=(clips, CLASSES)) + 1.5 * np.eye(CLASSES)[targets])
    changed = softmax(rng.normal(size=(clips, CLASSES)) + 0.5 * np.eye(CLASSES)[targets])
    return unchanged, changed, targets, rng.integers(12, size=clips)


def slow_scores(unchanged: np.ndarray, changed: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Score a list of clips, one after the other."""

    def war_uar(probabilities: np.ndarray) -> tuple[float, float]:
        right = [int(np.argmax(row)) == target for row, target in zip(probabilities, targets, strict=True)]
        recalls = [np.mean([r for r, t in zip(right, targets, strict=True) if t == each]) for each in set(targets)]
        return float(np.mean(right)), float(np.mean(recalls))

    before, after = war_uar(unchanged), war_uar(changed)
    pairs = list(zip(unchanged, changed, strict=True))
    return {
        "war": after[0],
        "uar": after[1],
        "war_difference": after[0] - before[0],
        "uar_difference": after[1] - before[1],
        "changed": float(np.mean([np.argmax(a) != np.argmax(b) for a, b in pairs])),
        "distance": float(np.mean([max(0.0, float(np.sum((a - b)[a > b]))) for a, b in pairs])),
    }


def test_everything_agrees_with_scoring_resampled_lists_of_clips() -> None:
    unchanged, changed, targets, units = invented()
    weights = list(draw_weights(12, 200, seed=3))
    found = compare(unchanged, changed, targets, Units("subjects", units, 12), weights)
    expected = slow_scores(unchanged, changed, targets)
    resampled = []
    for counts in np.concatenate(weights):
        drawn = [clip for unit in range(12) for _ in range(counts[unit]) for clip in np.flatnonzero(units == unit)]
        resampled.append(slow_scores(unchanged[drawn], changed[drawn], targets[drawn]))
    for name, value in expected.items():
        estimate: Estimate = getattr(found, name)
        assert estimate.value == pytest.approx(value, abs=1e-6), name
        low, high = np.quantile([each[name] for each in resampled], [0.025, 0.975])
        assert estimate.low == pytest.approx(low, abs=1e-6), name
        assert estimate.high == pytest.approx(high, abs=1e-6), name


def test_equal_predictions_differ_by_nothing_for_certain() -> None:
    unchanged, _, targets, units = invented()
    found = compare(unchanged, unchanged, targets, Units("subjects", units, 12), list(draw_weights(12, 50, seed=0)))
    for estimate in (found.war_difference, found.uar_difference, found.changed, found.distance):
        assert estimate == Estimate(0.0, None, None)
    assert found.war.low is not None


def test_pairing_makes_the_interval_of_a_difference_narrow() -> None:
    """Versions that are wrong for the same clips differ by less than their own intervals suggest."""
    rng = np.random.default_rng(1)
    targets = np.zeros(200, int)
    right = rng.random(200) < 0.6
    unchanged = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9])
    changed = unchanged.copy()
    changed[np.flatnonzero(right)[:6]] = [0.1, 0.9]
    found = compare(
        unchanged, changed, targets, Units("clips", np.arange(200), 200), list(draw_weights(200, 400, seed=0))
    )

    def width(estimate: Estimate) -> float:
        assert estimate.low is not None
        assert estimate.high is not None
        return estimate.high - estimate.low

    assert found.war_difference.value == pytest.approx(-0.03)
    assert width(found.war_difference) < 0.5 * width(found.war)
    assert found.war_difference.high is not None
    assert found.war_difference.high < 0


def test_total_variation_is_the_largest_difference_over_all_sets_of_classes() -> None:
    first, second = np.array([[0.5, 0.3, 0.2]]), np.array([[0.1, 0.4, 0.5]])
    sets = [[index for index in range(3) if number >> index & 1] for number in range(8)]
    largest = max(abs(first[0, chosen].sum() - second[0, chosen].sum()) for chosen in sets)
    assert total_variation(first, second)[0] == pytest.approx(largest)
