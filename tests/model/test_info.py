"""What a model costs: counts checked by hand, the parts against the whole, the command from end to end."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ifdd.__main__ import main
from ifdd.model import ABLATIONS, BACKBONES, IFDD, PRESETS, IFDDConfig, StageShape, create_model, save_checkpoint
from ifdd.model.backbones.mvit import PooledAttention
from ifdd.model.info import Part, _peak_on_cpu, count_parts, describe_presets, stage_ends

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
    maps = query[:, :, 1:].unflatten(2, attention.q_grid)
    rows = torch.einsum("bnthwd,hkd->bnthwk", maps, attention.rel_pos_h[attention.row_distance])
    columns = torch.einsum("bnthwd,wkd->bnthwk", maps, attention.rel_pos_w[attention.column_distance])
    frames = torch.einsum("bnthwd,tkd->bnthwk", maps, attention.rel_pos_t[attention.frame_distance])
    bias = frames[..., :, None, None] + rows[..., None, :, None] + columns[..., None, None, :]
    scores = query @ key.transpose(2, 3) * attention.scale
    scores[:, :, 1:, 1:] += bias.flatten(5).flatten(2, 4)
    return scores.softmax(3) @ value


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


def test_widened_attention_is_the_whole_difference_to_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    config = PRESETS["ifdd_mvit_xs"]
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


def test_peak_memory_is_what_lives_at_once() -> None:
    widths = (100, 300, 500, 50)
    layers = nn.Sequential(*(nn.Linear(*pair) for pair in pairwise(widths)))
    with torch.inference_mode():
        for _ in range(2):  # the second measurement starts afresh
            assert _peak_on_cpu(layers, torch.rand(1000, 100)) == 4 * 1000 * (300 + 500)


def run_info(*words: str) -> None:
    main(["info", *words, "--device", "cpu", "--seconds", "0.02"])


def test_the_command_writes_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents: dict[int, dict[str, Any]] = {}
    for batch_size in (1, 3):
        out = tmp_path / f"{batch_size}.json"
        run_info("ifdd_tiny", "--batch-size", str(batch_size), "--out", str(out))
        documents[batch_size] = json.loads(out.read_text())
    one, three = documents[1], documents[3]
    model = create_model("ifdd_tiny")
    assert one["parameters"] == {"trainable": 2_226_502, "total": 2_226_502}
    assert one["gmac"] == pytest.approx(sum(part["gmac"] for part in one["parts"])) == pytest.approx(0.121700352)
    assert one["config"]["backbone"] == "s3d_tiny"
    assert [part["name"] for part in one["parts"]] == [*STAGES, *BOXES]
    assert one["checkpoint"] is None
    latency, memory = one["batch"]["latency_seconds"], one["batch"]["memory_bytes"]
    assert latency["median"] > 0
    assert latency["iqr"] >= 0
    assert latency["runs"] >= 3
    assert one["batch"]["clips_per_second"] == pytest.approx(1 / latency["median"])
    assert one["batch"]["gflops"] == pytest.approx(2 * one["gmac"] / latency["median"])
    assert memory["weights"] == sum(value.nbytes for value in (*model.parameters(), *model.buffers()))
    assert memory["clips"] == 4 * 3 * 16 * 64 * 64
    assert memory["total"] == memory["weights"] + memory["clips"] + memory["activations"]
    # at least the stem's first map, in and out of its norm
    assert memory["activations"] > 2 * 4 * 24 * 16 * 32 * 32
    assert three["batch"]["memory_bytes"]["clips"] == 3 * memory["clips"]
    assert 2.5 < three["batch"]["memory_bytes"]["activations"] / memory["activations"] < 3.5
    assert three["gmac"] == one["gmac"]
    machine = one["machine"]
    assert (machine["threads"], machine["torch"]) == (torch.get_num_threads(), torch.__version__)
    assert machine["device"]
    assert machine["matmul_gflops"] > 0.1
    printed = capsys.readouterr().out
    for text in ("2,226,502", "0.24 GFLOP", "2 of 16 x 256", "clips/s", "batch of 3", "backbone stage 4", "MiB"):
        assert text in printed


def test_a_checkpoint_says_where_it_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "tiny.safetensors", tmp_path / "tiny.json"
    model = create_model("ifdd_tiny", 2, ablation="issm_only", frames=8, size=32)
    description = {"data": "SynthDFER", "validation": {"war": 0.51234, "uar": 0.4}, "recipe": {"data": {"fps": 10}}}
    save_checkpoint(path, model, ("happy", "sad"), 0.8, description)
    run_info(str(path), "--out", str(out))
    printed, document = capsys.readouterr().out, json.loads(out.read_text())
    for text in ("happy, sad", "0.8 s", "SynthDFER", "war 0.5123, uar 0.4", "8 x 32 x 32"):
        assert text in printed
    assert "fps" not in printed
    assert document["checkpoint"] == {"classes": ["happy", "sad"], "clip_seconds": 0.8, "description": description}
    assert document["parameters"]["total"] == sum(value.numel() for value in model.parameters())
    assert document["config"]["lifting"] == "none"


def test_ablation_and_overrides_are_those_of_create_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "info.json"
    run_info("ifdd_tiny", "--ablation", "even_odd", "--overrides", '{"size": 32, "num_classes": 11}', "--out", str(out))
    document = json.loads(out.read_text())
    assert "ifdd_tiny, even_odd: " in capsys.readouterr().out
    assert (document["ablation"], document["overrides"]) == ("even_odd", {"size": 32, "num_classes": 11})
    assert (document["config"]["split"], document["config"]["size"]) == ("even_odd", 32)
    assert document["parts"][-1]["shapes"] == [[11]]


def test_without_a_model_the_presets_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "presets.json"
    run_info("--out", str(out))
    printed, document = capsys.readouterr().out, json.loads(out.read_text())
    assert document == json.loads(json.dumps(describe_presets("full", {})))
    assert list(document["presets"]) == list(PRESETS)
    for name, preset in document["presets"].items():
        row = next(line for line in printed.splitlines() if f" {name} " in line)
        assert preset["config"]["backbone"] in row
        assert f"{preset['parameters']:,}" in row
        assert f"{preset['gmac']:.2f}" in row
    assert document["presets"]["ifdd_mvit_xs"]["parameters"] == 37_532_498


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ifdd_tinny"], "unknown preset 'ifdd_tinny', choose one of ifdd_mvit_xs"),
        (["ifdd_tinny"], "did you mean 'ifdd_tiny'?"),
        (["ifdd_tiny", "--ablation", "even"], "unknown ablation 'even'"),
        (["ifdd_tiny", "--overrides", '{"spilt": "none"}'], "did you mean 'split'"),
        (["ifdd_tiny", "--batch-size", "0"], "--batch-size is 0; it must be at least 1"),
        (["ifdd_tiny", "--batch-size", "1000000000"], "a batch of 1000000000 clips does not fit into the memory"),
        (["ifdd_tiny", "--seconds", "0"], "--seconds is 0.0; it must be positive"),
        (["ifdd_tiny", "--device", "tpu"], "device"),
        (["ifdd_tiny", "more"], "more"),
        (["none.safetensors"], "no checkpoint at none.safetensors"),
        (["none.safetensors", "--ablation", "even_odd"], "leave out --ablation and --overrides"),
        (["--out", f"{__file__}/info.json"], "info.json: "),
    ],
)
def test_bad_requests_get_one_line_and_exit_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["info", *words])
    assert stop.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("ifdd info: ")
    assert message in last
