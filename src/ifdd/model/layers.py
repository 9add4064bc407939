"""What several boxes of the figure share."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class DropPath(nn.Module):
    """Stochastic depth: in training, zero a residual branch for whole samples (Huang et al. 2016).

    Survivors are scaled by 1 / (1 - probability), so that the expectation stays.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, branch: Float[Tensor, "batch *rest"]) -> Float[Tensor, "batch *rest"]:
        """Drop ``branch`` per sample; the identity in evaluation."""
        if not self.training or self.probability == 0.0:
            return branch
        keep = 1.0 - self.probability
        mask = branch.new_empty(branch.shape[0], *[1] * (branch.ndim - 1)).bernoulli_(keep)
        return branch * mask / keep

    def extra_repr(self) -> str:
        """Show the probability when printed."""
        return f"probability={self.probability}"


class FrameMean(nn.Module):
    """The mean of every ``count`` frames that follow one another; of any floating-point type, unlike a pooling."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(
        self, maps: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels new_frames height width"]:
        """Return a ``count``-th of the frames."""
        return maps if self.count == 1 else maps.unflatten(2, (-1, self.count)).mean(3)


def mlp(channels: int, ratio: int = 4) -> nn.Sequential:
    """Return linear, exact GELU, linear; the indices 0 and 3 are those of torchvision's and the release's names."""
    return nn.Sequential(
        nn.Linear(channels, ratio * channels), nn.GELU(), nn.Identity(), nn.Linear(ratio * channels, channels)
    )


def split_heads(
    tokens: Float[Tensor, "batch count width"], parts: int, heads: int
) -> tuple[Float[Tensor, "batch {heads} count dim"], ...]:
    """Cut the width into ``parts`` tensors (queries, keys, values, in that order) of ``heads`` heads each."""
    batch, count, width = tokens.shape
    return tokens.reshape(batch, count, parts, heads, width // (parts * heads)).permute(2, 0, 3, 1, 4).unbind(0)


def merge_heads(tokens: Float[Tensor, "batch heads count dim"]) -> Float[Tensor, "batch count width"]:
    """Put the heads beside each other again."""
    return tokens.transpose(1, 2).flatten(2)


def maps_to_tokens(maps: Float[Tensor, "batch channels *grid"]) -> Float[Tensor, "batch count channels"]:
    """Flatten (time, height, width), in that order, into tokens."""
    return maps.flatten(2).transpose(1, 2)


def init_linear(module: nn.Module, std: float) -> None:
    """Truncated normal weights and zero biases for the linear layers of ``module``."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def as_column(values: tuple[float, ...]) -> Float[Tensor, "channels 1 1 1"]:
    """Return one value a channel, in a shape that broadcasts over (time, height, width)."""
    return torch.tensor(values).view(-1, 1, 1, 1)
