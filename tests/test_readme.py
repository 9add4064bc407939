"""The README's figures are those of the result files, and its commands exist."""

import json
import re
from pathlib import Path

from ifdd.__main__ import COMMANDS
from ifdd.model import PRESETS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_scores_are_those_of_the_result_file() -> None:
    scores = json.loads((ROOT / "results" / "synth_tiny.json").read_text())["scores"]
    row = next(line for line in README.splitlines() if line.startswith("| `ifdd_tiny` on SynthDFER"))
    assert re.findall(r"([\d.]+) %", row) == [f"{100 * scores[name]:.1f}" for name in ("war", "uar")]


def test_commands_and_files_exist() -> None:
    assert set(re.findall(r"^ifdd (\w+)", README, re.MULTILINE)) <= set(COMMANDS)
    for path in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (ROOT / path).exists(), path


def test_sizes_are_those_of_the_result_files() -> None:
    for preset in PRESETS:
        found = json.loads((ROOT / "results" / f"info_{preset}.json").read_text())
        row = next(line for line in README.splitlines() if line.startswith(f"| `{preset}` |"))
        assert f"| {found['parameters']['total'] / 1e6:.1f} M | {found['gmac']:.1f} |" in row


def test_an_hour_of_video_takes_what_the_result_file_says() -> None:
    whole = json.loads((ROOT / "results" / "video.json").read_text())["whole"]
    assert f"takes {whole['wall_seconds'] / 60:.0f} minutes and {whole['peak_megabytes']} MB" in README
