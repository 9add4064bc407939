import csv
import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from ifdd.__main__ import main
from ifdd.clusters import Cluster
from ifdd.console import video_bar
from ifdd.faces.boxes import FaceBox
from ifdd.faces.detection import DetectorChoice
from ifdd.faces.tracking import TrackingOptions
from ifdd.inference import Recognizer, WindowOptions
from ifdd.inference.batch import crew
from ifdd.inference.batch.crew import Crew
from ifdd.inference.batch.jobs import Job, refuse_unwritable
from ifdd.inference.batch.worker import Outcome, Settings, Worker, build_worker, progress_of, share_cores
from ifdd.inference.pipeline import Progress
from ifdd.inference.recognize import _device_here, _outcomes
from ifdd.model import DEFAULT
from ifdd.processes import KILLED
from ifdd.synth.config import PRESETS
from ifdd.synth.videos.story import StoryConfig, render_story
from ifdd.video.sources import SourceOptions, VideoSource
from tests.export.conftest import save_tiny
from tests.helpers.faces import DiscDetector, disc_frames
from tests.helpers.videos import write_frame_folder, write_video


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """1.5 s of a smiling drawn person."""
    _, shots = render_story(["happy"], PRESETS["easy"], 0, StoryConfig(seconds=1.5, fps=8.0, width=320, height=240))
    return np.stack([picture for picture, _ in shots])


def recognize(checkpoint: Path, out: Path, *videos: Path) -> None:
    main(["recognize", *map(str, videos), "--checkpoint", str(checkpoint), "--out", str(out), "--device", "cpu"])


