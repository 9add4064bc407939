import hashlib
import json
import math
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ifdd
from ifdd.__main__ import main
from ifdd.data.labels import LABEL_SETS
from ifdd.errors import InputError
from ifdd.faces.alignment import face_aligner
from ifdd.faces.boxes import CropSquare, FaceBox, crop_square
from ifdd.faces.detection import FaceDetector
from ifdd.faces.main_face import follow_face, search_faces
from ifdd.faces.tracking import Tracker, TrackingOptions
from ifdd.faces.upright.search import FaceSearch
from ifdd.inference import HaarDetector, Recognition, Recognizer, WindowOptions, YuNetDetector
from ifdd.inference.reader import Readings
from ifdd.model import IFDD, Checkpoint, TorchEngine, load_checkpoint
from ifdd.records import CheckpointRecord, MeasuredRecord
from ifdd.video.frames import iter_frames
from tests.helpers.faces import REAL, DiscDetector, LandmarkDiscDetector, disc_frames, needs_real
from tests.helpers.records import CALIBRATION
from tests.helpers.videos import write_frame_folder, write_video

CLASSES = LABEL_SETS["dfew"]


class Listener(Recognizer):
    """Records the clips that reach the model."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        windows: WindowOptions,
        tracking: TrackingOptions | None = None,
        detector: FaceDetector | None = None,
    ) -> None:
        super().__init__(checkpoint, detector or DiscDetector(), tracking, windows)
        self.clips: list[np.ndarray] = []
        read = self.reader.read_batch

        def remember(clips: np.ndarray) -> Readings:
            self.clips += list(clips)
            return read(clips)

        self.reader.read_batch = remember  # type: ignore[method-assign]

    def background(self, clip: int) -> list[float]:
        """Grey level in the corner of each frame of a clip."""
        return [float(image[:5, :5].mean()) for image in self.clips[clip]]


def listener(checkpoint: Path, **options: float) -> Listener:
    return Listener(load_checkpoint(checkpoint), WindowOptions(**options))  # type: ignore[arg-type]


def windows(recognition: Recognition) -> list[tuple[float, float]]:
    return [(round(entry.start_seconds, 3), round(entry.end_seconds, 3)) for entry in recognition.timeline]


def test_windows_slide_over_the_track_and_end_with_it(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mkv", disc_frames(56), fps=25.0)
    recognizer = listener(checkpoint, stride_seconds=0.5)
    recognition = recognizer.recognize(video)
    assert windows(recognition) == [(0, 1), (0.5, 1.5), (1, 2), (1.24, 2.24)]
    assert recognition.face_share == 1
    (track,) = recognition.tracks
    assert track.boxes.frames.tolist() == list(range(56))
    assert track.start_seconds == 0
    assert track.end_seconds == pytest.approx(2.24)
    # Window 2 starts at 1 s: the middles of 16 parts of a second, in frames of 0.04 s.
    expected = [2 * (25 + int((i + 0.5) / 16 * 25)) for i in range(16)]
    np.testing.assert_allclose(recognizer.background(2), expected, atol=4)


def test_weights_of_classes_multiply_their_probabilities(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mkv", disc_frames(30), fps=25.0)
    loaded = load_checkpoint(checkpoint)
    first, second, *_ = loaded.classes

    def read(weights: dict[str, float], flip: bool = False) -> Recognition:
        return Listener(loaded, WindowOptions(class_weights=weights, flip=flip)).recognize(video)

    plain, weighted = read({}), read({first: 0.0, second: 3.0})
    expected = plain.tracks[0].windows.probabilities * [0.0, 3.0, *[1.0] * (len(loaded.classes) - 2)]
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(weighted.tracks[0].windows.probabilities, expected, atol=1e-6)
    document = json.loads(weighted.to_json())
    assert document["model"]["class_weights"] == {first: 0.0, second: 3.0}
    assert "class_weights" not in json.loads(plain.to_json())["model"]
    weighted.write(tmp_path / "a.json")
    assert Recognition.load(tmp_path / "a.json").model.class_weights == {first: 0.0, second: 3.0}
    only = read(dict.fromkeys(loaded.classes, 0.0) | {second: 1.0}, flip=True)
    assert (only.tracks[0].windows.probabilities[:, 1] == 1).all()
    assert np.isfinite(read({second: 1e300, first: 1e-300}).tracks[0].windows.probabilities).all()
    with pytest.raises(InputError, match=r"^windows\.class_weights names 'joy', which is not a class; use happy, sad"):
        read({"joy": 1.0})
    with pytest.raises(InputError, match=r"^windows\.class_weights leaves no class"):
        read(dict.fromkeys(loaded.classes, 0.0))


def test_clips_follow_time_if_the_frame_rate_changes(checkpoint: Path, tmp_path: Path) -> None:
    # 25 frames per second, then 10; the grey level encodes the time, with steps too small for a shot boundary.
    times = [i / 25 for i in range(25)] + [1 + i / 10 for i in range(11)]
    frames = disc_frames(len(times), greys=[50 * seconds for seconds in times])
    video = write_video(tmp_path / "vfr.mkv", frames, fps=25.0, times=times)
    recognizer = listener(checkpoint, stride_seconds=0.5)
    recognition = recognizer.recognize(video)
    assert windows(recognition)[:3] == [(0, 1), (0.5, 1.5), (1, 2)]
    instants = 0.5 + (np.arange(16) + 0.5) / 16
    shown = [max(t for t in times if t <= instant + 1e-6) for instant in instants]
    np.testing.assert_allclose(recognizer.background(1), 50 * np.array(shown), atol=1.5)


def test_time_zero_is_the_first_frame(checkpoint: Path, tmp_path: Path) -> None:
    times = [0.7 + i / 25 for i in range(30)]
    video = write_video(tmp_path / "late.mp4", disc_frames(30), fps=25.0, times=times)
    recognition = listener(checkpoint).recognize(video)
    assert recognition.tracks[0].boxes.seconds[0] == 0
    assert recognition.timeline[0].start_seconds == 0
    assert recognition.tracks[0].end_seconds == pytest.approx(1.2)


def test_a_short_video_is_one_stretched_window(checkpoint: Path, tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "frames", disc_frames(5))
    recognizer = listener(checkpoint)
    recognition = recognizer.recognize(folder)
    assert windows(recognition) == [(0, 0.2)]
    expected = [2 * int((i + 0.5) / 16 * 5) for i in range(16)]
    np.testing.assert_allclose(recognizer.background(0), expected, atol=0.5)
    assert len(recognition.segments) == 1


def test_people_may_appear_later(checkpoint: Path, tmp_path: Path) -> None:
    left = disc_frames(75, dict.fromkeys(range(75), (30.0, 40.0)), greys=[50] * 75)
    both = left.copy()
    for index in range(30, 75):
        both[index, 20:60, 80:120] = left[index, 20:60, 10:50]
    recognition = listener(checkpoint).recognize(write_video(tmp_path / "two.mp4", both))
    first, second = recognition.tracks
    assert (first.id, second.id) == (1, 2)
    assert first.start_seconds == 0
    assert second.start_seconds == pytest.approx(1.2)
    assert {entry.track for entry in recognition.timeline} == {1, 2}
    for track in recognition.tracks:
        own = track.segments
        assert {segment.track for segment in own} == {track.id}
        assert own[0].start_seconds == pytest.approx(track.start_seconds)
        assert own[-1].end_seconds == pytest.approx(track.end_seconds)


def test_probabilities_are_those_of_the_model_on_the_crops(checkpoint: Path, tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "frames", disc_frames(30))
    recognizer = listener(checkpoint, stride_seconds=0.2, batch_size=2)
    recognition = recognizer.recognize(folder)
    assert len(recognition.timeline) == len(recognizer.clips) == 2
    model = load_checkpoint(checkpoint).model
    for clip, entry in zip(recognizer.clips, recognition.timeline, strict=True):
        tensor = torch.from_numpy(clip.astype(np.float32) / 255).permute(3, 0, 1, 2)[None]
        with torch.no_grad():
            expected = torch.softmax(model(tensor).logits[0], 0)
        np.testing.assert_allclose(entry.probabilities, expected, atol=1e-5)


def test_memory_holds_crops_for_one_window_only(checkpoint: Path, tmp_path: Path) -> None:
    stream = listener(checkpoint).stream()
    for index, image in enumerate(disc_frames(200, greys=[50] * 200)):
        stream.read(image, index / 25)
        (person,) = stream._people.values()
        assert len(person.windows) <= 27  # 1 s at 25 frames per second
        (track,) = stream.in_sight
        assert len(track.points) <= 2
        assert stream._waiting == []
    stream.finish(8.0)
    assert stream.tracks() == ()


def test_only_faces_that_windows_take_are_cropped(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cropped: list[int] = []

    def count(image: np.ndarray, square: CropSquare, size: int) -> np.ndarray:
        cropped.append(size)
        return crop_square(image, square, size)

    monkeypatch.setattr("ifdd.inference.windows.crop_square", count)
    recognizer = listener(checkpoint, stride_seconds=1.0)
    recognizer.recognize(write_frame_folder(tmp_path / "frames", disc_frames(50)))
    frames = load_checkpoint(checkpoint).model.config.frames
    assert len(recognizer.clips) == 2
    assert len(cropped) == 2 * frames < 50


@pytest.mark.slow
def test_a_frame_shown_for_minutes_takes_little_memory(checkpoint: Path) -> None:
    """As in slide shows and screen recordings, whose frames may last minutes."""
    stream = listener(checkpoint).stream()
    image = disc_frames(1)[0]
    stream.follow(image, 0.0, stream.analyzer.analyze(image, 0.0))
    stream.follow(image, 0.1, stream.analyzer.analyze(image, 0.1))
    tracemalloc.start()
    try:
        windows = stream.follow(image, 600.0, stream.analyzer.analyze(image, 600.0))
        assert len(windows) > 2000
        assert tracemalloc.get_traced_memory()[1] < 5_000_000  # a clip alone is 200 kB
    finally:
        tracemalloc.stop()
    assert stream.read_windows(windows[-2:])[1].end_seconds == pytest.approx(600, abs=0.25)
    for window in (windows[0], windows[-1]):
        assert (window.clip == window.clip[0]).all()


@pytest.mark.parametrize("detect_every", [1, 3])
def test_a_stream_gives_the_results_of_a_file_as_soon_as_windows_are_full(
    checkpoint: Path, tmp_path: Path, detect_every: int
) -> None:
    frames = disc_frames(80, {i: (30 + 0.5 * i, 48.0) for i in range(80)})
    windows = WindowOptions(stride_seconds=0.3)
    recognizer = Listener(load_checkpoint(checkpoint), windows, TrackingOptions(detect_every=detect_every))
    expected = recognizer.recognize(write_frame_folder(tmp_path / "frames", frames)).timeline
    stream = recognizer.stream()
    given = []
    for index, image in enumerate(frames):
        for entry in stream.read(image, index / 25):
            given.append(entry)
            middle = (entry.start_seconds + entry.end_seconds) / 2
            assert index / 25 - middle < stream.latency_seconds + 0.04 + 1e-6
    given += stream.finish(3.2)
    assert [entry[:3] for entry in given] == [entry[:3] for entry in expected]
    for one, other in zip(given, expected, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)


def test_a_stream_batches_the_windows_of_all_people(checkpoint: Path) -> None:
    both = disc_frames(40, dict.fromkeys(range(40), (30.0, 48.0)), [50] * 40)
    both[:, 20:76, 80:120] = both[:, 20:76, 10:50]
    recognizer = listener(checkpoint)
    stream = recognizer.stream()
    sizes = []
    entries = []
    for index, image in enumerate(both):
        before = len(recognizer.clips)
        entries += stream.read(image, index / 25)
        sizes.append(len(recognizer.clips) - before)
    assert {entry.track for entry in entries} == {1, 2}
    assert set(sizes) == {0, 2}


def test_a_stream_refuses_frames_out_of_order(checkpoint: Path) -> None:
    stream = listener(checkpoint).stream()
    image = disc_frames(1)[0]
    stream.read(image, 1.0)
    with pytest.raises(InputError, match="in order of time"):
        stream.read(image, 0.9)
    for seconds in (math.nan, math.inf):
        with pytest.raises(InputError, match="in order of time"):
            stream.read(image, seconds)


def test_a_stream_refuses_invalid_frames_and_continues(checkpoint: Path) -> None:
    stream, clean = listener(checkpoint).stream(), listener(checkpoint).stream()
    frames = disc_frames(30)
    with pytest.raises(InputError, match=r"height x width x 3 values of uint8, given 96 x 128 of uint8"):
        stream.read(frames[0, ..., 0], 0.0)
    given, expected = [], []
    for index, image in enumerate(frames):
        given += stream.read(image, index / 25)
        expected += clean.read(image, index / 25)
        for bad in (image[..., 0], image.astype(np.float32), image[:0], np.dstack([image, image])):
            with pytest.raises(InputError, match="a frame of a stream has height x width x 3 values of uint8"):
                stream.read(bad, index / 25)
    assert given == expected
    assert given


def test_the_precision_reaches_the_model(checkpoint: Path) -> None:
    recognizer = Recognizer(load_checkpoint(checkpoint), DiscDetector(), windows=WindowOptions(precision="bf16-mixed"))
    assert isinstance(recognizer.reader.engine, TorchEngine)
    assert recognizer.reader.engine.precision == "bf16-mixed"


def test_flip_averages_the_probabilities_of_both_images(checkpoint: Path) -> None:
    clips = np.random.default_rng(0).integers(0, 256, (2, 16, 64, 64, 3), np.uint8)
    plain, flipped = listener(checkpoint), listener(checkpoint, flip=True)
    mirrored = np.ascontiguousarray(clips[:, :, :, ::-1])
    expected = (plain.reader.read(list(clips)) + plain.reader.read(list(mirrored))) / 2
    torch.testing.assert_close(flipped.reader.read(list(clips)), expected)


def test_improbable_segments_are_uncertain_and_the_peak_lies_in_its_segment(checkpoint: Path, tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "frames", disc_frames(60))
    (unsure,) = listener(checkpoint, minimum_probability=1.0).recognize(folder).segments
    assert unsure.label == "uncertain"
    for segment in listener(checkpoint, minimum_quality=0.0).recognize(folder).segments:
        assert segment.label in CLASSES
        assert segment.peak_seconds is not None
        assert segment.start_seconds < segment.peak_seconds < segment.end_seconds


def test_the_threshold_of_the_calibration_is_the_default(checkpoint: Path, tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "frames", disc_frames(60))
    unsure = load_checkpoint(checkpoint)._replace(calibration=replace(CALIBRATION, abstain_below=1.0))

    def recognize(least: float | None) -> Recognition:
        return Listener(unsure, WindowOptions(minimum_probability=least, minimum_quality=0.0)).recognize(folder)

    recognition = recognize(None)
    assert [segment.label for segment in recognition.segments] == ["uncertain"]
    assert recognition.model.calibration == unsure.calibration.plain()  # type: ignore[union-attr]
    recognition.write(tmp_path / "a.json")
    assert Recognition.load(tmp_path / "a.json").model == recognition.model
    assert all(segment.label in CLASSES for segment in recognize(0.0).segments)  # the option wins
    plain = Listener(load_checkpoint(checkpoint), WindowOptions())
    assert plain.windows.minimum_probability == 0
    assert plain.model_info.calibration is None


class StillDetector(DiscDetector):
    """Detects a disc in the middle, in any light."""

    def detect(self, image: np.ndarray) -> list[FaceBox]:
        return [FaceBox(52.0, 36.0, 25.0, 25.0, 0.9)]


def test_quality_is_that_of_the_frames_in_the_window(checkpoint: Path, tmp_path: Path) -> None:
    plain = disc_frames(50, greys=[0] * 50)
    for i, frame in enumerate(plain):
        frame[42 + 3 * (i % 4) : 45 + 3 * (i % 4), 60:69] = 0  # a face that never changes counts as a photograph
    gone = plain.copy()
    gone[20:35] = 0  # hidden, and the track continues
    windows = WindowOptions(stride_seconds=1.0)

    def read(name: str, frames: np.ndarray, detector: DiscDetector) -> list[tuple[float, str]]:
        recognizer = Recognizer.from_checkpoint(checkpoint, detector, TrackingOptions(detect_every=1), windows)
        recognition = recognizer.recognize(write_frame_folder(tmp_path / name, frames))
        return [(entry.quality, entry.flaw) for entry in recognition.timeline]

    (whole, flaw), (same, _) = read("plain", plain, DiscDetector())
    assert flaw == "small"  # the crop's side is 1.35 x 25 = 34 pixels of the model's 64
    assert whole == same
    assert 0.3 < whole < 34 / 64
    (first, _), (second, flaw) = read("gone", gone, DiscDetector())
    assert first == pytest.approx(whole * 13 / 16, abs=0.01)  # 3 of 16 frames lie in 0.8 to 1 s
    assert second == pytest.approx(whole * 10 / 16, abs=0.01)  # 6 of 16 frames lie in 1 to 1.4 s
    assert read("dark", (plain * 0.2).astype(np.uint8), StillDetector())[0][1] == "badly lit"


def test_no_face_gives_an_empty_timeline(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "empty.mp4", disc_frames(30, {}))
    recognition = listener(checkpoint).recognize(video)
    assert (recognition.tracks, recognition.timeline, recognition.segments) == ((), (), ())
    assert recognition.face_share == 0
    header = ["track", "start_seconds", "end_seconds", "start_frame", "end_frame", *CLASSES, "quality", "notice"]
    assert recognition.to_csv() == ",".join(header) + "\n"


def test_a_truncated_video_is_recognized_up_to_its_end(checkpoint: Path, tmp_path: Path) -> None:
    frames = disc_frames(60)
    frames[:, :20] = np.random.default_rng(0).integers(
        0, 60, (60, 20, 128, 3)
    )  # so that all encoded frames have the same size
    video = write_video(tmp_path / "cut.mp4", frames, options={"movflags": "faststart"})
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 6 // 10])
    recognition = Recognizer.from_checkpoint(checkpoint, DiscDetector()).recognize(video)
    assert 10 < recognition.video.frames < 60
    assert recognition.timeline[-1].end_seconds == pytest.approx(recognition.video.duration_seconds, abs=0.1)
    assert any("truncated" in notice for notice in recognition.to_dict()["video"]["notices"])


def test_json_has_exactly_the_documented_fields(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", disc_frames(50))
    recognition = Recognizer.from_checkpoint(checkpoint, DiscDetector()).recognize(video)
    form = json.loads(recognition.to_json())
    assert form == recognition.to_dict()
    assert form.keys() == {"schema_version", "video", "shot_boundaries_seconds", "model", "tracks"}
    assert form["shot_boundaries_seconds"] == []
    assert form["video"] == {
        "path": str(video),
        "start_seconds": 0.0,
        "duration_seconds": 2.0,
        "frames": 50,
        "fps": 25.0,
        "width": 128,
        "height": 96,
        "damaged": 0,
        "notices": [],
    }
    assert form["model"] == {
        "name": "ifdd_tiny",
        "frames": 16,
        "size": 64,
        "clip_seconds": 1.0,
        "classes": list(CLASSES),
        "checkpoint": checkpoint.name,
        "checkpoint_sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        "face_detector": "discs",
        "description": {"preset": "ifdd_tiny"},
    }
    (track,) = form["tracks"]
    assert track.keys() == {"id", "start_seconds", "end_seconds", "segments", "windows", "boxes"}
    assert track["boxes"].keys() == {"frames", "seconds", "xyxy", "scores"}
    assert {len(column) for column in track["boxes"].values()} == {50}
    assert track["windows"][0].keys() == {"start_seconds", "end_seconds", "probabilities", "quality", "flaw"}
    assert track["segments"][0].keys() == {
        "start_seconds",
        "end_seconds",
        "label",
        "probability",
        "peak_seconds",
        "quality",
        "confidence",
        "flaw",
    }
    for window in track["windows"]:
        assert sum(window["probabilities"]) == pytest.approx(1, abs=1e-5)


def test_a_shot_boundary_is_reported_and_ends_the_track(checkpoint: Path, tmp_path: Path) -> None:
    places = {i: (40.0 if i < 30 else 90.0, 48.0) for i in range(60)}
    folder = write_frame_folder(tmp_path / "frames", disc_frames(60, places, greys=[20] * 30 + [200] * 30))
    recognition = listener(checkpoint).recognize(folder)
    assert recognition.to_dict()["shot_boundaries_seconds"] == [1.2]
    assert [track.start_seconds for track in recognition.tracks] == [0, pytest.approx(1.2)]


def test_statistics_hold_every_frame_and_face(checkpoint: Path, tmp_path: Path) -> None:
    places = {i: (40.0 if i < 30 else 90.0, 48.0) for i in range(60)}
    folder = write_frame_folder(tmp_path / "frames", disc_frames(60, places, greys=[20] * 30 + [200] * 30))
    tracking = TrackingOptions(detect_every=2)
    recognizer = Recognizer.from_checkpoint(checkpoint, DiscDetector(), tracking)
    assert recognizer.recognize(folder).statistics is None
    recognition = recognizer.recognize(folder, statistics=True)
    statistics = recognition.statistics
    assert statistics is not None
    assert statistics.frames.tolist() == list(range(60))
    assert statistics.tracks.tolist() == [1] * 30 + [2] * 30
    assert np.flatnonzero(statistics.boundaries).tolist() == [30]
    assert statistics.shot_changes.argmax() == 30
    assert statistics.shot_changes[0] == 0
    assert (statistics.detections[::2] == 1).all()
    assert (statistics.detections[1:30:2] == -1).all()
    assert np.isnan(statistics.best_scores[1])
    boxes = np.concatenate([track.boxes.scores for track in recognition.tracks])
    assert statistics.scores.tolist() == boxes.tolist()
    recognition.write(tmp_path / "a.statistics.csv")
    lines = (tmp_path / "a.statistics.csv").read_text("utf-8").splitlines()
    assert lines[0] == "frame,seconds,shot_change,shot_boundary,detections,best_score,track,score,quality,file"
    assert len(lines) == 61
    assert lines[2].split(",")[4:7] == ["", "", "1"]  # a frame that was not searched
    with pytest.raises(InputError, match="hold no frame statistics"):
        recognizer.recognize(folder).write(tmp_path / "b.statistics.csv")


def test_statistics_have_rows_for_frames_without_a_face(checkpoint: Path, tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "frames", disc_frames(5, {}))
    recognizer = Recognizer.from_checkpoint(checkpoint, DiscDetector(), TrackingOptions(detect_every=1))
    recognition = recognizer.recognize(folder, statistics=True)
    recognition.write(tmp_path / "a.statistics.csv")
    first = (tmp_path / "a.statistics.csv").read_text("utf-8").splitlines()[1]
    assert first == "0,0.0,0.0,0,0,,,,,1.png"


def test_a_missing_video_is_reported_before_a_detector_is_downloaded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"no such video: .*gone\.mp4"):
        ifdd.recognize(tmp_path / "gone.mp4")
    assert "download" not in caplog.text
    with pytest.raises(SystemExit, match="2"):
        main(["recognize", str(tmp_path / "gone.mp4"), "--out", str(tmp_path / "out")])
    error = capfd.readouterr().err
    assert error == f"ifdd recognize: no such video: {tmp_path / 'gone.mp4'}; check the path\n"


def test_one_line_recognizes_a_video(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", disc_frames(50))
    recognition = ifdd.recognize(video, checkpoint, detector=DiscDetector())
    assert isinstance(recognition, ifdd.Recognition)
    assert recognition == Recognizer.from_checkpoint(checkpoint, DiscDetector()).recognize(video)


def test_rows_are_the_timeline(checkpoint: Path, tmp_path: Path) -> None:
    recognition = listener(checkpoint).recognize(write_video(tmp_path / "a.mp4", disc_frames(50)))
    rows = list(recognition.timeline_rows())
    first = ["track", "start_seconds", "end_seconds", "start_frame", "end_frame"]
    assert list(rows[0]) == [*first, *CLASSES, "quality", "notice"]
    lines = recognition.to_csv().splitlines()
    assert len(lines) == 1 + len(rows) == 1 + len(recognition.timeline)
    assert lines[1].split(",") == [str(value) for value in rows[0].values()]


def test_synthetic_training_is_reported(checkpoint: Path) -> None:
    loaded = load_checkpoint(checkpoint)
    assert not Recognizer(loaded, DiscDetector()).trained_on_synthetic_faces
    recognizer = Recognizer(loaded._replace(record=CheckpointRecord(synthetic=True)), DiscDetector())
    assert recognizer.trained_on_synthetic_faces
    assert "synthetic" in recognizer.model_info.notice
    measured = MeasuredRecord(pictures="photographs", count=500, classes=5, accuracy=0.514, interval=(0.47, 0.56))
    record = CheckpointRecord(synthetic=True, measured=measured)
    notice = Recognizer(loaded._replace(record=record), DiscDetector()).model_info.notice
    assert "Of 500 photographs of real people, it read 51% as people did (5 classes)" in notice


def by_landmarks(checkpoint: Path) -> Checkpoint:
    """Return the checkpoint with the alignment by landmarks."""
    loaded = load_checkpoint(checkpoint)
    model = IFDD(replace(loaded.model.config, alignment="landmarks"))
    model.load_state_dict(loaded.model.state_dict())
    return loaded._replace(model=model)


def test_faces_are_aligned_by_landmarks_if_the_checkpoint_says_so(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", disc_frames(30))
    for loaded, detector, shift in (
        (by_landmarks(checkpoint), LandmarkDiscDetector(), 0.1 / 1.1),
        (load_checkpoint(checkpoint), DiscDetector(), 0),
    ):
        recognizer = Listener(loaded, WindowOptions(), detector=detector)
        recognition = recognizer.recognize(video)
        (disc,) = DiscDetector().detect(recognizer.clips[0][8])
        assert disc.center == pytest.approx((64 * (0.5 - shift), 32), abs=1.5)
        stated = json.loads(recognition.to_json())["model"]
        assert ("alignment" in stated, "notice" in stated) == (bool(shift), False)
        recognition.write(tmp_path / "a.json")
        assert Recognition.load(tmp_path / "a.json").model == recognition.model


def test_a_detector_without_landmarks_is_reported_once(checkpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
    recognizer = Recognizer(by_landmarks(checkpoint), HaarDetector())
    assert recognizer.model_info.notice.startswith("This model expects faces aligned by landmarks")
    assert [record.message for record in caplog.records] == [recognizer.model_info.notice]
    assert not recognizer.trained_on_synthetic_faces
    assert Recognizer(load_checkpoint(checkpoint), HaarDetector()).model_info.notice == ""
    assert len(caplog.records) == 1


@needs_real
@pytest.mark.parametrize("reduce", [False, True])
def test_a_stream_aligns_a_real_face_as_prepare_does(checkpoint: Path, reduce: bool) -> None:
    detector = YuNetDetector(REAL / "models" / "yunet_n_640_640.onnx")
    frames = list(iter_frames(REAL / "videos" / "one_face_smile.mp4"))[:60]
    places = follow_face(search_faces(iter(frames), detector, "landmarks"), "landmarks")
    tracker, aligner = Tracker(TrackingOptions()), face_aligner("landmarks", detector)
    search = FaceSearch(detector, reduce=reduce)
    apart = []
    for frame, place in zip(frames, places, strict=True):
        (track,) = tracker.update(frame.index, frame.seconds, search.search(frame.image, frame.seconds)).active
        square = aligner.update(frame.image, track.box, frame.seconds)
        x, y, side, roll = place.square
        apart.append([(square.x - x) / side, (square.y - y) / side, square.side / side - 1, square.roll - roll])
    assert len(apart) == 60
    worst = np.quantile(np.abs(apart), 0.9, axis=0)
    assert (worst < [0.03, 0.03, 0.04, 3]).all(), worst


def test_a_stride_longer_than_a_clip_is_refused(checkpoint: Path) -> None:
    with pytest.raises(InputError, match=r"stride_seconds is 1\.5, which leaves gaps"):
        listener(checkpoint, stride_seconds=1.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"stride_seconds": 0.0},
        {"stride_seconds": 1e-9},
        {"minimum_segment_seconds": -1.0},
        {"batch_size": 0},
        {"class_weights": {"sad": -1.0}},
        {"class_weights": {"sad": float("inf")}},
        {"minimum_probability": 1.5},
        {"minimum_quality": -0.1},
    ],
)
def test_options_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        WindowOptions(**wrong)


@needs_real
@pytest.mark.parametrize(
    ("name", "tracks", "share"),
    [("one_face_smile.mp4", 1, 1.0), ("two_faces_turning.gif", 2, 1.0), ("no_face.mp4", 0, 0.0)],
)
def test_people_of_real_videos(checkpoint: Path, name: str, tracks: int, share: float) -> None:
    detector = YuNetDetector(REAL / "models" / "yunet_n_640_640.onnx")
    recognition = Recognizer.from_checkpoint(checkpoint, detector).recognize(REAL / "videos" / name)
    assert len(recognition.tracks) == tracks
    assert recognition.face_share == pytest.approx(share, abs=0.02)


def test_without_a_detector_the_best_available_one_is_used_and_logged(
    checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recognizer = Recognizer.from_checkpoint(checkpoint)
    assert recognizer.detector.name == "haar"  # no network in the tests
    assert "Using OpenCV's Haar cascade" in caplog.text
    assert Recognizer.from_checkpoint().trained_on_synthetic_faces
