"""A rendered clip: repeatable, in the right shape, and true to its truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ifdd.errors import InputError
from ifdd.synth import PRESETS, SynthConfig, SynthDataset, render_clip
from ifdd.synth.behaviour.action_units import UNIT_COLUMN
from ifdd.synth.drawn.portrait import PortraitRig
from ifdd.synth.identity import Identity
from ifdd.synth.plan import plan_clip
from ifdd.synth.render import Clip
from ifdd.synth.rig import FaceState, FaceTruth

STANDARD = SynthConfig(PRESETS["standard"].behaviour, PRESETS["standard"].scene, frames=6, size=64)
WILD = SynthConfig(PRESETS["wild"].behaviour, PRESETS["wild"].scene, frames=5, size=80, label_set="mafw")
EASY = SynthConfig(PRESETS["easy"].behaviour, PRESETS["easy"].scene, frames=4)


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return [render_clip(WILD, 5, index) for index in range(11)]


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again, other = render_clip(STANDARD, 7, 2), render_clip(STANDARD, 7, 2), render_clip(STANDARD, 8, 2)
    assert first.frames.tobytes() == again.frames.tobytes()
    assert first.frames.tobytes() != other.frames.tobytes()
    assert first.frames.shape == (6, 64, 64, 3)
    assert first.frames.dtype == np.uint8


def test_the_order_of_rendering_does_not_matter() -> None:
    alone = render_clip(STANDARD, 7, 3).frames
    render_clip(WILD, 1, 0)
    assert render_clip(STANDARD, 7, 3).frames.tobytes() == alone.tobytes()


def test_the_truth_agrees_with_the_frames(clips: list[Clip]) -> None:
    for clip in clips:
        assert len(clip.truth) == len(clip.frames) == 5
        for index, truth in enumerate(clip.truth):
            assert truth.seconds == pytest.approx(index / 10)
            assert truth.activation.shape == (2, len(UNIT_COLUMN))
            assert truth.face.landmarks.shape == (68, 2)
            assert np.isfinite(truth.face.landmarks).all()
            x, y, width, height = truth.face.box
            assert 0 <= x < x + width <= 80
            assert 0 <= y < y + height <= 80
            assert width > 20
            assert height > 25
            assert 0 <= truth.occlusion <= 1
            inner = truth.face.landmarks[17:]
            assert np.mean((inner[:, 0] > x) & (inner[:, 0] < x + width)) > 0.9


def test_every_class_can_be_drawn(clips: list[Clip]) -> None:
    assert {clip.plan.label for clip in clips} == set(WILD.classes)
    assert all(clip.frames.std() > 8 for clip in clips)


def test_an_easy_face_fills_its_frame_as_the_framing_says() -> None:
    index = next(index for index in range(14) if plan_clip(EASY, 0, index).label == "neutral")
    clip = render_clip(EASY, 0, index)
    x, y, width, height = clip.truth[0].face.box
    assert 1.35 * max(width, height) == pytest.approx(112, rel=0.12)
    assert x + width / 2 == pytest.approx(56, abs=4)
    assert y + height / 2 == pytest.approx(56, abs=8)


def test_an_emotion_changes_the_picture_in_time() -> None:
    behaviour = replace(PRESETS["easy"].behaviour, visible=(0.5, 0.5), sway=0.0, blinks=0.0)
    config = SynthConfig(behaviour, PRESETS["easy"].scene, frames=20)
    index = next(index for index in range(14) if plan_clip(config, 0, index).label == "surprise")
    clip = render_clip(config, 0, index)
    intensity = np.array([truth.intensity for truth in clip.truth])
    rest, apex = clip.frames[intensity.argmin()].astype(int), clip.frames[intensity.argmax()].astype(int)
    assert intensity.min() < 0.05
    assert intensity.max() > 0.95
    assert np.mean(np.abs(apex - rest).max(axis=-1) > 15) > 0.04


def test_a_hand_hides_part_of_the_face() -> None:
    scene = replace(PRESETS["easy"].scene, occlusion=1.0)
    clip = render_clip(SynthConfig(PRESETS["easy"].behaviour, scene, frames=10), 4, 0)
    hidden = np.array([truth.occlusion for truth in clip.truth])
    assert hidden.max() > 0.08
    plain = render_clip(SynthConfig(PRESETS["easy"].behaviour, replace(scene, occlusion=0.0), frames=10), 4, 0)
    assert max(truth.occlusion for truth in plain.truth) == 0


@pytest.mark.parametrize("kind", ["plain", "gradient", "lights", "room", "outdoors", "texture"])
def test_backgrounds_reach_the_corners(kind: str) -> None:
    scene = replace(PRESETS["easy"].scene, backgrounds=(kind,))  # type: ignore[arg-type]
    frames = render_clip(SynthConfig(PRESETS["easy"].behaviour, scene, frames=1), 2, 0).frames
    other = render_clip(SynthConfig(PRESETS["easy"].behaviour, scene, frames=1), 3, 0).frames
    assert np.any(frames[0, 0, 0] != other[0, 0, 0])
    assert (frames[0, :70, :4].std(axis=(0, 1)).max() < 0.5) == (kind == "plain")


def test_the_dataset_gives_the_same_clips() -> None:
    dataset = SynthDataset(STANDARD, 30, 7)
    clip, target = dataset[2]
    rendered = render_clip(STANDARD, 7, 2)
    assert clip.dtype == torch.uint8
    assert clip.shape == (3, 6, 64, 64)
    assert np.array_equal(clip.permute(1, 2, 3, 0).numpy(), rendered.frames)
    assert dataset.classes[target] == rendered.plan.label
    assert dataset.render(2).truth[0].seconds == 0


def test_the_dataset_keeps_to_its_subset() -> None:
    parts = {name: SynthDataset(STANDARD, 60, 0, name) for name in ("train", "validation", "test")}
    assert sum(len(part) for part in parts.values()) == 60
    people = [{plan.subject for plan in part.plans} for part in parts.values()]
    assert not people[0] & people[1]
    assert not people[0] & people[2]
    assert not people[1] & people[2]
    with pytest.raises(InputError, match="holdout"):
        SynthDataset(STANDARD, 5, 0, "holdout")
    with pytest.raises(InputError, match="count"):
        SynthDataset(STANDARD, -1, 0)


class WhiteRig:
    """Draws a white picture instead of a person, and knows the face's place from the default rig."""

    def __init__(self, identity: Identity, scale: float) -> None:
        self.portrait = PortraitRig(identity, scale)

    def draw(self, picture: np.ndarray, state: FaceState) -> FaceTruth:
        truth = self.portrait.draw(picture, state)
        picture[:] = 255
        return truth


