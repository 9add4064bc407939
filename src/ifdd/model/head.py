"""The classifier."""

from jaxtyping import Float
from torch import Tensor, nn


class Head(nn.Module):
    """Dropout and a linear layer: pooled emotion features to logits."""

    def __init__(self, channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, emotion: Float[Tensor, "batch channels"]) -> Float[Tensor, "batch classes"]:
        """Return the logits."""
        return self.classifier(self.dropout(emotion))
