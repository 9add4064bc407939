"""The benchmark of the training step compares its settings on the same work; here on the CPU, in small."""

import json
import platform
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from ifdd.model.inspection.measuring import device_name


def test_every_setting_is_compared_with_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "gpu.json"
    words = ["--device", "cpu", "--batch", "1", "--rounds", "1", "--seconds", "0", "--out", str(out)]
    calls = {"ifdd_tiny": ["bf16", "bf16 channels last,bf16 checkpointed"], "ifdd_small": ["bf16"]}
    for preset, settings in ((preset, one) for preset, each in calls.items() for one in each):
        monkeypatch.setattr(sys, "argv", ["gpu", *words, "--presets", preset, "--settings", settings])
        gpu.main()
    presets = json.loads(out.read_text())["presets"]
    assert set(presets) == {"ifdd_tiny", "ifdd_small"}, "presets are merged"
    measured = presets["ifdd_tiny"]["settings"]
    assert set(measured) == {"float32", "bf16", "bf16 channels last"}, (
        "settings are merged, and a CNN has no blocks to checkpoint"
    )
    assert measured["float32"]["speedup"]["median"] == 1
    assert all(each["clips_per_second"] > 0 and each["share_of_rate"] > 0 for each in measured.values())
    assert presets["ifdd_small"]["gigaflop"] > 3 * presets["ifdd_tiny"]["gigaflop"] > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--settings", "typo"], "unknown setting 'typo'"),
        (["--presets", "typo"], "unknown preset 'typo'"),
        (["--rounds", "5"], "has 3 rounds; give that as --rounds"),
        (["--batch", "2"], "has batches of 1 for ifdd_tiny; give that as --batch"),
        (["--device", "cpu"], "measured with another torch"),
    ],
)
def test_mistakes_are_refused_before_anything_is_measured(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gpu.json"
    torch_version = "1.0" if "torch" in message else torch.__version__
    machine = {"device": device_name("cpu"), "torch": torch_version, "python": platform.python_version()}
    out.write_text(json.dumps({"machine": machine, "rounds": 3, "presets": {"ifdd_tiny": {"batch": 1}}}))
    monkeypatch.setattr(gpu, "matrix_rate", lambda _: pytest.fail("measured"))
    monkeypatch.setattr(gpu, "measure", lambda *_: pytest.fail("measured"))
    usual = ["--device", "cpu", "--batch", "1", "--rounds", "3", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["gpu", *usual, *words])
    with pytest.raises(SystemExit, match="2"):
        gpu.main()
    assert message in capsys.readouterr().err
