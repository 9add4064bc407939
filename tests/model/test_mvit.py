"""What every backbone keeps; MViT: attention against the written-out formula, layout, stem."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from ifdd.model import layers
from ifdd.model.backbones import BACKBONES
from ifdd.model.backbones.mvit import MVIT_XS, block_specs, mvit_s, mvit_tiny, mvit_xs
from ifdd.model.backbones.pooled_attention import BlockSpec, Grid, Pool, PooledAttention, rows_read
from ifdd.model.layers import MLP, DropPath, split_heads


def pooled(pool: Pool, tokens: torch.Tensor, grid: Grid, stride: int) -> torch.Tensor:
    """Pooling of (batch, heads, tokens, dim), one head after the other, at the whole stride."""
    heads = []
    for head in tokens.unbind(1):
        maps = head[:, 1:].transpose(1, 2).unflatten(2, grid)
        maps = F.conv3d(maps, pool.pool.weight, None, (1, stride, stride), 1, 1, head.shape[2])
        heads.append(torch.cat([head[:, :1], maps.flatten(2).transpose(1, 2)], dim=1))
    return pool.norm_act(torch.stack(heads, dim=1))


def written_out(attention: PooledAttention, tokens: torch.Tensor, spec: BlockSpec) -> torch.Tensor:
    """Attention with the whole bias matrix, entry by entry from its definition."""
    query, key, value = split_heads(attention.qkv(tokens), 3, spec.heads)
    query = pooled(attention.pool_q, query, spec.grid, spec.q_stride)
    key = pooled(attention.pool_k, key, spec.grid, spec.kv_stride)
    value = pooled(attention.pool_v, value, spec.grid, spec.kv_stride)
    scores = query @ key.transpose(2, 3) * attention.scale
    q_frames, q_height, q_width = attention.q_grid
    for q_index in range(q_frames * q_height * q_width):
        t, h, w = q_index // (q_height * q_width), q_index // q_width % q_height, q_index % q_width
        vector = query[:, :, 1 + q_index]
        k_frames, k_height, k_width = KV_GRID
        for k_index in range(k_frames * k_height * k_width):
            kt, kh, kw = k_index // (k_height * k_width), k_index // k_width % k_height, k_index % k_width
            rows = (
                attention.rel_pos_t[t - kt + k_frames - 1]
                + attention.rel_pos_h[
                    h * max(k_height // q_height, 1) + (k_height - 1 - kh) * max(q_height // k_height, 1)
                ]
                + attention.rel_pos_w[w * max(k_width // q_width, 1) + (k_width - 1 - kw) * max(q_width // k_width, 1)]
            )
            scores[:, :, 1 + q_index, 1 + k_index] += vector @ rows
    attended = scores.softmax(-1) @ value
    attended[:, :, 1:] += query[:, :, 1:]
    return attention.project(attended.transpose(1, 2).flatten(2))


KV_GRID = (2, 2, 2)


@pytest.mark.parametrize(("q_stride", "kv_stride"), [(1, 2), (2, 2), (2, 1), (1, 1), (1, 4), (2, 4), (1, 8)])
def test_attention_equals_the_formula_with_a_bias_matrix(q_stride: int, kv_stride: int) -> None:
    torch.manual_seed(0)
    grid = (2, 2 * kv_stride, 2 * kv_stride)
    spec = BlockSpec(6, 8, 2, grid, q_stride, kv_stride)
    attention = PooledAttention(spec)
    for table in (attention.rel_pos_h, attention.rel_pos_w, attention.rel_pos_t):
        torch.nn.init.normal_(table)
    tokens = torch.randn(2, 1 + 2 * grid[1] * grid[2], 6)
    torch.testing.assert_close(attention(tokens), written_out(attention, tokens, spec))


@pytest.mark.parametrize(("size", "stride"), [(16, 8), (9, 8), (8, 8), (1, 8), (13, 4), (15, 4), (56, 4)])
def test_pooling_the_rows_that_are_read_gives_the_same(size: int, stride: int) -> None:
    torch.manual_seed(0)
    line, kernel = torch.randn(1, 1, size), torch.randn(1, 1, 3)
    read = line[:, :, rows_read(size, stride)]
    whole = F.conv1d(line, kernel, stride=stride, padding=1)
    torch.testing.assert_close(F.conv1d(read, kernel, stride=3, padding=1), whole)
    assert read.shape[2] <= 3 * whole.shape[2]


@pytest.mark.parametrize("name", ["mvit_tiny", "s3d_tiny"])
def test_a_batch_without_gradients_equals_one_with_them(name: str) -> None:
    torch.manual_seed(0)
    backbone = BACKBONES[name](8, 64, 0.0)
    assert isinstance(backbone, nn.Module)
    backbone.eval()
    clips = torch.rand(3, 3, 8, 64, 64)
    with torch.no_grad():
        alone = backbone(clips)
    torch.testing.assert_close(alone, backbone(clips))
    with torch.no_grad():
        assert [len(each) for each in backbone(clips[:0])] == [0] * 4


def test_a_large_mlp_without_gradients_equals_one_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(layers, "HIDDEN_VALUES", 100)  # several parts of unequal lengths
    mlp, tokens = MLP(8), torch.randn(2, 13, 8)
    given = tokens.clone()
    with torch.no_grad():
        apart = mlp(tokens)
    torch.testing.assert_close(apart, mlp(tokens))
    assert torch.equal(tokens, given)


def test_layout_follows_the_table_of_the_paper() -> None:
    specs = block_specs(MVIT_XS, (8, 56, 56))
    assert [spec.q_grid[1] for spec in specs] == [56, 28, 28, 14, 14, 14, 14, 14, 7, 7]
    assert [spec.kv_grid[1] for spec in specs] == [7, 14, 7, 14, 7, 7, 7, 7, 14, 7]
    assert [spec.channels_out for spec in specs] == [96, 192, 192, *[384] * 5, 768, 768]


HALVING = sorted(BACKBONES.keys() - {"vit_b", "vit_tiny", "lgi_former", "lgi_former_tiny"})
"""Backbones whose maps halve from stage to stage."""


@pytest.mark.parametrize("frames", [8, 16, 32])
@pytest.mark.parametrize("name", HALVING)
def test_every_clip_length_leaves_the_stem_with_eight_frames(name: str, frames: int) -> None:
    with torch.device("meta"):
        backbone = BACKBONES[name](frames, 64, 0.0)
        maps = backbone(torch.empty(1, 3, frames, 64, 64))
    assert [tuple(each.shape[1:]) for each in maps] == [tuple(stage) for stage in backbone.stages]
    assert [stage.frames for stage in backbone.stages] == [8] * 4


@pytest.mark.parametrize("name", HALVING)
def test_the_stage_maps_halve_from_a_quarter_of_the_clip(name: str) -> None:
    with torch.device("meta"):
        stages = BACKBONES[name](16, 224, 0.0).stages
    assert [(stage.height, stage.width) for stage in stages] == [(56, 56), (28, 28), (14, 14), (7, 7)]
    assert sorted(stage.channels for stage in stages) == [stage.channels for stage in stages]


def test_32_frames_are_16_frames_convolved_then_averaged_in_pairs() -> None:
    backbone = mvit_tiny(32, 64, 0.0)
    still = torch.rand(1, 3, 1, 64, 64).expand(-1, -1, 32, -1, -1)
    stem = backbone.stem_pool(backbone.conv_proj(still))
    torch.testing.assert_close(stem[:, :, 3], backbone.conv_proj(still)[:, :, 7])


def test_number_of_blocks() -> None:
    with torch.device("meta"):
        assert len(mvit_xs(16, 224, 0.2).blocks) == 10
        assert len(mvit_s(16, 224, 0.2).blocks) == 16


@given(size=st.sampled_from([32, 64, 96, 160]), name=st.sampled_from(HALVING))
@settings(max_examples=8, deadline=None)
def test_declared_stages_are_what_forward_gives(size: int, name: str) -> None:
    with torch.device("meta"):
        backbone = BACKBONES[name](16, size, 0.1)
        maps = backbone(torch.empty(1, 3, 16, size, size))
    assert [tuple(each.shape[1:]) for each in maps] == [tuple(stage) for stage in backbone.stages]


def test_drop_path_keeps_the_expectation_and_drops_whole_samples() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.25).train()
    dropped = drop(torch.ones(4000, 3, 2))
    per_sample = dropped.flatten(1)
    assert ((per_sample == per_sample[:, :1]).all(1)).all()
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(drop.eval()(dropped), dropped)
