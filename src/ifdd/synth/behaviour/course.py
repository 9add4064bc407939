"""Courses over time: an emotion from onset to offset, and how each repertoire draws one for a clip."""

from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from ifdd.synth.behaviour.action_units import Expression
from ifdd.synth.behaviour.repertoire import draw_expression
from ifdd.synth.config import BehaviourConfig

Times = Float[np.ndarray, " times"]

RISE, FALL = 0.35, 0.45
"""Typical durations of onset and offset in seconds (spontaneous onsets last about 0.3 to 0.6 s)."""

SLOW = 0.9
"""Longest onset and offset of the lifelike repertoire in seconds."""

Course = Literal["constant", "onset", "offset", "both"]
"""What a clip shows of an emotion besides its apex."""

COURSE_SHARES = (0.4, 0.3, 0.1, 0.2)
"""Shares of the courses in the lifelike repertoire."""

FLOOR, EBB = 0.35, 0.25
"""Largest intensity before the onset and after the offset, and largest loss of intensity at the apex, in the lifelike
repertoire: faces are rarely quite at rest or quite constant."""


class Event(NamedTuple):
    """One emotion from onset to offset, in seconds; an infinite start or end lies outside the video."""

    label: str
    start: float
    end: float
    rise: float
    fall: float
    expression: Expression
    floor: float = 0.0
    """Intensity before the start and after the end."""
    ebb: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Slow change of the apex: largest loss of intensity, rate per second, phase in radians."""

    def intensity(self, times: Times) -> Times:
        """Return the intensity from 0 to 1: a smooth rise to the apex, a hold, a smooth fall."""
        begun = smoothstep((times - self.start) / self.rise) if np.isfinite(self.start) else np.ones_like(times)
        left = smoothstep((self.end - times) / self.fall) if np.isfinite(self.end) else np.ones_like(times)
        course = np.minimum(begun, left)
        if self.floor > 0:
            course = self.floor + (1 - self.floor) * course
        depth, rate, phase = self.ebb
        return course * (1 - depth * (0.5 - 0.5 * np.cos(2 * np.pi * rate * times + phase))) if depth > 0 else course


def clip_event(label: str, config: BehaviourConfig, duration: float, rng: np.random.Generator) -> tuple[Event, ...]:
    """Return the emotion of one clip: visible for a random share of ``duration``, with its apex."""
    expression = draw_expression(label, config.repertoire, rng, strength=float(rng.uniform(*config.strength)))
    share = float(rng.uniform(*config.visible))
    if config.repertoire == "lifelike":
        return (_lifelike_event(label, expression, share, duration, rng),)
    place, begun, lasting = float(rng.random()), rng.random() < 0.5, rng.random() < 0.5
    if label == "neutral":
        return (Event(label, -np.inf, np.inf, RISE, FALL, expression),)
    start = place * (1 - share) * duration
    end = start + share * duration
    if share > 0.98:
        start, end = -np.inf, np.inf
    elif share > 0.5:
        # Long expressions often begin before the clip or outlast it; the visible share stays the same.
        if begun:
            start, end = -np.inf, share * duration
        elif lasting:
            start, end = (1 - share) * duration, np.inf
    return (
        Event(label, start, end, min(RISE, 0.35 * share * duration), min(FALL, 0.35 * share * duration), expression),
    )


def _lifelike_event(
    label: str, expression: Expression, share: float, duration: float, rng: np.random.Generator
) -> Event:
    """Return an emotion that is constant, begins, ends, or does both; ``share`` is the visible part of the clip."""
    if label == "neutral":
        return Event(label, -np.inf, np.inf, RISE, FALL, expression)
    course: Course = get_args(Course)[int(rng.choice(len(COURSE_SHARES), p=COURSE_SHARES))]
    place, floor = float(rng.random()), float(rng.uniform(0, FLOOR))
    rise, fall = (min(float(rng.uniform(0.25, SLOW)), 0.35 * share * duration) for _ in range(2))
    ebb = (float(rng.uniform(0, EBB)), float(rng.uniform(0.1, 0.8)), float(rng.uniform(0, 2 * np.pi)))
    start, end = {
        "constant": (-np.inf, np.inf),
        "onset": ((1 - share) * duration, np.inf),
        "offset": (-np.inf, share * duration),
        "both": (place * (1 - share) * duration, (place * (1 - share) + share) * duration),
    }[course]
    return Event(label, start, end, rise, fall, expression, floor, ebb)


def smoothstep(share: Times) -> Times:
    """Return a smooth step: 0 up to 0, 1 from 1 on."""
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)
