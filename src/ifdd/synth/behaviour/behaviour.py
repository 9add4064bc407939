"""The behaviour of a face over time: the expression of the emotion, and everything unrelated to it.

All of it is a function of time in seconds, so that every frame rate shows the same events.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ifdd.synth.behaviour.action_units import ACTION_UNITS, UNIT_COLUMN, activation_of
from ifdd.synth.behaviour.course import Event, Times, smoothstep
from ifdd.synth.behaviour.speech import draw_speech
from ifdd.synth.config import BehaviourConfig

HABITS_VERSION = 2
"""Version of how habits are drawn, recorded in the settings of sets whose people have some."""

REPERTOIRE_VERSION = 1
"""Version of what the lifelike repertoire draws, recorded in the settings of its sets: increase it when the same seed
gives other expressions, courses, speech, gaze or faces at rest. Sets from before this record count as version 1."""

GAZE_LIMITS = np.array([28.0, 15.0])
"""Largest yaw and pitch of the eyes in the head that a person holds, in degrees."""

PARTED = 0.2
"""Probability that the lips are parted at rest, in the lifelike repertoire."""


Habit = dict[int, tuple[float, float]]
"""Unit -> least and largest intensity."""

SQUINTS: tuple[Habit, ...] = (
    {4: (0.2, 0.8), 6: (0.1, 0.7), 7: (0.3, 1.0), 43: (0.0, 0.3)},  # in the sun
    {4: (0.3, 0.9), 7: (0.0, 0.5)},  # effort
    {4: (0.0, 0.4), 7: (0.0, 0.3), 43: (0.2, 0.5)},  # heavy lids
)
RAISED_BROWS: tuple[Habit, ...] = (
    {1: (0.2, 0.7), 2: (0.2, 0.8)},  # emphasis, a question, listening
    {1: (0.2, 0.6), 2: (0.2, 0.7), 5: (0.1, 0.4)},  # attention
)
"""P. Ekman, "About brows: emotional and conversational signals", in: Human Ethology (1979)."""

HABITS = {"squint": SQUINTS, "raised_brows": RAISED_BROWS}
"""Field of ``BehaviourConfig`` with the share of the clips that show a habit -> its kinds."""


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


def has_habits(config: BehaviourConfig) -> bool:
    """Whether some people of a set show a habit."""
    return any(getattr(config, name) > 0 for name in HABITS)


class Rest(NamedTuple):
    """Units of a face at rest."""

    lasting: Float[np.ndarray, "sides=2 units"]
    """What partly stays while the person shows an emotion."""
    fading: Float[np.ndarray, "sides=2 units"]
    """What the emotion replaces."""


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
        lifelike = config.repertoire == "lifelike"
        self.gaze_starts, self.gaze_targets = self._gaze(config, duration, rng)
        if lifelike:
            self.gaze_targets = _held_gaze(self.gaze_targets, self.base, config, rng)
        self.speech = draw_speech(config, all(event.label == "neutral" for event in events), duration, rng)
        self.rest = _lifelike_rest(rng) if lifelike else _faint_rest(rng)
        self.habits: tuple[str, ...] = ()
        """What the face shows at rest, whatever the emotion: names of ``HABITS``."""
        for number, (name, kinds) in enumerate(HABITS.items()):
            share: float = getattr(config, name)
            habit_rng = _aside(rng, number)
            if habit_rng.random() < share:
                self.habits += (name,)
                self.rest = _with_habit(self.rest, kinds[int(habit_rng.integers(len(kinds)))], habit_rng)

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
        spoken = self.speech.add(activation, intensity, times) if self.speech else np.zeros_like(times)
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
            gaze += smoothstep((times - start) / 0.06)[:, None] * (after - before)
        return gaze

    def _add_rest(self, activation: Float[np.ndarray, "times 2 units"], intensity: Times) -> None:
        """Add this person's resting units: no face at rest is quite symmetric or still."""
        lasting, fading = self.rest
        course = intensity[:, None, None]
        rest = np.maximum(lasting * (1 - 0.6 * course), fading * (1 - course))
        np.maximum(activation, rest, out=activation)


def _faint_rest(rng: np.random.Generator) -> Rest:
    """Draw the resting units of the prototypical repertoire, which any emotion replaces."""
    faint = activation_of({}).astype(float)
    faint[:, [UNIT_COLUMN[number] for number in (2, 4, 14, 17)]] = rng.uniform(0, 0.12, (2, 4))
    return Rest(np.zeros_like(faint), faint)


def _lifelike_rest(rng: np.random.Generator) -> Rest:
    """Draw the resting units of the lifelike repertoire: brows and lids, which partly stay, and the mouth."""
    brows = [{}, {}, {1: rng.uniform(0.05, 0.2), 2: rng.uniform(0.05, 0.25)}, {4: rng.uniform(0.05, 0.2)}]
    lids = [{}, {}, {7: rng.uniform(0.05, 0.2)}, {43: rng.uniform(0.05, 0.25)}, {5: rng.uniform(0.05, 0.15)}]
    mouths = [{}, {}, {14: rng.uniform(0, 0.15), 17: rng.uniform(0, 0.15)}, {15: rng.uniform(0, 0.1)}]
    parted = {25: rng.uniform(0.2, 0.6), 26: rng.uniform(0, 0.12)} if rng.random() < PARTED else {}
    brow, lid, mouth = (kinds[int(rng.integers(len(kinds)))] for kinds in (brows, lids, mouths))
    lasting, fading = (
        activation_of(units) * rng.uniform(0.7, 1.0, (2, len(ACTION_UNITS)))
        for units in ({**brow, **lid}, {**mouth, **parted})
    )
    return Rest(lasting, fading)


def _aside(rng: np.random.Generator, number: int) -> np.random.Generator:
    """Return a generator beside those that ``spawn`` gives, which leaves them and the draws of ``rng`` as they are."""
    source = rng.bit_generator.seed_seq
    assert isinstance(source, np.random.SeedSequence), "generators of this room are made from seeds"
    return np.random.default_rng(np.random.SeedSequence(source.entropy, spawn_key=(*source.spawn_key, 2**31 + number)))


def _with_habit(rest: Rest, habit: Habit, rng: np.random.Generator) -> Rest:
    """Return a face that shows a habit at rest."""
    units = activation_of({number: rng.uniform(*intensities) for number, intensities in habit.items()})
    return rest._replace(lasting=np.maximum(rest.lasting, units * rng.uniform(0.8, 1.0, (2, len(ACTION_UNITS)))))


def _held_gaze(
    shifts: Float[np.ndarray, "shifts 2"],
    head: Float[np.ndarray, "3"],
    config: BehaviourConfig,
    rng: np.random.Generator,
) -> Float[np.ndarray, "shifts 2"]:
    """Let a person look into the camera (35 %), aside (25 %) or about (40 %) throughout the clip.

    Args:
        shifts: the directions of somebody who looks about.
        head: yaw, pitch and roll of the head, in degrees.
        config: gives the strength of the gaze.
        rng: random source.
    """
    kind, aside = rng.random(), rng.normal(0, 1.5, 2) * config.gaze * (1.0, 0.5)
    if kind < 0.35:
        shifts = 0.12 * shifts - head[:2]
    elif kind < 0.6:
        shifts = 0.12 * shifts + aside
    return np.asarray(np.clip(shifts, -GAZE_LIMITS, GAZE_LIMITS))


def _bump(share: Times) -> Times:
    """Return the closure of the lids during a blink: 0 outside [0, 1]; they close faster than they open."""
    return np.minimum(smoothstep(share / 0.3), smoothstep((1 - share) / 0.5))
