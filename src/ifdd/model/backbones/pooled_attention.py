"""MViTv2's pooled attention: queries, keys and values pooled by strided convolutions, with relative positions."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ifdd.model.layers import maps_to_tokens

Tokens = Float[Tensor, "batch tokens channels"]
"""The class token, then the map's tokens over (time, height, width)."""
NewTokens = Float[Tensor, "batch new_tokens new_channels"]
"""The same for the block's output, which may be smaller and wider."""
Queries = Float[Tensor, "batch queries heads dim"]
Keys = Float[Tensor, "batch keys heads dim"]
Grid = tuple[int, int, int]
"""Frames, height, width of a map."""

NORM_EPS = 1e-6
POOL_SIZE = 3
"""Height and width of the windows of pooling."""
FUSED_WIDTH = 16
"""Fused attention needs head widths that are a multiple of this."""


class BlockSpec(NamedTuple):
    """The parameters of one block."""

    channels_in: int
    channels_out: int
    heads: int
    grid: Grid
    """Size of the input map."""
    q_stride: int
    kv_stride: int

    @property
    def q_grid(self) -> Grid:
        """Size of the output map."""
        return pooled_grid(self.grid, self.q_stride)

    @property
    def kv_grid(self) -> Grid:
        """Size of the map of keys and values."""
        return pooled_grid(self.grid, self.kv_stride)


def pooled_grid(grid: Grid, stride: int) -> Grid:
    """Return the size of a map after 3 x 3 x 3 pooling with padding 1 and this spatial stride."""
    frames, height, width = grid
    return frames, (height - 1) // stride + 1, (width - 1) // stride + 1


