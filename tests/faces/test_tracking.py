import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifdd.errors import InputError
from ifdd.faces.boxes import FaceBox, overlap
from ifdd.faces.tracking import SearchSchedule, Track, Tracker, TrackingOptions, TrackPoint

FPS = 25.0
PLAIN = TrackingOptions(smoothing_seconds=0.0)


def box(x: float, y: float = 100.0, size: float = 40.0, score: float = 0.9) -> FaceBox:
    return FaceBox(x - size / 2, y - size / 2, size, size, score)


def follow(
    detections: list[list[FaceBox]],
    options: TrackingOptions = PLAIN,
    boundaries: tuple[int, ...] = (),
    fps: float = FPS,
) -> list[Track]:
    """Return the confirmed tracks of an invented video, by id."""
    tracker = Tracker(options)
    tracks: list[Track] = []
    for frame, boxes in enumerate(detections):
        tracks += tracker.update(frame, frame / fps, boxes, frame in boundaries).ended
    tracks += tracker.finish(len(detections) / fps)
    return sorted(tracks, key=lambda track: track.id)


def frames_of(track: Track) -> list[int]:
    return [point.frame for point in track.points]


def test_one_still_face_is_one_track_over_the_whole_video() -> None:
    (track,) = follow([[box(100)]] * 50)
    assert track.id == 1
    assert frames_of(track) == list(range(50))
    assert (track.start_seconds, track.end_seconds) == (0.0, 2.0)
    assert all(point.box == box(100) for point in track.points)


def test_people_who_cross_keep_their_ids() -> None:
    options = TrackingOptions()
    right = [box(100 + 6 * i, 100) for i in range(50)]
    left = [box(400 - 6 * i, 130) for i in range(50)]
    mixed = [[a, b] if i % 2 else [b, a] for i, (a, b) in enumerate(zip(right, left, strict=True))]
    first, second = sorted(follow(mixed, options), key=lambda track: track.points[0].box.center[0])
    assert first.points[-1].box.center[0] == pytest.approx(right[-1].center[0], abs=3)
    assert second.points[-1].box.center[0] == pytest.approx(left[-1].center[0], abs=3)
    assert len(first.points) == len(second.points) == 50


def test_a_short_gap_is_bridged_by_predictions_with_score_zero() -> None:
    detections = [[] if 20 <= i < 35 else [box(100)] for i in range(60)]
    (track,) = follow(detections)
    assert frames_of(track) == list(range(60))
    assert [point.frame for point in track.points if point.box.score == 0] == list(range(20, 35))
    assert track.detected == 45


def test_a_moving_face_is_found_again_after_a_gap() -> None:
    options = TrackingOptions()
    detections = [[] if 30 <= i < 36 else [box(100 + 4 * i)] for i in range(70)]
    (track,) = follow(detections, options)
    assert track.points[69].box.center[0] == pytest.approx(100 + 4 * 69, abs=2)


def test_a_long_gap_ends_the_track_at_the_last_detection() -> None:
    detections = [[] if 25 <= i < 60 else [box(100)] for i in range(100)]
    assert len(follow(detections)) == 1
    first, second = follow(detections, replace(PLAIN, gap_seconds=1.0))
    assert frames_of(first) == list(range(25))
    assert first.end_seconds == pytest.approx(25 / FPS)
    assert frames_of(second) == list(range(60, 100))


def test_frames_far_apart_do_not_end_a_track() -> None:
    (track,) = follow([[box(100)]] * 6, fps=0.5)
    assert len(track.points) == 6
    assert track.end_seconds == 12.0


def test_a_shot_boundary_ends_tracks_even_if_the_next_face_is_in_the_same_place() -> None:
    first, second = follow([[box(100)]] * 60, boundaries=(30,))
    assert frames_of(first) == list(range(30))
    assert first.end_seconds == pytest.approx(30 / FPS)
    assert frames_of(second) == list(range(30, 60))


def test_a_track_shorter_than_the_minimum_is_dropped() -> None:
    detections = [[box(100)] if 40 <= i < 50 else [] for i in range(100)]
    assert follow(detections) == []
    assert len(follow(detections, TrackingOptions(minimum_seconds=0.3))) == 1


def test_the_minimum_is_half_the_length_of_a_short_video() -> None:
    assert len(follow([[box(100)]] * 4)) == 1
    assert follow([[], [], [], [box(100)]]) == []


def test_rare_detections_are_not_a_face() -> None:
    detections = [[box(100)] if i % 5 == 0 else [] for i in range(200)]
    assert follow(detections) == []


def test_weak_detections_continue_tracks_but_start_none() -> None:
    assert follow([[box(100, score=0.4)]] * 50) == []
    (track,) = follow([[box(100, score=0.9 if i < 20 else 0.4)] for i in range(50)])
    assert track.detected == 50


