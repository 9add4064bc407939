"""The rendered rig: true to its truth, repeatable, and able to draw every class."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ifdd.data.manifest import read_manifest
from ifdd.synth import PRESETS, SynthConfig, render_clip
from ifdd.synth.behaviour.action_units import Activation, activation_of, no_activation
from ifdd.synth.command import synth
from ifdd.synth.identity import Identity, identity_attributes
from ifdd.synth.plan import person_identity
from ifdd.synth.rendered.atlas import SIDE, shared_atlas
from ifdd.synth.rendered.mesh import HeadMesh
from ifdd.synth.rendered.renderer import Material
from ifdd.synth.rendered.rig import RenderedRig, project, rotation
from ifdd.synth.rendered.skin import sample_look
from ifdd.synth.rendered.wrinkles import RELIEF_SIDE, Wrinkles
from ifdd.synth.rig import CROP_SIDE, FaceState, FaceTruth, Light, Pose
from ifdd.synth.rigs import RIG_VERSIONS, make_rig_maker
from tests.synth.rendered.conftest import SIZE

LIGHT = Light(np.array([0.3, -0.4, 0.86]), np.full(3, 0.7), np.full(3, 0.5))
GREEN = (0, 255, 0)


def shown(
    rig: RenderedRig,
    activation: Activation | None = None,
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0),
    distance: float = 10.0,
    light: Light = LIGHT,
) -> tuple[np.ndarray, FaceTruth]:
    """Return a picture on green ground, and the truth."""
    picture = np.empty((SIZE, SIZE, 3), np.uint8)
    picture[:] = GREEN
    pose = Pose(*angles, (SIZE - 1) / 2, (SIZE - 1) / 2, SIZE / CROP_SIDE)
    activation = no_activation() if activation is None else activation
    truth = rig.draw(picture, FaceState(activation, pose, (0.0, 0.0), light, distance))
    return picture, truth


def is_face(picture: np.ndarray) -> np.ndarray:
    return np.asarray((picture != GREEN).any(axis=2))


def test_a_frontal_face_fills_its_place(rig: RenderedRig) -> None:
    picture, truth = shown(rig)
    x, y, width, height = truth.box
    assert (x + width / 2, y + height / 2) == pytest.approx((SIZE / 2, SIZE / 2), abs=0.06 * SIZE)
    assert height == pytest.approx(SIZE / 1.35, rel=0.12)
    covered = is_face(picture)[round(y) : round(y + height), round(x) : round(x + width)]
    assert covered.mean() > 0.93


def test_the_faces_are_those_of_the_rig_s_version(rig: RenderedRig, mesh: HeadMesh) -> None:
    """Where this fails because faces are meant to look different, increase ``RIG_VERSIONS`` and take the new means."""
    frowning = activation_of({4: 1.0, 15: 0.8, 17: 0.6})
    relief = Wrinkles(shared_atlas(mesh), 1.0, 1.0, np.random.default_rng(1)).relief(frowning)[..., 2]
    assert relief.max() == pytest.approx(0.4956, abs=0.002)
    frown = shown(rig, frowning)[0]
    means = frown.reshape(4, SIZE // 4, 4, SIZE // 4, 3).mean((1, 3, 4))[1:3, 1:3]
    shouting = shown(rig, activation_of({25: 1.0, 27: 1.0}), (30.0, 0.0, 0.0))[0]
    mouth = shouting[76:108, 72:104].reshape(2, 16, 2, 16, 3).mean((1, 3, 4))
    assert RIG_VERSIONS["rendered"] == 8
    np.testing.assert_allclose(mouth, [[131.22, 116.80], [50.74, 94.83]], atol=0.3)
    np.testing.assert_allclose(means, [[119.69, 129.91], [130.21, 147.60]], atol=0.3)


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (30.0, 0.0, 0.0), (-40.0, 10.0, 15.0), (10.0, -12.0, -20.0)])
def test_the_landmarks_lie_where_the_head_is_drawn(rig: RenderedRig, angles: tuple[float, float, float]) -> None:
    """The darkest spots near the irises and the mouth's line agree with the projected landmarks."""
    picture, truth = shown(rig, activation_of({5: 0.5}), angles)
    points = truth.landmarks
    inside = points[17:]
    assert is_face(picture)[np.round(inside[:, 1]).astype(int), np.round(inside[:, 0]).astype(int)].mean() > 0.95
    grey = picture.astype(float).mean(axis=2)
    for eye in (points[36:42], points[42:48]):
        width = float(np.ptp(eye[:, 0]))
        if width < 9:
            continue  # turned away
        middle = eye.mean(axis=0)
        reach = max(2, round(0.3 * width))
        rows, columns = (
            slice(round(float(middle[axis])) - reach, round(float(middle[axis])) + reach + 1) for axis in (1, 0)
        )
        brow = grey[rows.start - 2 * reach : rows.stop - 2 * reach, columns]
        assert grey[rows, columns].min() < 0.75 * np.median(brow)  # pupil and iris, darker than the skin above


