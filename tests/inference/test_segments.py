import itertools
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifdd.data.sampling import uniform_segments
from ifdd.inference.results import UNCERTAIN, Segment, TimelineEntry, Windows
from ifdd.inference.segments import (
    TimeCourse,
    find_segments,
    frames_in_window,
    last_window,
    time_course,
)

AB = ("a", "b")


def segments_of(
    entries: Sequence[TimelineEntry], classes: Sequence[str], *least: float, **more: float
) -> list[Segment]:
    return find_segments(1, Windows.of(entries, len(classes)), classes, *least, **more)


def course_of(entries: Sequence[TimelineEntry]) -> TimeCourse:
    return time_course(Windows.of(entries, len(entries[0].probabilities)))


def entry(start: float, end: float, *probabilities: float) -> TimelineEntry:
    return TimelineEntry(1, start, end, probabilities)


def rated(quality: float, start: float, end: float, *probabilities: float) -> TimelineEntry:
    return TimelineEntry(1, start, end, probabilities, quality)


@given(st.integers(1, 60), st.sampled_from([8, 16, 32]), st.sampled_from([12.5, 25.0, 29.97, 30.0]))
def test_a_whole_clip_gives_the_frames_of_the_test_sampling(frames: int, count: int, fps: float) -> None:
    seconds = [i / fps for i in range(frames)]
    positions = frames_in_window(seconds, 0.0, frames / fps, count)
    assert positions.tolist() == uniform_segments(frames, count).tolist()


def test_frames_are_chosen_by_time_if_the_rate_changes() -> None:
    # Four frames in the first second, then two per second.
    seconds = [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0]
    assert frames_in_window(seconds, 0.0, 2.0, 4).tolist() == [1, 3, 4, 5]
    assert frames_in_window(seconds, 0.5, 1.5, 4).tolist() == [2, 3, 4, 4]


def test_a_window_before_the_first_frame_repeats_it() -> None:
    assert frames_in_window([1.0, 1.1], 0.0, 1.0, 3).tolist() == [0, 0, 0]


def test_last_window_by_hand() -> None:
    assert last_window(1.0, 1.0, 1.5, 2.0) == (1.0, 1.5)  # shorter than a clip: stretched
    assert last_window(1.0, 5.0, 5.5, 2.0) == (3.5, 5.5)
    assert last_window(1.0, 5.5, 5.5, 2.0) is None


def test_time_course_is_the_mean_of_the_windows_that_cover_an_instant() -> None:
    course = course_of([entry(0, 2, 1.0, 0.0), entry(1, 3, 0.5, 0.5), entry(2, 4, 0.0, 1.0)])
    assert course.edges.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(course.probabilities, np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]))
    assert course.quality.tolist() == [1, 1, 1, 1]


def test_windows_are_weighted_by_quality_or_equally_without_any() -> None:
    entries = [
        rated(0.9, 0, 2, 1.0, 0.0),
        rated(0.3, 1, 3, 0.0, 1.0),
        rated(0.0, 2, 4, 1.0, 0.0),
        entry(4, 5, 0.0, 1.0),
    ]
    course = course_of([*entries, rated(0.0, 3, 5, 0.5, 0.5)])
    np.testing.assert_allclose(course.quality, [0.9, 0.6, 0.15, 0.0, 0.5], atol=1e-12)
    np.testing.assert_allclose(course.probabilities[:, 0], [1, 0.75, 0, 0.75, 0], atol=1e-12)


