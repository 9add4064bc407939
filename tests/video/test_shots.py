from itertools import permutations

import cv2
import numpy as np
import pytest

from ifdd.synth import PRESETS, SynthConfig
from ifdd.synth.render import render_clip
from ifdd.video.shots import ShotBoundaryDetector
from tests.helpers.faces import REAL, needs_real

FPS = 25.0


def test_cut_detector_sees_a_new_scene_and_not_a_moving_light() -> None:
    rng = np.random.default_rng(0)
    scene, other = rng.integers(0, 120, (48, 64, 3), np.uint8), rng.integers(100, 256, (48, 64, 3), np.uint8)
    detector = ShotBoundaryDetector(gradual=False)
    brighter = [np.clip(scene.astype(int) + step, 0, 255).astype(np.uint8) for step in range(0, 12, 2)]
    assert not any(detector.is_boundary(image, i / FPS) for i, image in enumerate(brighter))
    wall = [np.full((48, 64, 3), level, np.uint8) for level in range(20, 80, 3)]
    plain = ShotBoundaryDetector(gradual=False)
    assert not any(plain.is_boundary(image, i / FPS) for i, image in enumerate(wall))
    assert detector.is_boundary(other, 6 / FPS)
    assert not detector.is_boundary(other, 7 / FPS)


def smooth_scene(seed: int) -> np.ndarray:
    """Return a picture (90, 160, 3) of soft blobs."""
    blobs = np.random.default_rng(seed).uniform(0, 255, (6, 9, 3)).astype(np.float32)
    return np.clip(cv2.resize(blobs, (160, 90), interpolation=cv2.INTER_CUBIC), 0, 255)


def cuts_in(frames: list[np.ndarray]) -> list[int]:
    detector = ShotBoundaryDetector()
    pictures = [np.clip(frame, 0, 255).astype(np.uint8) for frame in frames]
    return [i for i, picture in enumerate(pictures) if detector.is_boundary(picture, i / FPS)]


@pytest.mark.parametrize("length", [8, 15, 25])
@pytest.mark.parametrize("black", [False, True])
def test_dissolves_and_fades_are_cuts_at_their_middle(length: int, black: bool) -> None:
    old, new = smooth_scene(1), smooth_scene(2)
    frames = [old] * 40
    for i in range(1, length):
        share = i / length
        weights = (max(0.0, 1 - 2 * share), max(0.0, 2 * share - 1)) if black else (1 - share, share)
        frames.append(weights[0] * old + weights[1] * new)
    (cut,) = cuts_in(frames + [new] * 40)
    assert abs(cut - (40 + length / 2)) <= 0.25 * FPS


def test_light_and_movement_are_no_cuts() -> None:
    still, wide = smooth_scene(1), smooth_scene(3)
    flash = [still * 2.5 + 120 if i == 30 else still for i in range(60)]
    lamp = [still * (1.0 if i < 30 else 0.5) for i in range(60)]
    dimming = [still * (1 - 0.5 * np.clip((i - 20) / 10, 0, 1)) for i in range(60)]
    pan = [np.roll(wide, 6 * i, axis=1) for i in range(60)]
    assert [cuts_in(frames) for frames in (flash, lamp, dimming, pan)] == [[], [], [], []]


@pytest.fixture(scope="module")
def people() -> list[np.ndarray]:
    """Return drawn people who all stand in the middle of the picture."""
    config = SynthConfig(PRESETS["standard"].behaviour, PRESETS["standard"].scene)
    return [render_clip(config, 5, number).frames[0] for number in range(6)]


@pytest.mark.parametrize("light", [1.0, 0.5, 0.3, 0.15])
def test_cuts_between_dark_and_bright_shots_of_people_are_no_flashes(people: list[np.ndarray], light: float) -> None:
    for one, other in permutations(people, 2):
        dark = (one * light).astype(np.uint8)
        assert cuts_in([dark] * 5 + [other] * 5 + [dark] * 5) == [5, 10]


