"""The picture of curves."""

import io
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from matplotlib.rcsetup import cycler

from ifdd.evaluation.stress.picture import plot_curves
from ifdd.records import ChangeRecord, Estimate, StressCurve, StressPoint, StressRecord
from tests.helpers.legends import drop_hidden_labels

NOTHING = Estimate(0.0, None, None)


def record(war: float, name: str = "gamma", strengths: tuple[float, ...] = (0.4, 2.5)) -> StressRecord:
    def result(value: float) -> ChangeRecord:
        return ChangeRecord(Estimate(value, value - 0.1, value + 0.05), NOTHING, NOTHING, NOTHING, NOTHING, NOTHING)

    neutral = {"gamma": 1.0, "compression": 100.0}.get(name, 0.0)
    points = tuple(StressPoint(strength, result(war - 0.1 * n)) for n, strength in enumerate(strengths, 1))
    return StressRecord(
        war=Estimate(war, None, None),
        uar=Estimate(war, None, None),
        curves=(StressCurve(name, "a change", "exponent", neutral, points),),
        clips=10,
        seed=0,
        level=0.95,
        resampled="clips",
        resamples=10,
    )


@pytest.mark.parametrize(
    ("name", "strengths", "words", "scores"),
    [
        ("gamma", (0.4, 2.5), ["0.4", "none", "2.5"], [70, 80, 60]),
        ("noise", (10.0, 20.0), ["none", "10", "20"], [80, 70, 60]),
        ("compression", (50.0, 5.0), ["none", "50", "5"], [80, 70, 60]),
    ],
)
def test_the_unchanged_clip_has_its_place_on_the_axis(
    name: str, strengths: tuple[float, ...], words: list[str], scores: list[float]
) -> None:
    figure = plot_curves({"mine": record(0.8, name, strengths)})
    (area,) = figure.axes
    assert [label.get_text() for label in area.get_xticklabels()] == words
    line = area.lines[0]
    assert np.allclose(np.asarray(line.get_ydata(), float), scores)


def test_each_model_has_a_line_in_each_panel_and_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    drop_hidden_labels(monkeypatch)
    two = replace(record(0.8), curves=(*record(0.8).curves, *record(0.8, "noise", (10.0,)).curves))
    figure = plot_curves({"_full $1$": two, "frames": replace(two, war=Estimate(0.5, 0.4, 0.6))})
    shown = [area for area in figure.axes if area.get_visible()]
    assert [area.get_title(loc="left") for area in shown] == ["gamma", "noise"]
    assert all(len(area.containers) == 2 for area in shown)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["_full $1$", "frames"]
    with matplotlib.rc_context({"axes.prop_cycle": cycler(color=["#123456", "#654321"])}):
        other = plot_curves({"a": record(0.8, "noise", (10.0, 20.0)), "b" * 40: two}, columns=1)
    assert [area.get_title(loc="left") for area in other.axes] == ["noise", "gamma"]
    assert [len(area.containers) for area in other.axes] == [2, 1], "the first model has no gamma"
    assert [len(np.asarray(line.get_xdata())) for line in other.axes[0].lines if str(line.get_marker()) in "os"] == [
        3,
        2,
    ]
    assert [text.get_text() for text in other.legends[0].get_texts()] == ["a", "bbbbbbbbbbbbb...bbbbbbbbbbbb"]
    assert other.axes[1].containers[0][0].get_color() == "#654321"
    figure.savefig(io.BytesIO(), format="png")
    assert not any(text.get_parse_math() for text in figure.legends[0].get_texts())