class Pool(nn.Module):
    """Depthwise 3 x 3 x 3 convolution of queries, keys or values (not of the class token), then a norm.

    All heads share the weights.
    """

    def __init__(self, dim: int, stride: int) -> None:
        super().__init__()
        self.pool = nn.Conv3d(dim, dim, 3, stride=(1, stride, stride), padding=1, groups=dim, bias=False)
        self.norm_act = nn.Sequential(nn.LayerNorm(dim, eps=NORM_EPS))

    def forward(
        self, class_token: Float[Tensor, "batch 1 channels"], maps: Float[Tensor, "batch channels _ _ _"]
    ) -> Float[Tensor, "batch pooled heads dim"]:
        """Pool the maps of all heads; return their tokens after the class token."""
        channels, dim = maps.shape[1], self.pool.out_channels
        kernels = self.pool.weight.repeat(channels // dim, 1, 1, 1, 1)
        pooled = F.conv3d(maps, kernels, None, self.pool.stride, self.pool.padding, 1, channels)
        joined = torch.cat([class_token, maps_to_tokens(pooled)], dim=1)
        return self.norm_act(joined.unflatten(2, (-1, dim)))


class ReadTokens(nn.Module):
    """Keep the class token and the rows and columns that pooling with a stride above 3 reads.

    Its 3 x 3 windows do not touch, so pooling what is kept with stride 3 gives the same, and keys and values need not
    be computed for the rest: at stride 8, for 87 % of the tokens.

    Args:
        grid: size of the map.
        stride: spatial stride of the pooling.
    """

    index: Tensor

    def __init__(self, grid: Grid, stride: int) -> None:
        super().__init__()
        frames, height, width = grid
        rows, columns = rows_read(height, stride), rows_read(width, stride)
        positions = torch.arange(1, 1 + frames * height * width).view(grid)[:, rows][:, :, columns]
        self.grid = (frames, len(rows), len(columns))
        self.register_buffer("index", F.pad(positions.flatten(), (1, 0)), persistent=False)

    def forward(self, tokens: Tokens) -> NewTokens:
        """Return the tokens that are read, class token first."""
        return tokens.index_select(1, self.index)


def rows_read(size: int, stride: int) -> list[int]:
    """Return the rows inside the map that windows of 3 at multiples of ``stride`` cover, in order."""
    windows = range((size - 1) // stride + 1)
    return [row for window in windows for row in range(stride * window - 1, stride * window + 2) if 0 <= row < size]


def project_to_maps(
    tokens: Tokens, weight: Float[Tensor, "new_channels channels"], bias: Float[Tensor, " new_channels"], grid: Grid
) -> tuple[Float[Tensor, "batch 1 new_channels"], Float[Tensor, "batch new_channels _ _ _"]]:
    """Apply a linear layer; return the class token, and the map's tokens as the map that a convolution takes.

    On a CPU the map has its channels last, as tokens have them: a depthwise convolution then takes a quarter of the
    time and less. Elsewhere, and in exported programs, it has them first, and the product is computed so, to spare the
    convolution a copy.
    """
    if tokens.is_cpu and not torch.compiler.is_compiling():
        projected = F.linear(tokens, weight, bias)
        # Unflattened first: after a permutation, a view of one clip has a batch stride that oneDNN is slow with.
        return projected[:, :1], projected[:, 1:].unflatten(1, grid).permute(0, 4, 1, 2, 3)
    weights = weight.expand(tokens.shape[0], -1, -1)
    maps = torch.baddbmm(bias[:, None], weights, tokens[:, 1:].transpose(1, 2))
    return F.linear(tokens[:, :1], weight, bias), maps.unflatten(2, grid)


def relative_distance(q_size: int, k_size: int) -> Int[Tensor, "{q_size} {k_size}"]:
    """Return the row of the relative position table for each (query, key) along one axis.

    Distances are counted in steps of the finer of the two maps.
    """
    q_step, k_step = max(k_size // q_size, 1), max(q_size // k_size, 1)
    queries = torch.arange(q_size)[:, None] * q_step
    keys = (torch.arange(k_size)[None, :] - (k_size - 1)) * k_step
    return queries - keys


class PooledAttention(nn.Module):
    """Multi-head attention with pooled queries, keys and values and decomposed relative positions.

    softmax(q k / sqrt(d) + q . (R_h + R_w + R_t)) v + q. The bias matrix is never built: each query is extended by its
    products with the position tables (one number per key row, column and frame), each key by the one-hot codes of its
    row, column and frame, so that one fused attention computes product and bias together. The class token has no
    position; its extension is zero.
    """

    row_distance: Tensor
    column_distance: Tensor
    frame_distance: Tensor
    key_code: Tensor

    def __init__(self, spec: BlockSpec) -> None:
        super().__init__()
        self.grid, self.q_grid, self.kv_source = spec.grid, spec.q_grid, spec.grid
        dim = spec.channels_out // spec.heads
        self.scale = dim**-0.5
        self.read: nn.Module = nn.Identity()
        kv_stride = spec.kv_stride
        if kv_stride > POOL_SIZE:
            self.read = ReadTokens(spec.grid, kv_stride)
            self.kv_source, kv_stride = self.read.grid, POOL_SIZE
        self.qkv = nn.Linear(spec.channels_in, 3 * spec.channels_out)
        self.project = nn.Sequential(nn.Linear(spec.channels_out, spec.channels_out))
        self.pool_q = Pool(dim, spec.q_stride)
        self.pool_k = Pool(dim, kv_stride)
        self.pool_v = Pool(dim, kv_stride)
        (q_frames, q_height, q_width), (k_frames, k_height, k_width) = spec.q_grid, spec.kv_grid
        self.rel_pos_h = nn.Parameter(torch.empty(2 * max(q_height, k_height) - 1, dim))
        self.rel_pos_w = nn.Parameter(torch.empty(2 * max(q_width, k_width) - 1, dim))
        self.rel_pos_t = nn.Parameter(torch.empty(2 * max(q_frames, k_frames) - 1, dim))
        for table in (self.rel_pos_h, self.rel_pos_w, self.rel_pos_t):
            nn.init.trunc_normal_(table, std=0.02)
        self.register_buffer("row_distance", relative_distance(q_height, k_height), persistent=False)
        self.register_buffer("column_distance", relative_distance(q_width, k_width), persistent=False)
        self.register_buffer("frame_distance", relative_distance(q_frames, k_frames), persistent=False)
        self.register_buffer("key_code", key_position_code(spec.kv_grid, dim), persistent=False)

    def forward(self, tokens: Tokens) -> NewTokens:
        """Return the attended tokens on the pooled queries' map."""
        weights, biases = self.qkv.weight.chunk(3), self.qkv.bias.chunk(3)
        source = self.read(tokens)
        query = self.pool_q(*project_to_maps(tokens, weights[0], biases[0], self.grid))
        key = self.pool_k(*project_to_maps(source, weights[1], biases[1], self.kv_source))
        value = self.pool_v(*project_to_maps(source, weights[2], biases[2], self.kv_source))
        attended = self._attend(query, key, value)
        summed = attended + query
        summed[:, 0] = attended[:, 0]  # the class token has no residual
        return self.project(summed.flatten(2))

    def _attend(self, query: Queries, key: Keys, value: Keys) -> Queries:
        dim = query.shape[3]
        query = torch.cat([query, self._query_position(query)], dim=3)
        code = self.key_code.to(key.dtype)[:, None].expand(*key.shape[:3], -1)
        key = torch.cat([key * self.scale, code], dim=3)
        value = F.pad(value, (0, query.shape[3] - dim))
        query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
        attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return attended.transpose(1, 2)[..., :dim]

    def _query_position(self, query: Queries) -> Float[Tensor, "batch queries heads codes"]:
        """Return q . R for every key row, column and frame, and zeros; all zero for the class token."""
        maps = query[:, 1:].unflatten(1, self.q_grid)
        rows = torch.einsum("bthwnd,hkd->bthwnk", maps, self.rel_pos_h[self.row_distance])
        columns = torch.einsum("bthwnd,wkd->bthwnk", maps, self.rel_pos_w[self.column_distance])
        frames = torch.einsum("bthwnd,tkd->bthwnk", maps, self.rel_pos_t[self.frame_distance])
        padding = self.key_code.shape[1] - sum(part.shape[5] for part in (rows, columns, frames))
        return F.pad(torch.cat([rows, columns, frames], dim=5).flatten(1, 3), (0, padding, 0, 0, 1, 0))


def key_position_code(grid: Grid, dim: int) -> Float[Tensor, "tokens codes"]:
    """Return the one-hot codes of row, column and frame, concatenated, for the keys of a map.

    The first entry is the class token's and zero. Columns of zeros fill keys of ``dim`` channels up to a multiple of
    ``FUSED_WIDTH``.
    """
    frame, row, column = torch.meshgrid(*(torch.arange(size) for size in grid), indexing="ij")
    codes = [
        F.one_hot(index.flatten(), size) for index, size in zip((row, column, frame), (*grid[1:], grid[0]), strict=True)
    ]
    padding = -(dim + sum(grid)) % FUSED_WIDTH
    return F.pad(torch.cat(codes, dim=1).float(), (0, padding, 1, 0))
