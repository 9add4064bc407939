"""``ifdd info`` from end to end."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ifdd.__main__ import main
from ifdd.model import PRESETS, create_model, save_checkpoint
from ifdd.model.inspection.info import describe_presets
from ifdd.records import CheckpointRecord

BOXES = ["pyramid", "split", "lifting", "pooling", "head"]
STAGES = [f"backbone stage {number}" for number in (1, 2, 3, 4)]


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
    assert machine["matmul_gflops"] > 0
    printed = capsys.readouterr().out
    for text in ("2,226,502", "0.24 GFLOP", "2 of 16 x 256", "clips/s", "batch of 3", "backbone stage 4", "MiB"):
        assert text in printed


def test_a_checkpoint_says_where_it_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "tiny.safetensors", tmp_path / "tiny.json"
    model = create_model("ifdd_tiny", 2, ablation="issm_only", frames=8, size=32)
    description = {"data": "SynthDFER", "validation": {"war": 0.51234, "uar": 0.4}, "recipe": {"data": {"fps": 10}}}
    save_checkpoint(path, model, ("happy", "sad"), 0.8, CheckpointRecord.read(description, "test"))
    run_info(str(path), "--out", str(out))
    printed, document = capsys.readouterr().out, json.loads(out.read_text())
    for text in ("happy, sad", "0.8 s", "SynthDFER", "war 0.5123, uar 0.4", "8 x 32 x 32"):
        assert text in printed
    assert "fps" not in printed
    assert document["checkpoint"] == {
        "classes": ["happy", "sad"],
        "clip_seconds": 0.8,
        "calibration": None,
        "description": description,
    }
    assert document["parameters"]["total"] == sum(value.numel() for value in model.parameters())
    assert document["config"]["lifting"] == "none"


def test_long_entries_of_the_description_have_lines_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tiny.safetensors"
    model = create_model("ifdd_tiny", 2, frames=8, size=32)
    hashed, faces = "1cf9f894be85ecdf4d3889a3f3fb4ccd", {"folder": "faces", "size": 96, "detector": "yunet"}
    dataset = {"hash": hashed, "synthetic": True, "prepared": {"frames": "as listed", "faces": faces, "pack": None}}
    save_checkpoint(path, model, ("happy", "sad"), 0.8, CheckpointRecord.read({"dataset": dataset}, "test"))
    run_info(str(path))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    start = next(number for number, line in enumerate(lines) if line.startswith("dataset "))
    column = lines[start].index("hash")
    assert [line[column:] for line in lines[start : start + 6]] == [
        f"hash {hashed}",
        "synthetic True",
        "prepared",
        "  frames as listed",
        "  faces folder faces, size 96, detector yunet",
        "  pack none",
    ]


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
        (["ifdd_tinny"], "unknown preset 'ifdd_tinny'; choose one of ifdd_mvit_xs"),
        (["ifdd_tinny"], "did you mean 'ifdd_tiny'?"),
        (["x" * 300], f"'{'x' * 80}' is not a path: a name is too long"),
        (["none.xml"], "no checkpoint at none.xml"),
        (["ifdd_tiny", "--ablation", "even"], "unknown ablation 'even'"),
        (["ifdd_tiny", "--overrides", '{"spilt": "none"}'], "did you mean 'split'"),
        (["ifdd_tiny", "--overrides", "{ablation: even_odd}"], "cannot set ablation; give it as --ablation"),
        (["--overrides", "{preset: ifdd_small}"], "cannot set preset; give it as the model"),
        (["ifdd_s3d", "--overrides", "{weights: kinetics400}"], "cannot set weights; leave them out"),
        (["ifdd_tiny", "--batch-size", "0"], "--batch-size is 0; it must be at least 1"),
        (["ifdd_tiny", "--batch-size", "1000000000"], "a batch of 1000000000 clips does not fit in the memory"),
        (["ifdd_tiny", "--seconds", "0"], "--seconds is 0.0; it must be above 0"),
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
