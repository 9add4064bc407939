"""The benchmark of small models joins the accuracies of a study with latencies."""

from pathlib import Path

from benchmarks.sizes import build, measure
from docs.make_sizes_figure import draw

ROOT = Path(__file__).parents[2]
NARROW = str(ROOT / "benchmarks" / "baselines" / "small_sizes.py") + ":narrow"
SETTINGS = {
    "reference": "small",
    "options": {"model.preset": "ifdd_small"},
    "baselines": {"s3d_narrow": NARROW},
    "variants": {
        "small": {},
        "tiny_8": {"model.preset": "ifdd_tiny", "model.overrides": {"frames": 8}},
        "narrow": {"model.overrides": {"backbone": "s3d_narrow", "size": 64}},
        "planned": {},
    },
}
MODELS = {name: {"parameters": 1000, "gmac": 0.1234} for name in ("small", "tiny_8", "narrow")}
CELLS = [{"variant": name, "mean": 0.8, "war": [0.79, 0.81]} for name in MODELS]


def test_a_finished_variant_has_accuracy_size_and_latency() -> None:
    report = measure({"settings": SETTINGS, "models": MODELS, "cells": CELLS}, rounds=2)
    rows = report["models"]
    assert set(rows) == {"small", "tiny_8", "narrow"}, "what is not trained yet is left out"
    assert (rows["tiny_8"]["frames"], rows["tiny_8"]["size"]) == (8, 64)
    assert rows["narrow"]["accuracies"] == [0.79, 0.81]
    assert rows["small"]["to_reference"]["median"] == 1
    assert all(row["seconds"] > 0 for row in rows.values())
    (axes,) = draw(report).axes
    assert {text.get_text() for text in axes.texts} == {"small", "tiny 8", "narrow"}


def test_the_models_are_those_of_the_study() -> None:
    build(SETTINGS, "small")  # without baselines
    measure({"settings": SETTINGS | {"variants": {"small": {}}}, "models": MODELS, "cells": CELLS[:1]}, rounds=1)
    narrow, small = (build(SETTINGS, name) for name in ("narrow", "small"))
    assert [stage.channels for stage in narrow.backbone.stages] == [32, 64, 104, 168]
    assert [stage.channels for stage in small.backbone.stages] == [48, 96, 160, 256]