def test_the_projection_is_a_pinhole_camera(rig: RenderedRig) -> None:
    """Compared with an explicit camera: rotate, move away, divide by depth."""
    pose = Pose(25.0, -8.0, 12.0, 60.0, 70.0, 40.0)
    view = rig._view(FaceState(no_activation(), pose, (0.0, 0.0), LIGHT, 6.0))
    points = rig.head.rest.points[::977]
    for point, found in zip(points, project(points, np.zeros(len(points), np.float32), view), strict=True):
        seen = rotation(25.0, -8.0, 12.0).astype(float) @ (point - view.pivot)
        depth = view.distance + view.face_depth - seen[2]
        focal = view.place[2] * view.distance
        expected = (60.0 + focal * seen[0] / depth, 70.0 - focal * seen[1] / depth)
        assert found.tolist() == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("height", [-6.0, -10.0, -11.5, -20.0])
def test_what_hangs_lower_turns_by_its_height_at_rest(rig: RenderedRig, height: float) -> None:
    """A chip at the height of an open jaw's chin is drawn where the projection says, whatever it was at rest."""
    view = rig._view(FaceState(no_activation(), Pose(30.0, 15.0, 10.0, 64.0, 64.0, 40.0), (0.0, 0.0), LIGHT, 8.0))
    chip = np.zeros((3, 9), np.float32)
    chip[:, :3] = [(-0.4, -11.3, 9.0), (0.4, -11.3, 9.0), (0.0, -10.4, 9.0)]
    chip[:, 5] = 1.0
    heights = np.full(3, height, np.float32)
    white = rig.renderer.texture(np.full((4, 4, 4), 255, np.uint8))
    part = rig.renderer.part(rig.renderer.buffer(chip), heights, np.array([[0, 1, 2]]), white, Material())
    opaque = rig.renderer.draw([part], view, (128, 128))[..., 3].astype(float)
    rows, columns = np.indices(opaque.shape)
    found = [(opaque * axis).sum() / opaque.sum() for axis in (columns, rows)]
    expected = project(chip[:, :3], heights, view).mean(axis=0)
    assert found == pytest.approx(expected.tolist(), abs=0.4)


def test_an_open_jaw_turns_with_the_head(rig: RenderedRig) -> None:
    """The line from nose to chin stays in the plane that cuts the face in halves."""
    for activation in (no_activation(), activation_of({27: 1.0})):
        points = shown(rig, activation, (0.0, 0.0, 25.0))[1].landmarks
        across, down = points[8] - points[27]
        assert np.degrees(np.arctan2(-across, down)) == pytest.approx(25.0, abs=1.5)


