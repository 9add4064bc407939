"""The state behind the page: queue, corrections, places, uploads, live frames."""

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from ifdd.app import corrections
from ifdd.app.corrections import Correction, load_corrections, save_correction
from ifdd.app.frames import frame_jpeg
from ifdd.app.library import Library
from ifdd.app.live import LONGEST_MESSAGE, LiveSession
from ifdd.app.places import Places, open_places
from ifdd.app.queue import Queue, Task
from ifdd.app.uploads import clean_name
from ifdd.errors import InputError
from ifdd.faces.boxes import FaceBox
from ifdd.files import file_sha256
from ifdd.inference.batch.jobs import Job
from ifdd.inference.batch.ledger import Ledger
from ifdd.inference.pipeline import Progress
from ifdd.inference.results import Results, Segment, TimelineEntry
from ifdd.inference.stream import Stream
from ifdd.names import LONGEST_ENDING, LONGEST_NAME
from ifdd.video.encode import VideoWriter
from ifdd.video.images import decode_image
from tests.helpers.processes import wait_until
from tests.helpers.results import make_model, make_track, make_video
from tests.helpers.videos import frame_number, moving_frames, write_frame_folder, write_video


class Recognition:
    """Stands in for recognition: each video waits at every frame until it may go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.fails_with: Exception | None = None

    def __call__(self, video: Path, name: str, named: str | None, on_frame: Callable[[Progress], object]) -> Path:
        self.begun.append(name)
        try:
            for frame in range(1, 1_000_000):
                on_frame(Progress(frame, frame / 10, 100.0, 2))
                if self.go_on.wait(0.002):
                    break
        finally:
            self.ended.append(name)
        if self.fails_with is not None:
            raise self.fails_with
        return video.with_suffix(".json")


@contextmanager
def queue_of(recognize: Recognition) -> Iterator[Queue]:
    queue = Queue(recognize)
    try:
        yield queue
    finally:
        queue.close()


def add(queue: Queue, name: str) -> Task:
    return queue.add(Path(f"/videos/{name}.mp4"), name, name)


def wait_for(task: Task, state: str) -> None:
    wait_until(lambda: task.state == state, f"{task.name} to be {state}")


def test_videos_are_read_one_after_another_and_progress_is_shown() -> None:
    recognize = Recognition()
    with queue_of(recognize) as queue:
        one, two = add(queue, "one"), add(queue, "two")
        wait_until(lambda: one.seconds > 0.3, "progress")
        shown = one.plain()
        assert (shown["state"], shown["faces"], shown["expected_seconds"]) == ("running", 2, 100.0)
        assert shown["speed"] > 0
        assert shown["left_seconds"] == pytest.approx((100 - one.seconds) / shown["speed"], rel=0.5)
        assert two.state == "waiting"
        recognize.go_on.set()
        wait_for(two, "done")
        assert one.result == Path("/videos/one.json")
        assert recognize.begun == ["one", "two"]


def test_cancelled_videos_end_at_the_next_frame_and_can_be_resumed() -> None:
    recognize = Recognition()
    with queue_of(recognize) as queue:
        one, two = add(queue, "one"), add(queue, "two")
        wait_until(lambda: recognize.begun == ["one"], "the first video")
        queue.cancel(two.id)
        queue.cancel(one.id)
        wait_until(lambda: recognize.ended == ["one"], "the first video to end")
        assert (one.state, two.state) == ("cancelled", "cancelled")
        queue.retry(one.id)
        recognize.go_on.set()
        resumed = queue.tasks()[-1]
        assert resumed.id == one.id
        wait_for(resumed, "done")
        assert recognize.begun == ["one", "one"]
        queue.remove(resumed.id)
        assert [task.name for task in queue.tasks()] == ["two"]
        with pytest.raises(InputError, match="no longer in the queue"):
            queue.cancel(resumed.id)


def test_a_video_in_the_queue_is_not_added_again() -> None:
    recognize = Recognition()
    with queue_of(recognize) as queue:
        assert add(queue, "one") is add(queue, "one")
        assert len(queue.tasks()) == 1


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("/videos/one.mp4 is empty"), "one is empty"),
        (RuntimeError("boom\nboom"), "one: unexpected RuntimeError: boom boom"),
    ],
)
def test_a_failure_ends_its_video_only(error: Exception, sentence: str) -> None:
    recognize = Recognition()
    recognize.fails_with = error
    recognize.go_on.set()
    with queue_of(recognize) as queue:
        one = add(queue, "one")
        wait_for(one, "failed")
        assert one.error == sentence
        recognize.fails_with = None
        wait_for(add(queue, "two"), "done")


def test_closing_ends_the_running_video() -> None:
    recognize = Recognition()
    with queue_of(recognize) as queue:
        add(queue, "one")
        wait_until(lambda: recognize.begun, "the video")
    assert recognize.ended == ["one"]


def results_of(*segments: Segment) -> Results:
    """Return results with these segments, each of a track of its own."""
    tracks = [make_track(each.track, each.start_seconds, each.end_seconds, segments=[each]) for each in segments]
    return Results(make_video("sea.mp4", 4.0, 40), make_model(("happy", "sad", "surprise")), tuple(tracks))


def test_corrections_of_two_tabs_both_stay(tmp_path: Path) -> None:
    result = tmp_path / "sea.json"
    result.write_text("{}")
    results = results_of(Segment(1, 0.0, 1.0, "sad", 0.8), Segment(2, 1.0, 2.0, "happy", 0.8))
    assert load_corrections(result).corrections == ()

    def load() -> Results:
        assert corrections._saving.locked()  # so no tab saves with what it loaded before another one did
        return results

    first = Correction(2, 1.0, 2.0, "happy", corrected="surprise")
    second = Correction(1, 0.0, 1.0, "sad", comment="looks down")
    threads = [threading.Thread(target=save_correction, args=(result, load, each)) for each in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert load_corrections(result).corrections == (second, first)
    save_correction(result, load, Correction(2, 1.0, 2.0, "happy"))  # nothing to say any more
    assert load_corrections(result).corrections == (second,)
    assert result.read_text() == "{}"


def test_corrections_of_earlier_results_are_not_taken_for_those_of_newer_ones(tmp_path: Path) -> None:
    result = tmp_path / f"{'x' * (LONGEST_NAME - LONGEST_ENDING)}.json"
    result.write_text("{}")
    gone, stays = Segment(1, 0.0, 1.0, "sad", 0.8), Segment(2, 0.0, 1.0, "sad", 0.8)
    for each in (gone, stays):
        save_correction(result, lambda: results_of(gone, stays), Correction(each.track, 0.0, 1.0, "sad", comment="old"))
    earlier = load_corrections(result).result_sha256
    result.write_text('{"other": "settings"}')
    newer = results_of(gone._replace(label="happy"), stays)
    assert load_corrections(result).result_sha256 == earlier != file_sha256(result)
    save_correction(result, lambda: newer, Correction(2, 0.0, 1.0, "sad", comment="new"))
    saved = load_corrections(result)
    assert saved.result_sha256 == file_sha256(result)
    assert saved.corrections == (Correction(2, 0.0, 1.0, "sad", comment="new"),)
    assert saved.earlier == (Correction(1, 0.0, 1.0, "sad", comment="old"),)
    save_correction(result, lambda: newer, Correction(2, 0.0, 1.0, "sad"))
    assert load_corrections(result) == replace(saved, corrections=())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"end_seconds": 2.0}, "no such segment"),
        ({"corrected": ""}, "must be another label of these results"),
        ({"corrected": "sad"}, "must be another label of these results"),
        ({"corrected": "unknown"}, "must be another label of these results"),
        ({"comment": "\ud83d"}, "holds half a character"),
        ({"comment": "x" * 10_001}, "shorten it"),
    ],
)
def test_corrections_that_no_page_can_show_are_refused(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    (result := tmp_path / "sea.json").write_text("{}")
    sent = replace(Correction(1, 0.0, 1.0, "anything", corrected="uncertain"), **values)
    with pytest.raises(InputError, match=message):
        save_correction(result, lambda: results_of(Segment(1, 0.0, 1.0, "sad", 0.8)), sent)
    assert not (tmp_path / "sea.corrections.json").exists()


def test_the_label_of_a_correction_is_that_of_its_segment(tmp_path: Path) -> None:
    (result := tmp_path / "sea.json").write_text("{}")
    sent = Correction(1, 0.0, 1.0, "anything", corrected="uncertain")
    saved = save_correction(result, lambda: results_of(Segment(1, 0.0, 1.0, "sad", 0.8)), sent)
    assert saved.corrections == (replace(sent, label="sad"),)


def test_damaged_corrections_are_not_overwritten(tmp_path: Path) -> None:
    result, saved = tmp_path / "sea.json", tmp_path / "sea.corrections.json"
    result.write_text("{}")
    saved.write_text("[1")
    with pytest.raises(InputError, match=r"sea\.corrections\.json is damaged"):
        save_correction(
            result, lambda: results_of(Segment(1, 0.0, 1.0, "sad", 0.8)), Correction(1, 0.0, 1.0, "sad", comment="x")
        )
    assert saved.read_text() == "[1"


def test_places_end_at_their_folders(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "inside-not"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a.mp4").touch()
    (inside / "link").symlink_to(outside)
    places = Places(tmp_path / "session", inside)
    assert places.confine(inside / "a.mp4") == inside / "a.mp4"
    for path in (outside / "a.mp4", inside / "link" / "a.mp4", inside / ".." / "inside-not" / "a.mp4", "a\0b"):
        assert places.confine(path) is None


def test_folders_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, results in ((tmp_path / "nowhere", None), (tmp_path / "file", None), (None, tmp_path / "file")):
        with pytest.raises(InputError, match="folder"), open_places(folder, results):
            pass


def test_a_folder_of_images_is_a_video_and_a_folder_of_results_is_none(tmp_path: Path) -> None:
    images, plots = write_frame_folder(tmp_path / "images", moving_frames(3)), tmp_path / "plots"
    write_frame_folder(plots, moving_frames(1))
    Ledger(plots, "").add(Job("1.mp4", "1"), None, [plots / "1.png"])
    for folder, names in ((images, ["images"]), (plots, []), (tmp_path, ["images"])):
        with open_places(folder, None) as places:
            assert [entry.name for entry in Library(places).videos()] == names


@pytest.mark.parametrize("name", ["", "..", "/", "a/..", ". .", "\\"])
def test_unusable_names_are_replaced(name: str) -> None:
    assert clean_name(name) == "video"


def test_names_cannot_hold_control_characters() -> None:
    assert "\x1b" not in clean_name("a\x1b[31m.mp4")


class StillStream(Stream):
    """A stream that recognises what it is told."""

    def __init__(self) -> None:
        self.entries: list[TimelineEntry] = []
        self.in_sight = []

    def read(self, image: np.ndarray, seconds: float) -> list[TimelineEntry]:
        return self.entries


def frame(seconds: float, data: bytes | None = None) -> bytes:
    picture = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
    return struct.pack("<d", seconds) + (picture if data is None else data)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "empty or too large"),
        (bytes(8), "empty or too large"),
        (bytes(LONGEST_MESSAGE + 1), "empty or too large"),
        (frame(float("nan")), "no time"),
        (frame(float("inf")), "no time"),
        (frame(0.0, b"GIF89a"), "not a readable image"),
    ],
)
def test_malformed_messages_are_refused(message: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        LiveSession(StillStream()).read(message)


def test_a_frame_gives_people_in_sight_and_their_newest_window() -> None:
    stream = StillStream()
    live = LiveSession(stream)
    stream.entries = [TimelineEntry(1, 0.0, 1.0, (1.0,), 0.5, "dark")]
    stream.in_sight = [cast(Any, SimpleNamespace(id=1, box=FaceBox(1.0, 2.0, 3.0, 4.0, 0.9)))]
    answer = live.read(frame(2.5))
    assert (answer["seconds"], answer["width"], answer["height"]) == (2.5, 64, 48)
    assert answer["people"][0]["box"] == [1.0, 2.0, 3.0, 4.0]
    assert answer["people"][0]["newest"]["flaw"] == "dark"
    stream.in_sight, stream.entries = [], []
    assert live.read(frame(2.6))["people"] == []


@pytest.mark.parametrize(("seconds", "number"), [(0.0, 0), (0.19, 1), (0.2, 2), (0.95, 9), (1.1, 9)])
def test_a_single_frame_is_the_one_that_a_player_shows(tmp_path: Path, seconds: float, number: int) -> None:
    video = write_video(tmp_path / "ten.mp4", moving_frames(10), fps=10.0)
    assert frame_number(decode_image(frame_jpeg(video, seconds, 10.0), "the frame")) == number


def test_a_single_frame_may_last_long(tmp_path: Path) -> None:
    pictures = moving_frames(10)
    video = tmp_path / "held.mp4"
    with VideoWriter(video, 10.0) as writer:
        for index, picture in enumerate(pictures):
            writer.write(picture, index / 10 if index < 9 else 6.0)
    assert frame_number(decode_image(frame_jpeg(video, 5.0, 1.6), "the frame")) == 8
    assert frame_number(decode_image(frame_jpeg(video, 6.1, 1.6), "the frame")) == 9
    folder = write_frame_folder(tmp_path / "slow", pictures)
    assert frame_number(decode_image(frame_jpeg(folder, 4.0, 0.2), "the frame")) == 0
    assert frame_number(decode_image(frame_jpeg(folder, 100.0, 0.2), "the frame")) == 9