def test_a_confident_detection_beats_a_weak_one_that_overlaps_more() -> None:
    detections = [[box(100)]] * 20 + [[box(100, score=0.3), box(104, score=0.9)]]
    (track,) = follow(detections)
    assert track.points[-1].box == box(104)


def test_a_second_box_on_the_same_face_starts_no_track() -> None:
    (track,) = follow([[box(100), box(103, size=30)]] * 50)
    assert track.points[-1].box == box(100)


def test_smoothing_halves_jitter_and_follows_a_steady_motion_without_lag() -> None:
    rng = np.random.default_rng(0)
    truth = 100 + 3.0 * np.arange(100)
    noisy = truth + rng.normal(0, 3, 100)
    (track,) = follow([[box(x)] for x in noisy], TrackingOptions(smoothing_seconds=0.15))
    error = np.array([point.box.center[0] for point in track.points])[20:] - truth[20:]
    assert np.std(np.diff(error)) < 0.5 * np.std(np.diff(noisy - truth))
    assert abs(error.mean()) < 0.7
    exact = follow([[box(x)] for x in truth], TrackingOptions(smoothing_seconds=0.15))[0]
    assert exact.points[-1].box.center[0] == pytest.approx(truth[-1], abs=0.1)


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(5, 80), st.floats(0.1, 1)), max_size=4
        ),
        max_size=25,
    ),
    st.sets(st.integers(0, 24)),
)
def test_tracks_are_valid_for_any_detections(
    rows: list[list[tuple[int, int, int, float]]], boundaries: set[int]
) -> None:
    detections = [[box(*row) for row in boxes] for boxes in rows]
    tracks = follow(detections, TrackingOptions(minimum_seconds=0.08), tuple(boundaries))
    assert [track.id for track in tracks] == list(range(1, len(tracks) + 1))
    for track in tracks:
        numbers = frames_of(track)
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert not boundaries & set(numbers[1:])
        assert track.points[0].box.score > 0
        assert track.points[-1].box.score > 0
        assert track.end_seconds == pytest.approx((numbers[-1] + 1) / FPS)
        assert all(math.isfinite(value) for point in track.points for value in point.box[:5])


def test_overlap_by_hand() -> None:
    square = FaceBox(0.0, 0.0, 2.0, 2.0, 1.0)
    assert overlap(square, square._replace(x=1.0)) == pytest.approx(1 / 3)
    assert overlap(square, square._replace(x=2.0)) == 0
    empty = square._replace(width=0.0, height=0.0)
    assert overlap(empty, empty) == 0


@pytest.mark.parametrize("wrong", [{"gap_seconds": -1.0}, {"start_score": 1.5}, {"minimum_seconds": math.nan}])
def test_options_out_of_range_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        TrackingOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("every", [2, 3, 5])
def test_faces_keep_moving_in_frames_that_are_not_searched(every: int) -> None:
    truth = [box(100 + 3 * i) for i in range(75)]
    tracker = Tracker(TrackingOptions())
    for i, now in enumerate(truth):
        tracker.update(i, i / FPS, [now] if i % every == 0 else None)
    (track,) = tracker.finish(3.0)
    assert frames_of(track) == list(range(75))
    assert all(point.box.score > 0 for point in track.points)
    assert (track.searched, track.detected) == (math.ceil(75 / every), math.ceil(75 / every))
    for point in track.points[40:]:
        assert point.box.center[0] == pytest.approx(truth[point.frame].center[0], abs=2)


def test_a_track_lost_between_two_searches_ends_before_the_second() -> None:
    tracker = Tracker(PLAIN)
    ended: list[Track] = []
    for i in range(105):
        detections = None if i % 3 else [box(100)] if i < 45 else []
        ended += tracker.update(i, i / FPS, detections).ended
    (track,) = ended
    assert frames_of(track) == list(range(45))
    assert track.end_seconds == pytest.approx(45 / FPS)


def test_a_tracker_that_keeps_no_points_returns_them() -> None:
    keeping, streaming = Tracker(), Tracker(keep_points=False)
    points: list[TrackPoint] = []
    for i in range(100):
        detections = [] if 30 <= i < 40 else [box(100 + 2 * i)]
        assert keeping.update(i, i / FPS, detections).settled == {}
        update = streaming.update(i, i / FPS, detections)
        (track,) = update.active
        assert len(track.points) <= 12
        points += update.settled[track.key]
    (one,), (other,) = keeping.finish(4.0), streaming.finish(4.0)
    assert [*points, *other.points] == one.points
    assert (other.id, other.start_seconds, other.end_seconds) == (one.id, one.start_seconds, one.end_seconds)


