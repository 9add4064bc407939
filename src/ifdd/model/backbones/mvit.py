"""MViTv2, the multiscale vision transformer for video (Li et al., CVPR 2022), as IFDD's backbone.

Parameter names are those of torchvision's ``mvit_v2_s``, so that its public Kinetics-400 weights load.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ifdd.model.backbones.pooled_attention import NORM_EPS, BlockSpec, Grid, NewTokens, PooledAttention, Tokens
from ifdd.model.layers import MLP, DropPath, FrameMean, depth_rates, init_linear, maps_to_tokens, stage_outputs
from ifdd.model.outputs import StageShape

STEM_STRIDE = 4
STEM_FRAMES = 8
"""Frames of every clip after the stem."""


class StageSpec(NamedTuple):
    """One stage of the network."""

    blocks: int
    channels: int
    heads: int
    kv_stride: int
    """Spatial stride of keys and values relative to each block's input."""


class Block(nn.Module):
    """Pooled attention and MLP, each with a norm, a residual and stochastic depth.

    Where the width changes, the skip path is a projection of the normalised input.
    """

    def __init__(self, spec: BlockSpec, drop_path: float) -> None:
        super().__init__()
        self.grid = spec.grid
        self.norm1 = nn.LayerNorm(spec.channels_in, eps=NORM_EPS)
        self.attn = PooledAttention(spec)
        self.norm2 = nn.LayerNorm(spec.channels_out, eps=NORM_EPS)
        self.mlp = MLP(spec.channels_out)
        widens = spec.channels_in != spec.channels_out
        self.project = nn.Linear(spec.channels_in, spec.channels_out) if widens else None
        stride = spec.q_stride
        self.pool_skip = nn.MaxPool2d(stride + 1, stride, (stride + 1) // 2) if stride > 1 else None
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tokens) -> NewTokens:
        """Return the tokens of the output map, which is pooled where queries are strided."""
        normed = self.norm1(tokens)
        skip = tokens if self.project is None else self.project(normed)
        tokens = self._pool_skip(skip) + self.drop_path(self.attn(normed))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))

    def _pool_skip(self, tokens: Tokens) -> NewTokens:
        if self.pool_skip is None:
            return tokens
        frames, height, width = self.grid
        maps = tokens[:, 1:].reshape(-1, height, width, tokens.shape[2]).permute(0, 3, 1, 2)  # channels last
        pooled = maps_to_tokens(self.pool_skip(maps)).unflatten(0, (-1, frames)).flatten(1, 2)
        return torch.cat([tokens[:, :1], pooled], dim=1)


