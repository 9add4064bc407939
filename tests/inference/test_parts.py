"""Long videos in parts: the results of one pass, nothing read twice, nothing lost."""

import errno
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from ifdd.__main__ import main
from ifdd.faces.detection import DetectorChoice
from ifdd.faces.tracking import TrackingOptions
from ifdd.inference import Recognizer, WindowOptions
from ifdd.inference.batch import cutting
from ifdd.inference.batch.cutting import PARTS, Cutting
from ifdd.inference.batch.jobs import Job
from ifdd.inference.batch.ledger import Ledger
from ifdd.inference.batch.part_files import read_part, write_part
from ifdd.inference.batch.worker import Outcome, Settings, Worker
from ifdd.inference.outputs.write import file_name
from ifdd.inference.parts import Part, join_parts
from ifdd.inference.results import Boxes, FrameStatistics, RecognizedTrack, Windows
from ifdd.inference.segments import time_course
from ifdd.video.frames import VideoInfo
from ifdd.video.sources import Cut, SourceOptions, open_video
from tests.helpers.faces import DiscDetector, disc_frames
from tests.helpers.videos import write_frame_folder, write_video

FPS = 10.0
FORMS = ("json", "csv", "frames", "statistics.csv")


@dataclass(frozen=True)
class Discs(DetectorChoice):
    """Builds a DiscDetector."""

    def __call__(self) -> DiscDetector:
        return DiscDetector()


@pytest.fixture(autouse=True)
def short_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "LEAST_OVERLAP_SECONDS", 6.0)
    monkeypatch.setattr(cutting, "CLIPS_PER_OVERLAP", 1)


def long_frames(seconds: int, cuts: Sequence[float] = ()) -> np.ndarray:
    """Return frames with a person who moves all the time, and a second one who comes and goes; shots may begin."""
    frames = disc_frames(int(seconds * FPS), {}, [60] * int(seconds * FPS))
    tiles = np.random.default_rng(0).integers(0, 256, (12, 16, 1))
    wall = np.kron(tiles, np.ones((8, 8, 1))) * np.array([0.1, 0.9, 0.7])
    for index, frame in enumerate(frames):
        now = index / FPS
        frame[:] = 60
        left = (30 + round(8 * np.sin(now)), 48)
        cv2.circle(frame, left, 12, (255, 0, 255), -1)
        cv2.line(frame, left, (left[0], 40 + index % 16), (230, 0, 230), 3)
        if 5 < now % 17 < 14:
            cv2.circle(frame, (104, 76), 11, (255, 20, 255), -1)
        if sum(now >= cut for cut in cuts) % 2:  # the other camera
            frame[:] = np.where((frame == 60).all(2, keepdims=True), wall, frame)[:, ::-1]
    return frames


def assert_same(text: str, other: str) -> None:
    """Check that two files hold the same, up to the rounding of sums: batches of windows differ."""
    words, others = (re.split(r"([^\d.e+-]+)", each) for each in (text, other))
    assert len(words) == len(others)
    for word, found in zip(words, others, strict=True):
        assert word == found or float(found) == pytest.approx(float(word), abs=3e-6)


def cutting_for(checkpoint: Path, out: Path, part_seconds: float | None, forms: tuple[str, ...] = FORMS) -> Cutting:
    """Return what cuts videos, with a worker that finds discs."""
    options = WindowOptions(stride_seconds=0.5), TrackingOptions(), SourceOptions()
    settings = Settings(checkpoint, Discs(), "cpu", *options, out, forms, True, part_seconds)
    worker = Worker(settings, settings.build())
    return Cutting(worker, Ledger(out, settings.digest(worker.recognizer)))


def recognized(made: Cutting, job: Job) -> list[Outcome]:
    """Recognise a video, its last part first, and return the outcomes of videos."""
    pieces = made.cut(job)
    finished = list(made.finished([job]))
    return finished + [outcome for piece in reversed(pieces) for outcome in made.take(made.worker(piece))]


def test_parts_that_meet_at_cuts_give_exactly_the_results_of_one_pass(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "long.mp4", long_frames(36, cuts=(9.0, 13.2, 23.4, 33.0)), FPS)
    job = Job(str(video), "long")
    whole, parts = (cutting_for(checkpoint, tmp_path / name, size) for name, size in (("whole", None), ("parts", 10.0)))
    assert [outcome.error for outcome in recognized(whole, job)] == [None]
    (outcome,) = recognized(parts, job)
    assert outcome.error is None
    assert "joined from 4 parts" in outcome.text
    for form in FORMS:
        assert_same(*(tmp_path.joinpath(name, file_name("long", form)).read_text() for name in ("whole", "parts")))
    assert len(json.loads((tmp_path / "parts" / "long.json").read_text())["tracks"]) > 5
    assert not (tmp_path / "parts" / PARTS).exists()


