"""The page's figures of quality are those of the result file, and those say that it does what it is for."""

import itertools
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPORT = json.loads((ROOT / "results" / "quality.json").read_text("utf-8"))
MIXED = REPORT["mixed"]

PARTS = {
    "shrunk": "size",
    "blurred": "sharpness",
    "smeared": "sharpness",
    "darkened": "light",
    "brightened": "light",
    "fogged": "light",
}
"""Degradation -> the part of the quality that it lowers."""

SHOWN = {
    "as drawn": ("none", 0.0),
    "face of 32 pixels": ("shrunk", 32),
    "face of 16 pixels": ("shrunk", 16),
    "blurred by 3 % of the face": ("blurred", 3),
    "moved by 20 % of the face": ("smeared", 20),
    "light x 0.35": ("darkened", 0.35),
    "light x 0.12": ("darkened", 0.12),
    "light x 3, blown out": ("brightened", 3),
    "contrast x 0.25": ("fogged", 0.25),
    "noise of 40 grey levels": ("noisy", 40),
    "heads turned by up to 35 degrees": ("turned", 35.0),
    "a hand before the face": ("hand", 1.0),
}


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def ladder(name: str) -> list[dict[str, float]]:
    """Return the rows of one degradation, from clips as they are to the worst."""
    return [row for row in REPORT["ladder"] if row["degradation"] in ("none", name)]


def test_figures_are_those_of_the_result_file() -> None:
    page = " ".join((ROOT / "docs" / "recognize.md").read_text("utf-8").split())
    rows = {(row["degradation"], row["step"]): row for row in REPORT["ladder"]}
    for words, key in SHOWN.items():
        assert f"| {words} | {rows[key]['quality']:.2f} | {percent(rows[key]['war'])} |" in page
    fifths = MIXED["quintiles"]
    assert "| quality | " + " | ".join(f"{fifth['quality']:.2f}" for fifth in fifths) + " |" in page
    assert "| read right | " + " | ".join(percent(fifth["war"]) for fifth in fifths) + " |" in page
    assert "probability | " + " | ".join(f"{fifth['probability']:.2f}" for fifth in fifths) + " |" in page
    best = {name: percent(MIXED["rejection"][name]["40%"]) for name in ("probability", "confidence")}
    limit = next(row for row in MIXED["thresholds"] if row["minimum_quality"] == 0.2)
    areas = [f"{MIXED['rejection'][name]['area']:.3f}" for name in ("product", "minimum", "mean")]
    speed = REPORT["milliseconds_a_crop"]
    for words in (
        f"makes {REPORT['clips']['count']} drawn clips",
        f"clip was read {MIXED['readings'] // REPORT['clips']['count']} times",
        f"{percent(MIXED['war'])} are right; of the best 40 % by probability {best['probability']}, "
        f"by confidence {best['confidence']}",
        f"confidence is {MIXED['mean_confidence']:.2f}, the mean probability {MIXED['mean_probability']:.2f}",
        f"averaged: {percent(MIXED['pairs']['war_plain'])} right, weighted by quality "
        f"{percent(MIXED['pairs']['war_weighted'])}",
        f"Below 0.2 lie {percent(1 - limit['kept'])} of the readings, of which {percent(limit['war_left_out'])}",
        f"{areas[0]}, {areas[1]} and {areas[2]}",
        f"{speed['64']:.2f} ms a frame and face for a model of 64 pixels, {speed['224']:.2f} ms for one of 224",
    ):
        assert words in page


@pytest.mark.parametrize("name", PARTS)
def test_quality_and_its_part_fall_with_every_step(name: str) -> None:
    for value in ("quality", PARTS[name]):
        scores = [row[value] for row in ladder(name)]
        assert all(after <= before for before, after in itertools.pairwise(scores))
        assert scores[-1] < scores[0] - 0.05


def test_noise_is_not_taken_for_detail_nor_for_blur() -> None:
    assert [row["sharpness"] for row in ladder("noisy")] == pytest.approx([1.0] * 4, abs=0.01)


def test_quality_tells_what_can_be_trusted() -> None:
    rejection = MIXED["rejection"]
    assert rejection["product"]["40%"] > MIXED["war"] + 0.1
    assert rejection["confidence"]["area"] > rejection["probability"]["area"]
    assert MIXED["pairs"]["war_weighted"] > MIXED["pairs"]["war_plain"]
    assert REPORT["pose_correlation"] > 0.8
    assert max(REPORT["milliseconds_a_crop"].values()) < 0.3
