import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifdd.data.sampling import (
    SAMPLERS,
    SEVERAL_VIEWS,
    TEST_SAMPLING,
    consecutive_clips,
    crop_corners,
    describe_sampling,
    random_clip,
    spaced_clips,
    uniform_segments,
)

LENGTHS = st.integers(1, 1000)
CLIP_LENGTHS = st.integers(1, 64)
STRIDES = st.integers(1, 16)
VIEWS = st.integers(1, 10)
SEEDS = st.none() | st.integers(0, 2**32)


def generator_of(seed: int | None) -> np.random.Generator | None:
    return None if seed is None else np.random.default_rng(seed)


@pytest.mark.parametrize("name", SAMPLERS)
@given(num_frames=LENGTHS, clip_length=CLIP_LENGTHS, stride=STRIDES, views=VIEWS, seed=SEEDS)
def test_every_sampler_gives_valid_ordered_frames_and_is_deterministic(
    name: str, num_frames: int, clip_length: int, stride: int, views: int, seed: int | None
) -> None:
    indices = SAMPLERS[name](num_frames, clip_length, stride, views, generator_of(seed))
    assert indices.dtype == np.int64
    assert indices.ndim == (2 if name in SEVERAL_VIEWS else 1)
    assert indices.shape[-1] == clip_length
    assert indices.size > 0
    assert indices.min() >= 0
    assert indices.max() < num_frames
    assert (np.diff(indices, axis=-1) >= 0).all()
    if indices.ndim == 2:
        assert (np.diff(indices[:, 0]) > 0).all(), "no view twice"
    assert np.array_equal(indices, SAMPLERS[name](num_frames, clip_length, stride, views, generator_of(seed)))


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


@given(num_frames=LENGTHS, clip_length=CLIP_LENGTHS)
def test_consecutive_clips_without_stride_use_every_frame_but_the_rest(num_frames: int, clip_length: int) -> None:
    seen = np.unique(consecutive_clips(num_frames, clip_length, 1))
    assert len(seen) == num_frames // clip_length * clip_length or num_frames < clip_length
    assert seen.tolist() == list(range(len(seen))) or num_frames < clip_length


@given(num_frames=LENGTHS, clip_length=CLIP_LENGTHS)
def test_segments_use_every_frame_of_a_video_not_longer_than_the_clip(num_frames: int, clip_length: int) -> None:
    seen = set(uniform_segments(num_frames, clip_length).tolist())
    assert len(seen) == min(num_frames, clip_length)


@given(num_frames=LENGTHS, clip_length=CLIP_LENGTHS, stride=STRIDES, views=VIEWS)
def test_spaced_clips_reach_from_the_first_frame_to_the_last(
    num_frames: int, clip_length: int, stride: int, views: int
) -> None:
    clips = spaced_clips(num_frames, clip_length, stride, views)
    room = num_frames - ((clip_length - 1) * stride + 1)
    if room < 0:
        assert clips.tolist() == [random_clip(num_frames, clip_length, stride, None).tolist()]
        return
    assert len(clips) == min(views, room + 1)
    assert (np.diff(clips, axis=1) == stride).all()
    steps = np.diff(clips[:, 0])
    if views == 1:
        assert np.array_equal(clips[0], random_clip(num_frames, clip_length, stride, None))
    else:
        assert (clips[0, 0], clips[-1, -1]) == (0, num_frames - 1)
        assert steps.size == 0 or steps.max() - steps.min() <= 1, "equal distances"
    if stride == 1 and num_frames <= views * clip_length and views > 1:
        assert set(clips.flatten().tolist()) == set(range(num_frames)), "enough views see every frame"


def test_spaced_clips_by_hand() -> None:
    assert spaced_clips(10, 4, 1, 2).tolist() == [[0, 1, 2, 3], [6, 7, 8, 9]]
    assert spaced_clips(12, 3, 2, 3)[:, 0].tolist() == [0, 3, 7]
    assert spaced_clips(5, 4, 1, 3).tolist() == [[0, 1, 2, 3], [1, 2, 3, 4]]
    assert spaced_clips(10, 4, 1, 1).tolist() == [[3, 4, 5, 6]]
    assert spaced_clips(2, 4, 1, 5).tolist() == [[0, 0, 1, 1]]


@given(height=st.integers(1, 400), width=st.integers(1, 400), crops=st.integers(1, 3))
def test_crops_lie_in_the_frame_and_are_distinct(height: int, width: int, crops: int) -> None:
    side, room = min(height, width), abs(height - width)
    corners = crop_corners(height, width, crops)
    assert len(set(corners)) == len(corners) == min(crops, room + 1)
    assert all(0 <= top <= height - side and 0 <= left <= width - side for top, left in corners)
    if crops > 1:
        assert corners[0] == (0, 0)
        assert corners[-1] == (height - side, width - side)


def test_crops_by_hand() -> None:
    assert crop_corners(90, 160, 1) == [(0, 35)]
    assert crop_corners(90, 160, 2) == [(0, 0), (0, 70)]
    assert crop_corners(160, 90, 3) == [(0, 0), (35, 0), (70, 0)]
    assert crop_corners(224, 224, 3) == [(0, 0)]
    with pytest.raises(ValueError, match="crops must be 1, 2 or 3, not 4"):
        crop_corners(90, 160, 4)


@pytest.mark.parametrize("numbers", [(0, 4, 1, 1), (4, 0, 1, 1), (4, 4, 0, 1), (4, 4, 1, 0)])
def test_invalid_numbers_are_refused(numbers: tuple[int, int, int, int]) -> None:
    _, _, stride, views = numbers
    for name in SAMPLERS:
        ignored = (name == "uniform_segments" and not stride) or (name != "spaced_clips" and not views)
        if not ignored:
            with pytest.raises(ValueError, match="must be at least 1"):
                SAMPLERS[name](*numbers, None)


def test_every_sampler_has_a_description() -> None:
    assert TEST_SAMPLING.keys() == SAMPLERS.keys() >= set(SEVERAL_VIEWS)
    for name in SAMPLERS:
        assert "{" not in describe_sampling(name, 2, 1)
    assert describe_sampling("spaced_clips", 2, 2).startswith("2 clips at equal distances")
    assert describe_sampling("spaced_clips", 1, 1).startswith("one clip from the middle")
    assert "both ends of the longer side" in describe_sampling("uniform_segments", 2, 2)
