"""The dynamic index on planted clips, and where heat maps lie on planted blocks."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import spearmanr

from ifdd.explanation.disentanglement import dynamic_index
from ifdd.explanation.disentanglement.dynamic_index import (
    feature_intensity,
    rank_correlation,
    score_selection,
    select_at_random,
    select_by_parity,
)
from ifdd.explanation.disentanglement.heat import PLACES, measure_energy
from ifdd.explanation.disentanglement.regions import REGIONS, UNIT_REGIONS, region_mask
from ifdd.explanation.disentanglement.truth import UNITS, ClipTruth
from ifdd.synth import PRESETS, SynthConfig, render_clip

RISING = np.array([[0.0, 0, 0, 0, 0.6, 0.8, 1, 1]])


def test_a_split_that_takes_the_emotional_frames_scores_highest() -> None:
    late, early = np.array([[4.0, 5, 6, 7]]), np.array([[0.0, 1, 2, 3]])
    right, wrong = score_selection(early, late, RISING), score_selection(late, early, RISING)
    assert right.intensity[0] > 0.85
    assert right.intensity[0] == pytest.approx(-wrong.intensity[0])
    assert right.gain[0] == pytest.approx(0.85)
    assert right.intensity[0] == pytest.approx(spearmanr([-1] * 4 + [1] * 4, RISING[0]).statistic)


def test_positions_between_frames_belong_to_both() -> None:
    found = score_selection(np.array([[0.0, 0.5]]), np.array([[2.5, 9.0]]), np.array([[0.0, 0.0, 0.5, 1.0]]))
    assert found.gain[0] == pytest.approx((0.75 + 1.0) / 2)  # 9 is clamped to the last frame


def test_parity_and_chance_know_nothing_of_a_slow_course() -> None:
    rng = np.random.default_rng(0)
    starts = rng.uniform(-3, 8, (600, 1))
    intensity = ((np.arange(8) >= starts) & (np.arange(8) < starts + 3)).astype(float)
    for found in (select_by_parity(intensity), select_at_random(intensity, 0)):
        assert abs(np.nanmean(found.intensity)) < 0.04
        assert abs(np.nanmean(found.gain)) < 0.05


def test_clips_without_a_course_do_not_count() -> None:
    intensity = np.vstack([np.zeros(8), np.full(8, 0.9), RISING])
    found = select_by_parity(intensity)
    assert np.isfinite(found.intensity).tolist() == [False, False, True]


def test_a_constant_selection_has_no_correlation() -> None:
    everything = np.tile(np.arange(8.0), (1, 1))
    assert score_selection(everything, everything, RISING).intensity[0] == 0


def test_rank_correlation_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 4, (2, 20, 8)).astype(float)
    expected = [spearmanr(a, b).statistic for a, b in zip(first, second, strict=True)]
    assert rank_correlation(first, second) == pytest.approx(expected)


def test_a_frame_of_the_features_has_the_mean_of_its_frames() -> None:
    assert feature_intensity(np.array([[0.0, 1, 2, 4]]), 2).tolist() == [[0.5, 3.0]]


class Maps(NamedTuple):
    dynamic: np.ndarray
    static: np.ndarray


@pytest.fixture(scope="module")
def truth() -> ClipTruth:
    """A frontal face that smiles in the second half of four frames."""
    clip = render_clip(SynthConfig(PRESETS["easy"].behaviour, PRESETS["easy"].scene, size=64, frames=1), 0, 0)
    units = np.zeros((4, len(UNITS)))
    units[2:, UNITS.index(15)] = 0.9
    landmarks = np.tile(clip.truth[0].face.landmarks / 64, (4, 1, 1))
    intensity = np.array([0, 0, 0.8, 1.0])
    return ClipTruth(intensity, units, np.zeros((4, 2)), np.zeros(4), landmarks, None, None)


def test_energy_lies_where_it_was_planted(truth: ClipTruth) -> None:
    on_mouth, on_eyes = (
        np.tile(region_mask(truth.landmarks[0] * 64, (name,), (64, 64)), (4, 1, 1)).astype(np.float32)
        for name in ("mouth", "eyes")
    )
    on_eyes[:2] = 0
    found = measure_energy(Maps(on_mouth, on_eyes), truth)
    assert dict(zip(PLACES, found.dynamic, strict=True)) == pytest.approx(
        {"active regions": 1.0, "other regions of the face": 0.0, "elsewhere": 0.0, "emotional frames": 0.5}
    )
    assert found.static == pytest.approx([0.0, 1.0, 0.0, 1.0])
    assert found.area[:3].sum() == pytest.approx(1)
    assert 0.02 < found.area[0] < 0.15
    assert found.area[3] == 0.5


def test_a_map_without_heat_and_a_clip_without_emotion_do_not_count(truth: ClipTruth) -> None:
    even, empty = np.ones((4, 64, 64), np.float32), np.zeros((4, 64, 64), np.float32)
    found = measure_energy(Maps(even, empty), truth)
    assert found.dynamic == pytest.approx(found.area)
    assert np.isnan(found.static).all()
    neutral = truth._replace(intensity=np.zeros(4))
    assert np.isnan(measure_energy(Maps(even, even), neutral).area).all()


def test_every_action_unit_has_its_regions() -> None:
    assert UNIT_REGIONS.keys() == set(UNITS)
    assert {name for names in UNIT_REGIONS.values() for name in names} == set(REGIONS)


def test_regions_cover_the_pixels_that_their_units_change() -> None:
    """A smile and a brow raise change the drawing inside their regions more than in the others."""
    from ifdd.synth.behaviour.action_units import ACTION_UNITS, UNIT_COLUMN
    from ifdd.synth.drawn.portrait import PortraitRig
    from ifdd.synth.plan import person_identity
    from ifdd.synth.rig import CROP_SIDE, FaceState, Light, Pose

    size, scale = 128, 128 / CROP_SIDE
    rig = PortraitRig(person_identity(3, 1), scale)
    light = Light(np.array([0.0, 0, 1]), np.full(3, 0.6), np.full(3, 0.4))

    def draw(unit: int | None) -> tuple[np.ndarray, np.ndarray]:
        picture = np.full((size, size, 3), 128, np.uint8)
        activation = np.zeros((2, len(ACTION_UNITS)), np.float32)
        if unit is not None:
            activation[:, UNIT_COLUMN[unit]] = 1
        face = rig.draw(picture, FaceState(activation, Pose(0.0, 0.0, 0.0, 63.5, 63.5, scale), (0.0, 0.0), light))
        return picture.astype(float), face.landmarks

    rest, landmarks = draw(None)
    for unit in (1, 2, 4, 5, 7, 9, 15, 17, 18, 20, 24, 25, 27, 43):
        changed = np.abs(draw(unit)[0] - rest).sum(2)
        inside = region_mask(landmarks, UNIT_REGIONS[unit], (size, size))
        assert changed[inside].mean() > 3 * changed[~inside].mean(), unit


def test_random_draws_are_many() -> None:
    assert dynamic_index.RANDOM_DRAWS >= 20
