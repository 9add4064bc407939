"""WAR, UAR and recalls, all derived from the confusion matrix.

torchmetrics counts the matrix. Its macro recall is not used, because it counts a class that is absent from the targets
as 0, while UAR is the mean over the classes that occur.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64, Real
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from ifdd.errors import InputError


@dataclass(frozen=True)
class Scores:
    """Scores of the predictions of a set of clips."""

    classes: tuple[str, ...]
    """Class names in the order of the matrix."""
    confusion: Int64[np.ndarray, "targets predictions"]
    """Number of clips of each target (row) and prediction (column)."""
    support: tuple[int, ...]
    """Number of clips of each class."""
    recalls: dict[str, float | None]
    """Share of each class's clips that were recognised, 0 to 1; None for a class without clips."""
    war: float
    """Weighted average recall: the recalls weighted by class size, which is the accuracy, 0 to 1."""
    uar: float
    """Unweighted average recall: the mean of the recalls over the classes that occur, 0 to 1."""


def confusion_matrix(
    predictions: Int64[Tensor, " clips"], targets: Int64[Tensor, " clips"], num_classes: int
) -> Int64[np.ndarray, "targets predictions"]:
    """Return the number of clips of each target (row) and prediction (column)."""
    matrix: Tensor = multiclass_confusion_matrix(predictions, targets, num_classes)
    return matrix.to(torch.int64).cpu().numpy()


def ratio(part: Real[np.ndarray, "*shape"], whole: Real[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """Return part / whole; NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def war_and_uar(
    right: Real[np.ndarray, "resamples classes"], total: Real[np.ndarray, "resamples classes"]
) -> tuple[Float64[np.ndarray, " resamples"], Float64[np.ndarray, " resamples"]]:
    """Return WAR and UAR of each row, 0 to 1; NaN for a row without clips.

    Args:
        right: number of recognised clips of each class.
        total: number of clips of each class.

    Example:
        >>> import numpy as np
        >>> from ifdd.evaluation.metrics import war_and_uar
        >>> war, uar = war_and_uar(np.array([[6, 0, 1]]), np.array([[8, 0, 2]]))
        >>> war[0], uar[0]  # 7 of 10 clips; the mean of 0.75 and 0.5
        (np.float64(0.7), np.float64(0.625))
    """
    recalls = np.nan_to_num(ratio(right, total))
    return ratio(right.sum(axis=1), total.sum(axis=1)), ratio(recalls.sum(axis=1), (total > 0).sum(axis=1))


def scores_from_confusion(confusion: Int64[np.ndarray, "targets predictions"], classes: Sequence[str]) -> Scores:
    """Derive all scores from a confusion matrix.

    Args:
        confusion: number of clips of each target (row) and prediction (column).
        classes: class names in the order of the matrix.

    Raises:
        InputError: the matrix counts no clips.
        ValueError: the matrix and ``classes`` have different sizes.

    Example:
        >>> import numpy as np
        >>> from ifdd.evaluation.metrics import scores_from_confusion
        >>> scores = scores_from_confusion(np.array([[6, 2, 0], [0, 0, 0], [1, 0, 1]]), ("happy", "sad", "fear"))
        >>> scores.recalls  # no clip is sad
        {'happy': 0.75, 'sad': None, 'fear': 0.5}
        >>> scores.war, scores.uar  # 7 of 10 clips; the mean of 0.75 and 0.5
        (0.7, 0.625)
    """
    if confusion.shape != (len(classes), len(classes)):
        raise ValueError(f"the confusion matrix is {confusion.shape}, but there are {len(classes)} classes")
    support = confusion.sum(axis=1)
    if support.sum() == 0:
        raise InputError("there are no clips to score; check the manifest and the chosen subset and fold")
    correct = confusion.diagonal()
    recalls = {
        name: float(right / total) if total else None
        for name, right, total in zip(classes, correct, support, strict=True)
    }
    war, uar = war_and_uar(correct[None], support[None])
    return Scores(
        classes=tuple(classes),
        confusion=confusion,
        support=tuple(int(total) for total in support),
        recalls=recalls,
        war=float(war[0]),
        uar=float(uar[0]),
    )
