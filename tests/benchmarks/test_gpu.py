"""The benchmark of the training step compares its settings on the same work; here on the CPU, in small."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import gpu


def test_every_setting_is_compared_with_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "gpu.json"
    words = ["--device", "cpu", "--batch", "1", "--rounds", "1", "--seconds", "0", "--out", str(out)]
    settings = "float32,bf16,bf16 channels last,bf16 checkpointed"
    for preset in ("ifdd_tiny", "ifdd_small"):
        monkeypatch.setattr(sys, "argv", ["gpu", *words, "--presets", preset, "--settings", settings])
        gpu.main()
    presets = json.loads(out.read_text())["presets"]
    assert set(presets) == {"ifdd_tiny", "ifdd_small"}, "presets are merged"
    measured = presets["ifdd_tiny"]["settings"]
    assert set(measured) == {"float32", "bf16", "bf16 channels last"}, "a CNN has no blocks to checkpoint"
    assert measured["float32"]["speedup"]["median"] == 1
    assert all(each["clips_per_second"] > 0 and each["share_of_rate"] > 0 for each in measured.values())
    assert presets["ifdd_small"]["gigaflop"] > 3 * presets["ifdd_tiny"]["gigaflop"] > 0