@pytest.mark.parametrize("length", [8, 15])
@pytest.mark.parametrize("lights", [(0.3, 1.0), (1.0, 0.3)])
def test_dissolves_between_dark_and_bright_shots_are_cuts(
    people: list[np.ndarray], length: int, lights: tuple[float, float]
) -> None:
    for one, other in permutations(people[:4], 2):
        old, new = lights[0] * one, lights[1] * other
        mixtures = [old + i / length * (new - old) for i in range(1, length)]
        assert len(cuts_in([old] * 15 + mixtures + [new] * 15)) == 1


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_cut_of_a_fade_is_not_told_before_the_picture_is_black_though_it_moves(seed: int) -> None:
    old, new = smooth_scene(seed), smooth_scene(seed + 1)
    weights = [abs(1 - i / 10) if 0 < i < 20 else 1.0 for i in range(-30, 50)]
    frames = [np.roll(old if i <= 40 else new, i, axis=1) * weight for i, weight in enumerate(weights)]
    assert cuts_in(frames) == [40]


def test_threshold_above_one_finds_no_cuts_at_all() -> None:
    dark, bright = smooth_scene(1) / 4, 190 + smooth_scene(2) / 4
    mixtures = [dark + i / 12 * (bright - dark) for i in range(1, 12)]
    frames = [frame.astype(np.uint8) for frame in [dark] * 20 + mixtures + [bright] * 20 + [dark] * 20]
    for threshold, cuts in ((0.5, 2), (1.5, 0)):
        detector = ShotBoundaryDetector(threshold)
        assert sum(detector.is_boundary(frame, i / FPS) for i, frame in enumerate(frames)) == cuts


def test_slow_frames_have_hard_cuts_only() -> None:
    old, new = smooth_scene(1).astype(np.uint8), smooth_scene(2).astype(np.uint8)
    detector = ShotBoundaryDetector()
    assert [detector.is_boundary(image, i / 2) for i, image in enumerate([old, old, new, new])] == [
        False,
        False,
        True,
        False,
    ]


def test_without_gradual_ones_hard_cuts_alone_are_found_however_close() -> None:
    old, new = smooth_scene(1), smooth_scene(2)
    mixtures = [old + i / 10 * (new - old) for i in range(1, 10)]
    frames = [frame.astype(np.uint8) for frame in [old] * 20 + mixtures + [new] * 20 + [old, new, old]]
    cuts = {}
    for gradual in (False, True):
        detector = ShotBoundaryDetector(gradual=gradual)
        cuts[gradual] = [i for i, frame in enumerate(frames) if detector.is_boundary(frame, i / FPS)]
    assert cuts[False] == [49, 50, 51]
    assert len(cuts[True]) == 2
    assert cuts[True][1] == 49


@pytest.mark.parametrize("gradual", [False, True])
def test_the_last_score_is_the_distance_of_the_histograms(gradual: bool) -> None:
    red, blue = (np.full((90, 160, 3), colour, np.uint8) for colour in ((200, 30, 30), (30, 30, 200)))
    half = np.where(np.arange(160)[None, :, None] < 80, red, blue)
    detector = ShotBoundaryDetector(gradual=gradual)
    scores = []
    for index, image in enumerate([red, red, half, blue, red]):
        detector.is_boundary(image, index / FPS)
        scores.append(detector.last_score)
    expected = (1 - 0.5**0.5) ** 0.5  # half of the one histogram lies where all of the other does
    assert scores == pytest.approx([0, 0, expected, expected, 1], abs=0.01)


@needs_real
def test_cuts_of_a_real_video() -> None:
    from ifdd.video.frames import iter_frames

    detector = ShotBoundaryDetector()
    frames = iter_frames(REAL / "videos" / "shot_cuts_and_crowd.mp4")
    assert [frame.index for frame in frames if detector.is_boundary(frame.image, frame.seconds)] == [20, 82, 211]
