"""The pages of speed and installation show results as they are: few rounds, no peak, several GPUs."""

import json
from pathlib import Path
from typing import Any

import pytest

from docs.blocks import package, performance

SPEEDUP = {"median": 1.5, "low": 1.4, "high": 1.6}


def test_too_few_rounds_are_named_in_place_of_quartiles() -> None:
    assert performance.spread(SPEEDUP, 3) == performance.spread(SPEEDUP) == "1.50 (1.40 to 1.60)"
    assert performance.spread(SPEEDUP, 2) == "1.50 (2 rounds)"
    found = {"plain_to_ifdd": SPEEDUP, "ifdd_to_limit": SPEEDUP, "rounds": 1}
    assert performance.ratios_of(found, "plain_to_ifdd") == ["1.50 (1 round)", "", "1.50 (1 round)"]


def test_several_gpus_have_a_column_and_a_cpu_has_no_peak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(performance, "ROOT", tmp_path)
    monkeypatch.setattr(
        performance, "result", lambda name: json.loads((tmp_path / "results" / f"{name}.json").read_text())
    )
    for device, peak in (("A", None), ("B", 12345)):
        setting = {"clips_per_second": 1000.0, "speedup": SPEEDUP, "share_of_rate": 0.1, "peak_megabytes": peak}
        report = {
            "machine": {"device": device, "torch": "2.0"},
            "bf16_teraflop_per_second": 100.0,
            "rounds": 3,
            "presets": {"ifdd_tiny": {"batch": 8, "settings": {"float32": setting}}},
        }
        (tmp_path / "results" / f"gpu_{device}.json").write_text(json.dumps(report))
        lines = performance.gpu().splitlines()
        if device == "A":
            assert lines[2] == "| `ifdd_tiny` | 8 | float32 | 1.50 (1.40 to 1.60) | 1,000 | 10.0 % | |"
    assert lines[0].startswith("| machine | preset |")
    assert lines[3] == "| B | `ifdd_tiny` | 8 | float32 | 1.50 (1.40 to 1.60) | 1,000 | 10.0 % | 12,345 MB |"


def test_environments_are_chosen_by_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[dict[str, Any]] = [{"environment_bytes": 2e9, "cuda_bytes": 0}]
    monkeypatch.setattr(package, "result", lambda _: {"installations": installed})
    assert package.environment(cuda=False) == "2.0"
    with pytest.raises(ValueError, match="no installation with CUDA; run 'make dist'"):
        package.environment(cuda=True)
    installed.append({"environment_bytes": 1e9, "cuda_bytes": 5})
    assert (package.environment(cuda=True), package.environment(cuda=False)) == ("1.0", "2.0")
