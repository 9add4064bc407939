"""VideoMAE's video transformer, a plain ViT on tubelets (Tong et al., NeurIPS 2022, arXiv 2203.12602), as a backbone.

Parameter names are those of the public code (MCG-NJU/VideoMAE), except ``mlp.0`` and ``mlp.3`` for its ``mlp.fc1`` and
``mlp.fc2``, so that its weights load.

All blocks see the same map, so the pyramid's two maps have the same size (ratio 1) and differ in depth: they follow
three quarters of the blocks and the last one, as those of MViTv2 follow its third and fourth stage.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ifdd.model.layers import (
    MLP,
    DropPath,
    depth_rates,
    init_linear,
    maps_to_tokens,
    merge_heads,
    split_heads,
    stage_outputs,
)
from ifdd.model.outputs import StageShape

Clip = Float[Tensor, "batch 3 frames height width"]
Maps = tuple[Float[Tensor, "batch channels steps rows columns"], ...]
Tokens = Float[Tensor, "batch tokens channels"]

PATCH = 16
"""Height and width of a tubelet in pixels."""
TUBELET = 2
"""Frames of a tubelet."""
STAGES = 4
"""Parts of equal depth; the map after each is a stage."""
NORM_EPS = 1e-6


class TransformerSpec(NamedTuple):
    """The size of a transformer of equal blocks."""

    blocks: int
    """A multiple of ``STAGES``."""
    channels: int
    heads: int


def sinusoids(positions: int, channels: int) -> Float[Tensor, "{positions} {channels}"]:
    """Return the fixed position table: sine and cosine in turn, of wavelengths from 2 pi to 2 pi * 10000.

    Token ``p``, channel ``2 i`` has sin(p / 10000^(2 i / channels)), channel ``2 i + 1`` its cosine.
    """
    rates = 10000.0 ** (-torch.arange(0, channels, 2, dtype=torch.float64) / channels)
    angles = torch.arange(positions, dtype=torch.float64)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1).float()


class PatchEmbedding(nn.Module):
    """Project each tubelet of 2 x 16 x 16 pixels to a token and add its fixed position.

    Positions number the tokens over (time, height, width) of this clip's grid; another size is not interpolated.
    """

    positions: Tensor
    origin = ((TUBELET - 1) / 2, (PATCH - 1) / 2, (PATCH - 1) / 2)
    """Frame, row and column of the clip, from 0, on which the first token is centred."""

    def __init__(self, channels: int, grid: tuple[int, int, int]) -> None:
        super().__init__()
        tubelet = (TUBELET, PATCH, PATCH)
        self.proj = nn.Conv3d(3, channels, tubelet, stride=tubelet)
        frames, rows, columns = grid
        self.register_buffer("positions", sinusoids(frames * rows * columns, channels), persistent=False)

    def forward(self, clip: Clip) -> Tokens:
        """Return the tokens over (time, height, width)."""
        return maps_to_tokens(self.proj(clip)) + self.positions


class SelfAttention(nn.Module):
    """Multi-head self-attention with a bias for queries and values; one for keys would cancel in the softmax."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(channels))
        self.v_bias = nn.Parameter(torch.zeros(channels))
        self.proj = nn.Linear(channels, channels)

    def forward(self, tokens: Tokens) -> Tokens:
        """Return tokens of the same shape."""
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        query, key, value = split_heads(F.linear(tokens, self.qkv.weight, bias), 3, self.heads)
        return self.proj(merge_heads(F.scaled_dot_product_attention(query, key, value)))


class Block(nn.Module):
    """Self-attention and MLP, each after a norm, with a residual and stochastic depth."""

    def __init__(self, spec: TransformerSpec, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(spec.channels, eps=NORM_EPS)
        self.attn = SelfAttention(spec.channels, spec.heads)
        self.norm2 = nn.LayerNorm(spec.channels, eps=NORM_EPS)
        self.mlp = MLP(spec.channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tokens) -> Tokens:
        """Return tokens of the same shape."""
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens)))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))


def token_grid(frames: int, size: int) -> tuple[int, int, int]:
    """Return frames, height and width of the tokens of a clip."""
    return frames // TUBELET, size // PATCH, size // PATCH


def quarter_ends(blocks: int) -> list[int]:
    """Return the index of the last block of each stage.

    Example:
        >>> from ifdd.model.backbones.vit import quarter_ends
        >>> quarter_ends(12)
        [2, 5, 8, 11]
    """
    return [blocks * number // STAGES - 1 for number in range(1, STAGES + 1)]


class VideoViT(nn.Module):
    """The encoder of VideoMAE. A clip of T frames has T / 2 feature frames.

    Deviation: as in MViTv2, the final norm is applied to the last map, token by token. VideoMAE has such a norm in
    pre-training only; fine-tuned for classes, it has one behind the mean over all tokens instead.
    """

    def __init__(self, spec: TransformerSpec, frames: int, size: int, drop_path: float) -> None:
        super().__init__()
        self.grid = token_grid(frames, size)
        self.patch_embed = PatchEmbedding(spec.channels, self.grid)
        self.blocks = nn.ModuleList(Block(spec, rate) for rate in depth_rates(spec.blocks, drop_path))
        self.norm = nn.LayerNorm(spec.channels, eps=NORM_EPS)
        self.stage_ends = quarter_ends(spec.blocks)
        self.stages = (StageShape(spec.channels, *self.grid),) * STAGES
        self.origin = self.patch_embed.origin
        init_linear(self, std=0.02)

    def forward(self, clip: Clip) -> Maps:
        """Return the map of each stage, shallowest first."""
        ends = stage_outputs(self.blocks, self.stage_ends, self.norm, self.patch_embed(clip))
        return tuple(each.transpose(1, 2).unflatten(2, self.grid) for each in ends)


VIT_B = TransformerSpec(blocks=12, channels=768, heads=12)
VIT_TINY = TransformerSpec(blocks=4, channels=64, heads=4)


def vit_b(frames: int, size: int, drop_path: float) -> VideoViT:
    """Build VideoMAE's ViT-B/16, with 12 blocks of 768 channels."""
    return VideoViT(VIT_B, frames, size, drop_path)


def vit_tiny(frames: int, size: int, drop_path: float) -> VideoViT:
    """Build a backbone of the same parts for trying a recipe on a CPU, with 4 blocks of 64 channels."""
    return VideoViT(VIT_TINY, frames, size, drop_path)
