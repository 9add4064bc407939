"""Facial action units, and the combinations of them that express an emotion.

Names and meanings: P. Ekman, W. V. Friesen, J. C. Hager, "Facial Action Coding System" (2002).
Combinations: its Investigator's Guide (prototypes and major variants of six emotions, unilateral 12 or 14 for
contempt) and S. Du, Y. Tao, A. M. Martinez, "Compound facial expressions of emotion", PNAS 111 (2014), table 1. Where
the table lists a unit, its share of people is the probability of the optional unit below.

MAFW's anxiety, helplessness and disappointment have no prototype in this literature. Assumptions of this module:
anxiety is the brows and lids of a weak fear with stretched, pressed lips; helplessness the facial shrug (1+2+15+17,
head tilted); disappointment a mild sadness with pressed lips and dimples, gaze and head lowered. The same holds for
RAVDESS's calm, which is assumed to be a face at rest with a trace of a smile.
"""

from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from ifdd.data.labels import canonical_label
from ifdd.errors import InputError

ACTION_UNITS: dict[int, str] = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    18: "lip pucker",
    20: "lip stretcher",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    45: "blink",
    22: "lip funneler",
    27: "mouth stretch",
    43: "eye closure",
}
"""FACS number -> name, in the order of the columns of every activation."""

FIRST_UNITS = 20
"""Number of units in the first edition of the table. Seeds must go on giving the same expressions, so the prototypical
repertoire, which has no later unit, draws random numbers for these alone."""

UNIT_COLUMN = MappingProxyType({number: column for column, number in enumerate(ACTION_UNITS)})
"""FACS number -> column of an activation."""

Activation = Float[np.ndarray, "sides=2 units"]
"""Intensities from 0 to 1; row 0 is the half of the face at the left of the picture, row 1 the right half."""


@dataclass(frozen=True)
class Prototype:
    """One way to express an emotion: units and their intensity at the apex, head pose and gaze."""

    units: dict[int, tuple[float, float]]
    """Unit that every person shows -> lowest and highest intensity at the apex."""
    optional: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    """Unit -> probability that a person shows it, lowest and highest intensity at the apex."""
    unilateral: bool = False
    """Whether only one half of the face shows the units below the eyes."""
    head: tuple[float, float] = (0.0, 0.0)
    """Pitch (down positive) and roll of the head at the apex in degrees; the side of the roll is random."""
    gaze_down: float = 0.0
    """Lowering of the gaze at the apex in degrees."""


PROTOTYPES: dict[str, tuple[Prototype, ...]] = {
    "neutral": (Prototype(units={}),),
    "calm": (Prototype({12: (0.1, 0.25)}),),
    "happy": (
        Prototype(
            {6: (0.6, 1.0), 12: (0.75, 1.0)},
            {25: (0.75, 0.5, 1.0), 26: (0.25, 0.15, 0.35), 7: (0.2, 0.2, 0.4)},
            head=(-2.0, 2.0),
        ),
    ),
    "sad": (
        Prototype(
            {1: (0.7, 1.0), 4: (0.5, 0.8), 15: (0.7, 1.0)},
            {17: (0.67, 0.4, 0.8), 6: (0.3, 0.2, 0.4), 25: (0.1, 0.1, 0.3)},
            head=(5.0, 3.0),
            gaze_down=8.0,
        ),
    ),
    "angry": (
        Prototype(
            {4: (0.8, 1.0), 5: (0.3, 0.6), 7: (0.6, 1.0), 24: (0.7, 1.0)},
            {17: (0.52, 0.4, 0.7), 23: (0.29, 0.3, 0.6)},
            head=(4.0, 0.0),
        ),
        Prototype(
            {4: (0.8, 1.0), 5: (0.3, 0.6), 7: (0.6, 1.0), 23: (0.7, 1.0)}, {17: (0.5, 0.4, 0.7)}, head=(4.0, 0.0)
        ),
        Prototype(
            {
                4: (0.8, 1.0),
                5: (0.4, 0.7),
                7: (0.5, 0.9),
                16: (0.4, 0.8),
                23: (0.4, 0.7),
                25: (0.6, 1.0),
                26: (0.15, 0.4),
            },
            {10: (0.26, 0.2, 0.4)},
            head=(3.0, 0.0),
        ),
    ),
    "surprise": (
        Prototype(
            {1: (0.8, 1.0), 2: (0.8, 1.0), 25: (0.7, 1.0), 26: (0.75, 1.0)}, {5: (0.75, 0.5, 0.9)}, head=(-4.0, 0.0)
        ),
    ),
    "disgust": (
        Prototype(
            {9: (0.8, 1.0), 10: (0.7, 1.0), 17: (0.3, 0.6)},
            {4: (0.31, 0.3, 0.6), 7: (0.4, 0.3, 0.6), 25: (0.4, 0.3, 0.6), 24: (0.1, 0.2, 0.4)},
            head=(-2.0, 3.0),
        ),
        Prototype(
            {9: (0.8, 1.0), 10: (0.8, 1.0), 25: (0.5, 0.9)},
            {4: (0.31, 0.3, 0.6), 16: (0.4, 0.3, 0.6), 26: (0.3, 0.1, 0.3)},
            head=(-2.0, 3.0),
        ),
    ),
    "fear": (
        Prototype(
            {1: (0.8, 1.0), 2: (0.4, 0.7), 4: (0.5, 0.8), 5: (0.8, 1.0), 20: (0.75, 1.0), 25: (0.7, 1.0)},
            {26: (0.33, 0.15, 0.4), 7: (0.2, 0.2, 0.4)},
            head=(-3.0, 0.0),
        ),
    ),
    "contempt": (
        Prototype({12: (0.6, 0.9), 14: (0.7, 1.0)}, {2: (0.2, 0.2, 0.5)}, unilateral=True, head=(-4.0, 4.0)),
        Prototype({14: (0.8, 1.0)}, {12: (0.6, 0.3, 0.6)}, unilateral=True, head=(-4.0, 4.0)),
    ),
    "anxiety": (
        Prototype(
            {1: (0.6, 0.9), 4: (0.5, 0.8), 5: (0.2, 0.5), 20: (0.3, 0.6), 24: (0.5, 0.8)},
            {2: (0.3, 0.2, 0.4), 7: (0.4, 0.2, 0.5), 14: (0.3, 0.2, 0.4)},
            head=(2.0, 0.0),
        ),
    ),
    "helplessness": (
        Prototype(
            {1: (0.7, 1.0), 2: (0.5, 0.9), 15: (0.6, 1.0), 17: (0.6, 0.9)},
            {4: (0.3, 0.2, 0.4), 25: (0.2, 0.1, 0.3)},
            head=(0.0, 10.0),
        ),
    ),
    "disappointment": (
        Prototype(
            {1: (0.3, 0.5), 4: (0.4, 0.6), 14: (0.4, 0.7), 15: (0.5, 0.8), 24: (0.4, 0.7)},
            {17: (0.5, 0.3, 0.6), 7: (0.2, 0.2, 0.4)},
            head=(9.0, 3.0),
            gaze_down=12.0,
        ),
    ),
}
"""Canonical label -> equally likely ways to express it: the prototypical repertoire."""