def test_another_rig_can_draw_the_people() -> None:
    usual, white = SynthDataset(EASY, 5, 3), SynthDataset(EASY, 5, 3, make_rig=WhiteRig)
    assert usual.render(0).frames.std() > 8
    assert white.render(0).frames.min() == 255
    assert np.array_equal(white.render(0).truth[1].face.landmarks, usual.render(0).truth[1].face.landmarks)


@pytest.mark.parametrize(
    ("preset", "means"),
    [
        ("standard", (96.618, 94.124, 93.677)),
        ("wild", (82.88, 81.171, 80.325)),
        ("lifelike", (113.816, 111.181, 109.522)),
    ],
)
def test_the_frames_are_those_of_earlier_versions(preset: str, means: tuple[float, ...]) -> None:
    """The truth of scene and light was added later: it must not take a random number from the drawing."""
    config = SynthConfig(PRESETS[preset].behaviour, PRESETS[preset].scene, size=48, frames=3)
    assert render_clip(config, 7, 5).frames.mean((1, 2, 3)) == pytest.approx(means, abs=0.02)


def test_the_truth_of_the_scene_agrees_with_the_frames() -> None:
    still = replace(PRESETS["easy"].scene, backgrounds=("plain", "lights"), light_angle=60.0, light_drift=0.1)
    config = SynthConfig(PRESETS["easy"].behaviour, still, frames=2, size=64)
    clips: list[Clip] = []
    for index in range(12):
        clip = render_clip(config, 2, index)
        corner = clip.frames[0, :8, :8].reshape(-1, 3)
        assert (corner.std(axis=0).max() == 0) == (clip.scene.background == "plain")
        assert 0.5 <= clip.scene.light_contrast <= 0.6
        for frame, truth in zip(clip.frames, clip.truth, strict=True):
            x, y, width, height = (round(value) for value in truth.face.box)
            assert truth.brightness == pytest.approx(frame[y : y + height, x : x + width].mean() / 255, abs=0.01)
            assert np.linalg.norm(truth.light) == pytest.approx(1, abs=1e-6)
        clips.append(clip)
    assert {clip.scene.background for clip in clips} == {"plain", "lights"}
    # the half of the face that the light shines on is brighter
    sides = [clip.truth[0].light[0] for clip in clips]
    brighter = [_right_minus_left(clip) for clip in clips]
    assert np.corrcoef(sides, brighter)[0, 1] > 0.8


def _right_minus_left(clip: Clip) -> float:
    x, y, width, height = (round(value) for value in clip.truth[0].face.box)
    face = clip.frames[0, y : y + height, x : x + width].astype(float)
    return float(face[:, width // 2 :].mean() - face[:, : width // 2].mean())


def test_grey_clips_are_recorded_as_grey() -> None:
    config = SynthConfig(PRESETS["lifelike"].behaviour, PRESETS["lifelike"].scene, frames=1, size=48)
    for index in range(8):
        clip = render_clip(config, 1, index)
        colour = np.ptp(clip.frames.astype(int), axis=-1).mean()
        assert (colour < 4) == clip.scene.grey
        assert 0.5 <= clip.scene.resolution <= 1
