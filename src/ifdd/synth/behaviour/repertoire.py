"""The lifelike repertoire: several ways to express an emotion, as people make them, weaker and less symmetric.

Sources of the seven emotions' combinations:

- P. Ekman, W. V. Friesen, J. C. Hager, "Facial Action Coding System: Investigator's Guide" (2002), prototypes and major
  variants: surprise 1+2+5+26/27 and its parts, fear 1+2+4+5 with or without 20, 25, 26, happiness 12 with or without 6,
  sadness 1+4+15 with or without 17, and 6+15, disgust 9 or 10 with 16, 17, 25, 26, anger 4+5+7 with 23, 24 or an open
  mouth of 10, 22, 25, 26.
- S. Du, Y. Tao, A. M. Martinez, "Compound facial expressions of emotion", PNAS 111 (2014), table 1: fear as 1+4+20+25
  with 2 and 5 in some people, anger as 4+7+24 with 10, 17, 23, disgust as 9+10+17 with 4 and 24.
- P. Ekman, W. V. Friesen, "Unmasking the Face" (1975): anger with the mouth closed and open, fear and surprise in parts
  of the face.
- P. Rozin, L. Lowery, R. Ebert, "Varieties of disgust faces and the structure of disgust", Journal of Personality and
  Social Psychology 66 (1994): disgust of the nose and of the upper lip.
- C. Darwin, "The Expression of the Emotions in Man and Animals" (1872), chapter VI: crying, with the eyes firmly closed
  and the mouth stretched; chapter VII: low spirits, with the head hanging and the lids drooping.

Intensities, probabilities of optional units and the following rules are assumptions of this module, so that a person
can tell the classes apart: anger always lowers the brows, fear always raises their inner ends and draws them together,
sadness raises the inner brows, lowers the corners of the mouth, or cries, and disgust always wrinkles the nose or
raises the upper lip, but lowers the brows less than anger. No class shows by chance the units that suggest another one
most (``CONTRADICTIONS``). Some that belong to another one remain, such as a faint 4 in disgust and a faint 10 in
happiness, anger, surprise and fear. A neutral face may show any unit, but more faintly.
"""

import numpy as np

from ifdd.synth.behaviour.action_units import (
    ACTION_UNITS,
    UNIT_COLUMN,
    UPPER_FACE,
    Expression,
    Prototype,
    activation_of,
    sample_expression,
)
from ifdd.synth.config import Repertoire

MARK, CLEAR, SOME = (0.95, 1.2), (0.55, 1.2), (0.3, 1.0)
"""Intensities at the apex, before the clip's strength: of a unit by which the class is known, of one that is always
clear, and of one that may be weak. What exceeds 1 counts as 1."""

CHANCE, FAINT, FAINT_NEUTRAL = 0.12, 0.22, 0.1
"""Probability of each unit to appear by chance, and its largest intensity, in an emotion and in a neutral face."""

