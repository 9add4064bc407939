"""The classifier, and the auxiliary head for action units."""

from jaxtyping import Float
from torch import Tensor, nn

from ifdd.model.layers import init_linear

SMALL_STD = 0.01
"""Standard deviation of the first weights of the auxiliary head."""


class Head(nn.Module):
    """Dropout and a linear layer: pooled emotion features to logits."""

    def __init__(self, channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, emotion: Float[Tensor, "batch channels"]) -> Float[Tensor, "batch classes"]:
        """Return the logits."""
        return self.classifier(self.dropout(emotion))


class ActionUnitHead(nn.Module):
    """A linear layer: the classifier's pooled emotion features to one logit for each action unit.

    Deviation: neither the paper nor the official code has it. There is no dropout, because intensities are a
    regression. The weights start near zero, so that at first the head learns from the features and barely
    changes them.
    """

    def __init__(self, channels: int, units: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, units)
        init_linear(self.linear, SMALL_STD)

    def forward(self, emotion: Float[Tensor, "batch channels"]) -> Float[Tensor, "batch units"]:
        """Return the logits, whose sigmoid is the intensity."""
        return self.linear(emotion)