@given(spans=st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_time_course_agrees_with_a_sum_at_each_instant(spans: list[tuple[int, float, float]]) -> None:
    entries = [rated(quality, 0.1 * start, 0.1 * start + 1, p, 1 - p) for start, p, quality in spans]
    entries.append(entry(0, 4, 0.5, 0.5))  # so that there is no gap
    course = course_of(entries)
    for middle, probabilities, quality in zip(course.middles, course.probabilities, course.quality, strict=True):
        here = [e for e in entries if e.start_seconds <= middle < e.end_seconds]
        weights = [e.quality * (e.quality >= 1e-3) for e in here]
        np.testing.assert_allclose(quality, np.mean([e.quality for e in here]), atol=1e-9)
        expected = np.average([e.probabilities for e in here], axis=0, weights=weights)
        np.testing.assert_allclose(probabilities, expected, atol=1e-9)


@given(
    rows=st.lists(st.floats(0, 1), min_size=1, max_size=20), quality=st.floats(0, 1), stride=st.sampled_from([0.1, 0.7])
)
def test_equal_qualities_change_nothing(rows: list[float], quality: float, stride: float) -> None:
    entries = [entry(i * stride, i * stride + 1, p, 1 - p) for i, p in enumerate(rows)]
    course = course_of(entries)
    rated = course_of([e._replace(quality=quality) for e in entries])
    np.testing.assert_allclose(rated.probabilities, course.probabilities, atol=1e-9)
    np.testing.assert_allclose(rated.quality, quality, atol=1e-9)


def lines_run(entries: list[TimelineEntry], *options: float) -> int:
    """Count the lines of Python that finding the segments executes; unlike time, this is the same on every machine."""
    count = 0

    def trace(frame: object, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    usual = sys.gettrace()
    sys.settrace(trace)
    try:
        segments_of(entries, AB, *options)
    finally:
        sys.settrace(usual)
    return count


def test_an_hour_of_windows_is_divided_in_near_linear_time() -> None:
    rng = np.random.default_rng(0)
    entries = [entry(0.25 * i, 0.25 * i + 1, p, 1 - p) for i, p in enumerate(rng.random(14_400))]
    segments = segments_of(entries, AB, 0.5)
    assert lines_run(entries, 0.5) < 6 * lines_run(entries[:3600], 0.5)  # quadratic time would take 16 times as many
    assert sum(s.end_seconds - s.start_seconds for s in segments) == pytest.approx(3600.75)


def test_segments_by_hand() -> None:
    entries = [entry(0, 2, 1.0, 0.0), entry(1, 3, 0.5, 0.5), entry(2, 4, 0.0, 1.0)]
    assert segments_of(entries, AB, 0.5) == [
        Segment(1, 0.0, 2.0, "a", pytest.approx(0.875), 0.5),  # type: ignore[arg-type]
        Segment(1, 2.0, 4.0, "b", pytest.approx(0.875), 3.5),  # type: ignore[arg-type]
    ]


def test_a_segment_without_a_probable_class_is_uncertain() -> None:
    entries = [entry(0, 3, 0.9, 0.1), entry(3, 4, 0.6, 0.4), entry(4, 5, 0.45, 0.55), entry(5, 8, 0.2, 0.8)]
    segments = segments_of(entries, AB, 0.5, 0.7)
    assert [segment[1:4] for segment in segments] == [(0, 3, "a"), (3, 5, UNCERTAIN), (5, 8, "b")]
    assert segments[1].probability == pytest.approx((0.6 + 0.55) / 2)
    assert segments[1].peak_seconds == 3.5
    assert [segment.label for segment in segments_of(entries, AB, 2.5, 0.7)] == ["a", "b"]  # too short to stand


def test_a_segment_of_poor_quality_is_uncertain_and_names_the_flaw() -> None:
    dark = entry(3, 5, 0.9, 0.1)._replace(quality=0.1, flaw="badly lit")
    small = entry(4, 6, 0.9, 0.1)._replace(quality=0.15, flaw="small")
    entries = [entry(0, 3, 0.9, 0.1)._replace(quality=0.8, flaw="blurred"), dark, small]
    first, second = segments_of(entries, AB, 0.5, minimum_quality=0.2)
    assert first[1:4] == (0, 3, "a")
    assert first.confidence == pytest.approx(0.9 * 0.8)
    assert first.flaw == ""
    assert second[1:4] == (3, 6, UNCERTAIN)
    assert second.flaw == "badly lit"  # it takes 1.8 of the seconds, and smallness 1.7
    assert second.quality == pytest.approx((0.1 + 0.125 + 0.15) / 3)
    assert second.probability == pytest.approx(0.9)
    assert [s.label for s in segments_of(entries, AB, 0.5)] == ["a"]
    (improbable,) = segments_of([entry(0, 1, 0.5, 0.5)._replace(quality=0.5, flaw="small")], AB, 0.5, 0.7, 0.2)
    assert (improbable.label, improbable.flaw) == (UNCERTAIN, "")


def with_qualities(qualities: list[float], *probabilities: float) -> list[TimelineEntry]:
    flaw = "hidden"
    return [
        TimelineEntry(1, 0.4 * i, 0.4 * i + 0.4, probabilities, quality, flaw if quality < 0.9 else "")
        for i, quality in enumerate(qualities)
    ]


def test_only_segments_uncertain_for_their_quality_name_a_flaw() -> None:
    (read,) = segments_of(with_qualities([0.21, 0.21, 0, 0.21, 0.21], 0.9, 0.1), AB, 0.5, 0.0, 0.2)
    assert (read.label, read.flaw) == ("a", "")  # the poor part is too short; the mean quality is below the minimum
    (poor,) = segments_of(with_qualities([0.1, 0.1, 1, 0.1, 0.1], 0.9, 0.1), AB, 0.5, 0.0, 0.2)
    assert (poor.label, poor.flaw) == (UNCERTAIN, "hidden")  # the mean quality is above the minimum
    improbable = with_qualities([0.3, 0.3, 0.3, 0.1], 0.5, 0.5)
    assert [s[3:4] + s[7:] for s in segments_of(improbable, AB, 0.5, 0.7, 0.2)] == [(UNCERTAIN, "")]
    assert [s[3:4] + s[7:] for s in segments_of(improbable, AB, 0.5, 0.7, 0.5)] == [(UNCERTAIN, "hidden")]


def test_the_flaw_is_that_of_the_parts_below_the_minimum_quality() -> None:
    small = [entry(i, i + 1, 0.5, 0.5)._replace(quality=0.3, flaw="small") for i in range(2)]
    dark = [entry(i, i + 1, 0.5, 0.5)._replace(quality=0.19, flaw="badly lit") for i in range(2, 4)]
    (segment,) = segments_of([*small, small[0]._replace(end_seconds=2), *dark], AB, 0.5, 0.7, 0.2)
    assert segment.flaw == "badly lit"  # smallness takes more, but not where the quality is below 0.2


def test_flaws_of_an_hour_are_found_in_near_linear_time() -> None:
    entries = [rated(0.05 if i // 8 % 2 else 1.0, i / 4, i / 4 + 1.6, 0.9, 0.1) for i in range(14_400)]
    entries = [e._replace(flaw="small" if e.quality < 0.9 else "") for e in entries]
    segments = segments_of(entries, AB, 0.5, 0.0, 0.2)
    assert lines_run(entries, 0.5, 0.0, 0.2) < 6 * lines_run(entries[:3600], 0.5, 0.0, 0.2)
    assert sum(segment.flaw == "small" for segment in segments) == 900


def test_a_short_segment_is_merged_into_the_more_probable_neighbour() -> None:
    classes = ("a", "b", "c")
    entries = [entry(0, 2, 0.8, 0.1, 0.1), entry(2, 2.2, 0.1, 0.6, 0.3), entry(2.2, 4, 0.1, 0.1, 0.8)]
    assert [s[1:4] for s in segments_of(entries, classes, 0.5)] == [(0, 2, "a"), (2, 4, "c")]
    assert [s.label for s in segments_of(entries, classes, 0.1)] == ["a", "b", "c"]


def test_a_short_segment_between_equal_ones_joins_them() -> None:
    entries = [entry(0, 2, 0.9, 0.1), entry(2, 2.2, 0.1, 0.9), entry(2.2, 4, 0.9, 0.1)]
    (segment,) = segments_of(entries, AB, 0.5)
    assert segment[1:4] == (0, 4, "a")
    assert segment.probability == pytest.approx((3.8 * 0.9 + 0.2 * 0.1) / 4)


def test_a_short_track_gives_one_segment_and_no_window_gives_none() -> None:
    assert [s.label for s in segments_of([entry(0, 0.1, 0.2, 0.8)], AB, 0.5)] == ["b"]
    assert segments_of([], AB, 0.5) == []


@given(
    st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=1, max_size=20),
    st.floats(0.05, 1.0),
    st.floats(0, 3),
)
def test_segments_cover_the_track_once(rows: list[list[float]], stride: float, minimum: float) -> None:
    entries = [
        TimelineEntry(1, i * stride, i * stride + 1, tuple(np.array(row) / sum(row))) for i, row in enumerate(rows)
    ]
    segments = segments_of(entries, ("a", "b", "c"), minimum)
    assert segments[0].start_seconds == 0
    assert segments[-1].end_seconds == pytest.approx(entries[-1].end_seconds)
    for before, after in itertools.pairwise(segments):
        assert before.end_seconds == after.start_seconds
        assert before.label != after.label
    if len(segments) > 1:
        assert min(s.end_seconds - s.start_seconds for s in segments) >= minimum - 1e-5
    assert all(0 < s.probability <= 1 + 1e-9 for s in segments)
