"""Quality scores: they stay in range, fall with what they measure, and ignore everything else."""

import itertools
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ifdd.faces.boxes import CROP_FACTOR, FaceBox, Landmarks, box_square
from ifdd.faces.detection import FaceDetector
from ifdd.faces.quality import (
    FLAWLESS_QUALITY,
    FLAWS,
    HIDDEN,
    STILL,
    TOO_FEW,
    FaceQuality,
    TrackQuality,
    average,
    judge,
    light,
    pose,
    sharpness,
    size,
)
from ifdd.inference import Recognizer, WindowOptions
from ifdd.synth import PRESETS, SynthConfig
from ifdd.synth.plan import person_identity, plan_clip
from ifdd.synth.render import render_clip
from ifdd.video.sources import SourceOptions
from tests.helpers.videos import write_frame_folder


class WholeImageDetector(FaceDetector):
    """Finds a face whose crop is the whole image."""

    name = "whole image"

    def detect(self, image: np.ndarray) -> list[FaceBox]:
        side = len(image) / CROP_FACTOR
        return [FaceBox((len(image) - side) / 2, (len(image) - side) / 2, side, side, 0.9)]


CONFIG = SynthConfig(PRESETS["easy"].behaviour, PRESETS["easy"].scene, size=256, frames=1)
CLIPS = st.integers(0, 5)


@cache
def drawn_face(index: int) -> np.ndarray:
    """Return a drawn face as a crop shows it, RGB, 256 pixels square."""
    return render_clip(CONFIG, 5, index).frames[0]


def living_face(index: int, count: int) -> np.ndarray:
    """Return frames of a drawn face whose mouth opens and closes; a face that never changes counts as a photograph."""
    frames = np.stack([drawn_face(index)] * count)
    for number, frame in enumerate(frames):
        cv2.ellipse(frame, (128, 178), (22, 3 + 3 * (number * 2 % 5)), 0, 0, 360, (90, 20, 30), -1)
    return frames


def grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)


def steps(score: Callable[[np.ndarray], float], images: list[np.ndarray]) -> list[float]:
    return [score(grey(image)) for image in images]


def assert_falls(scores: list[float]) -> None:
    assert all(after <= before + 0.01 for before, after in itertools.pairwise(scores)), scores
    assert scores[-1] < scores[0] / 2


def landmarks(yaw: float, pitch: float, roll: float = 0.0, scale: float = 20.0) -> Landmarks:
    """Return the landmarks of a head in parallel projection; angles in degrees."""
    points = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.55 * 1.05, 0.55], [-0.4, 1.05, 0], [0.4, 1.05, 0]])
    yaw, pitch, roll = np.radians([yaw, pitch, roll])
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    lean = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    seen = 100 + scale * (points @ (lean @ nod @ turn).T)[:, :2]
    return Landmarks(*((float(x), float(y)) for x, y in seen))


@given(arrays(np.uint8, (64, 64)), arrays(np.uint8, (2, 3)))
@settings(max_examples=30, deadline=None)
def test_scores_of_any_image_lie_between_0_and_1(noise: np.ndarray, few: np.ndarray) -> None:
    for image in (noise, cv2.resize(few, (64, 64), interpolation=cv2.INTER_NEAREST)):
        assert 0 <= sharpness(image) <= 1
        assert 0 <= light(image) <= 1


@given(st.lists(st.tuples(st.floats(-500, 500), st.floats(-500, 500)), min_size=5, max_size=5))
def test_pose_of_any_points_lies_between_0_and_1(points: list[tuple[float, float]]) -> None:
    assert 0 <= pose(Landmarks(*points)) <= 1


@given(CLIPS)
@settings(max_examples=6, deadline=None)
def test_drawn_faces_are_sharp_and_well_lit(index: int) -> None:
    assert sharpness(grey(drawn_face(index))) == 1
    assert light(grey(drawn_face(index))) > 0.9


@given(CLIPS)
@settings(max_examples=6, deadline=None)
def test_blurring_and_shrinking_lower_the_sharpness(index: int) -> None:
    face = drawn_face(index)
    assert_falls(steps(sharpness, [face, *(cv2.GaussianBlur(face, (0, 0), sigma) for sigma in (3, 6, 9, 14))]))
    small = [cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA) for side in (128, 48, 32, 20, 12)]
    assert_falls(steps(sharpness, [cv2.resize(image, (64, 64)) for image in small]))


