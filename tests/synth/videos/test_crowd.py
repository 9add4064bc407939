import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from ifdd.__main__ import main
from ifdd.errors import InputError
from ifdd.synth.config import PRESETS
from ifdd.synth.truth import unseen_share
from ifdd.synth.videos.crowd import CrowdConfig, render_crowd
from ifdd.synth.videos.story import StoryConfig
from ifdd.video.frames import iter_frames
from ifdd.video.shots import ShotBoundaryDetector

SMALL = CrowdConfig(2, 3, 2, StoryConfig(seconds=1.5, width=96, height=120, fps=4.0))


def test_people_stand_side_by_side_and_change_at_the_cut() -> None:
    frames = list(render_crowd(PRESETS["easy"], 5, SMALL))
    assert len(frames) == 2 * 12
    assert [index for index, frame in enumerate(frames) if frame.cut] == [12]
    assert [frame.seconds for frame in frames] == [i / 4 for i in range(24)]
    for index, frame in enumerate(frames):
        assert frame.image.shape == (120, 288, 3)
        assert [truth.person for truth in frame.people] == ([1, 2, 3] if index < 12 else [4, 5, 6])
        for place, truth in enumerate(frame.people):
            assert 96 * place < truth.box[0] + truth.box[2] / 2 < 96 * (place + 1)
    for person in range(3):
        labels = [frame.people[person].label for frame in frames[:12]]
        assert len(set(labels[:6])) == len(set(labels[6:])) == 1
        assert labels[0] != labels[6]


def test_cuts_look_like_cuts() -> None:
    cuts = ShotBoundaryDetector(gradual=False)
    found = [cuts.is_boundary(frame.image, frame.seconds) for frame in render_crowd(PRESETS["easy"], 5, SMALL)]
    assert [index for index, cut in enumerate(found) if cut] == [12]


