"""Losses against hand-computed values."""

import math

import pytest
import torch

from ifdd.model import FrameSplit, IFDDConfig, IFDDLoss, IFDDOutput, classification_loss, lifting_loss


def output(logits: torch.Tensor, residual: torch.Tensor) -> IFDDOutput:
    batch = len(logits)
    split = FrameSplit(torch.zeros(batch, 4), torch.zeros(batch, 4), torch.zeros(batch, 8, 8))
    return IFDDOutput(logits, torch.zeros(batch, 2), residual, split)


def test_classification_of_a_soft_target() -> None:
    # softmax of (0, ln 3) is (1/4, 3/4)
    loss = classification_loss(torch.tensor([[0.0, math.log(3)]]), torch.tensor([[0.5, 0.5]]))
    assert loss.item() == pytest.approx(-0.5 * math.log(1 / 4) - 0.5 * math.log(3 / 4))


def test_lifting_is_quadratic_below_one_and_linear_above() -> None:
    residual = torch.tensor([[[0.5, -0.5]], [[3.0, 0.0]]])
    torch.testing.assert_close(lifting_loss(residual), torch.tensor([0.125, 2.5 / 2]))


@pytest.mark.parametrize(("reduction", "expected"), [("mean", 0.6875), ("sum", 1.375)])
def test_total_adds_the_weighted_terms(reduction: str, expected: float) -> None:
    given = output(torch.zeros(2, 4), torch.tensor([[[0.5, -0.5]], [[3.0, 0.0]]]))
    target = torch.full((2, 4), 0.25)
    losses = IFDDLoss(IFDDConfig(lifting_weight=0.1, lifting_reduction=reduction))(given, target)
    assert losses.lifting.item() == pytest.approx(expected)
    assert losses.classification.item() == pytest.approx(math.log(4))
    assert losses.total.item() == pytest.approx(math.log(4) + 0.1 * expected)


def test_without_lifting_there_is_no_lifting_loss() -> None:
    given = output(torch.zeros(2, 4), torch.ones(2, 1, 2))
    losses = IFDDLoss(IFDDConfig(lifting="none"))(given, torch.full((2, 4), 0.25))
    assert losses.total.item() == losses.classification.item()
