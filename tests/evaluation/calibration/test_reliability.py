"""Calibration error, Brier score and reliability table, against values computed by hand."""

import numpy as np
import pytest

from ifdd.evaluation.calibration.reliability import BINS, bins_of, expected_calibration_error, reliability


def test_reliability_by_hand() -> None:
    # two clips in the bin of 8/15 to 9/15, one of them right; one wrong clip in that of 14/15 to 1
    probabilities = np.array([[0.55, 0.45], [0.42, 0.58], [0.95, 0.05]])
    found = reliability(probabilities, np.array([0, 0, 1]))
    assert found.confidence == pytest.approx(2.08 / 3)
    assert found.overconfidence == pytest.approx(1.08 / 3)
    assert found.ece == pytest.approx((abs(1.13 - 1) + 0.95) / 3)
    assert found.brier == pytest.approx((2 * 0.45**2 + 2 * 0.58**2 + 2 * 0.95**2) / 3)
    used = {(each.low, each.high): each for each in found.bins if each.clips}
    assert list(used) == [(8 / 15, 9 / 15), (14 / 15, 1.0)]
    assert (used[8 / 15, 9 / 15].clips, used[8 / 15, 9 / 15].accuracy) == (2, 0.5)
    assert used[8 / 15, 9 / 15].confidence == pytest.approx(0.565)
    assert sum(each.clips for each in found.bins) == 3
    assert len(found.bins) == BINS == 15
    assert {each.accuracy for each in found.bins if not each.clips} == {None}


def test_the_calibration_error_is_the_gap_of_each_bin() -> None:
    confidences = np.array([0.95, 0.95, 0.61, 0.65, 1.0, 0.9])
    right = np.array([True, False, True, True, True, False])
    # 14/15 to 1: |2.9 - 2|; 9/15 to 10/15: |1.26 - 2|; 13/15 to 14/15: 0.9
    assert expected_calibration_error(confidences, right) == pytest.approx((0.9 + 0.74 + 0.9) / 6)
    probabilities = np.stack([confidences, 1 - confidences], axis=1)
    assert reliability(probabilities, np.where(right, 0, 1)).ece == expected_calibration_error(confidences, right)


def test_a_certain_and_right_model_is_calibrated() -> None:
    found = reliability(np.eye(3, dtype=np.float32), np.arange(3))
    assert (found.ece, found.brier, found.overconfidence) == (0, 0, 0)
    assert found.bins[-1].clips == 3


def test_bins_include_their_upper_ends() -> None:
    ends = np.arange(BINS + 1) / BINS
    assert bins_of(ends).tolist() == [0, *range(BINS)]
    assert bins_of(ends[:-1] + 1e-9).tolist() == list(range(BINS))
