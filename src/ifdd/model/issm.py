"""ISSM, the Inter-frame Static-dynamic Splitting Module, and the splits that replace it in the ablations."""

from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ifdd.model.layers import init_linear
from ifdd.model.outputs import FrameSplit, StageShape

Features = Float[Tensor, "batch channels frames height width"]
Group = Float[Tensor, "batch channels half height width"]

TOKEN_CHANNELS = 7
"""Channels of the tokenizer's map."""
TOKEN_SIZE = 7
"""Height and width of the tokenizer's map, or the features' own if they are smaller."""


def interpolate_frames(features: Features, position: Float[Tensor, "batch half"]) -> Group:
    """Sample ``features`` at real-valued frame positions: linear in time, clamped to the first and last frame.

    Args:
        features: maps of a batch.
        position: in frames of the features, from 0.

    Gradients reach ``features`` and, between the first and the last frame, ``position``. A NaN position gives NaN.
    """
    last = features.shape[2] - 1
    position = position.clamp(0, last)
    left = position.detach().nan_to_num().floor().clamp(max=max(last - 1, 0))
    weight = (position - left)[:, None, :, None, None]

    def frames_at(index: Tensor) -> Tensor:
        index = index.long()[:, None, :, None, None].expand(-1, features.shape[1], -1, *features.shape[3:])
        return features.gather(2, index)

    return torch.lerp(frames_at(left), frames_at((left + 1).clamp(max=last)), weight.to(features.dtype))


def official_position(index: Float[Tensor, "batch half"], frames: int) -> Float[Tensor, "batch half"]:
    """Return the frame position that the official code samples for an index.

    It normalises the index as for aligned corners, 2 i / (T - 1) - 1, but samples without aligning them.
    """
    return index * frames / (frames - 1) - 0.5


def full_precision(features: Tensor) -> AbstractContextManager[object]:
    """Return a context that disables autocast; the meta device has no autocast."""
    return nullcontext() if features.is_meta else torch.autocast(features.device.type, enabled=False)


class ISSM(nn.Module):
    """Split the frames by content into a static and a dynamic group of T / 2 sampled positions each.

    Z = tokenizer(X); R = Z Z^T / C. The static index is the even frames plus L tanh(W_s softmax(R)), the dynamic index
    the odd frames plus L tanh(W_d softmax(-R)), with the receptive field L in frames of the features.

    Args:
        shape: of the features X.
        receptive_field: L, in frames of the features.
        sampling: ``"exact"`` or ``"official"``.

    Deviation: ``sampling="exact"`` samples X at the index itself. The official code samples at another position
    (:func:`official_position`); ``sampling="official"`` reproduces it.
    """

    even: Tensor
    odd: Tensor

    def __init__(self, shape: StageShape, receptive_field: float = 2.0, sampling: str = "exact") -> None:
        super().__init__()
        self.receptive_field = receptive_field
        self.sampling = sampling
        self.token_size = (min(TOKEN_SIZE, shape.height), min(TOKEN_SIZE, shape.width))
        self.tokenizer = nn.Conv2d(shape.channels, TOKEN_CHANNELS, 1)
        self.static_offset = nn.Linear(shape.frames**2, shape.frames // 2, bias=False)
        self.dynamic_offset = nn.Linear(shape.frames**2, shape.frames // 2, bias=False)
        self.register_buffer("even", torch.arange(0.0, shape.frames, 2), persistent=False)
        self.register_buffer("odd", torch.arange(1.0, shape.frames, 2), persistent=False)
        init_linear(self, std=0.03)

    def forward(self, features: Features) -> tuple[Group, Group, FrameSplit]:
        """Return the static group, the dynamic group and the indexes they were sampled at."""
        correlation = self.correlation(features)
        static_index = self.even + self._offset(self.static_offset, correlation.softmax(-1))
        dynamic_index = self.odd + self._offset(self.dynamic_offset, (-correlation).softmax(-1))
        split = FrameSplit(static_index, dynamic_index, correlation)
        return self._read(features, static_index), self._read(features, dynamic_index), split

    def correlation(self, features: Features) -> Float[Tensor, "batch frames frames"]:
        """Return R = Z Z^T / C, in float32 or wider: the indexes depend on small differences."""
        batch, channels, frames = features.shape[:3]
        pooled = F.adaptive_avg_pool2d(features.transpose(1, 2).flatten(0, 1), self.token_size)
        tokens = F.gelu(self.tokenizer(pooled)).unflatten(0, (batch, frames)).flatten(2)
        tokens = tokens.to(torch.promote_types(tokens.dtype, torch.float32))
        with full_precision(features):
            return tokens @ tokens.transpose(1, 2) / channels

    def _offset(self, linear: nn.Linear, weights: Tensor) -> Float[Tensor, "batch half"]:
        with full_precision(weights):
            return torch.tanh(F.linear(weights.flatten(1), linear.weight.to(weights.dtype))) * self.receptive_field

    def _read(self, features: Features, index: Tensor) -> Group:
        position = official_position(index, features.shape[2]) if self.sampling == "official" else index
        return interpolate_frames(features, position)


class EvenOddSplit(nn.Module):
    """Ablation of ISSM: split the frames by parity, whatever their content (the lazy wavelet)."""

    def forward(self, features: Features) -> tuple[Group, Group, FrameSplit]:
        """Return the even frames, the odd frames and their indexes."""
        return features[:, :, 0::2], features[:, :, 1::2], parity_split(features)


class NoSplit(nn.Module):
    """Ablation "backbone only": both groups are all frames. The indexes returned are those of the parity split."""

    def forward(self, features: Features) -> tuple[Features, Features, FrameSplit]:
        """Return the features as both groups."""
        return features, features, parity_split(features)


def parity_split(features: Features) -> FrameSplit:
    """Return the indexes of the even and the odd frames, with a correlation of zeros."""
    batch, _, frames = features.shape[:3]
    index = torch.arange(frames, device=features.device, dtype=torch.float32).expand(batch, -1)
    return FrameSplit(index[:, 0::2], index[:, 1::2], index.new_zeros(batch, frames, frames))
