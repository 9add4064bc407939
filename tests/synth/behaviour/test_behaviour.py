"""Time courses: smooth, continuous in seconds, and as diluted as was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifdd.synth.behaviour.action_units import UNIT_COLUMN
from ifdd.synth.behaviour.behaviour import Behaviour
from ifdd.synth.behaviour.course import clip_event
from ifdd.synth.config import BehaviourConfig
from ifdd.synth.videos.story import StoryConfig, story_events

STILL = BehaviourConfig(speech=0.0, blinks=0.0, gaze=0.0, yaw=0.0, sway=0.0)


@given(share=st.floats(0.2, 1.0), seconds=st.floats(1.0, 6.0), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_the_emotion_shows_for_its_share_and_reaches_its_apex(share: float, seconds: float, seed: int) -> None:
    config = BehaviourConfig(visible=(share, share))
    (event,) = clip_event("happy", config, seconds, np.random.default_rng(seed))
    course = event.intensity(np.arange(0, seconds, 0.002))
    assert abs(np.mean(course > 0) - share) < 0.03
    assert course.max() > 0.999
    assert course.min() >= 0
    assert np.abs(np.diff(course)).max() < 0.06  # no jumps


def test_neutral_has_no_emotion_but_the_rest_goes_on() -> None:
    rng = np.random.default_rng(0)
    config = BehaviourConfig(speech=1.0, blinks=2.0)
    behaviour = Behaviour(clip_event("neutral", config, 4.0, rng), config, 4.0, rng)
    moments = behaviour.at(np.arange(0, 4, 0.04))
    assert np.all(moments.intensity == 0)
    assert moments.activation[:, :, UNIT_COLUMN[12]].max() == 0
    assert moments.activation[:, :, UNIT_COLUMN[45]].max() > 0.9
    assert moments.activation[:, :, UNIT_COLUMN[25]].max() > 0.2
    assert moments.speech.max() == 1
    assert np.ptp(moments.yaw) > 0


def test_any_frame_rate_shows_the_same_moments() -> None:
    rng = np.random.default_rng(1)
    config = BehaviourConfig(speech=1.0)
    behaviour = Behaviour(clip_event("fear", config, 2.0, rng), config, 2.0, rng)
    slow, fast = np.arange(0, 2, 0.1), np.arange(0, 2, 0.025)
    for coarse, fine in zip(behaviour.at(slow), behaviour.at(fast)[:], strict=True):
        np.testing.assert_allclose(coarse, fine[::4], atol=1e-9)


def test_speech_parts_pressed_lips_and_overlaps_the_emotion() -> None:
    rng = np.random.default_rng(3)
    talking = BehaviourConfig(visible=(1.0, 1.0), speech=1.0)
    behaviour = Behaviour(clip_event("sad", talking, 2.0, rng), talking, 2.0, rng)
    moments = behaviour.at(np.arange(0, 2, 0.02))
    both = (moments.speech > 0.5) & (moments.intensity > 0.5)
    assert both.any()
    assert np.ptp(moments.activation[both, 0, UNIT_COLUMN[25]]) > 0.1


def test_a_still_face_is_still() -> None:
    rng = np.random.default_rng(2)
    moments = Behaviour(clip_event("happy", STILL, 2.0, rng), STILL, 2.0, rng).at(np.linspace(0, 2, 50))
    assert np.ptp(moments.yaw) == 0
    assert np.ptp(moments.gaze) == 0
    assert moments.activation[:, :, UNIT_COLUMN[45]].max() == 0


def test_activations_stay_in_range() -> None:
    config = BehaviourConfig(speech=1.0, blinks=3.0)
    for seed, label in enumerate(("happy", "angry", "disgust", "contempt")):
        rng = np.random.default_rng(seed)
        moments = Behaviour(clip_event(label, config, 3.0, rng), config, 3.0, rng).at(np.linspace(0, 3, 90))
        assert moments.activation.min() >= 0
        assert moments.activation.max() <= 1


def test_the_story_shows_one_emotion_at_a_time() -> None:
    events = story_events(["happy", "neutral", "anger"], StoryConfig(seconds=3.0), np.random.default_rng(0))
    assert [event.label for event in events] == ["happy", "neutral", "angry"]
    times = np.arange(0, 9, 0.01)
    courses = np.stack([event.intensity(times) for event in events])
    assert np.all((courses > 0).sum(axis=0) <= 1)
    for index, course in enumerate(courses):
        assert course[int((index + 0.5) * 300)] == pytest.approx(1)