def test_people_of_one_take_keep_their_numbers_boxes_and_expressions(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "long.mkv", long_frames(36), FPS)
    source = open_video(video)
    recognizer = Recognizer.from_checkpoint(checkpoint, DiscDetector(), device="cpu")
    whole = recognizer.recognize(source)
    found = recognizer.join(read_parts(recognizer, video, [0.0, 10.13, 20.0], overlap=6.0), 6.0)
    assert found.video == whole.video
    assert [track.id for track in found.tracks] == [track.id for track in whole.tracks]
    for one, other in zip(found.tracks, whole.tracks, strict=True):
        assert (one.start_seconds, one.end_seconds) == (other.start_seconds, other.end_seconds)
        assert np.array_equal(one.boxes.frames, other.boxes.frames)
        assert np.abs(one.boxes.xyxy - other.boxes.xyxy).max() < 0.5
        assert abs(len(one.windows) - len(other.windows)) <= 2
        covered = np.maximum.accumulate(one.windows.end_seconds)
        assert (one.windows.start_seconds[1:] <= covered[:-1] + 1e-6).all(), "no gap between windows"
        assert one.segments[0].start_seconds == one.start_seconds
        assert one.segments[-1].end_seconds == pytest.approx(one.end_seconds)


def read_parts(recognizer: Recognizer, video: Path, starts: list[float], overlap: float) -> list[Part]:
    """Recognise the parts of a video that begin at given times."""
    found = []
    for start, following in pairwise([*starts, float("inf")]):
        source = open_video(video, SourceOptions(start_seconds=start))
        source.cut = Cut(0.0, following, following + overlap)
        found.append(recognizer.recognize_part(source, canvas=(128, 96), statistics=True))
    return found


def test_gaps_are_listed_once(checkpoint: Path, tmp_path: Path) -> None:
    lost = {index for gap in (50, 110, 220, 270, 310) for index in range(gap, gap + 15)}
    times = [index / FPS for index in range(360) if index not in lost]
    video = write_video(tmp_path / "long.mkv", long_frames(29)[: len(times)], times=times)
    recognizer = Recognizer.from_checkpoint(checkpoint, DiscDetector(), device="cpu")
    whole = recognizer.recognize(video).video
    parts = read_parts(recognizer, video, [0.0, 10.0, 20.0], overlap=6.0)
    assert parts[0].gaps[-1] == parts[1].gaps[0], "the gap in an overlap is found twice"
    assert recognizer.join(parts, 6.0).video == whole
    (notice,) = whole.notices
    assert notice.startswith("there are no frames from 4.90 to 6.50 s, ")
    assert " and 2 more times" in notice


def test_windows_of_a_long_stride_leave_no_gap_at_a_border(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "long.mkv", long_frames(20), FPS)
    windows = WindowOptions(stride_seconds=1.0)
    recognizer = Recognizer.from_checkpoint(checkpoint, DiscDetector(), windows=windows, device="cpu")
    found = recognizer.join(read_parts(recognizer, video, [0.0, 7.45], overlap=6.0), 6.0)
    for track in found.tracks:
        ends = np.maximum.accumulate(track.windows.end_seconds)
        assert (track.windows.start_seconds[1:] <= ends[:-1] + 1e-6).all()


def test_only_missing_and_damaged_parts_are_read_again(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "long.mp4", long_frames(36), FPS)
    job = Job(str(video), "deep/long")
    first = cutting_for(checkpoint, tmp_path, 10.0)
    pieces = first.cut(job)
    assert [piece.shown.rpartition(", ")[2] for piece in pieces] == [f"part {i} of 4" for i in (1, 2, 3, 4)]
    for piece in pieces[:3]:  # interrupted before the last one
        assert list(first.take(first.worker(piece))) == []
    files = sorted((tmp_path / PARTS).rglob("*.safetensors"))
    assert len(files) == 3
    files[1].write_bytes(files[1].read_bytes()[:-9])
    again = cutting_for(checkpoint, tmp_path, 10.0)
    missing = again.cut(job)
    assert [piece.part.number for piece in missing if piece.part] == [2, 4]
    outcomes = [outcome for piece in missing for outcome in again.take(again.worker(piece))]
    assert [(outcome.job, outcome.error) for outcome in outcomes] == [(job, None)]
    assert (tmp_path / "deep" / "long.json").is_file()
    assert not (tmp_path / PARTS).exists()
    other = cutting_for(checkpoint, tmp_path, 12.0)
    assert len(other.cut(job)) == 3, "parts of another length are other parts"


