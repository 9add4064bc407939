"""Layers and tensor operations that several boxes of the figure share."""

from collections.abc import Collection

import torch
from jaxtyping import Float
from torch import Tensor, nn

HIDDEN_VALUES = 2**22
"""Values of an MLP's hidden layer computed at a time, at least: 16 MiB, about the cache of two cores."""


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


def depth_rates(blocks: int, drop_path: float) -> list[float]:
    """Return the stochastic depth of each block, from 0 to ``drop_path``."""
    return [drop_path * index / max(blocks - 1, 1) for index in range(blocks)]


def stage_outputs(blocks: nn.ModuleList, stage_ends: Collection[int], norm: nn.Module, tokens: Tensor) -> list[Tensor]:
    """Apply blocks one after the other.

    Args:
        blocks: the blocks of a transformer.
        stage_ends: index of the last block of each stage.
        norm: applied to what the last stage gives.
        tokens: what the first block takes, channels last.

    Returns:
        What each stage gives.
    """
    outputs = []
    for index, block in enumerate(blocks):
        tokens = block(tokens)
        if index in stage_ends:
            outputs.append(tokens)
    outputs[-1] = norm(outputs[-1])
    return outputs


class FrameMean(nn.Module):
    """The mean of every ``count`` consecutive frames, in any floating-point dtype (3-D average pooling lacks some)."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def origin(self, stride: int) -> float:
        """Return the frame of the clip, from 0, on which the first mean is centred.

        Args:
            stride: frames of the clip between two frames of the input, the first of which is centred on the first.
        """
        return stride * (self.count - 1) / 2

    def forward(
        self, maps: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels new_frames height width"]:
        """Return 1 / ``count`` as many frames."""
        return maps if self.count == 1 else maps.unflatten(2, (-1, self.count)).mean(3)


class MLP(nn.Sequential):
    """Linear, exact GELU, linear, at the indices 0 and 3 that torchvision and the release use.

    Without gradients on a CPU, the hidden layer of large inputs is computed in parts that fit in the cache, in place.
    """

    def __init__(self, channels: int, ratio: int = 4) -> None:
        super().__init__(
            nn.Linear(channels, ratio * channels), nn.GELU(), nn.Identity(), nn.Linear(ratio * channels, channels)
        )
        self.hidden = ratio * channels

    def forward(self, tokens: Float[Tensor, "batch count channels"]) -> Float[Tensor, "batch count channels"]:
        """Return tokens of the same shape."""
        if torch.is_grad_enabled() or not tokens.is_cpu or torch.compiler.is_compiling():
            return super().forward(tokens)  # type: ignore[no-untyped-call]
        parts = tokens.chunk(max(1, tokens.shape[0] * tokens.shape[1] * self.hidden // HIDDEN_VALUES), dim=1)
        return torch.cat([self[3](torch.ops.aten.gelu_(self[0](part))) for part in parts], dim=1)


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


def store_channels_last(network: nn.Module) -> None:
    """Store the kernels of 3-D convolutions with their channels last, in place; neither names nor values change.

    bfloat16 convolutions reach the matrix units of processors and GPUs only with this layout, which the clip then needs
    as well.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last_3d)