class ClassToken(nn.Module):
    """A learned token before the map's tokens."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.class_token = nn.Parameter(torch.empty(channels))
        nn.init.trunc_normal_(self.class_token, std=0.02)

    def forward(self, tokens: Tokens) -> NewTokens:
        """Prepend the class token."""
        return torch.cat([self.class_token.expand(tokens.shape[0], 1, -1), tokens], dim=1)


class MViTTrunk(nn.Module):
    """Stem, blocks and final norm, shared by backbone and classifier."""

    def __init__(self, specs: tuple[StageSpec, ...], frames: int, size: int, drop_path: float) -> None:
        super().__init__()
        first = specs[0].channels
        stem_stride = 2 if frames > STEM_FRAMES else 1
        self.conv_proj = nn.Conv3d(
            3, first, (3, 7, 7), stride=(stem_stride, STEM_STRIDE, STEM_STRIDE), padding=(1, 3, 3)
        )
        # For 32 frames: the convolution for 16, then the mean of each pair.
        self.stem_pool = FrameMean(frames // (stem_stride * STEM_FRAMES))
        self.pos_encoding = ClassToken(first)
        blocks = block_specs(specs, (STEM_FRAMES, size // STEM_STRIDE, size // STEM_STRIDE))
        rates = depth_rates(len(blocks), drop_path)
        self.blocks = nn.ModuleList(Block(spec, rate) for spec, rate in zip(blocks, rates, strict=True))
        self.norm = nn.LayerNorm(specs[-1].channels, eps=NORM_EPS)
        ends = [sum(spec.blocks for spec in specs[: index + 1]) - 1 for index in range(len(specs))]
        self.stage_ends = ends
        self.stages = tuple(StageShape(blocks[end].channels_out, *blocks[end].q_grid) for end in ends)
        self.origin = (self.stem_pool.origin(stem_stride), 0.0, 0.0)
        init_linear(self, std=0.02)

    def tokens(self, clip: Float[Tensor, "batch 3 frames height width"]) -> list[Float[Tensor, "batch _ _"]]:
        """Return the tokens of each stage, class token first; the final norm is applied to the last."""
        tokens = self.pos_encoding(maps_to_tokens(self.stem_pool(self.conv_proj(clip))))
        return stage_outputs(self.blocks, self.stage_ends, self.norm, tokens)


class MViT(MViTTrunk):
    """The trunk as a backbone: ``forward`` returns maps without, ``tokens`` tokens with the class token."""

    def forward(self, clip: Float[Tensor, "batch 3 frames height width"]) -> tuple[Float[Tensor, "batch _ _ _ _"], ...]:
        """Return the map of each stage, finest first, without the class token."""
        maps = [self._maps(clips) for clips in working_parts(clip)]
        return maps[0] if len(maps) == 1 else tuple(torch.cat(parts) for parts in zip(*maps, strict=True))

    def _maps(self, clip: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            tokens[:, 1:].transpose(1, 2).unflatten(2, (shape.frames, shape.height, shape.width))
            for tokens, shape in zip(self.tokens(clip), self.stages, strict=True)
        )


def working_parts(clip: Float[Tensor, "batch *rest"]) -> tuple[Float[Tensor, "_ *rest"], ...]:
    """Return what to compute at a time: on a CPU without gradients one clip, otherwise the whole batch.

    One clip fills two cores; several at once only need more memory and leave the cache.
    """
    alone = clip.is_cpu and not torch.is_grad_enabled() and not torch.compiler.is_compiling()
    return clip.split(1) if alone else (clip,)


class MViTClassifier(MViTTrunk):
    """The published network with torchvision's parameters: clips of 16 frames, 224 pixels, to class scores.

    For verifying the weights and comparing features; IFDD uses :class:`MViT`.
    """

    def __init__(self, specs: tuple[StageSpec, ...], num_classes: int) -> None:
        super().__init__(specs, frames=16, size=224, drop_path=0.2)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(specs[-1].channels, num_classes))
        init_linear(self.head, std=0.02)

    def forward(self, clip: Float[Tensor, "batch 3 frames height width"]) -> Float[Tensor, "batch classes"]:
        """Return the class scores, computed from the class token."""
        return self.head(self.tokens(clip)[-1][:, 0])


def block_specs(stages: tuple[StageSpec, ...], grid: Grid) -> list[BlockSpec]:
    """Return the blocks of all stages; the first block of every stage but the first halves and widens the map."""
    specs = []
    channels = stages[0].channels
    for number, stage in enumerate(stages):
        for position in range(stage.blocks):
            halves = number > 0 and position == 0
            q_stride = 2 if halves else 1
            spec = BlockSpec(channels, stage.channels, stage.heads, grid, q_stride, stage.kv_stride)
            specs.append(spec)
            grid, channels = spec.q_grid, stage.channels
    return specs


MVIT_XS = (
    StageSpec(blocks=1, channels=96, heads=1, kv_stride=8),
    StageSpec(blocks=2, channels=192, heads=2, kv_stride=4),
    StageSpec(blocks=5, channels=384, heads=4, kv_stride=2),
    StageSpec(blocks=2, channels=768, heads=8, kv_stride=1),
)
MVIT_S = (*MVIT_XS[:2], MVIT_XS[2]._replace(blocks=11), MVIT_XS[3])
MVIT_TINY = (
    StageSpec(blocks=1, channels=32, heads=1, kv_stride=8),
    StageSpec(blocks=1, channels=64, heads=2, kv_stride=4),
    StageSpec(blocks=2, channels=128, heads=4, kv_stride=2),
    StageSpec(blocks=1, channels=256, heads=8, kv_stride=1),
)


def mvit_xs(frames: int, size: int, drop_path: float) -> MViT:
    """Build the paper's backbone, with 10 blocks."""
    return MViT(MVIT_XS, frames, size, drop_path)


def mvit_s(frames: int, size: int, drop_path: float) -> MViT:
    """Build torchvision's ``mvit_v2_s`` without its classifier, with 16 blocks."""
    return MViT(MVIT_S, frames, size, drop_path)


def mvit_tiny(frames: int, size: int, drop_path: float) -> MViT:
    """Build a backbone of the same parts that two CPU cores train in minutes, with 5 blocks."""
    return MViT(MVIT_TINY, frames, size, drop_path)