UPPER_FACE = (1, 2, 4, 5, 6, 7, 9, 43, 45)


@dataclass(frozen=True)
class Expression:
    """The apex of one person's expression of an emotion."""

    activation: Activation
    pitch: float = 0.0
    """Head pitch in degrees, down positive."""
    roll: float = 0.0
    """Head roll in degrees."""
    gaze_down: float = 0.0
    """Lowering of the gaze in degrees."""


def no_activation() -> Activation:
    """Return the activation of a face at rest: all zeros."""
    return np.zeros((2, len(ACTION_UNITS)), np.float32)


def activation_of(units: dict[int, float]) -> Activation:
    """Return the symmetric activation with these intensities; all other units are 0."""
    activation = no_activation()
    for number, intensity in units.items():
        activation[:, UNIT_COLUMN[number]] = intensity
    return activation


def expressible(name: str) -> str:
    """Return the canonical spelling of an emotion that has a prototype.

    Raises:
        InputError: it has none, as the compounds, or the name is unknown.
    """
    label = canonical_label(name)
    if label not in PROTOTYPES:
        raise InputError(f"SynthDFER cannot show {name!r}; it shows {', '.join(PROTOTYPES)}")
    return label


def sample_expression(label: str, rng: np.random.Generator, strength: float = 1.0) -> Expression:
    """Draw one person's prototypical expression of ``label`` (a canonical name) at its apex.

    ``strength`` scales all intensities. The halves of the face differ by up to 12 %.
    """
    prototype = PROTOTYPES[label][int(rng.integers(len(PROTOTYPES[label])))]
    units = {number: rng.uniform(low, high) for number, (low, high) in prototype.units.items()}
    for number, (probability, low, high) in prototype.optional.items():
        shown, intensity = rng.random() < probability, rng.uniform(low, high)
        if shown and number not in units:
            units[number] = intensity
    activation = activation_of({number: min(1.0, strength * value) for number, value in units.items()})
    activation[:, :FIRST_UNITS] *= rng.uniform(0.88, 1.0, (2, FIRST_UNITS)).astype(np.float32)
    side = int(rng.integers(2))
    if prototype.unilateral:
        lower = [column for number, column in UNIT_COLUMN.items() if number not in UPPER_FACE]
        activation[side, lower] *= 0.06
    pitch, roll = prototype.head
    return Expression(
        activation, pitch * rng.uniform(0.5, 1.2), roll * rng.uniform(0.5, 1.2) * (-1) ** side, prototype.gaze_down
    )
