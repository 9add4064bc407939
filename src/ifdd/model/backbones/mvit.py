"""MViTv2, the multiscale vision transformer for video (Li et al., CVPR 2022), as IFDD's backbone.

Parameter names are those of torchvision's ``mvit_v2_s``, so that its public Kinetics-400 weights load.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ifdd.model.layers import MLP, DropPath, FrameMean, init_linear, maps_to_tokens
from ifdd.model.outputs import StageShape

Tokens = Float[Tensor, "batch tokens channels"]
"""The class token, then the map's tokens over (time, height, width)."""
NewTokens = Float[Tensor, "batch new_tokens new_channels"]
"""The same for the block's output, which may be smaller and wider."""
Queries = Float[Tensor, "batch queries heads dim"]
Keys = Float[Tensor, "batch keys heads dim"]
Grid = tuple[int, int, int]
"""Frames, height, width of a map."""

NORM_EPS = 1e-6
STEM_STRIDE = 4
STEM_FRAMES = 8
"""Frames of every clip after the stem."""
POOL_SIZE = 3
"""Height and width of the windows of pooling."""
FUSED_WIDTH = 16
"""Fused attention needs head widths that are a multiple of this."""


class StageSpec(NamedTuple):
    """One stage of the network."""

    blocks: int
    channels: int
    heads: int
    kv_stride: int
    """Spatial stride of keys and values relative to each block's input."""


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
        rates = [drop_path * index / max(len(blocks) - 1, 1) for index in range(len(blocks))]
        self.blocks = nn.ModuleList(Block(spec, rate) for spec, rate in zip(blocks, rates, strict=True))
        self.norm = nn.LayerNorm(specs[-1].channels, eps=NORM_EPS)
        ends = [sum(spec.blocks for spec in specs[: index + 1]) - 1 for index in range(len(specs))]
        self.stage_ends = ends
        self.stages = tuple(StageShape(blocks[end].channels_out, *blocks[end].q_grid) for end in ends)
        init_linear(self, std=0.02)

    def tokens(self, clip: Float[Tensor, "batch 3 frames height width"]) -> list[Float[Tensor, "batch _ _"]]:
        """Return the tokens of each stage, class token first; the final norm is applied to the last."""
        tokens = self.pos_encoding(maps_to_tokens(self.stem_pool(self.conv_proj(clip))))
        ends = []
        for index, block in enumerate(self.blocks):
            tokens = block(tokens)
            if index in self.stage_ends:
                ends.append(tokens)
        ends[-1] = self.norm(ends[-1])
        return ends


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
