"""Temperature, risk-coverage curve and thresholds, against values computed by hand."""

import numpy as np
import pytest
import torch

from ifdd.errors import InputError
from ifdd.evaluation.calibration.confidence import (
    calibrated,
    fit_temperature,
    negative_log_likelihood,
    risk_coverage,
    threshold_for_accuracy,
    threshold_for_coverage,
    wilson_interval,
)
from ifdd.evaluation.calibration.reliability import expected_calibration_error
from ifdd.model import class_probabilities


def draw(clips: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits that are too sure by a factor, and classes drawn from the true probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (clips, 5))
    classes = [rng.choice(5, p=row) for row in calibrated(logits, 1.0)]
    return logits * temperature, np.array(classes)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_found(temperature: float) -> None:
    logits, targets = draw(20_000, temperature)
    assert fit_temperature(logits, targets) == pytest.approx(temperature, rel=0.03)


def test_the_temperature_is_that_of_the_smallest_loss_and_lowers_both_errors() -> None:
    logits, targets = draw(500, 3.0)
    found = fit_temperature(logits, targets)
    grid = np.geomspace(0.5, 10, 400)
    losses = [negative_log_likelihood(calibrated(logits, each), targets) for each in grid]
    assert found == pytest.approx(grid[int(np.argmin(losses))], rel=0.02)
    before, after = calibrated(logits, 1.0), calibrated(logits, found)
    right = after.argmax(1) == targets
    assert (before.argmax(1) == after.argmax(1)).all()
    assert expected_calibration_error(after.max(1), right) < 0.5 * expected_calibration_error(before.max(1), right)
    shifted = logits + np.arange(len(logits))[:, None]  # logarithms of probabilities differ so from logits
    assert fit_temperature(shifted, targets) == pytest.approx(found, rel=1e-6)


def test_probabilities_are_those_of_the_model() -> None:
    logits, targets = draw(30, 1.0)
    expected = class_probabilities(torch.tensor(logits), 1.7).numpy()
    assert calibrated(logits, 1.7) == pytest.approx(expected, abs=1e-6)
    loss = torch.nn.functional.cross_entropy(torch.tensor(logits) / 1.7, torch.tensor(targets))
    assert negative_log_likelihood(calibrated(logits, 1.7), targets) == pytest.approx(float(loss))
    plain = torch.tensor(logits, dtype=torch.float32)
    assert torch.equal(class_probabilities(plain), plain.softmax(1))


def test_clips_that_fix_no_temperature_are_refused() -> None:
    certain = np.eye(3)[[0, 1, 2, 0]]
    with pytest.raises(InputError, match="nearly all of them are recognised"):
        fit_temperature(certain, np.array([0, 1, 2, 0]))
    with pytest.raises(InputError, match=r"from 0\.05 to 20 fits these 4 clips, because the model is at chance"):
        fit_temperature(certain, np.array([1, 2, 0, 1]))


def test_the_most_confident_clips_come_first_and_ties_are_shared() -> None:
    curve = risk_coverage(np.array([0.5, 0.9, 0.7, 0.7]), np.array([False, True, True, False]))
    assert curve.accuracy.tolist() == [1.0, 0.75, 2 / 3, 0.5]
    assert (curve.at(0.25), curve.at(0.5), curve.at(0.51), curve.at(1.0)) == (1.0, 0.75, 2 / 3, 0.5)
    assert curve.aurc == pytest.approx(1 - (1 + 0.75 + 2 / 3 + 0.5) / 4)


CONFIDENCE = np.array([0.9, 0.8, 0.7, 0.7, 0.6, 0.4])
RIGHT = np.array([False, True, True, True, False, False])


@pytest.mark.parametrize(
    ("target", "minimum_coverage", "expected"),
    [
        (0.5, 0.1, (0.0, 6, 3, True)),  # 3 of 6: all are kept
        (0.6, 0.1, (0.5, 5, 3, True)),
        (0.75, 0.1, (0.65, 4, 3, True)),
        (0.9, 0.1, (0.65, 4, 3, False)),  # never: 3 of 4 is best
        (0.9, 0.8, (0.5, 5, 3, False)),
    ],
)
def test_the_smallest_threshold_that_reaches_the_accuracy(
    target: float, minimum_coverage: float, expected: tuple[float, int, int, bool]
) -> None:
    assert threshold_for_accuracy(CONFIDENCE, RIGHT, target, minimum_coverage) == pytest.approx(expected)


def test_the_largest_threshold_that_keeps_a_share() -> None:
    assert threshold_for_coverage(CONFIDENCE, RIGHT, 1.0)[:2] == (0.0, 6)
    assert list(threshold_for_coverage(CONFIDENCE, RIGHT, 0.5)[:2]) == pytest.approx([0.65, 4])  # ties stay together
    assert list(threshold_for_coverage(CONFIDENCE, RIGHT, 2 / 6)[:2]) == pytest.approx([0.75, 2])


def test_rounding_does_not_keep_one_clip_more() -> None:
    confidence = np.linspace(0.3, 0.9, 100)
    right = confidence > confidence[-8]  # the seven surest
    assert 0.07 * 100 > 7
    assert threshold_for_accuracy(confidence, right, 1.0, 0.07).kept == 7
    assert threshold_for_coverage(confidence, right, 0.07).kept == 7


def test_the_interval_of_a_share_solves_wilsons_equation() -> None:
    low, high = wilson_interval(8, 10)
    for bound in (low, high):  # |share - p| is 1.96 standard errors at p
        assert abs(0.8 - bound) == pytest.approx(1.959964 * np.sqrt(bound * (1 - bound) / 10), rel=1e-5)
    assert wilson_interval(0, 5).low == 0
    assert wilson_interval(5, 5).high == 1