@given(CLIPS, st.floats(0.25, 1.0), st.floats(0, 6))
@settings(max_examples=15, deadline=None)
def test_contrast_and_noise_hardly_change_the_sharpness(index: int, contrast: float, noise: float) -> None:
    for sigma in (0.01, 8, 14):
        face = grey(cv2.GaussianBlur(drawn_face(index), (0, 0), sigma))
        scores = [sharpness((face * contrast).astype(np.uint8))]
        disturbed = face + np.random.default_rng(0).normal(0, noise, face.shape)
        scores.append(sharpness(np.clip(disturbed, 0, 255).astype(np.uint8)))
        assert scores == pytest.approx([sharpness(face)] * 2, abs=0.08)


@given(CLIPS)
@settings(max_examples=6, deadline=None)
def test_darkness_fog_and_overexposure_lower_the_light(index: int) -> None:
    face = drawn_face(index).astype(float)
    for changed in (
        [face * factor for factor in (1.0, 0.5, 0.25, 0.1, 0.02)],
        [200 + (face - 200) * factor for factor in (1.0, 0.5, 0.25, 0.1, 0.02)],
        [face * factor for factor in (1.0, 2.5, 5, 10)],
    ):
        assert_falls(steps(light, [np.clip(image, 0, 255).astype(np.uint8) for image in changed]))


def test_dark_skin_is_not_darkness() -> None:
    plain = SynthConfig(PRESETS["easy"].behaviour, PRESETS["easy"].scene, size=64, frames=1)
    people = {index: person_identity(5, plan_clip(plain, 5, index).person) for index in range(40)}
    dark = [index for index, person in people.items() if np.dot(person.skin, (0.3, 0.59, 0.11)) < 90]
    assert len(dark) > 2
    assert min(light(grey(render_clip(plain, 5, index).frames[0])) for index in dark) > 0.85


@given(st.floats(-89, 89), st.floats(-40, 40), st.floats(-180, 180), st.floats(2, 200))
def test_pose_is_the_visible_share_of_a_turned_head(yaw: float, pitch: float, roll: float, scale: float) -> None:
    only_yaw = pose(landmarks(yaw, 0, roll, scale))
    assert only_yaw == pytest.approx(math.cos(math.radians(yaw)), abs=1e-6)
    assert pose(landmarks(0, pitch, roll, scale)) == pytest.approx(math.cos(math.radians(pitch)), abs=0.03)


def test_pose_of_impossible_points_is_0() -> None:
    here = (5.0, 5.0)
    assert pose(Landmarks(here, here, here, here, here)) == 0
    assert pose(Landmarks((0.0, 9.0), (9.0, 9.0), (4.0, 5.0), (1.0, 0.0), (8.0, 0.0))) == 0


def test_size_is_relative_to_the_model_input() -> None:
    assert size(box_square(FaceBox(0, 0, 30, 40, 0.9)), 64) == pytest.approx(54 / 64)
    assert size(box_square(FaceBox(0, 0, 30, 40, 0.9)), 224) == pytest.approx(54 / 224)
    assert size(box_square(FaceBox(0, 0, 300, 400, 0.9)), 224) == 1


@pytest.mark.parametrize("side", [64, 224])
def test_a_track_remembers_the_pose_and_a_hidden_face_has_quality_0(side: int) -> None:
    crop = cv2.resize(drawn_face(0), (side, side), interpolation=cv2.INTER_AREA)
    box = FaceBox(0, 0, 200, 200, 0.9)
    track = TrackQuality()
    assert track.update(crop, box).pose == 1  # a detector without landmarks
    turned = track.update(crop, box._replace(landmarks=landmarks(60, 0)))
    assert turned == FaceQuality(1.0, 1.0, 1.0, pytest.approx(0.5), pytest.approx(1.0, abs=0.1))  # type: ignore[arg-type]
    assert turned.worst == "turned away"
    assert turned.score == pytest.approx(turned.pose * turned.light)
    assert track.update(crop, box) == turned
    assert track.update(crop, box._replace(score=0.0)) == HIDDEN
    assert (HIDDEN.score, HIDDEN.worst) == (0, "hidden")
    assert FaceQuality(1.0, 0.95, 0.99, 0.92, 1.0).worst == "turned away"
    assert average([turned, HIDDEN, HIDDEN]).detected == pytest.approx(1 / 3)


def test_every_part_has_a_flaw() -> None:
    assert list(FLAWS) == list(FaceQuality._fields)