LIFELIKE: dict[str, tuple[Prototype, ...]] = {
    "neutral": (Prototype({}),),
    "happy": (
        Prototype(  # an open smile
            {6: SOME, 12: MARK, 25: CLEAR},
            {26: (0.35, 0.15, 0.5), 7: (0.3, 0.2, 0.5), 16: (0.15, 0.2, 0.4), 10: (0.2, 0.1, 0.3)},
            head=(-2.0, 4.0),
        ),
        Prototype(  # a closed smile
            {6: SOME, 12: MARK},
            {25: (0.25, 0.2, 0.5), 7: (0.3, 0.2, 0.5), 14: (0.25, 0.2, 0.5)},
            head=(0.0, 5.0),
        ),
        Prototype({6: (0.15, 0.5), 12: (0.6, 0.9)}, {25: (0.4, 0.2, 0.7), 14: (0.2, 0.1, 0.3)}),  # a faint smile
        Prototype(  # a broad smile or laughter
            {6: MARK, 12: MARK, 25: MARK, 26: CLEAR},
            {43: (0.2, 0.3, 0.8), 10: (0.2, 0.1, 0.4), 20: (0.2, 0.2, 0.4), 27: (0.25, 0.2, 0.5), 7: (0.3, 0.2, 0.6)},
            head=(-5.0, 4.0),
        ),
    ),
    "sad": (
        Prototype(
            {1: MARK, 4: (0.3, 0.8), 15: MARK, 17: SOME},
            {43: (0.25, 0.2, 0.6), 7: (0.2, 0.2, 0.4)},
            head=(6.0, 7.0),
            gaze_down=8.0,
        ),
        Prototype(
            {1: MARK, 4: (0.3, 0.7), 15: MARK},
            {25: (0.3, 0.2, 0.5), 43: (0.3, 0.2, 0.5), 6: (0.25, 0.2, 0.5), 17: (0.2, 0.2, 0.5)},
            head=(7.0, 7.0),
            gaze_down=10.0,
        ),
        Prototype(  # crying, the mouth open
            {1: SOME, 4: CLEAR, 6: SOME, 7: CLEAR, 15: SOME, 20: CLEAR, 25: MARK, 43: (0.3, 1.0)},
            {
                10: (0.5, 0.3, 0.7),
                26: (0.5, 0.2, 0.8),
                17: (0.3, 0.2, 0.5),
                16: (0.4, 0.3, 0.8),
                9: (0.25, 0.1, 0.4),
            },
            head=(2.0, 9.0),
        ),
        Prototype(  # sobbing, the eyes squeezed shut and the lips drawn down from the teeth
            {1: SOME, 4: CLEAR, 6: CLEAR, 7: CLEAR, 15: SOME, 20: SOME, 25: CLEAR, 43: (0.5, 1.0)},
            {16: (0.5, 0.3, 0.8), 10: (0.4, 0.2, 0.6), 26: (0.4, 0.1, 0.5), 17: (0.4, 0.3, 0.7)},
            head=(6.0, 9.0),
        ),
        Prototype(  # holding back tears, the lips pressed
            {1: SOME, 4: CLEAR, 15: CLEAR, 17: MARK, 7: SOME},
            {43: (0.6, 0.4, 1.0), 6: (0.4, 0.2, 0.7), 24: (0.4, 0.2, 0.6), 14: (0.2, 0.2, 0.4)},
            head=(4.0, 8.0),
            gaze_down=8.0,
        ),
        Prototype(  # the mouth alone
            {15: MARK, 17: CLEAR},
            {1: (0.6, 0.2, 0.7), 4: (0.5, 0.1, 0.5), 43: (0.4, 0.2, 0.6), 25: (0.15, 0.1, 0.3)},
            head=(4.0, 7.0),
            gaze_down=8.0,
        ),
        Prototype(  # the brows alone
            {1: MARK, 4: CLEAR},
            {15: (0.5, 0.2, 0.6), 25: (0.4, 0.2, 0.6), 43: (0.4, 0.2, 0.6), 7: (0.3, 0.2, 0.5), 17: (0.3, 0.2, 0.5)},
            head=(4.0, 8.0),
            gaze_down=8.0,
        ),
        Prototype(  # quiet sadness
            {1: MARK, 4: (0.2, 0.5), 15: MARK, 17: CLEAR},
            {43: (0.4, 0.2, 0.5)},
            head=(10.0, 7.0),
            gaze_down=14.0,
        ),
        Prototype(  # downcast: head, eyes and lids lowered, brows and mouth faint
            {1: SOME, 4: (0.2, 0.6), 15: SOME, 43: (0.25, 0.6)},
            {17: (0.5, 0.2, 0.7), 7: (0.2, 0.2, 0.4), 25: (0.2, 0.1, 0.3)},
            head=(15.0, 8.0),
            gaze_down=14.0,
        ),
        Prototype(  # faint: a part of each mark
            {1: (0.4, 0.9), 4: (0.1, 0.5), 15: (0.4, 0.9)},
            {17: (0.6, 0.2, 0.7), 43: (0.5, 0.15, 0.4)},
            head=(6.0, 8.0),
            gaze_down=10.0,
        ),
    ),
    "angry": (
        Prototype(  # pressed lips
            {4: MARK, 7: CLEAR, 17: SOME, 24: CLEAR},
            {5: (0.5, 0.3, 0.8), 23: (0.3, 0.3, 0.7), 15: (0.1, 0.1, 0.3), 9: (0.1, 0.1, 0.3)},
            head=(3.0, 0.0),
        ),
        Prototype(  # tight lips
            {4: MARK, 7: SOME, 23: MARK},
            {5: (0.6, 0.3, 0.9), 17: (0.4, 0.3, 0.7), 24: (0.2, 0.3, 0.6)},
            head=(3.0, 0.0),
        ),
        Prototype(  # teeth shown
            {4: MARK, 5: SOME, 16: CLEAR, 25: CLEAR},
            {
                7: (0.6, 0.3, 0.8),
                10: (0.2, 0.1, 0.35),
                22: (0.25, 0.2, 0.5),
                23: (0.4, 0.3, 0.6),
                26: (0.4, 0.1, 0.35),
            },
            head=(2.0, 0.0),
        ),
        Prototype(  # a snarl, the teeth clenched
            {4: MARK, 7: CLEAR, 10: CLEAR, 16: CLEAR, 25: MARK},
            {9: (0.6, 0.2, 0.8), 6: (0.4, 0.2, 0.7), 20: (0.5, 0.2, 0.8), 5: (0.3, 0.2, 0.6), 17: (0.2, 0.2, 0.4)},
            head=(3.0, 3.0),
        ),
        Prototype(  # shouting
            {4: MARK, 7: SOME, 25: MARK, 26: CLEAR},
            {
                5: (0.5, 0.3, 0.9),
                9: (0.4, 0.2, 0.6),
                10: (0.5, 0.2, 0.7),
                16: (0.6, 0.3, 0.9),
                22: (0.25, 0.2, 0.5),
                27: (0.6, 0.3, 1.0),
            },
            head=(-2.0, 4.0),
        ),
    ),
    "surprise": (
        Prototype({1: MARK, 2: MARK, 5: CLEAR, 27: CLEAR}, head=(-3.0, 0.0)),
        Prototype(
            {1: MARK, 2: MARK, 27: CLEAR},
            {5: (0.5, 0.2, 0.7), 18: (0.2, 0.2, 0.4), 22: (0.25, 0.2, 0.5)},
            head=(-4.0, 0.0),
        ),
        Prototype({1: MARK, 2: MARK, 26: CLEAR}, {5: (0.7, 0.3, 1.0), 25: (0.8, 0.3, 0.9)}, head=(-3.0, 2.0)),
        Prototype({1: MARK, 2: MARK, 5: MARK}, {25: (0.6, 0.2, 0.6)}),  # brows and lids alone
        Prototype(  # the mouth above all
            {25: CLEAR, 27: CLEAR, 1: (0.2, 0.7), 2: (0.2, 0.7)},
            {5: (0.6, 0.2, 0.8), 18: (0.2, 0.2, 0.5)},
            head=(-3.0, 2.0),
        ),
        Prototype(  # mouth and lids, the brows hardly
            {1: (0.1, 0.5), 2: (0.1, 0.5), 5: SOME, 25: CLEAR, 26: CLEAR},
            {27: (0.3, 0.2, 0.6)},
            head=(-2.0, 2.0),
        ),
        Prototype(  # faint, the mouth round
            {1: (0.3, 0.8), 2: (0.3, 0.8), 25: CLEAR, 26: CLEAR},
            {5: (0.6, 0.2, 0.8), 22: (0.4, 0.2, 0.6), 18: (0.3, 0.2, 0.6)},
            head=(-2.0, 2.0),
        ),
    ),
    "disgust": (
        Prototype(  # the nose
            {9: MARK, 17: SOME},
            {
                4: (0.35, 0.2, 0.5),
                7: (0.4, 0.3, 0.7),
                10: (0.4, 0.2, 0.6),
                24: (0.1, 0.2, 0.4),
                15: (0.3, 0.2, 0.6),
                43: (0.2, 0.2, 0.6),
                6: (0.3, 0.2, 0.5),
            },
            head=(-2.0, 5.0),
        ),
        Prototype(  # nose and lip, the mouth open
            {9: CLEAR, 10: MARK, 25: CLEAR},
            {
                4: (0.3, 0.2, 0.5),
                7: (0.4, 0.3, 0.6),
                16: (0.4, 0.3, 0.8),
                43: (0.2, 0.2, 0.7),
                6: (0.3, 0.2, 0.5),
                26: (0.4, 0.1, 0.4),
            },
            head=(-3.0, 5.0),
        ),
        Prototype(  # the upper lip
            {10: MARK, 9: (0.4, 0.9)},
            {
                4: (0.4, 0.2, 0.5),
                17: (0.6, 0.3, 0.8),
                7: (0.4, 0.3, 0.6),
                15: (0.4, 0.2, 0.6),
                43: (0.2, 0.2, 0.5),
                25: (0.3, 0.2, 0.6),
            },
            head=(-4.0, 5.0),
        ),
    ),
    "fear": (
        Prototype(
            {1: MARK, 2: SOME, 4: (0.5, 0.9), 5: MARK, 20: CLEAR, 25: CLEAR},
            {26: (0.4, 0.1, 0.5), 16: (0.2, 0.2, 0.4), 7: (0.25, 0.2, 0.4)},
            head=(-2.0, 2.0),
        ),
        Prototype(
            {1: MARK, 4: (0.5, 0.9), 5: CLEAR, 20: MARK, 25: CLEAR},
            {26: (0.4, 0.1, 0.4), 2: (0.55, 0.2, 0.7), 16: (0.2, 0.2, 0.4), 10: (0.1, 0.1, 0.3)},
            head=(-1.0, 2.0),
        ),
        Prototype(  # the jaw dropped: a gasp or a scream
            {1: MARK, 2: SOME, 4: (0.6, 0.9), 5: MARK, 26: CLEAR},
            {20: (0.7, 0.3, 0.9), 25: (0.8, 0.4, 1.0), 27: (0.2, 0.2, 0.7)},
            head=(-3.0, 0.0),
        ),
        Prototype({1: MARK, 2: SOME, 4: (0.5, 0.9), 5: MARK, 20: CLEAR}, head=(1.0, 2.0)),  # mouth closed
    ),
}
"""DFEW's classes -> equally likely ways to express each. MAFW's other classes keep their prototypes."""

