from itertools import permutations

import cv2
import numpy as np
import pytest

from ifdd.synth import PRESETS, SynthConfig
from ifdd.synth.render import render_clip
from ifdd.video.shots import ShotBoundaryDetector
from tests.helpers.faces import REAL, needs_real

FPS = 25.0


def test_a_new_scene_is_a_boundary_and_a_moving_light_is_not() -> None:
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


def boundaries_in(frames: list[np.ndarray]) -> list[int]:
    detector = ShotBoundaryDetector()
    pictures = [np.clip(frame, 0, 255).astype(np.uint8) for frame in frames]
    return [i for i, picture in enumerate(pictures) if detector.is_boundary(picture, i / FPS)]


@pytest.mark.parametrize("length", [8, 15, 25])
@pytest.mark.parametrize("black", [False, True])
def test_dissolves_and_fades_are_boundaries_at_their_middle(length: int, black: bool) -> None:
    old, new = smooth_scene(1), smooth_scene(2)
    frames = [old] * 40
    for i in range(1, length):
        share = i / length
        weights = (max(0.0, 1 - 2 * share), max(0.0, 2 * share - 1)) if black else (1 - share, share)
        frames.append(weights[0] * old + weights[1] * new)
    (boundary,) = boundaries_in(frames + [new] * 40)
    assert abs(boundary - (40 + length / 2)) <= 0.25 * FPS


def test_light_and_movement_are_not_boundaries() -> None:
    still, wide = smooth_scene(1), smooth_scene(3)
    flash = [still * 2.5 + 120 if i == 30 else still for i in range(60)]
    lamp = [still * (1.0 if i < 30 else 0.5) for i in range(60)]
    dimming = [still * (1 - 0.5 * np.clip((i - 20) / 10, 0, 1)) for i in range(60)]
    pan = [np.roll(wide, 6 * i, axis=1) for i in range(60)]
    assert [boundaries_in(frames) for frames in (flash, lamp, dimming, pan)] == [[], [], [], []]


@pytest.fixture(scope="module")
def people() -> list[np.ndarray]:
    """Return drawn people, all in the middle of the image."""
    config = SynthConfig(PRESETS["standard"].behaviour, PRESETS["standard"].scene)
    return [render_clip(config, 5, number).frames[0] for number in range(6)]


@pytest.mark.parametrize("light", [1.0, 0.5, 0.3, 0.15])
def test_hard_cuts_between_dark_and_bright_shots_are_not_taken_for_flashes(
    people: list[np.ndarray], light: float
) -> None:
    for one, other in permutations(people, 2):
        dark = (one * light).astype(np.uint8)
        assert boundaries_in([dark] * 5 + [other] * 5 + [dark] * 5) == [5, 10]


@pytest.mark.parametrize("length", [8, 15])
@pytest.mark.parametrize("lights", [(0.3, 1.0), (1.0, 0.3)])
def test_dissolves_between_dark_and_bright_shots_are_boundaries(
    people: list[np.ndarray], length: int, lights: tuple[float, float]
) -> None:
    for one, other in permutations(people[:4], 2):
        old, new = lights[0] * one, lights[1] * other
        mixtures = [old + i / length * (new - old) for i in range(1, length)]
        assert len(boundaries_in([old] * 15 + mixtures + [new] * 15)) == 1


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_a_fade_with_motion_is_reported_when_the_image_is_black(seed: int) -> None:
    old, new = smooth_scene(seed), smooth_scene(seed + 1)
    weights = [abs(1 - i / 10) if 0 < i < 20 else 1.0 for i in range(-30, 50)]
    frames = [np.roll(old if i <= 40 else new, i, axis=1) * weight for i, weight in enumerate(weights)]
    assert boundaries_in(frames) == [40]


def test_a_threshold_above_1_finds_no_boundaries() -> None:
    dark, bright = smooth_scene(1) / 4, 190 + smooth_scene(2) / 4
    mixtures = [dark + i / 12 * (bright - dark) for i in range(1, 12)]
    frames = [frame.astype(np.uint8) for frame in [dark] * 20 + mixtures + [bright] * 20 + [dark] * 20]
    for threshold, count in ((0.5, 2), (1.5, 0)):
        detector = ShotBoundaryDetector(threshold)
        assert sum(detector.is_boundary(frame, i / FPS) for i, frame in enumerate(frames)) == count


def test_at_low_frame_rates_only_hard_cuts_are_found() -> None:
    old, new = smooth_scene(1).astype(np.uint8), smooth_scene(2).astype(np.uint8)
    detector = ShotBoundaryDetector()
    assert [detector.is_boundary(image, i / 2) for i, image in enumerate([old, old, new, new])] == [
        False,
        False,
        True,
        False,
    ]


def test_without_gradual_only_hard_cuts_are_found_however_close() -> None:
    old, new = smooth_scene(1), smooth_scene(2)
    mixtures = [old + i / 10 * (new - old) for i in range(1, 10)]
    frames = [frame.astype(np.uint8) for frame in [old] * 20 + mixtures + [new] * 20 + [old, new, old]]
    boundaries = {}
    for gradual in (False, True):
        detector = ShotBoundaryDetector(gradual=gradual)
        boundaries[gradual] = [i for i, frame in enumerate(frames) if detector.is_boundary(frame, i / FPS)]
    assert boundaries[False] == [49, 50, 51]
    assert len(boundaries[True]) == 2
    assert boundaries[True][1] == 49


@pytest.mark.parametrize("gradual", [False, True])
def test_the_last_score_is_the_distance_of_the_histograms(gradual: bool) -> None:
    red, blue = (np.full((90, 160, 3), colour, np.uint8) for colour in ((200, 30, 30), (30, 30, 200)))
    half = np.where(np.arange(160)[None, :, None] < 80, red, blue)
    detector = ShotBoundaryDetector(gradual=gradual)
    scores = []
    for index, image in enumerate([red, red, half, blue, red]):
        detector.is_boundary(image, index / FPS)
        scores.append(detector.last_score)
    expected = (1 - 0.5**0.5) ** 0.5  # half of one histogram coincides with all of the other
    assert scores == pytest.approx([0, 0, expected, expected, 1], abs=0.01)


@needs_real
def test_boundaries_of_a_real_video() -> None:
    from ifdd.video.frames import iter_frames

    detector = ShotBoundaryDetector()
    frames = iter_frames(REAL / "videos" / "shot_cuts_and_crowd.mp4")
    assert [frame.index for frame in frames if detector.is_boundary(frame.image, frame.seconds)] == [20, 82, 211]