def test_same_seed_gives_the_same_frames_and_another_one_others() -> None:
    short = replace(SMALL, shots=1, people=1, emotions=1)
    one, again, other = (
        np.stack([frame.image for frame in render_crowd(PRESETS["easy"], seed, short)]) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_empty_crowd_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1"):
        CrowdConfig(people=0)

    with pytest.raises(InputError, match=r"crowd_video\.classes is empty; name at least one emotion"):
        CrowdConfig(classes=())
    with pytest.raises(InputError, match=r"crowd_video\.person\.person is set, but a crowd consists of strangers"):
        CrowdConfig(person=StoryConfig(person=3))
    with pytest.raises(InputError, match=r"crowd_video\.transition_seconds is 9\.0; it must be above 0 and at most"):
        CrowdConfig(transition="fade", transition_seconds=9.0)
    with pytest.raises(InputError, match=r"transition_seconds is 0\.01, less than one frame; give at least 0\.04, or"):
        CrowdConfig(transition="dissolve", transition_seconds=0.01)
    assert CrowdConfig(transition="dissolve", transition_seconds=0.04).overlap == 1
    assert CrowdConfig(transition_seconds=0.01).overlap == 0


def test_emotions_have_their_canonical_names_however_often_they_are_named() -> None:
    twice = replace(SMALL, shots=1, people=1, classes=("Happiness", "happy"))
    assert {frame.people[0].label for frame in render_crowd(PRESETS["easy"], 5, twice)} == {"happy"}


def test_people_who_walk_hide_each_other_come_and_go() -> None:
    person = StoryConfig(seconds=3.0, width=160, height=120, fps=4.0)
    frames = list(render_crowd(PRESETS["easy"], 1, CrowdConfig(2, 3, 1, person, walking=True)))
    people = [truth for frame in frames for truth in frame.people]
    assert {truth.person for truth in people} == {1, 2, 3, 4, 5, 6}
    assert any(truth.box[2] == 0 and truth.occlusion == 1 for truth in people)
    for truth in people:
        left, top, width, height = truth.box
        assert left >= 0
        assert top >= 0
        assert left + width <= 480
        assert top + height <= 120
        assert 0 <= truth.occlusion <= 1
    for number in (1, 2, 4, 5):
        seen = [truth.occlusion for truth in people if truth.person == number]
        assert min(seen) < 0.1
    nearest = [truth for truth in people if truth.person in (3, 6) and 0 < truth.box[0] < 400]
    assert max(truth.occlusion for truth in nearest) == pytest.approx(0, abs=0.02)  # in the picture, nobody before them
    assert any(truth.occlusion > 0.5 and truth.box[2] > 10 and 0 < truth.box[0] < 400 for truth in people)


def test_hidden_share_follows_from_where_the_faces_are() -> None:
    person = StoryConfig(seconds=2.0, width=160, height=120, fps=3.0)
    config = CrowdConfig(1, 2, 1, person, walking=True)
    frames = list(render_crowd(PRESETS["easy"], 1, config))
    alone, covered = 0, 0
    for frame in frames:
        far, near = frame.people
        apart = far.box[0] + far.box[2] < near.box[0] - 60 or near.box[0] + near.box[2] < far.box[0] - 60
        if apart and 1 < far.box[0] < 270:
            alone += 1
            assert far.occlusion < 0.05
        inside = near.box[0] < far.box[0] and far.box[0] + far.box[2] < near.box[0] + near.box[2]
        if inside and near.box[1] < far.box[1] and near.box[1] + near.box[3] > far.box[1] + far.box[3]:
            covered += 1
            assert far.occlusion > 0.9
    assert alone
    assert covered


def test_what_lies_outside_the_picture_counts_as_hidden() -> None:
    """Faces too wide for their part of the picture; the same faces in a wider one tell how much is missing."""
    narrow, wide = (
        [
            frame.people
            for frame in render_crowd(
                PRESETS["easy"], 3, CrowdConfig(1, 2, 1, StoryConfig(1.5, width=width, height=160, fps=2.0, face=0.7))
            )
        ]
        for width in (64, 240)
    )
    for cut, whole in zip(sum(narrow, ()), sum(wide, ()), strict=True):
        assert whole.occlusion == 0
        assert cut.box[2] == 64
        assert cut.occlusion == pytest.approx(1 - 64 / whole.box[2], abs=0.02)


def test_an_outside_and_a_hidden_part_add_up() -> None:
    assert unseen_share(0.5, 0.5) == 0.75
    assert unseen_share(0.0, 0.3) == pytest.approx(0.3)
    assert unseen_share(1.0, 0.0) == 1


@pytest.mark.parametrize("transition", ["dissolve", "fade"])
def test_shots_go_over_into_each_other(transition: Literal["dissolve", "fade"]) -> None:
    cut = list(render_crowd(PRESETS["easy"], 5, SMALL))
    config = replace(SMALL, transition=transition, transition_seconds=1.0)
    soft = list(render_crowd(PRESETS["easy"], 5, config))
    assert len(soft) == config.frames == 24 - 4
    assert [index for index, frame in enumerate(soft) if frame.cut] == [10]
    assert [frame.people[0].person for frame in soft] == [1] * 10 + [4] * 10
    np.testing.assert_array_equal(soft[7].image, cut[7].image)
    np.testing.assert_array_equal(soft[12].image, cut[16].image)
    before, after = cut[8].image.astype(float), cut[12].image.astype(float)
    expected = 0.8 * before + 0.2 * after if transition == "dissolve" else 0.6 * before
    np.testing.assert_allclose(soft[8].image, expected, atol=0.51)


def test_a_crowd_is_written_with_its_truth(tmp_path: Path) -> None:
    words = [
        "--crowd",
        "--crowd-video.walking",
        "--crowd-video.emotions",
        "1",
        "--crowd-video.shots",
        "2",
    ]
    size = ["--crowd-video.person.width", "80", "--crowd-video.person.height", "64", "--crowd-video.person.fps", "5"]
    main(["synth", str(tmp_path), *words, *size])
    record = json.loads((tmp_path / "crowd.json").read_text())
    frames = list(iter_frames(tmp_path / "crowd.mp4"))
    assert len(frames) == len(record["frames"]) == 30
    assert frames[0].image.shape == (64, 240, 3)
    assert record["cuts_seconds"] == [3.0]
    assert record["frames"][20]["people"][0].keys() == {"person", "label", "box", "occlusion"}
    assert [one["person"] for one in record["frames"][20]["people"]] == [4, 5, 6]