def failure(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must fail with exit code 2, and return its last line on standard error."""
    with pytest.raises(SystemExit) as stop:
        main(["recognize", *words])
    assert stop.value.code == 2
    errors = capfd.readouterr().err
    assert "Traceback" not in errors
    return errors.strip().splitlines()[-1]


@pytest.mark.parametrize("kind", ["mp4", "mkv", "gif", "folder"])
def test_every_kind_of_video_is_read(
    checkpoint: Path, tmp_path: Path, faces: np.ndarray, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if kind == "folder":
        video = write_frame_folder(tmp_path / "smile.v1", faces)
    else:
        video = write_video(tmp_path / f"smile.{kind}", faces, fps=8.0)
    recognize(checkpoint, tmp_path / "out", video)
    name = "smile.v1" if kind == "folder" else "smile"
    form = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    assert form["video"]["frames"] == len(faces)
    assert len(form["tracks"]) == 1
    windows = form["tracks"][0]["windows"]
    assert windows
    rows = list(csv.DictReader((tmp_path / "out" / f"{name}.csv").read_text().splitlines()))
    assert len(rows) == len(windows)
    assert float(rows[0]["happy"]) == windows[0]["probabilities"][form["model"]["classes"].index("happy")]
    printed = capfd.readouterr()
    assert "a face in 100% of the frames" in printed.out
    assert "Haar" in printed.err


def test_a_video_without_faces_has_results(checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    recognize(checkpoint, tmp_path / "out", write_video(tmp_path / "sea.mp4", disc_frames(10, {})))
    assert "no face found" in capfd.readouterr().out
    form = json.loads((tmp_path / "out" / "sea.json").read_text())
    assert form["tracks"] == []
    assert (tmp_path / "out" / "sea.csv").read_text().count("\n") == 1


def test_a_bad_video_is_reported_and_the_others_are_recognized(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good = [write_video(tmp_path / f"{name}.mp4", disc_frames(5, {})) for name in ("first", "last")]
    bad = tmp_path / "text.mp4"
    bad.write_text("not a video\n" * 50)
    options = ["--checkpoint", str(checkpoint), "--out", str(tmp_path / "out")]
    line = failure(capfd, str(good[0]), str(bad), str(good[1]), *options)
    assert line.startswith("ifdd recognize: 1 of 3 videos failed")
    assert "text.mp4" in line
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["first.csv", "first.json", "last.csv", "last.json", "recognize.jsonl"]


@pytest.mark.parametrize("content", [b"", b"\0" * 4096])
def test_an_unreadable_video_is_named(
    checkpoint: Path, tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / "bad.mp4"
    video.write_bytes(content)
    model = tmp_path / "model.onnx"  # a bad detector model is reported before any video
    assert "model.onnx" in failure(capfd, str(video), "--checkpoint", str(checkpoint), "--detector_model", str(model))
    line = failure(capfd, str(video), "--checkpoint", str(checkpoint), "--out", str(tmp_path / "out"))
    assert line.startswith("ifdd recognize: cannot read the video")
    assert "bad.mp4" in line
    with pytest.raises(SystemExit):
        main(["recognize", str(video), "--checkpoint", str(checkpoint), "--out", str(tmp_path / "out")])
    assert "" not in capfd.readouterr().err.splitlines()
    assert not (tmp_path / "out").exists()


def test_truncated_and_missing_videos_are_named(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = write_video(tmp_path / "whole.mp4", disc_frames(50)).read_bytes()
    truncated = tmp_path / "truncated.mp4"
    truncated.write_bytes(whole[: len(whole) // 2])
    options = ["--checkpoint", str(checkpoint), "--out", str(tmp_path / "out")]
    line = failure(capfd, str(truncated), str(tmp_path / "absent.mp4"), *options)
    assert "2 of 2 videos failed" in line


def test_bad_checkpoint_detector_and_options_are_named(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    video = str(write_video(tmp_path / "a.mp4", disc_frames(5)))
    text = tmp_path / "text.safetensors"
    text.write_text("hello")
    with pytest.raises(SystemExit):
        main(["recognize", video, "--checkpoint", str(text)])
    (line,) = capfd.readouterr().err.splitlines()  # no message about a detector before it
    assert "text.safetensors" in line
    assert "absent" in failure(capfd, video, "--checkpoint", str(tmp_path / "absent.safetensors"))
    good = ["--checkpoint", str(checkpoint)]
    assert "absent.onnx" in failure(capfd, video, *good, "--detector_model", str(tmp_path / "absent.onnx"))
    assert "stride_seconds" in failure(capfd, video, *good, "--windows.stride-seconds", "9")
    assert "gap_seconds" in failure(capfd, video, *good, "--tracking.gap_seconds", "-1")


def test_an_unwritable_folder_is_named(checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    video = str(tmp_path / "absent.mp4")  # the folder is checked first
    for out in (tmp_path / "file", tmp_path / "file" / "out", Path("/proc/out")):
        line = failure(capfd, video, "--checkpoint", str(checkpoint), "--out", str(out))
        assert line.startswith(f"ifdd recognize: cannot write results to the folder {out}: ")


def test_checking_a_folder_leaves_it_unchanged(tmp_path: Path) -> None:
    refuse_unwritable(tmp_path / "new" / "out")
    assert not list(tmp_path.iterdir())
    kept = tmp_path / "kept"
    kept.mkdir()
    refuse_unwritable(kept)
    assert kept.is_dir()


def test_without_a_checkpoint_the_bundled_one_is_used_and_reported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    video = write_video(tmp_path / "a.mp4", disc_frames(5, {}))
    main(["recognize", str(video), "--out", str(tmp_path / "out"), "--device", "cpu"])
    printed = capfd.readouterr()
    assert f"the bundled model {DEFAULT} is used; it was trained only on computer-generated faces" in printed.err
    assert "Trained only on computer-generated faces" in printed.out
    model = json.loads((tmp_path / "out" / "a.json").read_text())["model"]
    assert model["checkpoint"] == DEFAULT
    assert "docs/checkpoints.md" in model["notice"]


@pytest.mark.parametrize("source", ["-", "camera:0", "rtsp://me:secret@127.0.0.1:9/a"])
def test_sources_that_can_be_read_only_once_are_not_annotated(
    checkpoint: Path, tmp_path: Path, source: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    options = ["--checkpoint", str(checkpoint), "--out", str(tmp_path / "out"), "--formats", "json,mp4"]
    line = failure(capfd, source, str(write_video(tmp_path / "a.mp4", disc_frames(5, {}))), *options)
    assert "can be read only once" in line
    assert "secret" not in line
    assert not (tmp_path / "out").exists()


def test_the_help_on_videos_is_complete(capfd: pytest.CaptureFixture[str]) -> None:
    main(["recognize", "--help"])
    assert "directories, patterns 'in/**/*.mp4', URLs, or - for standard input" in " ".join(
        capfd.readouterr().out.split()
    )


def test_an_exported_model_runs_on_the_cpu_of_a_machine_with_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    model, video = tmp_path / "tiny.pt2", write_video(tmp_path / "a.mkv", disc_frames(5, {}))
    main(["export", str(save_tiny(tmp_path / "tiny.safetensors")), str(model)])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    main(["recognize", str(video), "--checkpoint", str(model), "--out", str(tmp_path / "out"), "--detector", "haar"])
    assert (tmp_path / "out" / "a.json").is_file()
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    line = failure(capfd, str(video), "--checkpoint", str(model), "--device", "cuda")
    assert "--device is cuda, but" in line


@pytest.mark.parametrize(("given", "here"), [("auto", "auto"), ("cpu", "cpu"), ("cuda", "auto")])
def test_the_device_of_a_cluster_is_not_that_of_this_machine(given: str, here: str) -> None:
    assert _device_here(given, Cluster("ray")) == here
    with pytest.raises(ValueError, match="Ray chooses the GPU of a worker"):
        _device_here("cuda:1", Cluster("ray"))


@pytest.fixture
def usual_threads() -> Iterator[None]:
    """Restore the numbers of threads that a test changes."""
    usual = torch.get_num_threads(), cv2.getNumThreads()
    yield
    torch.set_num_threads(usual[0])
    cv2.setNumThreads(usual[1])


@pytest.mark.usefixtures("usual_threads")
def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    for processes, threads in ((1, 13), (2, 5), (8, 1)):
        share_cores(processes)
        assert torch.get_num_threads() == threads


def test_two_videos_share_the_cores_between_two_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[int, int]] = []

    def on_cluster(work: Any, files: list[Job], workers: int, *_: object, **__: object) -> list[Outcome]:
        called.append((work.args[1], workers))
        return list(map(Outcome, files))

    monkeypatch.setattr(crew, "on_cluster", on_cluster)
    options = WindowOptions(), TrackingOptions(), SourceOptions()
    settings = Settings(tmp_path, DetectorChoice(), "cpu", *options, tmp_path, ("json",), True)
    jobs = [Job("a.mp4", "a"), Job("b.mp4", "b")]
    assert [outcome.job for outcome in Crew(8).outcomes(settings, jobs, print)] == jobs
    assert called == [(2, 2)]


class RecordingDetector(DiscDetector):
    """Records the names of the threads that search."""

    def __init__(self) -> None:
        self.threads: set[str] = set()

    def detect(self, image: np.ndarray) -> list[FaceBox]:
        self.threads.add(threading.current_thread().name)
        return super().detect(image)


class RecordingChoice(DetectorChoice):
    """Builds a RecordingDetector."""

    def __call__(self) -> RecordingDetector:
        return RecordingDetector()


@pytest.mark.usefixtures("usual_threads")
@pytest.mark.parametrize(("cores", "processes", "in_turns"), [(2, 1, False), (2, 2, True), (3, 2, True), (4, 2, False)])
def test_a_worker_with_one_core_needs_no_threads(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, processes: int, in_turns: bool
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    options = WindowOptions(), TrackingOptions(), SourceOptions()
    settings = Settings(checkpoint, RecordingChoice(), "cpu", *options, tmp_path, ("json",), True)
    worker = build_worker(settings, processes)
    outcome = worker(Job(str(write_frame_folder(tmp_path / "a", disc_frames(20))), "a"))
    assert outcome.error is None
    detector = worker.recognizer.detector
    assert isinstance(detector, RecordingDetector)
    assert (detector.threads == {threading.current_thread().name}) is in_turns


def outcomes(checkpoint: Path, detector: DetectorChoice, out: Path, jobs: list[Job]) -> list[Outcome]:
    """Recognise videos with two workers; in this process, discs are faces."""
    options = WindowOptions(), TrackingOptions(), SourceOptions()
    settings = Settings(checkpoint, detector, "cpu", *options, out, ("json",), True)
    bar = video_bar()
    bar.disable = True
    worker = Worker(settings, Recognizer.from_checkpoint(checkpoint, DiscDetector()))
    return list(_outcomes(worker, jobs, Crew(2), bar))


class DeadlyDetector(DiscDetector):
    """Kills the process at a white image."""

    def detect(self, image: np.ndarray) -> list[FaceBox]:
        if image.mean() > 250:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().detect(image)


class DeadlyChoice(DetectorChoice):
    """Builds a DeadlyDetector."""

    def __call__(self) -> DeadlyDetector:
        return DeadlyDetector()


@pytest.mark.slow
def test_a_video_that_kills_its_process_fails_and_the_others_are_recognized(checkpoint: Path, tmp_path: Path) -> None:
    for name in "acd":
        write_frame_folder(tmp_path / name, disc_frames(20))
    write_frame_folder(tmp_path / "b", np.full((3, 64, 64, 3), 255, np.uint8))
    jobs = [Job(str(tmp_path / name), name) for name in "abcd"]
    found = outcomes(checkpoint, DeadlyChoice(), tmp_path / "out", jobs)
    errors = {outcome.job.name: outcome.error for outcome in found}
    assert errors.pop("b") == f"{tmp_path / 'b'}: {KILLED}"
    assert errors == dict.fromkeys("acd")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a.json", "c.json", "d.json"]


def test_a_single_file_next_to_a_live_source_is_recognized_in_this_process(checkpoint: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mkv", disc_frames(50))
    jobs = [Job(str(video), "a"), Job("rtsp://127.0.0.1:9/a", "b")]
    file, address = outcomes(checkpoint, DetectorChoice(), tmp_path / "out", jobs)
    assert address.error is not None
    assert file.error is None
    (track,) = json.loads((tmp_path / "out" / "a.json").read_text())[
        "tracks"
    ]  # only the detector of this process detects discs
    assert len(track["boxes"]["frames"]) == 50


def test_the_bar_shows_no_end_for_a_live_source() -> None:
    bar = video_bar()
    bar.disable = True
    try:
        with progress_of(VideoSource("camera:0", SourceOptions()), bar) as show:
            assert show is not None
            show(Progress(1, 0.0, None, 2))
            (task,) = bar.tasks
            assert (task.total, task.fields["faces"]) == (None, 2)
        bar.add_task("videos", total=2)
        with progress_of(VideoSource("b.mp4", SourceOptions()), bar) as show:
            assert show is not None
            show(Progress(25, 1.0, 3.0, 0))
            assert (bar.tasks[-1].completed, bar.tasks[-1].total) == (1.0, 3.0)
        assert [task.description for task in bar.tasks] == ["camera:0", "videos"]
    finally:
        bar.stop()


def test_the_digest_covers_only_options_that_differ_from_their_defaults(checkpoint: Path, tmp_path: Path) -> None:
    """So a new option with a default leaves the ledgers of earlier runs valid."""
    options = WindowOptions(), TrackingOptions(), SourceOptions()
    settings = Settings(checkpoint, DetectorChoice(), "cpu", *options, tmp_path, ("json",), True)
    recognizer = Recognizer.from_checkpoint(checkpoint, DiscDetector())
    digest = settings.digest(recognizer)
    assert digest == replace(settings, out=tmp_path / "other", brief=False).digest(recognizer)
    assert digest != replace(settings, windows=WindowOptions(flip=True)).digest(recognizer)
    assert digest != replace(settings, tracking=TrackingOptions(gap_seconds=1.0)).digest(recognizer)
    assert digest != replace(settings, source=SourceOptions(start_seconds=1.0)).digest(recognizer)

    @dataclass(frozen=True)
    class LaterOptions(SourceOptions):
        colour: str = "all"
        weights: dict[str, float] = field(default_factory=dict, hash=False)

    later = replace(settings, source=LaterOptions())
    assert later.digest(recognizer) == digest
    assert replace(settings, source=LaterOptions(colour="grey")).digest(recognizer) != digest