def test_all_parts_of_an_earlier_run_are_joined(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "long.mp4", long_frames(16), FPS)
    job = Job(str(video), "long")
    first = cutting_for(checkpoint, tmp_path, 8.0)
    for piece in first.cut(job):
        first.worker(piece)
    again = cutting_for(checkpoint, tmp_path, 8.0)
    assert again.cut(job) == []
    assert [outcome.error for outcome in again.finished([job])] == [None]


def test_parts_without_statistics_are_read_again_if_these_are_wanted(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "long.mp4", long_frames(16), FPS)
    job = Job(str(video), "long")
    first = cutting_for(checkpoint, tmp_path, 8.0, ("json",))
    pieces = first.cut(job)
    first.worker(pieces[0])
    again = cutting_for(checkpoint, tmp_path, 8.0)
    assert len(again.cut(job)) == len(pieces) == 2
    assert [outcome.error for outcome in recognized(again, job)] == [None]
    assert (tmp_path / "long.statistics.csv").is_file()
    both = cutting_for(checkpoint, tmp_path / "other", 8.0)
    both.worker(both.cut(job)[0])
    fewer = cutting_for(checkpoint, tmp_path / "other", 8.0, ("json",))
    assert len(fewer.cut(job)) == 1, "those with statistics serve without them, too"


def test_a_failing_part_fails_its_video_and_keeps_the_others(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "long.mp4", long_frames(24), FPS)
    made = cutting_for(checkpoint, tmp_path, 8.0)
    pieces = made.cut(Job(str(video), "long"))
    outcomes = list(made.take(made.worker(pieces[0]))) + list(made.take(Outcome.killed(pieces[1])))
    assert outcomes == []
    (outcome,) = made.take(made.worker(pieces[2]))
    assert outcome.error is not None
    assert "long.mp4, part 2 of 3: the worker died twice" in outcome.error
    assert outcome.job.part is None
    assert len(list((tmp_path / PARTS).rglob("*.safetensors"))) == 2


