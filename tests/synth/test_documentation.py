"""docs/synth.md says what the result files and the presets say."""

import json
from pathlib import Path

from ifdd.synth import PRESETS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "synth.md").read_text(encoding="utf-8")


def row(name: str) -> list[str]:
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {name}")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_page_gives_the_measured_figures() -> None:
    found = json.loads((ROOT / "results" / "synth_realism.json").read_text())["found"]
    assert row("YuNet") == [f"{100 * found['yunet']:.1f} %"]
    assert row("Haar") == [f"{100 * found['haar']:.1f} %"]
    assert found["yunet"] >= 0.9
    for name, figures in json.loads((ROOT / "results" / "synth_speed.json").read_text())["presets"].items():
        speed, yardsticks = figures["frames_per_second"], figures["copies_and_blurs_per_frame"]
        assert row(name) == [f"{speed:.0f}", f"{yardsticks:.0f}"]


def test_the_page_gives_the_presets() -> None:
    presets = list(PRESETS.values())
    assert row("probability of speech") == [f"{preset.behaviour.speech:g}" for preset in presets]
    assert row("blinks per second") == [f"{preset.behaviour.blinks:g}" for preset in presets]
    assert row("head turned") == [f"{preset.behaviour.yaw:g}°" for preset in presets]
    assert row("head motion") == [f"{preset.behaviour.sway:g}°" for preset in presets]
    assert row("light's angle") == [f"{preset.scene.light_angle:g}°" for preset in presets]
    assert row("probability of a hand") == [f"{preset.scene.occlusion:g}" for preset in presets]
    for name, values in (
        ("share of time", [preset.behaviour.visible for preset in presets]),
        ("strength", [preset.behaviour.strength for preset in presets]),
        ("zoom", [preset.scene.zoom for preset in presets]),
        ("noise", [preset.scene.noise for preset in presets]),
    ):
        assert row(name) == [f"{low:g}" if low == high else f"{low:g} to {high:g}" for low, high in values]


def test_the_pictures_are_there_and_small() -> None:
    names = [part.partition(")")[0] for part in PAGE.split("](images/")[1:]]
    assert len(names) == 5
    for name in names:
        assert 10_000 < (ROOT / "docs" / "images" / name).stat().st_size < 1_000_000
