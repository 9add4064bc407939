import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifdd.data.sampling import (
    SAMPLERS,
    SEVERAL_VIEWS,
    TEST_SAMPLING,
    consecutive_clips,
    random_clip,
    uniform_segments,
)

LENGTHS = st.integers(1, 1000)
CLIP_LENGTHS = st.integers(1, 64)
STRIDES = st.integers(1, 16)
SEEDS = st.none() | st.integers(0, 2**32)


def generator_of(seed: int | None) -> np.random.Generator | None:
    return None if seed is None else np.random.default_rng(seed)


@pytest.mark.parametrize("name", SAMPLERS)
@given(num_frames=LENGTHS, clip_length=CLIP_LENGTHS, stride=STRIDES, seed=SEEDS)
def test_every_sampler_gives_valid_ordered_frames_and_repeats_itself(
    name: str, num_frames: int, clip_length: int, stride: int, seed: int | None
) -> None:
    indices = SAMPLERS[name](num_frames, clip_length, stride, generator_of(seed))
    assert indices.dtype == np.int64
    assert indices.ndim == (2 if name in SEVERAL_VIEWS else 1)
    assert indices.shape[-1] == clip_length
    assert indices.size > 0
    assert indices.min() >= 0
    assert indices.max() < num_frames
    assert (np.diff(indices, axis=-1) >= 0).all()
    assert np.array_equal(indices, SAMPLERS[name](num_frames, clip_length, stride, generator_of(seed)))


@given(num_frames=LENGTHS, clip_length=CLIP_LENGTHS, stride=STRIDES, seed=SEEDS)
def test_a_random_clip_keeps_its_stride_or_spans_the_whole_short_video(
    num_frames: int, clip_length: int, stride: int, seed: int | None
) -> None:
    indices = random_clip(num_frames, clip_length, stride, generator_of(seed))
    steps = np.diff(indices)
    if num_frames > (clip_length - 1) * stride:
        assert (steps == stride).all()
    else:
        assert (indices[0], indices[-1]) == (0, num_frames - 1)
        assert steps.max() - steps.min() <= 1
        assert set(indices) == set(range(num_frames)) or clip_length < num_frames


def test_a_random_clip_can_start_everywhere_and_the_fixed_one_lies_in_the_middle() -> None:
    generator = np.random.default_rng(0)
    starts = {int(random_clip(20, 4, 3, generator)[0]) for _ in range(500)}
    assert starts == set(range(11))
    assert random_clip(20, 4, 3, None).tolist() == [5, 8, 11, 14]


@given(num_frames=LENGTHS, clip_length=CLIP_LENGTHS, seed=SEEDS)
def test_each_segment_gives_one_of_its_own_frames(num_frames: int, clip_length: int, seed: int | None) -> None:
    indices = uniform_segments(num_frames, clip_length, generator_of(seed))
    edges = np.arange(clip_length + 1) * num_frames / clip_length
    # Frame i occupies [i, i + 1); the frame shown must overlap its segment.
    assert (indices < edges[1:] + 1e-9).all()
    assert (indices + 1 > edges[:-1] - 1e-9).all()


def test_segment_centres_by_hand() -> None:
    assert uniform_segments(16, 16).tolist() == list(range(16))
    assert uniform_segments(48, 16).tolist() == list(range(1, 48, 3))
    assert uniform_segments(4, 8).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert uniform_segments(7, 1).tolist() == [3]


@given(num_frames=LENGTHS, clip_length=CLIP_LENGTHS, stride=STRIDES)
def test_consecutive_clips_do_not_overlap_and_leave_less_than_one_clip(
    num_frames: int, clip_length: int, stride: int
) -> None:
    clips = consecutive_clips(num_frames, clip_length, stride)
    if num_frames > (clip_length - 1) * stride:
        assert clips[0, 0] == 0
        assert (np.diff(clips, axis=1) == stride).all()
        assert (clips[1:, 0] - clips[:-1, -1] == stride).all()
        assert num_frames - 1 - clips[-1, -1] < clip_length * stride
    else:
        assert len(clips) == 1


def test_consecutive_clips_by_hand() -> None:
    assert consecutive_clips(10, 4, 1).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert consecutive_clips(11, 3, 2).tolist() == [[0, 2, 4], [6, 8, 10]]
    assert consecutive_clips(3, 5, 1).tolist() == [[0, 0, 1, 2, 2]]


@pytest.mark.parametrize("numbers", [(0, 4, 1), (4, 0, 1), (4, 4, 0)])
def test_senseless_numbers_are_refused(numbers: tuple[int, int, int]) -> None:
    for name in ("random_clip", "consecutive_clips"):
        with pytest.raises(ValueError, match="must be at least 1"):
            SAMPLERS[name](*numbers, None)


def test_every_sampler_says_what_it_does_in_a_test() -> None:
    assert TEST_SAMPLING.keys() == SAMPLERS.keys() >= set(SEVERAL_VIEWS)
