"""WAR, UAR and recalls, all from the confusion matrix.

torchmetrics counts the matrix. The recalls are derived here, because its macro recall counts a class that is absent
from the targets as 0, and UAR is the mean over the classes that occur.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from ifdd.errors import InputError


@dataclass(frozen=True)
class Scores:
    """How well the predictions of a set of clips agree with their targets."""

    classes: tuple[str, ...]
    """Class names in the order of the matrix."""
    confusion: Int64[np.ndarray, "targets predictions"]
    """Numbers of clips; rows are targets, columns predictions."""
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
    """Count clips by target (row) and prediction (column)."""
    matrix: Tensor = multiclass_confusion_matrix(predictions, targets, num_classes)
    return matrix.to(torch.int64).cpu().numpy()


def scores_from_confusion(confusion: Int64[np.ndarray, "targets predictions"], classes: Sequence[str]) -> Scores:
    """Derive all scores from a confusion matrix.

    Args:
        confusion: numbers of clips; rows are targets, columns predictions.
        classes: class names in the order of the matrix.

    Raises:
        InputError: the matrix is empty: there was nothing to score.
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
    return Scores(
        classes=tuple(classes),
        confusion=confusion,
        support=tuple(int(total) for total in support),
        recalls=recalls,
        war=float(correct.sum() / support.sum()),
        uar=float(np.mean([recall for recall in recalls.values() if recall is not None])),
    )
