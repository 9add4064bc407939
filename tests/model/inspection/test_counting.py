"""Parameters and multiply-adds: counts checked by hand, the parts against the whole."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ifdd.model import ABLATIONS, BACKBONES, IFDD, PRESETS, IFDDConfig, StageShape, create_model
from ifdd.model.backbones import pooled_attention
from ifdd.model.backbones.pooled_attention import PooledAttention
from ifdd.model.inspection.counting import Part, count_parts, stage_ends

EXECUTED_FLOP = 103_527_322_368
RELEASE_GFLOP = 95.7
"""What the official release measures, 16 x 224 x 224, 7 classes."""
BOXES = ["pyramid", "split", "lifting", "pooling", "head"]
STAGES = [f"backbone stage {number}" for number in (1, 2, 3, 4)]


def by_name(parts: list[Part]) -> dict[str, Part]:
    return {part.name: part for part in parts}


def on_meta(config: IFDDConfig) -> IFDD:
    with torch.device("meta"):
        return IFDD(config).eval()


def counted_flops(model: IFDD) -> int:
    config = model.config
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, config.frames, config.size, config.size, device="meta"))
    return counter.get_total_flops()


def plain_attention(attention: PooledAttention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(q k / sqrt(d) + bias) v as the MViTv2 paper writes it, at the heads' own width."""
    query, key, value = (each.transpose(1, 2) for each in (query, key, value))
    maps = query[:, :, 1:].unflatten(2, attention.q_grid)
    rows = torch.einsum("bnthwd,hkd->bnthwk", maps, attention.rel_pos_h[attention.row_distance])
    columns = torch.einsum("bnthwd,wkd->bnthwk", maps, attention.rel_pos_w[attention.column_distance])
    frames = torch.einsum("bnthwd,tkd->bnthwk", maps, attention.rel_pos_t[attention.frame_distance])
    bias = frames[..., :, None, None] + rows[..., None, :, None] + columns[..., None, None, :]
    scores = query @ key.transpose(2, 3) * attention.scale
    scores[:, :, 1:, 1:] += bias.flatten(5).flatten(2, 4)
    return (scores.softmax(3) @ value).transpose(1, 2)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_parts_add_up_to_the_whole(preset: str) -> None:
    model = on_meta(PRESETS[preset])
    parts = count_parts(model.config)
    assert [part.name for part in parts] == [*STAGES, *BOXES]
    assert sum(part.parameters for part in parts) == sum(value.numel() for value in model.parameters())
    assert 2 * sum(part.macs for part in parts) == counted_flops(model)
    assert [part.shapes for part in parts[:4]] == [(tuple(shape),) for shape in model.backbone.stages]


@pytest.mark.parametrize("ablation", [name for name, values in ABLATIONS.items() if "backbone" not in values])
def test_the_parts_of_an_ablation_add_up(ablation: str) -> None:
    with torch.device("meta"):
        model = create_model("ifdd_tiny", ablation=ablation).eval()
    parts = count_parts(model.config)
    assert [part.name for part in parts] == [*STAGES, *BOXES]
    assert sum(part.parameters for part in parts) == sum(value.numel() for value in model.parameters())
    assert 2 * sum(part.macs for part in parts) == counted_flops(model)


def test_counts_agree_with_those_by_hand() -> None:
    parts = by_name(count_parts(PRESETS["ifdd_tiny"]))
    assert parts["head"] == Part("head", ((7,),), 256 * 7 + 7, 256 * 7)
    positions = 8 * 2 * 2  # of the last stage
    convolutions = 9 * 128 * 128 + (128 + 256) * 256
    assert parts["pyramid"] == Part("pyramid", ((256, 8, 2, 2),), convolutions, convolutions * positions)
    stem = 3 * 24 * 9 * 16 * 32**2 + 24 * 24 * 3 * 8 * 32**2
    first = 24 * 32 * 9 * 8 * 16**2 + 32 * 32 * 3 * 8 * 16**2
    assert parts["backbone stage 1"].macs == stem + first
    # a linear layer c x c counts c c for each of n tokens; attention n n c for each of its two products
    n, c = 4 * 2 * 2, 256
    cross_attention, refinement = 4 * c * c * n + 2 * n * n * c, (4 + 8) * c * c * n + 2 * n * n * c
    assert parts["lifting"].macs == 2 * cross_attention + refinement
    assert parts["lifting"].shapes == ((n, c), (n, c))
    tokenizer, correlation, offsets = c * 7 * positions, 8 * 8 * 7 * 2 * 2, 2 * 64 * 4
    assert parts["split"].macs == tokenizer + correlation + offsets
    assert parts["pooling"] == Part("pooling", ((c,),), n, n * c)