def test_angles_turn_the_head_as_the_pose_says(rig: RenderedRig) -> None:
    nose, ahead = 30, shown(rig)[1].landmarks
    assert shown(rig, angles=(20.0, 0.0, 0.0))[1].landmarks[nose, 0] > ahead[nose, 0] + 3
    assert shown(rig, angles=(0.0, 15.0, 0.0))[1].landmarks[nose, 1] > ahead[nose, 1] + 2
    rolled = shown(rig, angles=(0.0, 0.0, 20.0))[1].landmarks
    assert rolled[45, 1] - rolled[36, 1] > 5  # clockwise: the eye at the right of the picture is lower


def test_a_near_camera_enlarges_the_nose(rig: RenderedRig) -> None:
    def share(distance: float) -> float:
        points = shown(rig, distance=distance)[1].landmarks
        return float(np.ptp(points[31:36, 0]) / np.ptp(points[0:17, 0]))

    assert share(3.5) > 1.05 * share(20.0)


def test_light_brightens_its_side(rig: RenderedRig) -> None:
    def halves(x: float) -> tuple[float, float]:
        light = Light(np.array([x, 0.0, 0.5]) / np.hypot(x, 0.5), np.full(3, 0.8), np.full(3, 0.2))
        picture = shown(rig, light=light)[0][40:90, 30:98].astype(float)
        return float(picture[:, :34].mean()), float(picture[:, 34:].mean())

    left, right = halves(-0.9), halves(0.9)
    assert left[0] > 1.2 * left[1]
    assert right[1] > 1.2 * right[0]
    fill = Light(LIGHT.direction, LIGHT.colour, LIGHT.ambient, ((np.array([-1.0, 0.0, 0.0]), np.full(3, 0.8)),))
    assert shown(rig, light=fill)[0].mean() > shown(rig)[0].mean() + 2


@pytest.mark.parametrize(
    "number", [1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 27, 43, 45]
)
def test_every_unit_changes_the_picture(rig: RenderedRig, number: int) -> None:
    assert np.abs(shown(rig, activation_of({number: 1.0}))[0].astype(int) - shown(rig)[0]).max() > 12


def test_wrinkles_follow_their_units(mesh: HeadMesh) -> None:
    wrinkles = Wrinkles(shared_atlas(mesh), 0.4, 1.0, np.random.default_rng(1))
    smooth, furrowed = (wrinkles.relief(activation_of(units))[..., 2].astype(float) for units in ({}, {4: 1.0}))
    deeper = furrowed - smooth
    row, column = np.unravel_index(int(deeper.argmax()), deeper.shape)
    assert deeper.max() > 0.15
    assert abs(column / RELIEF_SIDE - 0.5) < 0.08  # between the brows
    assert 0.7 < row / RELIEF_SIDE < 0.9  # v up


def test_folds_lie_between_the_brows_and_end_in_no_hooks(mesh: HeadMesh) -> None:
    atlas = shared_atlas(mesh)
    rows = np.arange(RELIEF_SIDE)[:, None]
    heights, depths = [], []
    for seed in range(8):
        wrinkles = Wrinkles(atlas, 0.0, 1.0, np.random.default_rng(seed))
        smooth, frown, corners = (
            wrinkles.relief(activation_of(units))[::-1, :, 2].astype(float) for units in ({}, {4: 1.0}, {15: 1.0})
        )
        moved = np.abs(frown - smooth)
        heights.append((moved * rows).sum() / moved.sum() * SIDE / RELIEF_SIDE)
        depths.append(np.abs(corners - smooth).max())
    painted = atlas.landmarks[21, 1] + 8  # brows are painted 8 pixels below the landmarks on average
    assert painted + 5 < np.mean(heights) < atlas.landmarks[39, 1], "from the brows to the eyes"
    assert np.mean(depths) < 0.4, "corners of the mouth are lowered, not dented"


def test_some_faces_of_any_age_hardly_fold(mesh: HeadMesh) -> None:
    atlas, generator = shared_atlas(mesh), np.random.default_rng(3)
    strengths = [sample_look(person_identity(5, number), generator).wrinkle_strength for number in range(60)]
    assert 0.15 < np.mean(np.array(strengths) < 0.2) < 0.6
    lasting = [
        Wrinkles(atlas, 0.0, 0.0, np.random.default_rng(seed)).relief(activation_of({}))[..., 2].max()
        for seed in range(8)
    ]
    assert max(lasting) > 0.1  # young, and without folds that move


