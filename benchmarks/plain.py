"""``ifdd_mvit_xs`` as the papers write it down, without regard for speed: the baseline of ``benchmarks/speed.py``.

Attention is a matrix product, the whole bias matrix, a softmax and a second product; maps are permuted copies of the
tokens, pooled one at a time. Parameter names are those of ``ifdd.model``, so that both load the same weights; a test
compares outputs and gradients.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from ifdd.model import IFDD, IFDDOutput
from ifdd.model.backbones.mvit import MVIT_XS, STEM_FRAMES, STEM_STRIDE, MViT, block_specs
from ifdd.model.backbones.pooled_attention import NORM_EPS, BlockSpec, Grid, relative_distance
from ifdd.model.layers import DropPath


class PlainPool(nn.Module):
    """Depthwise convolution of a copy of the map, then a norm; the class token skips the convolution."""

    def __init__(self, dim: int, stride: int) -> None:
        super().__init__()
        self.pool = nn.Conv3d(dim, dim, 3, stride=(1, stride, stride), padding=1, groups=dim, bias=False)
        self.norm_act = nn.Sequential(nn.LayerNorm(dim, eps=NORM_EPS))

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """Pool tokens of (batch, heads, tokens, dim)."""
        batch, heads, _, dim = tokens.shape
        maps = tokens[:, :, 1:].reshape(batch * heads, *grid, dim).permute(0, 4, 1, 2, 3).contiguous()
        pooled = self.pool(maps).reshape(batch, heads, dim, -1).transpose(2, 3)
        return self.norm_act(torch.cat([tokens[:, :, :1], pooled], dim=2))


class PlainAttention(nn.Module):
    """softmax(q k / sqrt(d) + q (R_h + R_w + R_t)) v + q, one operation after the other."""

    def __init__(self, spec: BlockSpec) -> None:
        super().__init__()
        self.spec = spec
        dim = spec.channels_out // spec.heads
        self.scale = dim**-0.5
        self.qkv = nn.Linear(spec.channels_in, 3 * spec.channels_out)
        self.project = nn.Sequential(nn.Linear(spec.channels_out, spec.channels_out))
        self.pool_q = PlainPool(dim, spec.q_stride)
        self.pool_k = PlainPool(dim, spec.kv_stride)
        self.pool_v = PlainPool(dim, spec.kv_stride)
        sizes = [max(pair) for pair in zip(spec.q_grid, spec.kv_grid, strict=True)]
        self.rel_pos_t, self.rel_pos_h, self.rel_pos_w = (
            nn.Parameter(torch.zeros(2 * size - 1, dim)) for size in sizes
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend, on the pooled queries' map."""
        batch, count, _ = tokens.shape
        heads, grid = self.spec.heads, self.spec.grid
        query, key, value = self.qkv(tokens).reshape(batch, count, 3, heads, -1).transpose(1, 3).unbind(2)
        query, key, value = self.pool_q(query, grid), self.pool_k(key, grid), self.pool_v(value, grid)
        scores = (query * self.scale) @ key.transpose(2, 3)
        scores[:, :, 1:, 1:] += self.bias(query[:, :, 1:])
        attended = scores.softmax(-1) @ value
        attended[:, :, 1:] += query[:, :, 1:]
        return self.project(attended.transpose(1, 2).reshape(batch, -1, heads * attended.shape[-1]))

    def bias(self, query: Tensor) -> Tensor:
        """Return the bias matrix (batch, heads, queries, keys) of the map's tokens."""
        (q_frames, q_height, q_width), (k_frames, k_height, k_width) = self.spec.q_grid, self.spec.kv_grid
        maps = query.unflatten(2, self.spec.q_grid)
        frames = torch.einsum("bnthwd,tkd->bnthwk", maps, self.rel_pos_t[relative_distance(q_frames, k_frames)])
        rows = torch.einsum("bnthwd,hkd->bnthwk", maps, self.rel_pos_h[relative_distance(q_height, k_height)])
        columns = torch.einsum("bnthwd,wkd->bnthwk", maps, self.rel_pos_w[relative_distance(q_width, k_width)])
        bias = frames[..., :, None, None] + rows[..., None, :, None] + columns[..., None, None, :]
        return bias.flatten(5, 7).flatten(2, 4)


class PlainBlock(nn.Module):
    """Attention and MLP with norms and residuals; the skip path is pooled in three dimensions."""

    def __init__(self, spec: BlockSpec, drop_path: float) -> None:
        super().__init__()
        self.spec = spec
        self.norm1 = nn.LayerNorm(spec.channels_in, eps=NORM_EPS)
        self.attn = PlainAttention(spec)
        self.norm2 = nn.LayerNorm(spec.channels_out, eps=NORM_EPS)
        width = spec.channels_out
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Identity(), nn.Linear(4 * width, width))
        widens = spec.channels_in != spec.channels_out
        self.project = nn.Linear(spec.channels_in, spec.channels_out) if widens else None
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens of the output map."""
        normed = self.norm1(tokens)
        skip = tokens if self.project is None else self.project(normed)
        if self.spec.q_stride > 1:
            skip = self.pool(skip)
        tokens = skip + self.drop_path(self.attn(normed))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))

    def pool(self, tokens: Tensor) -> Tensor:
        """Max-pool the map's tokens."""
        batch, _, channels = tokens.shape
        maps = tokens[:, 1:].reshape(batch, *self.spec.grid, channels).permute(0, 4, 1, 2, 3).contiguous()
        stride = self.spec.q_stride
        around = (stride + 1) // 2
        pooled = F.max_pool3d(maps, (1, stride + 1, stride + 1), (1, stride, stride), (0, around, around))
        return torch.cat([tokens[:, :1], pooled.flatten(2).transpose(1, 2)], dim=1)


class PlainMViT(MViT):
    """The backbone of plain blocks, which computes a batch at once."""

    def __init__(self, frames: int, size: int, drop_path: float) -> None:
        super().__init__(MVIT_XS, frames, size, drop_path)
        specs = block_specs(MVIT_XS, (STEM_FRAMES, size // STEM_STRIDE, size // STEM_STRIDE))
        rates = [drop_path * index / (len(specs) - 1) for index in range(len(specs))]
        self.blocks = nn.ModuleList(PlainBlock(spec, rate) for spec, rate in zip(specs, rates, strict=True))

    def forward(self, clip: Tensor) -> tuple[Tensor, ...]:
        """Return the map of each stage."""
        return self._maps(clip)


class PlainIFDD(nn.Module):
    """A model of the preset ``ifdd_mvit_xs`` with plain blocks and unfused attention everywhere, of the same weights.

    Args:
        model: the model whose weights are copied.
    """

    def __init__(self, model: IFDD) -> None:
        super().__init__()
        config = model.config
        self.model = IFDD(config).train(model.training)
        self.model.backbone = PlainMViT(config.frames, config.size, config.drop_path).train(model.training)
        self.model.load_state_dict(model.state_dict())

    def forward(self, clip: Tensor) -> IFDDOutput:
        """Return what the model returns."""
        with sdpa_kernel(SDPBackend.MATH):  # the attention of LADM
            return self.model(clip)
