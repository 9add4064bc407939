"""Layers and tensor operations that several boxes of the figure share."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class DropPath(nn.Module):
    """Stochastic depth: in training, zero a residual branch for whole samples (Huang et al. 2016).

    The remaining branches are scaled by 1 / (1 - probability), which keeps the expectation.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, branch: Float[Tensor, "batch *rest"]) -> Float[Tensor, "batch *rest"]:
        """Zero ``branch`` at random per sample in training; return it unchanged in evaluation."""
        if not self.training or self.probability == 0.0:
            return branch
        keep = 1.0 - self.probability
        mask = branch.new_empty(branch.shape[0], *[1] * (branch.ndim - 1)).bernoulli_(keep)
        return branch * mask / keep

    def extra_repr(self) -> str:
        """Return the probability, for ``print(module)``."""
        return f"probability={self.probability}"


class FrameMean(nn.Module):
    """The mean of every ``count`` consecutive frames, in any floating-point dtype (3-D average pooling lacks some)."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(
        self, maps: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels new_frames height width"]:
        """Return 1 / ``count`` as many frames."""
        return maps if self.count == 1 else maps.unflatten(2, (-1, self.count)).mean(3)


def mlp(channels: int, ratio: int = 4) -> nn.Sequential:
    """Return linear, exact GELU, linear, at the indices 0 and 3 that torchvision and the release use."""
    return nn.Sequential(
        nn.Linear(channels, ratio * channels), nn.GELU(), nn.Identity(), nn.Linear(ratio * channels, channels)
    )


def split_heads(
    tokens: Float[Tensor, "batch count width"], parts: int, heads: int
) -> tuple[Float[Tensor, "batch {heads} count dim"], ...]:
    """Split the width into ``parts`` tensors (queries, keys, values, in that order) of ``heads`` heads each."""
    batch, count, width = tokens.shape
    return tokens.reshape(batch, count, parts, heads, width // (parts * heads)).permute(2, 0, 3, 1, 4).unbind(0)


def merge_heads(tokens: Float[Tensor, "batch heads count dim"]) -> Float[Tensor, "batch count width"]:
    """Concatenate the heads."""
    return tokens.transpose(1, 2).flatten(2)


def maps_to_tokens(maps: Float[Tensor, "batch channels *grid"]) -> Float[Tensor, "batch count channels"]:
    """Flatten (frames, height, width), in that order, to tokens."""
    return maps.flatten(2).transpose(1, 2)


def init_linear(module: nn.Module, std: float) -> None:
    """Initialise the linear layers of ``module``: truncated normal weights, zero biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def as_column(values: tuple[float, ...]) -> Float[Tensor, "channels 1 1 1"]:
    """Return one value per channel, shaped to broadcast over (frames, height, width)."""
    return torch.tensor(values).view(-1, 1, 1, 1)
