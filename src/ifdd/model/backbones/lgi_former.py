"""LGI-Former, the local-global interaction transformer of MAE-DFER (Sun et al., ACM MM 2023, arXiv 2307.02227).

Parameter names are those of the public checkpoints (sunlicai/MAE-DFER), except ``mlp.0`` and ``mlp.3`` for ``mlp.fc1``
and ``mlp.fc2``, and ``region_tokens.tokens`` for ``lg_region_tokens``, so that their weights load.

The tokens are VideoMAE's. They are divided into regions in space and time, each with one representative token. A block
attends within each region, then among the representatives, and passes the result back to the regions, so that its
attention costs little more than that of the regions alone.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ifdd.model.backbones.vit import (
    NORM_EPS,
    STAGES,
    Clip,
    Maps,
    PatchEmbedding,
    TransformerSpec,
    quarter_ends,
    token_grid,
)
from ifdd.model.layers import MLP, DropPath, depth_rates, init_linear, merge_heads, split_heads, stage_outputs
from ifdd.model.outputs import StageShape

Target = Float[Tensor, "batch targets channels"]
Source = Float[Tensor, "batch sources channels"]
Regions = Float[Tensor, "batch regions tokens channels"]
"""The tokens of each region over (time, height, width), the representative token first."""

REGION_FRAMES = 2
"""Feature frames of a region."""
REGION_ROWS = 2
"""Regions one above the other; each is as wide as the map. At 160 pixels, a region has 2 x 5 x 10 tokens."""


class Attention(nn.Module):
    """Multi-head attention from ``target`` (queries) to ``source``, with a bias for queries and values."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(channels, channels, bias=False)
        self.kv = nn.Linear(channels, 2 * channels, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(channels))
        self.v_bias = nn.Parameter(torch.zeros(channels))
        self.proj = nn.Linear(channels, channels)

    def forward(self, target: Target, source: Source) -> Target:
        """Return what each target gathers from the sources."""
        bias = torch.cat([torch.zeros_like(self.v_bias), self.v_bias])
        (query,) = split_heads(F.linear(target, self.q.weight, self.q_bias), 1, self.heads)
        key, value = split_heads(F.linear(source, self.kv.weight, bias), 2, self.heads)
        return self.proj(merge_heads(F.scaled_dot_product_attention(query, key, value)))


class Block(nn.Module):
    """Attention within the regions, among their representatives, from these back to the regions; then an MLP.

    Each has norms before it, a residual and stochastic depth. What concerns one region alone is dropped region by
    region, the rest clip by clip, as in the public code.
    """

    def __init__(self, spec: TransformerSpec, drop_path: float) -> None:
        super().__init__()
        channels, heads = spec.channels, spec.heads
        self.first_attn_norm0 = nn.LayerNorm(channels, eps=NORM_EPS)
        self.first_attn = Attention(channels, heads)
        self.second_attn_norm0 = nn.LayerNorm(channels, eps=NORM_EPS)
        self.second_attn = Attention(channels, heads)
        self.third_attn_norm0 = nn.LayerNorm(channels, eps=NORM_EPS)
        self.third_attn_norm1 = nn.LayerNorm(channels, eps=NORM_EPS)
        self.third_attn = Attention(channels, heads)
        self.norm2 = nn.LayerNorm(channels, eps=NORM_EPS)
        self.mlp = MLP(channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, regions: Regions) -> Regions:
        """Return tokens of the same shape."""
        shape = regions.shape[:2]
        each = regions.flatten(0, 1)
        each = (each + self.drop_path(self._within(each))).unflatten(0, shape)
        representatives, local = each[:, :, 0], each[:, :, 1:].flatten(1, 2)
        representatives = representatives + self.drop_path(self._among(representatives))
        local = local + self.drop_path(self._back(local, representatives))
        each = torch.cat([representatives[:, :, None], local.unflatten(1, (shape[1], -1))], dim=2).flatten(0, 1)
        return (each + self.drop_path(self.mlp(self.norm2(each)))).unflatten(0, shape)

    def _within(self, each: Target) -> Target:
        normed = self.first_attn_norm0(each)
        return self.first_attn(normed, normed)

    def _among(self, representatives: Target) -> Target:
        normed = self.second_attn_norm0(representatives)
        return self.second_attn(normed, normed)

    def _back(self, local: Target, representatives: Source) -> Target:
        return self.third_attn(self.third_attn_norm0(local), self.third_attn_norm1(representatives))