def test_a_segment_uncertain_for_its_quality_has_a_flaw(checkpoint: Path, tmp_path: Path) -> None:
    crops = [cv2.convertScaleAbs(frame, alpha=0.9) for frame in living_face(4, 30)]
    folder = write_frame_folder(tmp_path / "frames", np.stack(crops))

    def read(least: float) -> tuple[float, str, set[tuple[str, str]]]:
        windows = WindowOptions(minimum_quality=least)
        recognition = Recognizer.from_checkpoint(checkpoint, WholeImageDetector(), windows=windows).recognize(folder)
        (segment,) = recognition.segments
        return segment.quality, segment.flaw, {(segment.label, entry.flaw) for entry in recognition.timeline}

    quality, flaw, _ = read(0.2)
    assert (quality >= FLAWLESS_QUALITY, flaw) == (True, "")
    assert read((1 + quality) / 2)[1:] == ("badly lit", {("uncertain", "badly lit")})


def test_quality_falls_with_the_share_of_distinct_images() -> None:
    good, small = FaceQuality(1.0, 1.0, 1.0, 1.0, 1.0), FaceQuality(1.0, 0.4, 1.0, 1.0, 1.0)
    assert judge([good] * 16, 16) == (1, "")
    assert judge([good] * 16, 15) == (15 / 16, "")
    assert judge([good] * 16, 8) == (0.5, TOO_FEW)
    assert judge([good] * 16, 16, still=True) == (1 / 16, STILL)
    assert judge([good] * 8 + [HIDDEN] * 8, 16) == (0.5, "hidden")
    assert [judge([small] * 16, pictures)[1] for pictures in (16, 8, 4)] == ["small", "small", TOO_FEW]
    assert judge([small] * 16, 4)[0] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("fps", "images", "shares"),
    [(1.0, 1, {1}), (1.0, 4, {1, 2}), (5.0, 15, {5, 6}), (16.0, 32, {16}), (25.0, 50, {16})],
)
def test_a_low_frame_rate_lowers_the_quality(
    checkpoint: Path, tmp_path: Path, fps: float, images: int, shares: set[int]
) -> None:
    folder = write_frame_folder(tmp_path / "frames", living_face(0, images))
    recognizer = Recognizer.from_checkpoint(checkpoint, WholeImageDetector())
    recognition = recognizer.recognize(folder, source=SourceOptions(image_fps=fps))
    whole = judge([TrackQuality().update(living_face(0, 1)[0], FaceBox(0, 0, 200, 200, 0.9))] * 16, 16)[0]
    assert {round(entry.quality / whole * 16) for entry in recognition.timeline} <= shares
    flaws = {(segment.label == "uncertain", segment.flaw) for segment in recognition.segments}
    assert flaws == ({(True, TOO_FEW)} if fps == 1 else {(False, "")})


def test_a_frozen_image_is_not_taken_for_an_expression(checkpoint: Path) -> None:
    stream = Recognizer.from_checkpoint(checkpoint, WholeImageDetector()).stream()
    times = [i / 25 for i in [*range(50), *range(250, 300)]]  # frozen from 2 to 10 s
    faces = living_face(0, len(times))
    entries = [entry for face, seconds in zip(faces, times, strict=True) for entry in stream.read(face, seconds)]
    frozen = [entry for entry in entries if entry.start_seconds >= 2 and entry.end_seconds <= 10]
    assert len(frozen) > 20
    assert {entry.flaw for entry in frozen} == {TOO_FEW}
    assert max(entry.quality for entry in frozen) <= 1 / 16
    assert min(entry.quality for entry in entries if entry.end_seconds <= 2 or entry.start_seconds >= 10) > 0.9


def test_a_photograph_that_shakes_is_still_and_a_living_face_is_not(checkpoint: Path) -> None:
    def flaws(frames: Sequence[np.ndarray]) -> set[str]:
        stream = Recognizer.from_checkpoint(checkpoint, WholeImageDetector()).stream()
        entries = [entry for i, frame in enumerate(frames) for entry in stream.read(frame, i / 25)]
        assert entries
        return {entry.flaw for entry in entries}

    def shake(image: np.ndarray, i: int) -> np.ndarray:
        moved = cv2.getRotationMatrix2D((128, 128), 1.5 * math.sin(i / 5), 1 + 0.02 * math.sin(i / 7))
        moved[:, 2] += np.array([2 * math.sin(i / 3), 2 * math.cos(i / 4)])
        light = 1 + 0.08 * math.sin(i)
        return cv2.convertScaleAbs(
            cv2.warpAffine(image, moved, (256, 256), borderMode=cv2.BORDER_REPLICATE), alpha=0.85 * light
        )

    assert flaws([drawn_face(0)] * 60) == {STILL}
    assert flaws([shake(drawn_face(0), i) for i in range(60)]) == {STILL}
    assert STILL not in flaws([shake(frame, i) for i, frame in enumerate(living_face(0, 60))])
