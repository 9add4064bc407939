"""Explanations as data, pictures and pages."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import ifdd
from ifdd.errors import InputError
from ifdd.explanation.explanation import Explanation
from ifdd.explanation.figure import plot_explanations, write_picture
from ifdd.explanation.overlays import heat_frames, strip
from ifdd.explanation.page import explanation_page
from ifdd.model import Checkpoint, create_model
from ifdd.records import CheckpointRecord
from tests.helpers.html import check_page

CLASSES = ("happy", "sad & <b>", "neutral", "angry $x$", "surprise", "disgust", "fear")


def explained(ablation: str = "full", **options: str) -> Explanation:
    torch.manual_seed(0)
    model = create_model("ifdd_tiny", ablation=ablation).eval()
    frames = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)
    return ifdd.explain(model, frames, classes=CLASSES, **options)


def test_an_explanation_holds_the_clip_and_what_the_model_made_of_it() -> None:
    found = explained()
    assert found.frames.shape == (16, 64, 64, 3)
    assert found.correlation.shape == (8, 8)
    assert found.static_index.shape == found.dynamic_index.shape == (4,)
    assert found.probabilities.argmax() == found.target
    assert found.notices == ()
    assert [group.name for group in found.groups] == ["Emotion features Y_D", "Context Y_S"]


def test_bytes_and_values_give_the_same() -> None:
    model = create_model("ifdd_tiny").eval()
    frames = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)
    one = ifdd.explain(model, frames)
    other = ifdd.explain(model, torch.from_numpy(frames).permute(3, 0, 1, 2).float() / 255)
    np.testing.assert_allclose(one.dynamic, other.dynamic, atol=1e-7)
    assert (one.frames == other.frames).all()
    assert one.classes[1] == "class 1"


def test_a_checkpoint_brings_its_classes_and_its_temperature(checkpoint: Path) -> None:
    frames = np.zeros((16, 64, 64, 3), np.uint8)
    found = ifdd.explain(checkpoint, frames, target="sad")
    assert found.checkpoint == checkpoint.name
    assert found.classes[found.target] == "sad"
    loaded = ifdd.load_checkpoint(checkpoint)
    assert isinstance(loaded, Checkpoint)
    assert loaded.record == CheckpointRecord(preset="ifdd_tiny")


@pytest.mark.parametrize(
    ("ablation", "groups", "notice", "missing"),
    [
        ("backbone_only", ["All features"], "neither ISSM nor LADM", ""),
        ("issm_only", ["Dynamic group", "Static group"], "no LADM", "does not use the static group"),
        ("even_odd", ["Emotion features Y_D", "Context Y_S"], "no ISSM", ""),
        ("predictor_first", ["Emotion features Y_D", "Context Y_S"], "", "predictor first"),
    ],
)
def test_what_a_model_lacks_is_said(ablation: str, groups: list[str], notice: str, missing: str) -> None:
    found = explained(ablation)
    assert [group.name for group in found.groups] == groups
    assert notice in " ".join(found.notices)
    assert bool(found.notices) == bool(notice)
    assert missing in found.groups[-1].missing
    page = " ".join(check_page(explanation_page([found])).texts_of("main"))
    assert notice in page
    assert missing in page
    assert isinstance(found.plot(), Figure)


def test_positions_are_shown_at_the_frames_on_which_they_are_centred() -> None:
    assert explained().in_frames(np.array([0.0, 2.5, 7.0])).tolist() == [0, 5, 14]
    pairs = replace(explained(), origin=0.5)  # a frame of the features is the mean of two
    assert pairs.in_frames(np.array([0.0, 2.5, 7.0])).tolist() == [0.5, 5.5, 14.5]


@pytest.mark.parametrize(
    "clip", [np.zeros((16, 64, 64, 3), np.float32), np.zeros((64, 64, 3), np.uint8), np.zeros((16, 64, 64), np.uint8)]
)
def test_an_array_that_is_not_8_bit_frames_is_refused(clip: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"time x height x width x 3 values of uint8, given .*; convert it"):
        ifdd.explain("ifdd_tiny_synth", clip)


def test_a_page_shows_two_models_escaped_and_self_contained() -> None:
    pair = [explained(source="a <i>video</i>.mp4", label="sad"), explained("backbone_only", source="other.mp4")]
    page = check_page(explanation_page(pair))
    assert page.texts_of("h1") == ["Explanation of a <i>video</i>.mp4"]
    assert len(page.texts_of("h2")) == 3
    assert "sad & <b>" in page.texts_of("th")
    assert not page.all("b", "i")
    assert len(page.all("img")) == 3 + 2
    assert len(page.all("circle")) == 4
    (drawing,) = page.all("svg")
    assert drawing["aria-label"].startswith("dynamic index at frames ")


def test_a_picture_shows_each_model_under_the_other(tmp_path: Path) -> None:
    pair = [explained(), explained(source="$x$", label="$y$")]
    write_picture(pair, tmp_path / "pair.png")
    picture = cv2.imread(str(tmp_path / "pair.png"))
    assert picture is not None
    assert picture.shape[0] == pytest.approx(2 * 150 * plot_explanations(pair[:1]).get_figheight(), abs=2)


def test_the_figure_holds_frames_indexes_r_and_probabilities() -> None:
    titles = [area.get_title() for part in plot_explanations([explained()]).subfigs for area in part.axes]
    assert {"Correlation R of the feature frames", "Probability"} <= set(titles)


def test_heat_colours_the_hottest_place_most() -> None:
    frames = np.full((2, 4, 4, 3), 100, np.uint8)
    heat = np.zeros((2, 4, 4), np.float32)
    heat[1, 2, 3] = 0.5
    shown = heat_frames(frames, heat, (255, 0, 0))
    assert (shown[0] == 85).all()
    assert shown[1, 2, 3].tolist() == [238, 9, 9]  # a tenth of 85, and nine tenths of the colour
    assert strip(shown).shape == (4, 8, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "bored"}, "no class 'bored' to explain; the checkpoint has happy, sad"),
        ({"target": 9}, "target is 9"),
    ],
)
def test_an_unknown_class_is_refused(checkpoint: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ifdd.explain(checkpoint, np.zeros((16, 64, 64, 3), np.uint8), **options)


def test_a_clip_of_another_shape_is_refused(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="this model takes clips of shape"):
        ifdd.explain(checkpoint, np.zeros((9, 64, 64, 3), np.uint8))
    with pytest.raises(InputError, match="given 2 names"):
        ifdd.explain(create_model("ifdd_tiny"), np.zeros((16, 64, 64, 3), np.uint8), classes=("a", "b"))
