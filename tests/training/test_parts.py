"""The learning-rate schedule and the held-out subjects."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifdd.data.manifest import Sample
from ifdd.errors import InputError
from ifdd.training.clips import hold_out
from ifdd.training.module import learning_rate_factor


def test_the_learning_rate_warms_up_linearly_and_ends_at_the_final_fraction() -> None:
    factors = [learning_rate_factor(step, 110, 10, 0.01) for step in range(110)]
    assert factors[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert factors[10] == pytest.approx(1.0)
    assert factors[-1] == pytest.approx(0.01)
    assert all(later <= earlier for earlier, later in pairwise(factors[10:]))


@given(steps=st.integers(1, 50), warmup=st.integers(0, 50), step=st.integers(0, 60))
def test_the_learning_rate_stays_between_zero_and_the_peak(steps: int, warmup: int, step: int) -> None:
    assert 0 < learning_rate_factor(step, steps, min(warmup, steps), 0.01) <= 1


def samples(subjects: int, each: int) -> list[Sample]:
    return [
        Sample(f"{person}-{clip}", Path("x"), 16, ("happy", "sad")[clip % 2], "train", 0, f"s{person}")
        for person in range(subjects)
        for clip in range(each)
    ]


@given(subjects=st.integers(10, 30), each=st.integers(2, 5), seed=st.integers(0, 9))
def test_held_out_subjects_are_not_in_training(subjects: int, each: int, seed: int) -> None:
    everyone = samples(subjects, each)
    train, validation = hold_out(everyone, 0.1, seed)
    assert sorted(s.clip_id for s in train + validation) == sorted(s.clip_id for s in everyone)
    assert not {s.subject for s in train} & {s.subject for s in validation}
    assert 0 < len(validation) <= 0.25 * len(everyone)
    assert {s.subset for s in validation} == {"validation"}
    assert hold_out(everyone, 0.1, seed) == (train, validation)


def test_too_few_subjects_are_refused() -> None:
    with pytest.raises(InputError, match="there are only 3 subjects"):
        hold_out(samples(3, 10), 0.1, 0)
