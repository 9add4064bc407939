"""The benchmark of SynthDFER's speed."""

import sys
from pathlib import Path

import pytest

from benchmarks import synth


def test_what_people_share_is_made_before_the_clock_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first preset must not pay for the caches that all presets use."""
    steps: list[object] = []

    def yardstick(size: int) -> float:
        steps.append("timed")
        return 1.0

    monkeypatch.setattr(synth, "render_clip", lambda config, seed, index, make_rig: steps.append(index))
    monkeypatch.setattr(synth, "copies_per_second", yardstick)
    monkeypatch.setattr(sys, "argv", ["benchmark", "--clips", "3", "--out", str(tmp_path / "speed.json")])
    synth.main()
    assert steps[:7] == [0, 1, 2, "timed", 0, 1, 2]
    assert steps[7:12] == [0, "timed", 0, 1, 2]
