"""Losses against hand-computed values."""

import math

import pytest
import torch

from ifdd.model import (
    FrameSplit,
    IFDDConfig,
    IFDDLoss,
    IFDDOutput,
    action_unit_loss,
    classification_loss,
    lifting_loss,
)


def output(logits: torch.Tensor, residual: torch.Tensor, units: torch.Tensor | None = None) -> IFDDOutput:
    batch = len(logits)
    split = FrameSplit(torch.zeros(batch, 4), torch.zeros(batch, 4), torch.zeros(batch, 8, 8))
    return IFDDOutput(logits, torch.zeros(batch, 2), residual, split, units)


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
    assert losses.action_units is None


UNKNOWN = math.nan


def test_action_units_cost_the_cross_entropy_of_their_intensities() -> None:
    # sigmoid of ln 3 is 3/4
    loss = action_unit_loss(torch.tensor([[math.log(3), 0.0]]), torch.tensor([[0.25, 1.0]]))
    first = -0.25 * math.log(3 / 4) - 0.75 * math.log(1 / 4)
    assert loss.item() == pytest.approx((first + math.log(2)) / 2)


def test_the_loss_is_least_at_the_intensity_itself() -> None:
    target = torch.tensor([[0.0, 0.2, 1.0]])
    right = torch.tensor([[-20.0, math.log(0.2 / 0.8), 20.0]], requires_grad=True)
    action_unit_loss(right, target).backward()
    assert right.grad is not None
    torch.testing.assert_close(right.grad, torch.zeros(1, 3), atol=1e-6, rtol=0)


def test_unknown_intensities_give_no_gradient() -> None:
    logits = torch.zeros(2, 2, requires_grad=True)
    loss = action_unit_loss(logits, torch.tensor([[UNKNOWN, 1.0], [UNKNOWN, UNKNOWN]]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert logits.grad is not None
    assert logits.grad.tolist() == [[0.0, -0.5], [0.0, 0.0]]
    assert action_unit_loss(logits, torch.full((2, 2), UNKNOWN)).item() == 0


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_action_units_add_their_weighted_loss(weight: float) -> None:
    given = output(torch.zeros(2, 4), torch.zeros(2, 1, 2), torch.zeros(2, 3))
    loss = IFDDLoss(IFDDConfig(action_units=(1, 2, 4), action_unit_weight=weight))
    losses = loss(given, torch.full((2, 4), 0.25), torch.ones(2, 3))
    assert losses.action_units is not None
    assert losses.action_units.item() == pytest.approx(math.log(2))
    assert losses.total.item() == pytest.approx(math.log(4) + weight * math.log(2))
    assert loss(given, torch.full((2, 4), 0.25)).action_units is None
