from dataclasses import replace

import numpy as np
import pytest

from ifdd.data.synth.config import PRESETS
from ifdd.data.synth.crowd import CrowdConfig, render_crowd
from ifdd.data.synth.story import StoryConfig
from ifdd.data.tracking import CutDetector
from ifdd.errors import InputError

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
    cuts = CutDetector()
    found = [cuts.is_cut(frame.image) for frame in render_crowd(PRESETS["easy"], 5, SMALL)]
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