def test_a_full_disk_stops_everything(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_video(tmp_path / "long.mp4", long_frames(16), FPS)
    made = cutting_for(checkpoint, tmp_path, 8.0)
    pieces = made.cut(Job(str(video), "long"))

    def full(self: Path, _: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    (outcome,) = made.take(made.worker(pieces[0]))
    assert outcome.error is None
    assert outcome.fatal is not None
    assert "No space left on device; free space" in outcome.fatal


def test_a_folder_of_images_and_a_picture_that_changes_its_size(checkpoint: Path, tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "images", long_frames(8))
    for path in folder.iterdir():
        if int(path.stem) >= 50:
            image = cv2.imread(str(path))
            assert image is not None
            cv2.imwrite(str(path), cv2.resize(image, (64, 48)))
    job = Job(str(folder), "images")
    found = []
    for name, size in (("whole", None), ("parts", 1.0)):
        made = cutting_for(checkpoint, tmp_path / name, size)
        assert [outcome.error for outcome in recognized(made, job)] == [None]
        found.append(json.loads((tmp_path / name / "images.json").read_text()))
    assert found[0]["video"] == found[1]["video"]
    assert len(found[1]["video"]["sizes"]) == 2
    assert len(found[0]["tracks"]) == len(found[1]["tracks"])


def test_short_and_unreadable_videos_are_not_cut(checkpoint: Path, tmp_path: Path) -> None:
    short = write_video(tmp_path / "short.mp4", long_frames(10), FPS)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    made = cutting_for(checkpoint, tmp_path, 8.0)
    for job in (Job(str(short), "short"), Job(str(tmp_path / "broken.mp4"), "broken"), Job("-", "stdin")):
        assert made.cut(job) == [job]
    assert cutting_for(checkpoint, tmp_path, None).cut(Job(str(short), "short")) == [Job(str(short), "short")]
    assert made.parts == {}


def test_a_video_that_ends_before_its_header_says(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "long.mp4", long_frames(16), FPS)
    made = cutting_for(checkpoint, tmp_path, 8.0)
    pieces = made.cut(Job(str(video), "long"))
    assert pieces[1].part is not None
    beyond = replace(pieces[1], part=replace(pieces[1].part, start_seconds=30.0))
    assert list(made.take(made.worker(pieces[0]))) == []
    (outcome,) = made.take(made.worker(beyond))
    assert outcome.error is None
    assert json.loads((tmp_path / "long.json").read_text())["video"]["frames"] == 140  # the first part and its overlap


def test_the_part_to_read_is_cut(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "long.mp4", long_frames(30, cuts=(13.0, 19.0)), FPS)
    found = []
    for name, size in (("whole", None), ("parts", 8.0)):
        made = cutting_for(checkpoint, tmp_path / name, size)
        source = SourceOptions(start_seconds=2.0, maximum_seconds=20.0)
        worker = Worker(replace(made.worker.settings, source=source), made.worker.recognizer)
        made = Cutting(worker, made.ledger)
        assert [outcome.error for outcome in recognized(made, Job(str(video), "long"))] == [None]
        found.append((tmp_path / name / "long.json").read_text())
    assert_same(*found)


def track(number: int, first: int, last: int, x: float) -> RecognizedTrack:
    """Return a track at one place, at 10 frames a second, with a window per second."""
    frames = np.arange(first, last)
    boxes = np.tile([x, 0.0, x + 10.0, 10.0], (len(frames), 1))
    starts = np.arange(first / FPS, last / FPS - 0.5)
    windows = Windows(starts, starts + 1, np.full((len(starts), 2), 0.5), np.ones(len(starts)), ("",) * len(starts))
    table = Boxes(frames, frames / FPS, boxes, np.ones(len(frames)))
    return RecognizedTrack(number, first / FPS, last / FPS, table, windows, ())


def part(start: float, frames: int, before: int, *tracks: RecognizedTrack) -> Part:
    info = VideoInfo("a.mp4", frames, FPS, frames / FPS, 64, 48, start_seconds=start)
    turns = {each.id: 0 for each in tracks}
    return Part(info, tracks, (), statistics(start, frames, tracks), turns, frames_before_next=before)


def statistics(start: float, frames: int, tracks: Sequence[RecognizedTrack]) -> FrameStatistics:
    """Return a row for each track in each frame, or for a frame without tracks."""
    found = [(frame, each.id) for each in tracks for frame in each.boxes.frames.tolist()]
    seen = {frame for frame, _ in found}
    rows = np.array(sorted([*found, *((frame, 0) for frame in range(frames) if frame not in seen)]))
    count, score = np.zeros(len(rows)), np.where(rows[:, 1], 0.9, np.nan)
    seconds = start + rows[:, 0] / FPS
    return FrameStatistics(rows[:, 0], seconds, count, count > 0, rows[:, 0], score, rows[:, 1], score, score)


def test_people_are_matched_by_their_boxes_and_numbered_in_order() -> None:
    # 0 to 40 s; the parts overlap from 20 to 29 s and meet at 24.5 s
    earlier = part(0.0, 290, 200, track(1, 0, 290, 0), track(2, 50, 210, 20), track(3, 150, 290, 40))
    moved = [track(1, 200, 350, 40), track(2, 200, 400, 0), track(3, 300, 400, 20)]
    own = [replace(each, boxes=replace(each.boxes, frames=each.boxes.frames - 200)) for each in moved]
    joined = join_parts([earlier, part(20.0, 200, 200, *own)], 9.0)
    assert [(each.id, each.start_seconds, each.end_seconds, each.boxes.xyxy[0, 0]) for each in joined.tracks] == [
        (1, 0.0, 40.0, 0.0),
        (2, 5.0, 21.0, 20.0),
        (3, 15.0, 35.0, 40.0),
        (4, 30.0, 40.0, 20.0),
    ]
    assert joined.video.frames == 400
    assert joined.video.duration_seconds == pytest.approx(40)
    assert [len(each.boxes) for each in joined.tracks] == [400, 160, 200, 100]


def joined_tracks(earlier: Sequence[RecognizedTrack], later: Sequence[RecognizedTrack]) -> Sequence[RecognizedTrack]:
    """Return the tracks of two parts, 0 to 29 s and 20 to 40 s, that meet at 24.5 s; check that each is whole."""
    own = [replace(each, boxes=replace(each.boxes, frames=each.boxes.frames - 200)) for each in later]
    joined = join_parts([part(0.0, 290, 200, *earlier), part(20.0, 200, 200, *own)], 9.0)
    tracks, measured = joined.tracks, joined.statistics
    assert measured is not None
    assert sorted(set(measured.frames.tolist())) == list(range(400))
    assert (np.diff(measured.frames) >= 0).all()
    people = [(frame, each.id) for each in tracks for frame in each.boxes.frames.tolist()]
    nobody = [(frame, 0) for frame in range(400) if frame not in {seen for seen, _ in people}]
    assert sorted(zip(measured.frames.tolist(), measured.tracks.tolist(), strict=True)) == sorted(people + nobody)
    for each in tracks:
        assert (np.diff(each.boxes.frames) == 1).all(), "a box in every frame"
        ends = np.maximum.accumulate(each.windows.end_seconds)
        assert (each.windows.start_seconds[1:] <= ends[:-1] + 1e-6).all(), "no gap between windows"
        assert np.isfinite(time_course(each.windows).probabilities).all()
    return tracks


@pytest.mark.parametrize(
    ("last", "first"), [(290, 265), (225, 200), (290, 200)], ids=["found late", "lost early", "seen by both"]
)
def test_a_person_that_one_part_does_not_see_at_the_border_has_no_gap(last: int, first: int) -> None:
    (found,) = joined_tracks([track(1, 0, last, 0)], [track(1, first, 400, 0)])
    assert (found.start_seconds, found.end_seconds, len(found.boxes)) == (0.0, 40.0, 400)


def test_a_person_with_two_tracks_in_one_part_appears_once_at_a_time() -> None:
    found = joined_tracks([track(1, 0, 290, 0)], [track(1, 200, 243, 0), track(2, 260, 400, 0)])
    assert [(each.start_seconds, each.end_seconds) for each in found] == [(0.0, 40.0)]
    found = joined_tracks([track(1, 0, 240, 0), track(2, 243, 270, 0)], [track(1, 200, 400, 0)])
    assert [(each.start_seconds, each.end_seconds) for each in found] == [(0.0, 24.0), (24.3, 40.0)]


@pytest.mark.parametrize(("end", "start"), [(290, 280), (200, 300)], ids=["little in common", "nothing in common"])
def test_parts_around_a_pause_lose_nobody(end: int, start: int) -> None:
    # the next part is planned to begin at 20 s; the picture pauses from there until its first frame
    shared = [track(2, start, end, 0)] if start < end else []
    earlier = part(0.0, end, min(start, end), track(1, 0, 200, 0), *shared)
    found = [track(1, start, 400, 0), track(2, 305, 320, 40)]
    own = [replace(each, boxes=replace(each.boxes, frames=each.boxes.frames - start)) for each in found]
    later = replace(part(start / FPS, 400 - start, 400 - start, *own), shot_boundaries_seconds=(30.5,))
    joined = join_parts([earlier, later], 9.0)
    assert [(each.start_seconds, each.end_seconds) for each in joined.tracks] == [
        (0.0, 20.0),
        (start / FPS, 40.0),
        (30.5, 32.0),
    ]
    assert joined.shot_boundaries_seconds == (30.5,)
    assert joined.statistics is not None
    assert set(joined.statistics.seconds.round(1)) >= {number / FPS for number in range(start, 400)}


def test_a_file_holds_a_part_exactly(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", long_frames(8, cuts=(4.0,)), FPS)
    recognizer = Recognizer.from_checkpoint(checkpoint, DiscDetector(), device="cpu")
    (found,) = read_parts(recognizer, video, [0.0], 0.0)
    write_part(found, tmp_path / "part.safetensors")
    read = read_part(tmp_path / "part.safetensors")
    assert read is not None
    bare = replace(found, tracks=tuple(replace(each, segments=()) for each in found.tracks))
    assert read == bare
    assert read.statistics == found.statistics
    content = (tmp_path / "part.safetensors").read_bytes()
    earlier = content.replace(b'\\"gaps\\"', b'\\"gasp\\"')  # earlier versions wrote none
    assert earlier != content
    for damaged in (b"", b"{}", content[:200], earlier):
        (tmp_path / "other.safetensors").write_bytes(damaged)
        assert read_part(tmp_path / "other.safetensors") is None
    assert read_part(tmp_path / "missing.safetensors") is None


def test_the_command_joins_parts(checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "long.mp4", disc_frames(300, {}, [60] * 150 + [170] * 150), FPS)
    options = ["--checkpoint", str(checkpoint), "--device", "cpu", "--detector", "haar"]
    main(["recognize", str(video), "--out", str(tmp_path / "whole"), *options])
    cut = ["recognize", str(video), "--out", str(tmp_path / "parts"), "--part-minutes", "0.15", *options]
    main(cut)
    assert "joined from 3 parts" in capfd.readouterr().out
    assert (tmp_path / "whole/long.json").read_bytes() == (tmp_path / "parts/long.json").read_bytes()
    main(cut)
    assert "1 video: 0 read, 1 done before, 0 failed" in capfd.readouterr().out
    for given, shown in (("-1", "-1.0"), ("1e-9", "1e-09")):
        with pytest.raises(SystemExit) as stop:
            main([*cut[:4], "--part-minutes", given])
        assert stop.value.code == 2
        assert f"--part-minutes is {shown}; it must be at least 0.01" in capfd.readouterr().err
