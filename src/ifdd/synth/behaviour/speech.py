"""Speech: what it does to the mouth, in either repertoire."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ifdd.synth.behaviour.action_units import UNIT_COLUMN
from ifdd.synth.behaviour.course import Times, smoothstep
from ifdd.synth.config import BehaviourConfig

Activations = Float[np.ndarray, "times 2 units"]

SPOKEN = (10, 16, 17, 18, 20, 22, 24, 25, 26)
"""Units that visemes consist of. 12 is none of them: speech alone does not raise the corners of the mouth."""

VOWELS: tuple[dict[int, float], ...] = (
    {25: 0.8, 26: 0.42},  # a
    {25: 0.75, 26: 0.28, 16: 0.2},  # e
    {25: 0.7, 26: 0.12, 20: 0.35, 16: 0.3},  # i
    {25: 0.65, 26: 0.28, 22: 0.45, 18: 0.15},  # o
    {25: 0.45, 26: 0.12, 18: 0.55, 22: 0.4},  # u
)
CONSONANTS: tuple[dict[int, float], ...] = (
    {24: 0.4},  # m, b, p: the lips meet
    {25: 0.3, 17: 0.3, 26: 0.05},  # f, v: the lower lip meets the teeth
    {25: 0.5, 22: 0.6, 26: 0.08},  # sh
    {25: 0.5, 26: 0.12, 20: 0.15},  # s
    {25: 0.55, 26: 0.25},  # l, th
    {25: 0.35, 26: 0.15},  # the others, formed inside the mouth
    {25: 0.35, 26: 0.15},
)
"""Visemes: what the listener sees of a sound, at full loudness."""

PAUSE = 0.12
"""Share of the syllables that are silent."""


@dataclass(frozen=True)
class Syllables:
    """The prototypical repertoire's speech: syllables of random strength and mouth shape."""

    start: float
    end: float
    rate: float
    """Syllables per second."""
    strength: Float[np.ndarray, " syllables"]
    shape: Float[np.ndarray, " syllables"]
    """From -1, rounded lips, to 1, spread lips."""

    def add(self, activation: Activations, intensity: Times, times: Times) -> Times:
        """Add what the speaker's mouth does to ``activation`` in place; return the strength of the speech."""
        on = _presence(self.start, self.end, times)
        phase = np.clip((times - self.start) * self.rate, 0, len(self.strength) - 1e-6)
        syllable = phase.astype(int)
        open_mouth = np.sin(np.pi * (phase - syllable)) ** 2 * self.strength[syllable] * on * (1 - 0.45 * intensity)
        spread = self.shape[syllable] * open_mouth
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


@dataclass(frozen=True)
class Visemes:
    """The lifelike repertoire's speech: vowels and consonants in turn, each blending into the next."""

    start: float
    end: float
    rate: float
    """Visemes per second."""
    shapes: Float[np.ndarray, "visemes spoken"]
    """Intensities of the ``SPOKEN`` units."""
    sides: Float[np.ndarray, "2"]
    """Factors of the left and right half of the picture."""

    def add(self, activation: Activations, intensity: Times, times: Times) -> Times:
        """Add what the speaker's mouth does to ``activation`` in place; return the strength of the speech."""
        on = _presence(self.start, self.end, times)
        phase = np.clip((times - self.start) * self.rate, 0, len(self.shapes) - 1 - 1e-6)
        now = phase.astype(int)
        blend = smoothstep(phase - now)[:, None]
        shown = ((1 - blend) * self.shapes[now] + blend * self.shapes[now + 1]) * on[:, None]
        spoken = {number: shown[:, index, None] * self.sides for index, number in enumerate(SPOKEN)}  # each (times, 2)
        parted, rounded = np.minimum(1, spoken[25] / 0.7), np.maximum(spoken[18], spoken[22])
        smile = activation[:, :, UNIT_COLUMN[12]].copy()
        # The emotion's mouth moves along: an open one closes between vowels, a pressed one parts, rounding narrows it.
        factors = {25: 1 - 0.45 * on[:, None] * (1 - parted), 12: 1 - 0.35 * rounded, 20: 1 - 0.6 * rounded}
        factors |= dict.fromkeys((26, 27), 1 - 0.6 * on[:, None] * (1 - parted))
        factors |= dict.fromkeys((17, 23, 24), 1 - 0.7 * parted)
        for number, factor in factors.items():
            activation[:, :, UNIT_COLUMN[number]] *= factor
        for number, course in spoken.items():
            kept = 1 - 0.6 * smile if number in (18, 22, 24) else 1.0
            column = activation[:, :, UNIT_COLUMN[number]]
            np.maximum(column, kept * course, out=column)
        return on


Speech = Syllables | Visemes


def draw_syllables(share: float, duration: float, rng: np.random.Generator) -> Syllables | None:
    """Draw the prototypical speech of a person who speaks with probability ``share``."""
    speaks, start = rng.random() < share, float(rng.uniform(-0.3, 0.5) * duration)
    length, rate = float(rng.uniform(0.5, 1.0) * duration), float(rng.uniform(3.0, 5.0))
    count = int(np.ceil(length * rate)) + 1
    strength, shape = rng.uniform(0.35, 1.0, count), rng.uniform(-1, 1, count)
    return Syllables(start, start + length, rate, strength, shape) if speaks else None


def draw_visemes(share: float, duration: float, rng: np.random.Generator) -> Visemes | None:
    """Draw the lifelike speech of a person who speaks with probability ``share``."""
    if rng.random() >= share:
        return None
    start = float(rng.uniform(-0.4, 0.4) * duration)
    length, rate = float(rng.uniform(0.6, 1.4) * duration), float(rng.uniform(2.5, 5.5))
    loudness = rng.uniform(0.5, 1.0)
    shapes = []
    for _ in range(int(np.ceil(length * rate)) + 2):
        silent, stress = rng.random() < PAUSE, loudness * rng.uniform(0.6, 1.1)
        for sounds in (CONSONANTS, VOWELS):
            viseme = sounds[int(rng.integers(len(sounds)))]
            shapes.append([0.0 if silent else min(1.0, stress * viseme.get(number, 0.0)) for number in SPOKEN])
    return Visemes(start, start + length, 2 * rate, np.array(shapes), rng.uniform(0.85, 1.0, 2))


def draw_speech(config: BehaviourConfig, neutral: bool, duration: float, rng: np.random.Generator) -> Speech | None:
    """Draw the speech of one clip or video; ``neutral`` says that its person shows no emotion."""
    share = config.speech if config.speech_neutral is None or not neutral else config.speech_neutral
    return (draw_visemes if config.repertoire == "lifelike" else draw_syllables)(share, duration, rng)


def _presence(start: float, end: float, times: Times) -> Times:
    return np.minimum(smoothstep((times - start) / 0.15), smoothstep((end - times) / 0.15))
