"""The behaviour of a face over time: the expression of the emotion, and everything unrelated to it.

All of it is a function of time in seconds, so that every frame rate shows the same events.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ifdd.synth.action_units import ACTION_UNITS, UNIT_COLUMN, Expression, sample_expression
from ifdd.synth.config import BehaviourConfig

Times = Float[np.ndarray, " times"]

RISE, FALL = 0.35, 0.45
"""Typical durations of onset and offset in seconds (spontaneous onsets last about 0.3 to 0.6 s)."""


class Event(NamedTuple):
    """One emotion from onset to offset, in seconds; an infinite start or end lies outside the video."""

    label: str
    start: float
    end: float
    rise: float
    fall: float
    expression: Expression

    def intensity(self, times: Times) -> Times:
        """Return the intensity from 0 to 1: a smooth rise to the apex, a hold, a smooth fall."""
        begun = _smoothstep((times - self.start) / self.rise) if np.isfinite(self.start) else np.ones_like(times)
        left = _smoothstep((self.end - times) / self.fall) if np.isfinite(self.end) else np.ones_like(times)
        return np.minimum(begun, left)


class Moments(NamedTuple):
    """The behaviour sampled at some times; angles in degrees."""

    activation: Float[np.ndarray, "times sides=2 units"]
    intensity: Times
    """Intensity of the emotion, 0 to 1 (the strongest event's)."""
    yaw: Times
    pitch: Times
    roll: Times
    gaze: Float[np.ndarray, "times 2"]
    """Yaw and pitch of the eyes in the head."""
    speech: Times
    """Strength of the speech, 0 to 1."""


@dataclass(frozen=True)
class Speech:
    """An interval of speech: syllables of random strength and mouth shape."""

    start: float
    end: float
    rate: float
    """Syllables per second."""
    strength: Float[np.ndarray, " syllables"]
    shape: Float[np.ndarray, " syllables"]
    """From -1, rounded lips, to 1, spread lips."""


class Behaviour:
    """The behaviour of one person during one clip or video.

    Args:
        events: the emotions in temporal order.
        config: strength of everything else.
        duration: seconds to cover with random events.
        rng: random source of blinks, gaze, speech and head motion.
    """

    def __init__(
        self, events: tuple[Event, ...], config: BehaviourConfig, duration: float, rng: np.random.Generator
    ) -> None:
        self.events = events
        self.base = rng.normal(0, 0.45, 3) * config.yaw * (1.0, 0.5, 0.4)
        self.base = np.clip(self.base, -config.yaw * np.array([1, 0.6, 0.5]), config.yaw * np.array([1, 0.6, 0.5]))
        self.sway = rng.normal(0, 1, (3, 3)) * config.sway * np.array([[0.6], [0.4], [0.3]])
        self.sway_rate = rng.uniform(0.15, 0.8, (3, 3))
        self.sway_phase = rng.uniform(0, 2 * np.pi, (3, 3))
        self.limit = config.yaw + config.sway
        self.blinks = self._blinks(config, duration, rng)
        self.gaze_starts, self.gaze_targets = self._gaze(config, duration, rng)
        self.speech = self._speech(config, duration, rng)
        self.rest = rng.uniform(0, 0.12, (2, 4))

    def at(self, times: Times) -> Moments:
        """Return the behaviour at ``times`` (seconds)."""
        activation = np.zeros((len(times), 2, len(ACTION_UNITS)))
        intensity, pitch, roll = np.zeros_like(times), np.zeros_like(times), np.zeros_like(times)
        gaze = self._gaze_at(times)
        for event in self.events:
            course = event.intensity(times)
            activation = np.maximum(activation, course[:, None, None] * event.expression.activation)
            if event.label != "neutral":
                intensity = np.maximum(intensity, course)
            pitch += course * event.expression.pitch
            roll += course * event.expression.roll
            gaze[:, 1] += course * event.expression.gaze_down
        spoken = self._add_speech(activation, intensity, times)
        self._add_rest(activation, intensity)
        closed = np.max(
            [_bump((times - start) / length) for start, length in self.blinks] + [np.zeros_like(times)], axis=0
        )
        activation[:, :, UNIT_COLUMN[45]] = np.maximum(activation[:, :, UNIT_COLUMN[45]], closed[:, None])
        sines = np.sin(2 * np.pi * self.sway_rate[..., None] * times + self.sway_phase[..., None])
        motion = self.base[:, None] + np.sum(self.sway[..., None] * sines, axis=1) / 1.7
        nod = 1.5 * spoken * np.sin(2 * np.pi * 1.3 * times)
        yaw = np.clip(motion[0], -self.limit, self.limit)
        return Moments(activation, intensity, yaw, motion[1] + pitch + nod, motion[2] + roll, gaze, spoken)

    def _blinks(self, config: BehaviourConfig, duration: float, rng: np.random.Generator) -> list[tuple[float, float]]:
        count = int(rng.poisson(config.blinks * duration))
        return [(float(rng.uniform(-0.2, duration)), float(rng.uniform(0.2, 0.35))) for _ in range(count)]

    def _gaze(
        self, config: BehaviourConfig, duration: float, rng: np.random.Generator
    ) -> tuple[Times, Float[np.ndarray, "shifts 2"]]:
        starts, time = [-1.0], 0.0
        while (time := time + float(rng.uniform(0.4, 2.0))) < duration:
            starts.append(time)
        return np.array(starts), rng.normal(0, 1, (len(starts), 2)) * config.gaze * (1.0, 0.5)

    def _gaze_at(self, times: Times) -> Float[np.ndarray, "times 2"]:
        gaze = np.repeat(self.gaze_targets[:1], len(times), axis=0)
        for start, before, after in zip(self.gaze_starts[1:], self.gaze_targets, self.gaze_targets[1:], strict=False):
            gaze += _smoothstep((times - start) / 0.06)[:, None] * (after - before)
        return gaze

    def _speech(self, config: BehaviourConfig, duration: float, rng: np.random.Generator) -> Speech | None:
        speaks, start = rng.random() < config.speech, float(rng.uniform(-0.3, 0.5) * duration)
        length, rate = float(rng.uniform(0.5, 1.0) * duration), float(rng.uniform(3.0, 5.0))
        syllables = int(np.ceil(length * rate)) + 1
        strength, shape = rng.uniform(0.35, 1.0, syllables), rng.uniform(-1, 1, syllables)
        return Speech(start, start + length, rate, strength, shape) if speaks else None

    def _add_speech(self, activation: Float[np.ndarray, "times 2 units"], intensity: Times, times: Times) -> Times:
        if self.speech is None:
            return np.zeros_like(times)
        speech = self.speech
        on = np.minimum(_smoothstep((times - speech.start) / 0.15), _smoothstep((speech.end - times) / 0.15))
        phase = np.clip((times - speech.start) * speech.rate, 0, len(speech.strength) - 1e-6)
        syllable = phase.astype(int)
        open_mouth = np.sin(np.pi * (phase - syllable)) ** 2 * speech.strength[syllable] * on * (1 - 0.45 * intensity)
        spread = speech.shape[syllable] * open_mouth
        for number, course in (
            (25, 0.9 * open_mouth),
            (26, 0.42 * open_mouth),
            (18, 0.6 * np.maximum(-spread, 0)),
            (20, 0.35 * np.maximum(spread, 0)),
        ):
            column = activation[:, :, UNIT_COLUMN[number]]
            np.maximum(column, course[:, None], out=column)
        # Speaking lips cannot stay pressed.
        for number in (23, 24):
            activation[:, :, UNIT_COLUMN[number]] *= (1 - 0.7 * open_mouth)[:, None]
        return on

    def _add_rest(self, activation: Float[np.ndarray, "times 2 units"], intensity: Times) -> None:
        """Add this person's faint resting units: no face at rest is quite symmetric or still."""
        for column, number in enumerate((2, 4, 14, 17)):
            unit = activation[:, :, UNIT_COLUMN[number]]
            np.maximum(unit, self.rest[:, column] * (1 - intensity)[:, None], out=unit)


def clip_event(label: str, config: BehaviourConfig, duration: float, rng: np.random.Generator) -> tuple[Event, ...]:
    """Return the emotion of one clip: visible for a random share of ``duration``, with its apex."""
    expression = sample_expression(label, rng, strength=float(rng.uniform(*config.strength)))
    share = float(rng.uniform(*config.visible))
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


def _smoothstep(share: Times) -> Times:
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)


def _bump(share: Times) -> Times:
    """Return the closure of the lids during a blink: 0 outside [0, 1]; they close faster than they open."""
    return np.minimum(_smoothstep(share / 0.3), _smoothstep((1 - share) / 0.5))
