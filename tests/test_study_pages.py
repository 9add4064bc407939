"""What the pages say of a study, from a result with known answers."""

from typing import Any

import numpy as np
import pytest

from docs.blocks import study as blocks
from docs.make_study_figure import draw

SIZES = {name: {"parameters": 2_226_502, "gmac": 0.1217, "baseline": name == "other"} for name in ("full", "other")}


def cell(variant: str, visible: float, mean: float) -> dict[str, Any]:
    return {
        "variant": variant,
        "visible": visible,
        "seeds": [0, 1, 2],
        "mean": mean,
        "interval": [mean - 0.02, mean + 0.02],
    }


def comparison(visible: float, difference: float, p: float) -> dict[str, Any]:
    interval = [difference - 0.01, difference + 0.01]
    numbers = {"difference": difference, "interval": interval, "effect_size": 0.5, "p": p / 2, "p_holm": p}
    return {"variant": "other", "visible": visible, "seeds": [0, 1, 2], "people": 160, "clips": 560} | numbers


RESULT = {
    "command": "ifdd study a.yaml",
    "machine": {"device": "a processor"},
    "settings": {"reference": "full", "sets": {"visible": [1.0, 0.5, 0.12], "clips": 1600}},
    "models": SIZES,
    "cells": [
        *(cell("full", share, mean) for share, mean in ((1.0, 0.8), (0.5, 0.7), (0.12, 0.4))),
        *(cell("other", share, mean) for share, mean in ((1.0, 0.85), (0.5, 0.71), (0.12, 0.3))),
    ],
    "comparisons": [comparison(1.0, 0.05, 0.01), comparison(0.5, 0.01, 0.6), comparison(0.12, -0.1, 0.0001)],
}


@pytest.fixture(autouse=True)
def study(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_result", lambda name: RESULT)


def test_the_table() -> None:
    rows = blocks.accuracies().splitlines()
    assert rows[2] == "| full | 2.23 M | 0.122 | 80.0 ± 2.0 | 70.0 ± 2.0 | 40.0 ± 2.0 |"
    assert rows[3] == "| other (baseline) | 2.23 M | 0.122 | 85.0 ± 2.0* | 71.0 ± 2.0 | 30.0 ± 2.0* |"


def test_the_differences() -> None:
    assert "| other (baseline) | 12 % | 3 | -10.0 (-11.0 to -9.0) | +0.50 | < 0.001 | < 0.001 |" in blocks.differences()


def test_the_setup() -> None:
    expected = "18 runs; sets of 1600 clips, 560 of them for the test, of 160 people; 3 comparisons."
    assert blocks.setup().endswith(expected)


def test_the_figure_has_the_means_of_the_result() -> None:
    left, right = draw(RESULT).axes
    full = next(line for line in left.lines if np.array_equal(line.get_ydata(), [80, 70, 40]))
    assert full.get_marker() == "o"
    assert [each.get_label() for each in right.containers] == ["other", "full"]