class RegionTokens(nn.Module):
    """Divide a map's tokens into regions, each behind its learned representative token.

    Args:
        channels: width of the tokens.
        grid: frames, height and width of the map; the first two must be even.
    """

    def __init__(self, channels: int, grid: tuple[int, int, int]) -> None:
        super().__init__()
        frames, height, _ = grid
        self.grid = grid
        self.frames = frames // REGION_FRAMES
        """Regions one after the other."""
        self.rows = height // REGION_ROWS
        """Rows of a region."""
        self.tokens = nn.Parameter(torch.empty(self.frames * REGION_ROWS, channels))
        nn.init.trunc_normal_(self.tokens, std=0.02)

    def forward(self, tokens: Target) -> Regions:
        """Return the regions in the order (time, height)."""
        width = self.grid[2]
        parted = tokens.unflatten(1, (self.frames, REGION_FRAMES, REGION_ROWS, self.rows * width))
        local = parted.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        return torch.cat([self.tokens[:, None].expand(tokens.shape[0], -1, -1, -1), local], dim=2)

    def maps(self, regions: Regions) -> Float[Tensor, "batch channels steps rows columns"]:
        """Join the regions' tokens to a map, without the representatives."""
        parted = regions[:, :, 1:].unflatten(2, (REGION_FRAMES, -1)).unflatten(1, (self.frames, REGION_ROWS))
        return parted.transpose(2, 3).flatten(1, 4).transpose(1, 2).unflatten(2, self.grid)


class LGIFormer(nn.Module):
    """The encoder of MAE-DFER. A clip of T frames has T / 2 feature frames.

    Four stages of equal depth, as in :class:`~ifdd.model.backbones.vit.VideoViT`; the final norm is that of
    pre-training.

    Deviation: MAE-DFER classifies the mean of the representative tokens of the last block. IFDD needs a map, so it uses
    the regions' own tokens, which the last block has given what the representatives know. Regions are half as high as
    the map and as wide at any size; the paper's 2 x 5 x 10 tokens are this for its 160 pixels.
    """

    def __init__(self, spec: TransformerSpec, frames: int, size: int, drop_path: float) -> None:
        super().__init__()
        grid = token_grid(frames, size)
        self.patch_embed = PatchEmbedding(spec.channels, grid)
        self.region_tokens = RegionTokens(spec.channels, grid)
        self.blocks = nn.ModuleList(Block(spec, rate) for rate in depth_rates(spec.blocks, drop_path))
        self.norm = nn.LayerNorm(spec.channels, eps=NORM_EPS)
        self.stage_ends = quarter_ends(spec.blocks)
        self.stages = (StageShape(spec.channels, *grid),) * STAGES
        self.origin = self.patch_embed.origin
        init_linear(self, std=0.02)

    def forward(self, clip: Clip) -> Maps:
        """Return the map of each stage, shallowest first."""
        regions = self.region_tokens(self.patch_embed(clip))
        ends = stage_outputs(self.blocks, self.stage_ends, self.norm, regions)
        return tuple(self.region_tokens.maps(each) for each in ends)


LGI_FORMER = TransformerSpec(blocks=16, channels=512, heads=8)
LGI_FORMER_TINY = TransformerSpec(blocks=4, channels=64, heads=4)


def lgi_former(frames: int, size: int, drop_path: float) -> LGIFormer:
    """Build MAE-DFER's encoder, with 16 blocks of 512 channels."""
    return LGIFormer(LGI_FORMER, frames, size, drop_path)


def lgi_former_tiny(frames: int, size: int, drop_path: float) -> LGIFormer:
    """Build a backbone of the same parts for trying a recipe on a CPU, with 4 blocks of 64 channels."""
    return LGIFormer(LGI_FORMER_TINY, frames, size, drop_path)
