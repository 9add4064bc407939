import numpy as np
import pytest

from ifdd.evaluation.calibration import BINS, bins_of, calibration


def test_calibration_by_hand() -> None:
    # two clips in the bin of 0.5 to 0.6, one of them right; one wrong clip in that of 0.9 to 1
    probabilities = np.array([[0.55, 0.45], [0.4, 0.6], [0.95, 0.05]])
    found = calibration(probabilities, np.array([0, 0, 1]))
    assert found.confidence == pytest.approx(0.7)
    assert found.overconfidence == pytest.approx(0.7 - 1 / 3)
    assert found.ece == pytest.approx((abs(1.15 - 1) + 0.95) / 3)
    assert found.brier == pytest.approx((2 * 0.45**2 + 2 * 0.6**2 + 2 * 0.95**2) / 3)
    used = {(each.low, each.high): each for each in found.bins if each.clips}
    assert list(used) == [(0.5, 0.6), (0.9, 1.0)]
    assert (used[0.5, 0.6].clips, used[0.5, 0.6].accuracy) == (2, 0.5)
    assert used[0.5, 0.6].confidence == pytest.approx(0.575)
    assert sum(each.clips for each in found.bins) == 3
    assert len(found.bins) == BINS
    assert {each.accuracy for each in found.bins if not each.clips} == {None}


def test_a_certain_and_right_model_is_calibrated() -> None:
    found = calibration(np.eye(3, dtype=np.float32), np.arange(3))
    assert (found.ece, found.brier, found.overconfidence) == (0, 0, 0)
    assert found.bins[-1].clips == 3


def test_bins_include_their_upper_ends() -> None:
    assert bins_of(np.array([0.0, 0.1, 0.1001, 0.5, 1.0])).tolist() == [0, 0, 1, 4, 9]
