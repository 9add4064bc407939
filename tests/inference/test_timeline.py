import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifdd.data.sampling import uniform_segments
from ifdd.inference.timeline import (
    UNCERTAIN,
    Segment,
    TimelineEntry,
    find_segments,
    frames_in_window,
    last_window,
    time_course,
)

AB = ("a", "b")


def entry(start: float, end: float, *probabilities: float) -> TimelineEntry:
    return TimelineEntry(1, start, end, probabilities)


@given(st.integers(1, 60), st.sampled_from([8, 16, 32]), st.sampled_from([12.5, 25.0, 29.97, 30.0]))
def test_whole_clip_gives_the_frames_of_the_test_sampling(frames: int, count: int, fps: float) -> None:
    seconds = [i / fps for i in range(frames)]
    positions = frames_in_window(seconds, 0.0, frames / fps, count)
    assert positions.tolist() == uniform_segments(frames, count).tolist()


def test_frames_are_chosen_by_time_when_the_rate_changes() -> None:
    # Four frames in the first second, then two a second.
    seconds = [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0]
    assert frames_in_window(seconds, 0.0, 2.0, 4).tolist() == [1, 3, 4, 5]
    assert frames_in_window(seconds, 0.5, 1.5, 4).tolist() == [2, 3, 4, 4]


def test_window_before_the_first_frame_repeats_it() -> None:
    assert frames_in_window([1.0, 1.1], 0.0, 1.0, 3).tolist() == [0, 0, 0]


def test_last_window_by_hand() -> None:
    assert last_window(1.0, 1.0, 1.5, 2.0) == (1.0, 1.5)  # shorter than a clip: stretched
    assert last_window(1.0, 5.0, 5.5, 2.0) == (3.5, 5.5)
    assert last_window(1.0, 5.5, 5.5, 2.0) is None


def test_time_course_is_the_mean_of_the_windows_that_cover_an_instant() -> None:
    edges, means = time_course([entry(0, 2, 1.0, 0.0), entry(1, 3, 0.5, 0.5), entry(2, 4, 0.0, 1.0)])
    assert edges.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(means, np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]))


def test_segments_by_hand() -> None:
    entries = [entry(0, 2, 1.0, 0.0), entry(1, 3, 0.5, 0.5), entry(2, 4, 0.0, 1.0)]
    assert find_segments(entries, AB, 0.5) == [
        Segment(1, 0.0, 2.0, "a", pytest.approx(0.875), 0.5),  # type: ignore[arg-type]
        Segment(1, 2.0, 4.0, "b", pytest.approx(0.875), 3.5),  # type: ignore[arg-type]
    ]


def test_where_no_class_is_probable_enough_the_segment_is_uncertain() -> None:
    entries = [entry(0, 3, 0.9, 0.1), entry(3, 4, 0.6, 0.4), entry(4, 5, 0.45, 0.55), entry(5, 8, 0.2, 0.8)]
    segments = find_segments(entries, AB, 0.5, 0.7)
    assert [segment[1:4] for segment in segments] == [(0, 3, "a"), (3, 5, UNCERTAIN), (5, 8, "b")]
    assert segments[1].probability == pytest.approx((0.6 + 0.55) / 2)
    assert segments[1].peak_seconds == 3.5
    assert [segment.label for segment in find_segments(entries, AB, 2.5, 0.7)] == ["a", "b"]  # too short to stand


def test_short_segment_goes_to_the_neighbour_that_is_more_probable_in_it() -> None:
    classes = ("a", "b", "c")
    entries = [entry(0, 2, 0.8, 0.1, 0.1), entry(2, 2.2, 0.1, 0.6, 0.3), entry(2.2, 4, 0.1, 0.1, 0.8)]
    assert [s[1:4] for s in find_segments(entries, classes, 0.5)] == [(0, 2, "a"), (2, 4, "c")]
    assert [s.label for s in find_segments(entries, classes, 0.1)] == ["a", "b", "c"]


def test_short_segment_between_equal_ones_joins_them() -> None:
    entries = [entry(0, 2, 0.9, 0.1), entry(2, 2.2, 0.1, 0.9), entry(2.2, 4, 0.9, 0.1)]
    (segment,) = find_segments(entries, AB, 0.5)
    assert segment[1:4] == (0, 4, "a")
    assert segment.probability == pytest.approx((3.8 * 0.9 + 0.2 * 0.1) / 4)


def test_track_shorter_than_the_minimum_gives_one_segment_and_no_window_none() -> None:
    assert [s.label for s in find_segments([entry(0, 0.1, 0.2, 0.8)], AB, 0.5)] == ["b"]
    assert find_segments([], AB, 0.5) == []


@given(
    st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=1, max_size=20),
    st.floats(0.05, 1.0),
    st.floats(0, 3),
)
def test_segments_cover_the_track_once(rows: list[list[float]], stride: float, minimum: float) -> None:
    entries = [
        TimelineEntry(1, i * stride, i * stride + 1, tuple(np.array(row) / sum(row))) for i, row in enumerate(rows)
    ]
    segments = find_segments(entries, ("a", "b", "c"), minimum)
    assert segments[0].start_seconds == 0
    assert segments[-1].end_seconds == pytest.approx(entries[-1].end_seconds)
    for before, after in itertools.pairwise(segments):
        assert before.end_seconds == after.start_seconds
        assert before.label != after.label
    if len(segments) > 1:
        assert min(s.end_seconds - s.start_seconds for s in segments) >= minimum - 1e-5
    assert all(0 < s.probability <= 1 + 1e-9 for s in segments)