def test_every_track_has_a_unique_key_from_its_first_frame() -> None:
    tracker = Tracker(TrackingOptions(minimum_seconds=0.5))
    first = tracker.update(0, 0.0, [box(0), box(500)]).active
    assert len({track.key for track in first}) == 2
    assert {track.id for track in first} == {0}
    later = tracker.update(1, 0.1, [], boundary=True).active + tracker.update(2, 0.2, [box(0)]).active
    assert {track.key for track in later}.isdisjoint({track.key for track in first})


@pytest.mark.parametrize(
    ("every", "fps", "step"),
    [(None, 1, 1), (None, 10, 1), (None, 25, 3), (None, 30, 3), (None, 60, 7), (1, 25, 1), (4, 25, 4)],
)
def test_searches_are_scheduled_by_time_or_by_number_of_frames(every: int | None, fps: int, step: int) -> None:
    schedule = SearchSchedule(every)
    assert [i for i in range(100) if schedule.is_due(i / fps)] == list(range(0, 100, step))


@pytest.mark.parametrize("every", [None, 3])
def test_a_shot_boundary_is_searched_and_restarts_the_schedule(every: int | None) -> None:
    schedule = SearchSchedule(every)
    assert [i for i in range(12) if schedule.is_due(i / FPS, boundary=i == 4)] == [0, 3, 4, 7, 10]


RED, BLUE, GREEN = (200, 30, 30), (20, 40, 210), (30, 160, 60)


def scene(*people: tuple[FaceBox, tuple[int, int, int]]) -> np.ndarray:
    """Return an image of coloured people in front of a grey wall, the nearest last."""
    image = np.full((240, 400, 3), 128, np.uint8)
    for face, colour in people:
        left, top = max(round(face.x), 0), max(round(face.y), 0)
        image[top : top + 120, left : left + round(face.width)] = colour
    return image


def follow_people(
    frames: list[list[tuple[FaceBox, tuple[int, int, int]]]], hidden: set[tuple[int, int]]
) -> list[Track]:
    """Track people whose faces are detected, except the hidden (frame, number) pairs."""
    tracker = Tracker(PLAIN)
    tracks: list[Track] = []
    for i, people in enumerate(frames):
        faces = [face for number, (face, _) in enumerate(people) if (i, number) not in hidden]
        tracks += tracker.update(i, i / FPS, faces, image=scene(*people)).ended
    return sorted(tracks + tracker.finish(len(frames) / FPS), key=lambda track: track.id)


def test_a_person_hidden_for_long_is_recognised_by_appearance_in_an_unexpected_place() -> None:
    """Red walks behind blue, turns around, and reappears on the same side."""
    red = [min(60 + 4 * i, 200 - 4 * max(i - 50, 0)) for i in range(80)]
    frames = [[(box(x), RED), (box(200, 100, 60), BLUE)] for x in red]
    hidden = {(i, 0) for i, x in enumerate(red) if x > 150}
    tracks = follow_people(frames, hidden)
    assert len(tracks) == 2
    first = min(tracks, key=lambda track: track.points[0].box.center[0])
    assert len(first.points) == 80
    assert first.points[-1].box.center[0] == pytest.approx(red[-1], abs=3)


@pytest.mark.parametrize("hidden", [5, 13, 38])
@pytest.mark.parametrize("away", [120, 170])
def test_a_face_recognised_by_appearance_does_not_keep_moving(hidden: int, away: int) -> None:
    places = [100] * 26 + [None] * hidden + [100 + away] * 30
    tracker, schedule = Tracker(), SearchSchedule()
    for i, x in enumerate(places):
        people = [] if x is None else [(box(x, size=60), RED)]
        faces = [face for face, _ in people] if schedule.is_due(i / FPS) else None
        tracker.update(i, i / FPS, faces, image=scene(*people))
    (track,) = tracker.finish(len(places) / FPS)
    after = [point.box for point in track.points if point.frame >= 26 + hidden + 3]
    assert after
    assert all(face.score > 0 and overlap(face, box(100 + away, size=60)) > 0.9 for face in after)


def test_a_stranger_in_the_place_of_a_lost_person_is_a_new_person() -> None:
    frames = [[(box(100), RED)] if i < 30 else [(box(102), GREEN)] if i >= 40 else [] for i in range(80)]
    first, second = follow_people(frames, set())
    assert frames_of(first) == list(range(30))
    assert frames_of(second) == list(range(40, 80))
    images_unknown = follow([[face for face, _ in people] for people in frames])
    assert len(images_unknown) == 1  # by position alone they are one


def test_a_visible_person_may_change_colour() -> None:
    (track,) = follow_people([[(box(100), RED if i < 30 else GREEN)] for i in range(60)], set())
    assert len(track.points) == 60
