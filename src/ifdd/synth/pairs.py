"""Minimal pairs: the same person, scene and random events, changed in one known way.

Each pair belongs to a test clip of the set with the same seed and settings, so its people are in no training clip of
that set. Its expression is that of the test clip, and only its course over time is set: the reference, ``onset``, rises
from nothing to the apex and stays there. In ``onset``, ``constant`` and ``offset`` all but the emotion is the same
function of time: pose and gaze, apart from the head pose and lowered gaze that belong to the expression and follow its
course, blinks, speech, light, camera, noise. The last frames of ``onset`` and ``constant`` are the same (not of the
preset lifelike, whose camera exposes for the first frame). The other conditions are frames of ``onset`` in another
order.

All clips keep the emotion as their label. The classes of SynthDFER are defined by action units, not by their order.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Literal, NamedTuple, get_args

import numpy as np

from ifdd.data.labels import canonical_label
from ifdd.errors import InputError
from ifdd.synth.behaviour.action_units import UNIT_COLUMN
from ifdd.synth.behaviour.course import Event
from ifdd.synth.config import SynthConfig
from ifdd.synth.plan import ClipPlan, plan_clip
from ifdd.synth.render import Clip, render_plan
from ifdd.synth.rigs import DEFAULT_RIG, RigMaker
from ifdd.synth.truth import FrameTruth

Condition = Literal["onset", "constant", "offset", "reversed", "shuffled", "frozen_apex", "frozen_rise"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
"""onset: from nothing to the apex. constant: the apex throughout, with the end frame of onset. offset: the intensities
of onset backwards in time. reversed, shuffled: the frames of onset in another order. frozen_apex, frozen_rise: one
frame of onset in place of all, at the apex or at half of it, between blinks."""

REST, RISE, LONGEST_RISE = 0.2, 0.4, 0.9
"""Share of the clip before the onset, share during which it rises, and the longest rise in seconds."""

BLINK = 0.3
"""Closure of the lids above which a frame is not used in place of all others."""

LEAST_FRAMES = 3
"""Fewest frames of a clip in which an onset, an apex and an order can be seen."""


class PairClip(NamedTuple):
    """One clip of a pair."""

    pair: str
    condition: Condition
    plan: ClipPlan


def plan_pairs(config: SynthConfig, seed: int, pairs: int) -> Iterator[tuple[PairClip, ...]]:
    """Yield the clips of each pair, all conditions in their order.

    The pairs are those of the first test clips with an emotion in the set with this seed: neutral has no course.

    Raises:
        InputError: the set has no test clips, or its clips are too short.
    """
    if "test" not in config.subset_people():
        raise InputError(f"minimal pairs show people of the test subset; --test is {config.test:g}, use more than 0")
    if config.frames < LEAST_FRAMES:
        raise InputError(f"--frames is {config.frames}; minimal pairs need at least {LEAST_FRAMES}")
    found = 0
    for index in count():
        if found == pairs:
            return
        plan = plan_clip(config, seed, index)
        if plan.subset == "test" and canonical_label(plan.label) != "neutral":
            found += 1
            yield tuple(
                PairClip(plan.clip_id, condition, plan._replace(clip_id=f"{plan.clip_id}_{condition}"))
                for condition in CONDITIONS
            )


def render_pair_clip(config: SynthConfig, seed: int, clip: PairClip, make_rig: RigMaker = DEFAULT_RIG) -> Clip:
    """Render one clip of a pair; the same arguments give the same bytes."""
    course: Condition = clip.condition if clip.condition in ("constant", "offset") else "onset"
    last = _last_moment(config)
    size = (config.size, config.size)
    rendered = render_plan(clip.plan, config, seed, size, make_rig, lambda event: with_course(event, course, last))
    order = frame_order(clip.condition, rendered.truth, seed, clip.plan.number)
    truth = tuple(
        rendered.truth[shown]._replace(seconds=rendered.truth[place].seconds) for place, shown in enumerate(order)
    )
    return rendered._replace(frames=rendered.frames[order], truth=truth)


def with_course(event: Event, course: Condition, last: float) -> Event:
    """Return an emotion with another course; ``last`` is the time of the clip's last frame in seconds."""
    begin, rise = _rise(last)
    start, end = {"onset": (begin, np.inf), "offset": (-np.inf, last - begin)}.get(course, (-np.inf, np.inf))
    return event._replace(start=start, end=end, rise=rise, fall=rise, floor=0.0, ebb=(0.0, 0.0, 0.0))


def frame_order(condition: Condition, truth: Sequence[FrameTruth], seed: int, number: int) -> np.ndarray:
    """Return which frame of the rendered clip is shown in place of each.

    Args:
        condition: the condition.
        truth: the frames of the rendered clip.
        seed: seed of the set.
        number: number of the clip.
    """
    order = np.arange(len(truth))
    if condition == "reversed":
        return order[::-1]
    if condition == "shuffled":
        shuffled = np.random.default_rng([seed, 24, number]).permutation(order)
        return np.roll(order, 1) if np.array_equal(shuffled, order) else shuffled
    if condition in ("frozen_apex", "frozen_rise"):
        return np.full(len(truth), _picture(truth, 1.0 if condition == "frozen_apex" else 0.5))
    return order


def _picture(truth: Sequence[FrameTruth], intensity: float) -> int:
    """Return the frame that stands for an intensity: the nearest, the last of several, without a blink if possible."""

    def distance(place: int) -> tuple[bool, float, int]:
        blinks = truth[place].activation[:, UNIT_COLUMN[45]].max() > BLINK
        return bool(blinks), round(abs(truth[place].intensity - intensity), 6), -place

    return min(range(len(truth)), key=distance)


def _last_moment(config: SynthConfig) -> float:
    """Return the time of a clip's last frame in seconds."""
    return (config.frames - 1) / config.fps


def _rise(last: float) -> tuple[float, float]:
    """Return when the emotion begins to rise, and for how long, in seconds."""
    return REST * last, min(RISE * last, LONGEST_RISE)
