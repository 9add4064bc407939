"""The result files keep the project's promises and belong to the files that ship."""

import hashlib
import itertools
import json
from typing import Any

import pytest

from ifdd.model import BUNDLED, PRESETS
from ifdd.model.inspection.counting import count_parts
from tests.helpers.pages import ROOT

QUALITY_PARTS = {
    "shrunk": "size",
    "blurred": "sharpness",
    "smeared": "sharpness",
    "darkened": "light",
    "brightened": "light",
    "fogged": "light",
}
"""Degradation -> component of the quality that it lowers."""


def result(name: str) -> Any:
    return json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))


def ladder(name: str) -> list[dict[str, float]]:
    """Return the rows of one degradation, from unchanged clips to the worst."""
    return [row for row in result("quality")["ladder"] if row["degradation"] in ("none", name)]


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_checkpoint_was_evaluated_as_it_ships(name: str) -> None:
    protocol = result(name)["protocol"]
    assert protocol["checkpoint"]["sha256"] == hashlib.sha256(BUNDLED[name].read_bytes()).hexdigest()
    assert protocol["clips_used_for"] == "nothing"


@pytest.mark.parametrize("preset", PRESETS)
def test_costs_are_those_of_the_model_as_it_is_for_one_clip(preset: str) -> None:
    measured = result(f"info_{preset}")
    assert measured["batch"]["size"] == 1
    assert measured["gmac"] == pytest.approx(sum(part.macs for part in count_parts(PRESETS[preset])) / 1e9)


def test_differences_from_the_release_are_small() -> None:
    differences = result("release_differences")
    assert differences["threads"] == 1
    for values in (*differences["release"].values(), *differences["kinetics"].values()):
        assert max(values.values()) < 1e-4


def test_every_comparable_output_is_compared() -> None:
    differences = result("release_differences")
    weights = ROOT / "tests" / "model" / "weights"
    release = json.loads((weights / "release_outputs.json").read_text())
    about = {"config", "parameters", "names_added", "names_missing"}
    assert {name: values.keys() for name, values in differences["release"].items()} == {
        name: outputs.keys() - about for name, outputs in release.items()
    }
    networks = json.loads((weights / "kinetics_outputs.json").read_text())
    assert {name: values.keys() for name, values in differences["kinetics"].items()} == {
        name: outputs.keys() for name, outputs in networks.items() if "logits" in outputs
    }


@pytest.mark.parametrize("dataset", ["dfew", "ferv39k", "mafw"])
def test_the_official_lists_are_complete(dataset: str) -> None:
    record = result(f"prepare_{dataset}")
    assert record["verdict"] == "complete"
    assert record["benchmark"]["cores"] == 2
    for fold, subsets in record["published"].items():
        for subset, counts in subsets.items():
            assert record["counts"][fold][subset] == counts


@pytest.mark.parametrize("name", QUALITY_PARTS)
def test_quality_and_its_component_fall_with_every_step(name: str) -> None:
    for value in ("quality", QUALITY_PARTS[name]):
        scores = [row[value] for row in ladder(name)]
        assert all(after <= before for before, after in itertools.pairwise(scores))
        assert scores[-1] < scores[0] - 0.05


def test_noise_counts_neither_as_detail_nor_as_blur() -> None:
    assert [row["sharpness"] for row in ladder("noisy")] == pytest.approx([1.0] * 4, abs=0.01)


def test_quality_predicts_which_results_are_reliable() -> None:
    report = result("quality")
    mixed, rejection = report["mixed"], report["mixed"]["rejection"]
    assert rejection["product"]["40%"] > mixed["war"] + 0.1
    assert rejection["confidence"]["area"] > rejection["probability"]["area"]
    assert mixed["pairs"]["war_weighted"] > mixed["pairs"]["war_plain"]
    assert report["pose_correlation"] > 0.8
    assert max(report["milliseconds_a_crop"].values()) < 0.3


def test_cuts_of_drawn_crowds_are_found_without_false_ones() -> None:
    rows = [row for row in result("timeline")["tracking"] if row["detect_every"] in (1, None)]
    assert len(rows) == 8
    assert all(row["cuts_found"] == row["cuts"] and row["false_cuts"] == 0 for row in rows)


def test_real_videos_have_no_false_cuts() -> None:
    rows = [row for row in result("real_videos")["videos"] if row["detector"] == "yunet" and "cuts" in row]
    assert len(rows) == 8
    assert all(row["false_cuts"] == 0 for row in rows)


def test_an_hour_of_video_is_read_in_constant_memory() -> None:
    """The peak is under 1.5 GB; in the second half only the results grow."""
    report = result("video")
    whole, memory = report["whole"], report["whole"]["memory_megabytes"]
    assert report["video"]["minutes"] >= 60
    assert whole["peak_megabytes"] < 1500
    assert memory["100%"] < memory["50%"] + 30


def test_yunet_finds_drawn_faces() -> None:
    assert result("synth_realism")["found"]["yunet"] >= 0.9