def test_keys_and_values_are_computed_only_where_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    executed = by_name(count_parts(PRESETS["ifdd_mvit_xs"]))
    assert 2 * sum(part.macs for part in executed.values()) == EXECUTED_FLOP
    monkeypatch.setattr(pooled_attention, "POOL_SIZE", 8)  # no stride is larger
    everywhere = by_name(count_parts(PRESETS["ifdd_mvit_xs"]))
    # by hand: 20 of 56 rows are read at stride 8, 41 of 56 at stride 4, 20 of 28 at stride 4; keys and values
    spared = [2 * 8 * (56**2 - 20**2) * 96 * 96]
    spared += [2 * 8 * ((56**2 - 41**2) * 96 * 192 + (28**2 - 20**2) * 192 * 192), 0, 0]
    assert [everywhere[name].macs - executed[name].macs for name in STAGES] == spared


def test_widened_attention_is_the_whole_difference_to_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    config = PRESETS["ifdd_mvit_xs"]
    monkeypatch.setattr(pooled_attention, "POOL_SIZE", 8)  # keys and values everywhere, as in the release
    executed = by_name(count_parts(config))
    assert 2 * sum(part.macs for part in executed.values()) == 105_645_380_352
    torch.manual_seed(0)
    small = create_model("ifdd_tiny", backbone="mvit_tiny").eval()
    clips = torch.rand(1, 3, 16, 64, 64)
    with torch.inference_mode():
        fused = small(clips).logits
        monkeypatch.setattr(PooledAttention, "_attend", plain_attention)
        torch.testing.assert_close(small(clips).logits, fused)
    textbook = by_name(count_parts(config))
    assert round(2 * sum(part.macs for part in textbook.values()) / 1e9, 1) == RELEASE_GFLOP
    # by hand: two products of queries with keys over the width that was added, 128 - 96 or 144 - 96 a head
    queries, keys = [8 * size**2 + 1 for size in (56, 28, 14, 7)], {size: 8 * size**2 + 1 for size in (7, 14)}
    widening = [
        2 * queries[0] * keys[7] * 32,
        2 * 2 * queries[1] * (keys[14] * 48 + keys[7] * 32),
        2 * 4 * queries[2] * (keys[14] * 48 + 4 * keys[7] * 32),
        2 * 8 * queries[3] * (keys[14] * 48 + keys[7] * 32),
    ]
    assert [executed[name].macs - textbook[name].macs for name in STAGES] == widening
    assert all(executed[name] == textbook[name] for name in BOXES)


@pytest.mark.parametrize(
    ("sizes", "ends"),
    [
        ([96, 48, 20, 10], [0, 1, 2, 3]),
        ([7, 96, 96, 48, 100, 20, 20, 10, 10], [2, 3, 6, 8]),
        ([104, 48, 20, 10, 5], [0, 1, 2, 4]),  # with a class token; something after the last stage
        ([96, 20, 48, 10], None),
        ([96, 48, 20], None),
        ([], None),
    ],
)
def test_blocks_show_the_stages(sizes: list[int], ends: list[int] | None) -> None:
    shapes = (StageShape(8, 3, 2, 2), StageShape(12, 1, 2, 2), StageShape(20, 1, 1, 1), StageShape(10, 1, 1, 1))
    assert stage_ends(shapes, sizes) == ends


class Opaque(nn.Module):
    """A backbone whose work happens in no block of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8, 3))
        self.stages = (StageShape(8, 8, 4, 4), StageShape(8, 8, 2, 2))

    def forward(self, clip: Tensor) -> tuple[Tensor, ...]:
        maps = [nn.functional.adaptive_avg_pool3d(clip, stage[1:]) for stage in self.stages]
        return tuple((each.movedim(1, -1) @ self.weight.T).movedim(-1, 1) for each in maps)


def test_a_backbone_that_shows_no_stages_is_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "opaque", lambda frames, size, drop_path: Opaque())
    parts = count_parts(IFDDConfig(backbone="opaque", size=64))
    assert parts[0] == Part("backbone", ((8, 8, 2, 2),), 24, 24 * 8 * (16 + 4))
    assert [part.name for part in parts] == ["backbone", *BOXES]