CONTRADICTIONS: dict[str, tuple[int, ...]] = {
    "neutral": (),
    "happy": (4, 9, 15),
    "sad": (2, 5, 9, 10, 12, 23, 24, 27),
    "angry": (1, 2, 12, 43),
    "surprise": (4, 7, 9, 12, 15, 20, 43),
    "disgust": (1, 2, 5, 12, 20, 27),
    "fear": (6, 9, 12, 14, 15, 24, 43),
}
"""Class -> units that it does not show by chance."""


def sample_lifelike(label: str, rng: np.random.Generator, strength: float = 1.0) -> Expression:
    """Draw one person's lifelike expression of ``label`` (a canonical name) at its apex.

    ``strength`` scales the prototype's intensities. One half of the face is weaker than the other: below the eyes by up
    to 40 %, above by up to 20 %; every unit differs by another 15 % at most.
    """
    if label not in LIFELIKE:
        return sample_expression(label, rng, strength)
    prototype = LIFELIKE[label][int(rng.integers(len(LIFELIKE[label])))]
    units = {number: strength * rng.uniform(low, high) for number, (low, high) in prototype.units.items()}
    for number, (probability, low, high) in prototype.optional.items():
        shown, intensity = rng.random() < probability, rng.uniform(low, high)
        if shown:
            units[number] = strength * intensity
    faint = FAINT if prototype.units else FAINT_NEUTRAL
    for number in ACTION_UNITS:
        shown, intensity = rng.random() < CHANCE, rng.uniform(0, faint)
        if shown and number not in (45, *units, *CONTRADICTIONS[label]):
            units[number] = intensity
    activation = activation_of({number: min(1.0, value) for number, value in units.items()})
    activation *= rng.uniform(0.85, 1.0, activation.shape).astype(np.float32)
    weaker, upper, lower = int(rng.integers(2)), rng.uniform(0.8, 1.0), rng.uniform(0.6, 1.0)
    for number, column in UNIT_COLUMN.items():
        activation[weaker, column] *= upper if number in UPPER_FACE else lower
    pitch, roll = prototype.head
    return Expression(
        activation,
        pitch * rng.uniform(-0.3, 1.5),
        roll * rng.uniform(-1.5, 1.5),
        prototype.gaze_down * rng.uniform(0.0, 1.3),
    )


def draw_expression(label: str, repertoire: Repertoire, rng: np.random.Generator, strength: float = 1.0) -> Expression:
    """Draw one person's expression of ``label`` at its apex from the named repertoire."""
    sample = sample_lifelike if repertoire == "lifelike" else sample_expression
    return sample(label, rng, strength)
