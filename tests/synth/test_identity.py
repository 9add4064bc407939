from dataclasses import replace

import numpy as np
import pytest

from ifdd.synth.identity import SKIN_TONES, Identity, identity_attributes, sample_identity


@pytest.fixture
def person() -> Identity:
    return sample_identity(np.random.default_rng(4))


def test_the_attributes_of_a_person(person: Identity) -> None:
    known = replace(person, skin=SKIN_TONES[6], age=0.5, glasses="round", beard="full", hair_style="bald")
    expected = {"skin_tone": "7", "age": "middle", "glasses": "round", "beard": "full", "hair": "bald"}
    assert identity_attributes(known) == expected
    between = tuple(0.7 * a + 0.3 * b for a, b in zip(SKIN_TONES[0], SKIN_TONES[1], strict=True))
    assert identity_attributes(replace(person, skin=between))["skin_tone"] == "1"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("age", "band"), [(0.0, "young"), (0.33, "young"), (0.34, "middle"), (0.67, "old"), (1.0, "old")]
)
def test_ages_are_thirds_of_the_scale(person: Identity, age: float, band: str) -> None:
    assert identity_attributes(replace(person, age=age))["age"] == band
