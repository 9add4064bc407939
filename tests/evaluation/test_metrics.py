import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ifdd.errors import InputError
from ifdd.evaluation.metrics import confusion_matrix, scores_from_confusion, war_and_uar


def test_scores_by_hand() -> None:
    confusion = np.array([[8, 2, 0], [1, 1, 2], [0, 0, 6]])
    scores = scores_from_confusion(confusion, ("happy", "sad", "fear"))
    assert scores.support == (10, 4, 6)
    assert scores.recalls == pytest.approx({"happy": 0.8, "sad": 0.25, "fear": 1.0})
    assert scores.war == pytest.approx(15 / 20)
    assert scores.uar == pytest.approx((0.8 + 0.25 + 1) / 3)


def test_a_class_absent_from_the_targets_does_not_count_in_uar() -> None:
    # two clips are classified as "sad", but no clip is sad
    confusion = np.array([[6, 2, 0], [0, 0, 0], [0, 0, 2]])
    scores = scores_from_confusion(confusion, ("happy", "sad", "fear"))
    assert scores.recalls == {"happy": 0.75, "sad": None, "fear": 1.0}
    assert scores.uar == pytest.approx((0.75 + 1) / 2)
    assert scores.war == pytest.approx(0.8)


def test_a_class_never_recognised_counts_as_zero() -> None:
    scores = scores_from_confusion(np.array([[4, 0], [2, 0]]), ("happy", "sad"))
    assert scores.recalls == {"happy": 1.0, "sad": 0.0}
    assert scores.uar == 0.5


def test_rows_are_targets() -> None:
    predictions, targets = torch.tensor([1, 1, 0]), torch.tensor([0, 0, 2])
    assert confusion_matrix(predictions, targets, 3).tolist() == [[0, 2, 0], [0, 0, 0], [1, 0, 0]]


def test_an_empty_or_wrongly_sized_matrix_is_refused() -> None:
    with pytest.raises(InputError, match="no clips to score"):
        scores_from_confusion(np.zeros((2, 2), np.int64), ("happy", "sad"))
    with pytest.raises(ValueError, match="3 classes"):
        scores_from_confusion(np.ones((2, 2), np.int64), ("happy", "sad", "fear"))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1))
def test_scores_agree_with_clip_by_clip_counting(pairs: list[tuple[int, int]]) -> None:
    targets, predictions = (torch.tensor(column) for column in zip(*pairs, strict=True))
    scores = scores_from_confusion(confusion_matrix(predictions, targets, 5), tuple("abcde"))
    assert scores.war == pytest.approx(np.mean([target == prediction for target, prediction in pairs]))
    recalls = [
        np.mean([prediction == name for target, prediction in pairs if target == name])
        for name in {target for target, _ in pairs}
    ]
    assert scores.uar == pytest.approx(np.mean(recalls))


def test_a_row_without_clips_has_no_scores() -> None:
    war, uar = war_and_uar(np.array([[3, 0], [0, 0], [1, 1]]), np.array([[4, 0], [0, 0], [4, 1]]))
    assert war == pytest.approx([0.75, np.nan, 0.4], nan_ok=True)
    assert uar == pytest.approx([0.75, np.nan, 0.625], nan_ok=True)