def test_people_fold_in_different_places(mesh: HeadMesh) -> None:
    atlas = shared_atlas(mesh)
    frown = activation_of({4: 1.0, 9: 0.5, 12: 0.8})
    reliefs = np.array(
        [
            Wrinkles(atlas, 0.2, 1.0, np.random.default_rng(seed)).relief(frown)[..., 2].astype(np.float32).ravel()
            for seed in range(4)
        ]
    )
    between = np.corrcoef(reliefs)[np.triu_indices(4, 1)]
    assert (between > 0.2).all()
    assert between.min() < 0.95


def test_the_same_seed_gives_the_same_pixels(facekit: Path, needs_renderer: None) -> None:
    lifelike = PRESETS["lifelike"]
    config = SynthConfig(lifelike.behaviour, lifelike.scene, rig="rendered", frames=2, size=64)
    make_rig = make_rig_maker("rendered", facekit)
    first, other = (render_clip(config, 7, index, make_rig).frames for index in (2, 3))
    assert render_clip(config, 7, 2, make_rig).frames.tobytes() == first.tobytes()
    assert first.tobytes() != other.tobytes()


def test_a_person_is_prepared_once_for_several_clips(facekit: Path, needs_renderer: None, person: Identity) -> None:
    make = make_rig_maker("rendered", facekit)
    prepared = make(person, 40.0)
    assert make(person, 50.0) is prepared
    config = SynthConfig(PRESETS["lifelike"].behaviour, frames=2, size=48, rig="rendered")
    first, second = (render_clip(config, 3, 0, make) for _ in range(2))
    assert make(person, 40.0) is not prepared
    assert np.array_equal(first.frames, second.frames), "what a rig has drawn leaves no trace"


def test_the_manifest_describes_those_who_are_drawn(facekit: Path, needs_renderer: None, tmp_path: Path) -> None:
    synth(tmp_path, clips=8, rig="rendered", rig_data=facekit, size=48, frames=1, workers=1)
    for sample in read_manifest(tmp_path / "manifest.csv"):
        truth = json.loads((tmp_path / "clips" / f"{sample.clip_id}.json").read_text())
        person = person_identity(0, int(sample.subject[1:]), even_skin_tones=True)
        assert truth["identity"]["skin"] == pytest.approx(person.skin)
        assert identity_attributes(person).items() <= sample.attributes.items()


def test_every_class_is_drawn(facekit: Path, needs_renderer: None) -> None:
    easy = PRESETS["easy"]
    config = SynthConfig(easy.behaviour, easy.scene, label_set="mafw", rig="rendered", frames=1, size=64)
    clips = [render_clip(config, 1, index, make_rig_maker("rendered", facekit)) for index in range(11)]
    assert {clip.plan.label for clip in clips} == set(config.classes)
    for clip in clips:
        assert clip.frames.std() > 15
        assert np.isfinite(clip.truth[0].face.landmarks).all()


def test_both_rigs_share_the_people(facekit: Path, needs_renderer: None, person: Identity) -> None:
    make_rig = make_rig_maker("both", facekit)
    kinds = {type(make_rig(person_with(person, seed), 60.0)).__name__ for seed in (2, 3)}
    assert kinds == {"RenderedRig", "PortraitRig"}


def person_with(person: Identity, texture_seed: int) -> Identity:
    return replace(person, texture_seed=texture_seed)


def test_skin_tones_are_spread_evenly() -> None:
    def darkness(even: bool) -> np.ndarray:
        return np.array([-np.dot(person_identity(3, number, even).skin, (0.3, 0.59, 0.11)) for number in range(600)])

    even, usual = darkness(True), darkness(False)
    middle = (even.min() + even.max()) / 2
    assert (even > middle).mean() > (usual > middle).mean() + 0.03
