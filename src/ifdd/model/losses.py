"""One pure function per loss term, and the module that adds them up."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ifdd.model.config import IFDDConfig
from ifdd.model.outputs import IFDDOutput


class Losses(NamedTuple):
    """The total loss and its terms, scalars."""

    total: Float[Tensor, ""]
    classification: Float[Tensor, ""]
    lifting: Float[Tensor, ""]
    action_units: Float[Tensor, ""] | None = None
    """None without action units."""


def classification_loss(
    logits: Float[Tensor, "batch classes"], target: Float[Tensor, "batch classes"]
) -> Float[Tensor, ""]:
    """Cross entropy with soft targets (rows sum to 1), mean over the batch.

    Example:
        >>> import torch
        >>> from ifdd.model import classification_loss
        >>> round(classification_loss(torch.zeros(1, 4), torch.tensor([[0.5, 0.5, 0.0, 0.0]])).item(), 4)  # ln 4
        1.3863
    """
    return F.cross_entropy(logits.float(), target)


def lifting_loss(residual: Float[Tensor, "batch height width"]) -> Float[Tensor, " batch"]:
    """Smooth L1 (beta 1) between the lifting residual and zero, mean over the map: one value per clip.

    Example:
        >>> import torch
        >>> from ifdd.model import lifting_loss
        >>> lifting_loss(torch.full((2, 7, 7), 2.0))  # 2 - 1/2 beyond 1
        tensor([1.5000, 1.5000])
    """
    residual = residual.float()
    return F.smooth_l1_loss(residual, residual.new_zeros(residual.shape), reduction="none").mean((1, 2))


def action_unit_loss(logits: Float[Tensor, "batch units"], target: Float[Tensor, "batch units"]) -> Float[Tensor, ""]:
    """Binary cross entropy with intensities as soft targets (0 to 1), mean over the known ones; NaN is unknown.

    Its minimum is at the intensity itself, where it is the target's entropy, not 0. A squared error of the sigmoid
    would have the same minimum, but hardly a gradient where a unit is predicted absent, as most are in most faces.

    Example:
        >>> import torch
        >>> from ifdd.model import action_unit_loss
        >>> logits = torch.tensor([[0.0, 5.0]])
        >>> round(action_unit_loss(logits, torch.tensor([[0.3, torch.nan]])).item(), 4)  # ln 2
        0.6931
    """
    known = ~target.isnan()
    each = F.binary_cross_entropy_with_logits(logits.float(), target.float().nan_to_num(), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


class IFDDLoss(nn.Module):
    """total = classification + ``lifting_weight`` * lifting + ``action_unit_weight`` * action units.

    The lifting loss is reduced by ``lifting_reduction``. The action units count if the model has a head for them.

    Models without LADM have no context to train, so the weight is 0, as in the official code. Deviation: the official
    code sums the lifting loss over the batch (``"sum"``), so that its weight grows with the batch size; the default
    here is the mean.

    Example:
        >>> import torch
        >>> from ifdd.model import IFDDLoss, create_model
        >>> model = create_model("ifdd_tiny")
        >>> target = torch.tensor([[0.9, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0]])
        >>> losses = IFDDLoss(model.config)(model(torch.rand(1, 3, 16, 64, 64)), target)
        >>> losses.total.requires_grad
        True
    """

    def __init__(self, config: IFDDConfig) -> None:
        super().__init__()
        self.lifting_weight = 0.0 if config.lifting == "none" else config.lifting_weight
        self.reduction = config.lifting_reduction
        self.action_unit_weight = config.action_unit_weight

    def forward(
        self,
        output: IFDDOutput,
        target: Float[Tensor, "batch classes"],
        intensities: Float[Tensor, "batch units"] | None = None,
    ) -> Losses:
        """Return the losses of a batch.

        Args:
            output: the model's.
            target: soft targets, rows that sum to 1.
            intensities: targets of the action units, NaN where unknown; None leaves their loss out.
        """
        classification = classification_loss(output.logits, target)
        per_clip = lifting_loss(output.lifting_residual)
        lifting = per_clip.sum() if self.reduction == "sum" else per_clip.mean()
        total = classification + self.lifting_weight * lifting
        if output.action_unit_logits is None or intensities is None:
            return Losses(total, classification, lifting)
        units = action_unit_loss(output.action_unit_logits, intensities)
        return Losses(total + self.action_unit_weight * units, classification, lifting, units)
