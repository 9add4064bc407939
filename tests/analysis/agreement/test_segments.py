"""Scores of segments, by hand."""

import pytest

from ifdd.analysis.agreement.segments import Stretch, score_segments, score_time

TRUTH = [Stretch(1, 0.0, 4.0, "happy"), Stretch(1, 4.0, 8.0, "sad"), Stretch(2, 0.0, 8.0, "fear")]


def test_segments_by_hand() -> None:
    found = [
        Stretch(1, 0.0, 4.3, "happy"),
        Stretch(1, 4.3, 8.0, "sad"),
        Stretch(2, 0.0, 3.0, "fear"),  # 3 of 8 s
        Stretch(2, 3.0, 8.0, "sad"),
        Stretch(3, 0.0, 8.0, "fear"),  # nobody
    ]
    scores = score_segments(TRUTH, found)
    assert (scores.precision, scores.recall) == (2 / 5, 2 / 3)
    assert scores.f1 == pytest.approx(4 / 8)
    assert len(scores.onset_errors) == 1
    assert scores.median_onset_error == pytest.approx(0.3)
    assert score_segments(TRUTH, found, 0.3).recall == 1
    assert score_time(TRUTH, found) == pytest.approx((4 + 3.7 + 3) / 16)


def test_a_true_segment_is_found_once() -> None:
    found = [Stretch(2, 0.0, 4.0, "fear"), Stretch(2, 4.0, 8.0, "fear")]
    scores = score_segments(TRUTH, found, 0.4)
    assert (scores.precision, scores.recall) == (1 / 2, 1 / 3)


def test_truth_scores_one_and_nothing_scores_nothing() -> None:
    assert score_segments(TRUTH, TRUTH, 1.0) == (1.0, 1.0, 1.0, (0.0,))
    assert score_time(TRUTH, TRUTH) == 1
    assert score_segments(TRUTH, []).f1 == score_time(TRUTH, []) == 0
    assert score_segments([], []).f1 == score_time([], []) == 1
    assert score_segments(TRUTH, []).median_onset_error is None
