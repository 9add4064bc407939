"""Many videos: found, named, recognised once, in several processes; failures are reported and can be retried."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from ifdd.__main__ import main
from ifdd.inference.batch import jobs, worker
from ifdd.inference.batch.jobs import Job, find_videos, name_results
from ifdd.inference.batch.ledger import Ledger
from ifdd.inference.batch.search import CORRECTIONS, LEDGER, attempts_in
from ifdd.names import same_file
from ifdd.synth import PRESETS, SynthConfig, render_clip
from ifdd.video import sources
from ifdd.video.frames import probe
from tests.helpers.faces import disc_frames
from tests.helpers.processes import LIMIT_SECONDS, started
from tests.helpers.videos import write_frame_folder, write_video


def run(checkpoint: Path, out: Path, *words: object) -> int:
    """Run the command and return its exit code."""
    options = ["--checkpoint", checkpoint, "--out", out, "--device", "cpu"]
    try:
        main(["recognize", *map(str, [*words, *options])])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def attempts(out: Path) -> list[str]:
    """Return the names in the ledger, in the order of the attempts."""
    return [str(line["name"]) for line in attempts_in(out) if "reserved" not in line]


def write_videos(folder: Path, *names: str) -> list[Path]:
    """Write tiny videos without faces."""
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, disc_frames(4, {}))
    return paths


def test_names_of_results_never_collide(tmp_path: Path) -> None:
    folder = write_frame_folder(tmp_path / "clip.v2", disc_frames(2, {}))
    videos = ["a/clip.mp4", "b/clip.mkv", "a/clip.mp4", "c/clip-2.mp4", str(folder), "d/clip.v2"]
    assert [(job.video, job.name) for job in name_results(find_videos(videos, tmp_path))] == [
        ("a/clip.mp4", "clip"),
        ("b/clip.mkv", "clip-2"),
        ("c/clip-2.mp4", "clip-2-2"),
        (str(folder), "clip.v2"),
        ("d/clip.v2", "clip-3"),
    ]
    earlier = {str(Path("b/clip.mkv").absolute()): "clip"}
    assert [job.name for job in name_results(find_videos(videos[:2], tmp_path), earlier)] == ["clip-2", "clip"]


def test_directories_and_patterns_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.MP4", "in/a.mkv", "in/deep/a.webm", "in/notes.txt", "in/.hidden.mp4", "in/out/old.mp4"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    write_frame_folder(Path("in/frames"), disc_frames(2, {}))
    found = find_videos(["in"], Path("in/out"))
    assert found == {"in/a.mkv": "a", "in/b.MP4": "b", "in/deep/a.webm": "deep/a", "in/frames": "frames"}
    assert list(find_videos(["in/**/a.*", "in/a.mkv"], Path("out"))) == ["in/a.mkv", "in/deep/a.webm"]
    others = ["-", "camera:1", "rtsp://me:secret@host:554/hall/cam 2.sdp?x=1", "http://host/"]
    assert list(find_videos(others, Path("out")).values()) == ["stdin", "camera-1", "cam-2", "host"]
    with pytest.raises(ValueError, match=r"no video matches in/\*\.avi; check the pattern"):
        find_videos(["in/*.avi"], Path("out"))


def test_a_picture_does_not_hide_the_videos_below_it(tmp_path: Path) -> None:
    for name in ("lab/poster.png", "lab/one/a.mp4", "lab/two/cover.jpg", "lab/two/deep/b.mp4", "frames/0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "frames" / "masks").mkdir()
    (tmp_path / "frames" / "masks" / "0.png").touch()
    told: list[str] = []
    assert list(find_videos([str(tmp_path / "lab")], tmp_path / "out", told.append).values()) == ["one/a", "two/deep/b"]
    folders = f"{tmp_path / 'lab'}, {tmp_path / 'lab' / 'two'}"
    assert told == [f"skipped, pictures in folders with videos below: 2 ({folders})"]
    assert list(find_videos([str(tmp_path / "frames")], tmp_path / "out").values()) == ["frames"]
    write_videos(tmp_path, "frames/out/frames.mp4")
    assert list(find_videos([str(tmp_path / "frames")], tmp_path / "frames" / "out").values()) == ["frames"]


def test_unreadable_and_empty_directories_are_named(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_videos(tmp_path / "in", "a.mp4", "locked/b.mp4")
    (tmp_path / "empty").mkdir()
    listdir, scandir = os.listdir, os.scandir

    def refusing(usual: Any) -> Any:
        def read(path: Any) -> Any:
            if Path(path).name == "locked":
                raise PermissionError(13, "Permission denied", str(path))
            return usual(path)

        return read

    monkeypatch.setattr(os, "listdir", refusing(listdir))  # root may read everything, so permissions do not help
    monkeypatch.setattr(os, "scandir", refusing(scandir))
    assert run(checkpoint, tmp_path / "out", tmp_path / "in", tmp_path / "empty") == 2
    errors = capfd.readouterr().err
    assert f"cannot read the folder {tmp_path / 'in' / 'locked'}: Permission denied; check its permissions" in errors
    assert f"the folder {tmp_path / 'empty'} holds no frames; put images in it" in errors
    assert "or name one with videos" in errors
    assert (tmp_path / "out" / "a.json").is_file()


def test_a_video_in_a_folder_that_may_not_be_entered_fails_alone(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good, locked = write_videos(tmp_path, "a.mp4", "locked/b.mp4")
    usual = os.stat

    def refusing(path: Any, **options: Any) -> os.stat_result:
        if isinstance(path, str | Path) and Path(path).parent.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return usual(path, **options)

    monkeypatch.setattr(os, "stat", refusing)  # root may enter everything, so permissions do not help
    reason = f"cannot read {locked}: Permission denied; check the path and the permissions of its folders"
    assert run(checkpoint, tmp_path / "out", good, locked) == 2
    assert f"b.mp4: failed: {reason}" in capfd.readouterr().err
    assert (tmp_path / "out" / "a.json").is_file()
    assert run(checkpoint, tmp_path / "out", locked) == 2
    assert capfd.readouterr().err.strip().splitlines()[-1] == f"ifdd recognize: {reason}"


def test_a_lost_file_of_two_is_written_again(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    video = write_video(tmp_path / "a.mp4", disc_frames(30))
    words = ["recognize", str(video), "--checkpoint", str(checkpoint), "--out", str(tmp_path), "--formats", "bids"]
    main(words)
    (tmp_path / "a_events.json").unlink()
    main(words)
    assert (tmp_path / "a_events.json").is_file()
    main(words)
    said = capfd.readouterr().out
    assert said.count("a_events.json") == 2
    assert said.count("done before") == 1


def test_a_video_that_is_done_is_skipped(checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_videos(tmp_path / "in", "a.mp4", "b.mp4", "deep/a.mp4")
    out = tmp_path / "out"
    assert run(checkpoint, out, tmp_path / "in") == 0
    assert attempts(out) == ["a", "b", "deep/a"]
    assert "3 videos: 3 read, 0 done before, 0 failed" in capfd.readouterr().out
    assert (out / "deep" / "a.csv").is_file()
    assert run(checkpoint, out, tmp_path / "in") == 0
    assert "3 videos: 0 read, 3 done before, 0 failed" in capfd.readouterr().out
    (out / "b.csv").unlink()  # results are missing
    write_video(tmp_path / "in" / "a.mp4", disc_frames(6, {}))  # another video
    assert run(checkpoint, out, tmp_path / "in") == 0
    assert attempts(out)[3:] == ["a", "b"]
    assert run(checkpoint, out, tmp_path / "in", "--windows.stride-seconds", "0.5") == 0  # other settings
    assert run(checkpoint, out, tmp_path / "in", "--windows.stride-seconds", "0.5", "--overwrite") == 0
    assert len(attempts(out)) == 11
    capfd.readouterr()
    assert run(checkpoint, out, tmp_path / "in" / "b.mp4", "--windows.stride-seconds", "0.5") == 0
    assert "done before" in capfd.readouterr().out


def test_a_broken_video_is_retried_only_on_request(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_videos(tmp_path / "in", "a.mp4", "c.mp4")
    bad = tmp_path / "in" / "b.mp4"
    bad.write_bytes(b"no video")
    out = tmp_path / "out"
    for words, tried in (([], 3), ([], 3), (["--retry-failed"], 4), (["--retry_failed", "true"], 5)):
        assert run(checkpoint, out, tmp_path / "in", *words) == 2
        assert len(attempts(out)) == tried
        printed = capfd.readouterr()
        assert "1 failed" in printed.out
        assert printed.err.strip().splitlines()[-1] == f"ifdd recognize: 1 of 3 videos failed: {bad}; see above"
    write_video(bad, disc_frames(4, {}))  # repaired: recognised without --retry-failed
    assert run(checkpoint, out, tmp_path / "in") == 0
    assert "3 videos: 1 read, 2 done before, 0 failed" in capfd.readouterr().out


@pytest.mark.slow
def test_several_processes_give_the_same_results(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_videos(tmp_path / "in", *(f"{number}.mp4" for number in range(8)))
    easy = PRESETS["easy"]
    for number in (8, 9):  # with faces
        clip = render_clip(SynthConfig(easy.behaviour, easy.scene, size=160, frames=12), seed=3, index=number)
        write_video(tmp_path / "in" / f"{number}.mp4", clip.frames)
    (tmp_path / "in" / "bad.mp4").write_bytes(b"no video")
    words = ["--windows.stride-seconds", "0.2", "--windows.class-weights", "{happy: 3}", "--detector", "haar"]
    assert run(checkpoint, tmp_path / "one", tmp_path / "in", *words) == 2
    assert run(checkpoint, tmp_path / "two", tmp_path / "in", *words, "--workers", "2") == 2
    assert "11 videos: 10 read, 0 done before, 1 failed" in capfd.readouterr().out
    results = [path for path in (tmp_path / "one").iterdir() if path.suffix in (".csv", ".json")]
    assert len(results) == 20
    for path in results:
        assert (tmp_path / "two" / path.name).read_bytes() == path.read_bytes()
    assert json.loads((tmp_path / "one" / "9.json").read_text())["tracks"]
    assert sorted(attempts(tmp_path / "one")) == sorted(attempts(tmp_path / "two"))


SLOW_IN_GREY = """
import sys, time
from ifdd.__main__ import main
from ifdd.faces.detection import HaarDetector

usual = HaarDetector.detect

def detect(self, image):
    time.sleep(1 if image.mean() > 40 else 0)
    return usual(self, image)

HaarDetector.detect = detect
if __name__ == "__main__":
    main(["recognize", *sys.argv[1:]])
"""
"""The command, in which detection takes a second in every frame above a grey level, also in its worker processes."""


@pytest.mark.slow
def test_an_interrupted_run_ends_soon_and_keeps_its_results(checkpoint: Path, tmp_path: Path) -> None:
    write_videos(tmp_path / "in", *(f"{number}.mp4" for number in range(5)))
    seconds = int(LIMIT_SECONDS)
    write_video(tmp_path / "in" / "9.mp4", disc_frames(seconds, {}, [50] * seconds))
    out = tmp_path / "out"
    script = tmp_path / "run.py"
    script.write_text(SLOW_IN_GREY)
    options = ["--checkpoint", checkpoint, "--out", out, "--workers", "2", "--device", "cpu"]
    command = [sys.executable, script, tmp_path / "in", *options, "--tracking.detect_every", "1"]
    with started(command, env={"https_proxy": "http://127.0.0.1:9"}) as process:
        process.wait_until(lambda: (out / LEDGER).is_file() and bool(attempts(out)), "a video is read")
        process.send(signal.SIGINT)
        ended = process.wait()
    assert ended.returncode == 130, ended.stderr
    errors = ended.stderr
    assert "Traceback" not in errors
    done = attempts(out)
    assert 1 <= len(done) <= 5
    for name in done:
        assert (out / f"{name}.json").is_file()


def test_finished_results_are_kept_when_the_disk_is_full(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_videos(tmp_path / "in", "a.mp4", "b.mp4", "c.mp4")
    usual: Any = Path.open

    def full(self: Path, mode: str = "r", **options: Any) -> object:
        if mode == "w" and (tmp_path / "out" / "a.csv").exists():
            raise OSError(28, "No space left on device", str(self))
        return usual(self, mode, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        assert run(checkpoint, tmp_path / "out", tmp_path / "in") == 2
    line = capfd.readouterr().err.strip().splitlines()[-1]
    assert "No space left on device; free space" in line
    assert line.endswith("; 1 video is done and kept: the same command continues")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "a.json", LEDGER]
    assert run(checkpoint, tmp_path / "out", tmp_path / "in") == 0
    assert "3 videos: 2 read, 1 done before, 0 failed" in capfd.readouterr().out


def test_synthetic_training_is_reported_even_if_a_video_fails(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    video = write_videos(tmp_path, "a.mp4")[0]
    with pytest.raises(SystemExit):
        main(["recognize", str(video), str(tmp_path / "absent.mp4"), "--out", str(tmp_path / "out")])
    assert "\nnote: " in capfd.readouterr().out


def test_passwords_in_urls_are_never_shown(checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["rtsp://me:secret@127.0.0.1:9/a", "gopher://me:secret@127.0.0.1/b", write_videos(tmp_path, "a.mp4")[0]]
    assert run(checkpoint, tmp_path / "out", *words) == 2
    printed = capfd.readouterr()
    assert "rtsp://***@127.0.0.1:9/a: failed: " in printed.err
    assert "secret" not in printed.out + printed.err + (tmp_path / "out" / LEDGER).read_text()


def test_an_incomplete_line_in_the_ledger_is_ignored(tmp_path: Path) -> None:
    video = write_videos(tmp_path, "a.mp4")[0]
    ledger = Ledger(tmp_path, "settings")
    ledger.add(Job(str(video), "a"), None, [video])
    with ledger.path.open("a") as file:
        file.write('{"video": "half a li')
    ledger = Ledger(tmp_path, "settings")
    assert ledger.is_done(Job(str(video), "a"), [video])
    ledger.add(Job("b.mp4", "b"), "broken")
    assert len(Ledger(tmp_path, "settings").names) == 2
    assert not Ledger(tmp_path, "others").is_done(Job(str(video), "a"), [video])


def test_a_video_that_changed_while_it_was_read_is_not_done(tmp_path: Path) -> None:
    video = write_videos(tmp_path, "a.mp4")[0]
    job = Job(str(video), "a")
    ledger = Ledger(tmp_path, "settings")
    assert not ledger.is_done(job, [video])  # called before it is read
    os.utime(video, ns=(1, 1))
    ledger.add(job, None, [video])
    assert not Ledger(tmp_path, "settings").is_done(job, [video])


def test_standard_input_with_formats_and_a_limit(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / "a.mkv", disc_frames(50, {}))
    with video.open("rb") as file:
        monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": file}))
        words = ["-", "--formats", "json,vtt", "--source.maximum_seconds", "1"]
        assert run(checkpoint, tmp_path / "out", *words) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"stdin.json", "stdin.vtt", LEDGER}
    assert json.loads((tmp_path / "out" / "stdin.json").read_text())["video"]["frames"] == 25
    assert run(checkpoint, tmp_path / "out", video, "--formats", "json,docx") == 2
    assert "docx" in capfd.readouterr().err
    assert run(checkpoint, tmp_path / "out") == 2
    assert "no video given" in capfd.readouterr().err
    assert run(checkpoint, tmp_path / "out", video, "--workers", "-1") == 2


def test_results_of_other_settings_are_kept_and_reported(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "in"  # the folder of the videos, which are not results
    videos = write_videos(tmp_path / "in", "a.mp4", "b.mp4")
    (out / "c.csv").write_text("an unrelated table")
    write_videos(tmp_path / "in", "c.mp4")
    assert run(checkpoint, out, *videos, "--formats", "json,csv,vtt") == 0
    csv = (out / "b.csv").read_text()
    other = ["--windows.stride-seconds", "0.2"]
    assert run(checkpoint, out, *videos, "--formats", "json", *other) == 0
    assert (
        f"not updated: they belong to other settings or an earlier video: {out / 'b.csv'}, {out / 'b.vtt'}\n"
        in capfd.readouterr().out
    )
    assert (out / "b.csv").read_text() == csv
    assert run(checkpoint, out, videos[0], out / "c.mp4", "--formats", "json,srt", *other) == 0
    printed = capfd.readouterr().out
    assert f"earlier video: {out / 'a.csv'}, {out / 'a.vtt'}\n" in printed
    assert "c.csv" not in printed
    assert run(checkpoint, out, videos[0], "--formats", "json,csv", *other) == 0  # replaces the file of other settings
    assert json.loads((out / LEDGER).read_text().splitlines()[-1])["endings"] == [".csv", ".json", ".srt"]
    assert f"earlier video: {out / 'a.vtt'}\n" in capfd.readouterr().out
    assert run(checkpoint, out, videos[0], "--formats", "json,csv,srt", *other) == 0
    assert "done before" in capfd.readouterr().out


def test_standard_input_replaces_no_earlier_results(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for length in (3, 4, 5):
        video = write_video(tmp_path / "a.mkv", disc_frames(length, {}))
        with video.open("rb") as file:
            monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": file}))
            assert run(checkpoint, tmp_path / "out", "-") == 0
    assert attempts(tmp_path / "out") == ["stdin", "stdin-2", "stdin-3"]
    forms = [json.loads((tmp_path / "out" / f"{name}.json").read_text()) for name in attempts(tmp_path / "out")]
    assert [form["video"]["frames"] for form in forms] == [3, 4, 5]


def test_a_url_that_failed_keeps_its_name(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "settings")
    ledger.add(Job("rtsp://x/a", "a"), "no answer")
    found = find_videos(["rtsp://x/a"], tmp_path)
    assert [job.name for job in name_results(found, ledger.names, ledger.kept)] == ["a"]
    ledger.add(Job("rtsp://x/a", "a"), None)
    assert [job.name for job in name_results(found, ledger.names, ledger.kept)] == ["a-2"]


def test_the_intact_part_of_a_truncated_video_is_annotated(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    frames = disc_frames(60, {})
    frames[:, :20] = np.random.default_rng(0).integers(0, 60, (60, 20, 128, 3))
    video = write_video(tmp_path / "cut.mp4", frames, options={"movflags": "faststart"})
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 6 // 10])
    assert run(checkpoint, tmp_path / "out", video, "--formats", "json,mp4", "--source.maximum_seconds", "0.8") == 0
    form = json.loads((tmp_path / "out" / "cut.json").read_text())
    assert form["video"]["frames"] == 20
    assert probe(tmp_path / "out" / "cut.mp4").frames == 20
    assert run(checkpoint, tmp_path / "out", video, "--formats", "json,mp4") == 0
    form = json.loads((tmp_path / "out" / "cut.json").read_text())
    assert any("truncated" in notice for notice in form["video"]["notices"])
    assert probe(tmp_path / "out" / "cut.mp4").frames == form["video"]["frames"] > 20


@pytest.mark.usefixtures("heeded_hangup")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_camera_is_recognized_until_interrupted(
    number: signal.Signals,
    checkpoint: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Camera:
        images = 0

        def read(self) -> tuple[bool, object]:
            self.images += 1
            if self.images == 5:
                os.kill(os.getpid(), number)
            return self.images < 500, disc_frames(1, {})[0]

        def release(self) -> None:
            if number == signal.SIGHUP:  # the shell and the kernel may both send it
                os.kill(os.getpid(), number)

    camera = Camera()
    monkeypatch.setattr(sources, "open_camera", lambda number: camera if number == 0 else None)
    assert run(checkpoint, tmp_path / "out", "--camera", "0") == 0
    assert camera.images < 20
    assert json.loads((tmp_path / "out" / "camera-0.json").read_text())["video"]["path"] == "camera:0"
    assert "no face found" in capfd.readouterr().out


def test_an_unexpected_error_in_one_video_does_not_stop_the_others(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_videos(tmp_path / "in", "a.mp4", "b.mp4")
    usual = sources.open_video

    def surprise(video: str, options: sources.SourceOptions) -> sources.VideoSource:
        if video.endswith("a.mp4"):
            raise MemoryError("too large")
        return usual(video, options)

    monkeypatch.setattr(worker, "open_video", surprise)
    assert run(checkpoint, tmp_path / "out", tmp_path / "in") == 2
    assert "a.mp4: unexpected MemoryError: too large" in capfd.readouterr().err
    assert (tmp_path / "out" / "b.json").is_file()
    with pytest.raises(MemoryError):  # of the only video, its traceback shows what is wrong
        run(checkpoint, tmp_path / "alone", tmp_path / "in" / "a.mp4")
    assert attempts(tmp_path / "alone") == []


NASTY = [
    "\u00fc" * 125 + "a.mp4",
    "x" * 251 + ".mp4",
    "caf\udce9.mp4",
    "A.mp4",
    "a.mp4",
    "\u00e9.mp4",
    "e\u0301.mp4",
    "a: b?.mp4",
    "tail. .mp4",
    "\x1b[31mred.mp4",
    "\u202egnp.mp4",
    "two\nlines\u2028three.mp4",
    "[bold]x.mp4",
]


def test_no_name_stops_a_batch(checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    (video,) = write_videos(tmp_path, "v.mp4")
    for name in NASTY:
        shutil.copy(video, tmp_path / "in" / name)
    out = tmp_path / "out"
    assert run(checkpoint, out, tmp_path / "in", "--formats", "json,eaf,svg,parquet") == 0
    shown = capfd.readouterr()
    assert f"{len(NASTY)} videos: {len(NASTY)} read, 0 done before, 0 failed" in shown.out
    assert all(line.isprintable() for line in shown.out.splitlines())
    assert shown.out.count(": written: ") == len(NASTY)
    assert "caf\\xe9.mp4" in shown.out
    assert {json.loads(file.read_text())["video"]["path"] for file in out.glob("*.json")} == {
        str(tmp_path / "in" / name) for name in NASTY
    }
    for file in out.glob("*.eaf"):
        ElementTree.parse(file)
    names = [path.name for path in out.glob("*.json")]
    assert len({same_file(name) for name in names}) == len(NASTY)
    assert run(checkpoint, out, tmp_path / "in", "--formats", "json,eaf,svg,parquet") == 0
    assert f"{len(NASTY)} videos: 0 read, {len(NASTY)} done before" in capfd.readouterr().out


def test_a_result_that_cannot_be_written_is_the_failure_of_its_video(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_videos(tmp_path / "in", "a.mp4", "b.mp4", "c.mp4")
    usual = os.replace

    def refusing(source: Any, target: Any) -> None:
        if Path(target).stem == "b":
            raise OSError(36, "File name too long", str(target))
        usual(source, target)

    monkeypatch.setattr(os, "replace", refusing)
    assert run(checkpoint, tmp_path / "out", tmp_path / "in") == 2
    shown = capfd.readouterr()
    assert "3 videos: 2 read, 0 done before, 1 failed" in shown.out
    assert f"b.mp4: failed: cannot write {tmp_path / 'out' / 'b.json'}: File name too long" in shown.err


def test_many_videos_of_one_name_are_named_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counting(name: str) -> str:
        asked.append(name)
        return same_file(name)

    monkeypatch.setattr(jobs, "same_file", counting)
    found = {f"{number}/take.mp4": "take" for number in range(200)}
    names = [job.name for job in name_results(found, kept=[f"take-{number}" for number in range(2, 101)])]
    assert names == ["take", *(f"take-{number}" for number in range(101, 300))]
    assert len(asked) < 1000, "no name is tried again for each video"


def test_names_that_some_disk_takes_for_one_file_are_kept_apart() -> None:
    found = {"a.mp4": "a", "A.mp4": "A", "x.mp4": "x", "x.statistics.mp4": "x.statistics", "x.STATISTICS-2.mp4": "b"}
    assert [job.name for job in name_results(found)] == ["a", "A-2", "x", "x.statistics-2", "b"]
    forms = {"y.mp4": "y", "y.frames.mp4": "y.frames", "z_events.mp4": "z_events", "z.mp4": "z"}
    assert [job.name for job in name_results(forms)] == ["y", "y.frames-2", "z_events", "z-2"]
    assert [job.name for job in name_results({"a.mp4": "a", "a.corrections.mp4": "a.corrections"})] == [
        "a",
        "a.corrections-2",
    ]
    earlier = {str(Path(name).absolute()): name[0] for name in ("a.mp4", "A.mp4")}
    assert [job.name for job in name_results(found, earlier)][:2] == ["a", "A"]  # they exist already
    short = name_results({"long.mp4": "x" * 300}, {str(Path("long.mp4").absolute()): "x" * 300})
    assert len(short[0].name) == 238


def test_animated_images_are_videos_and_frames_are_not(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for folder in ("animations", "frames"):
        (tmp_path / folder).mkdir()
    pictures = [image.fromarray(np.full((8, 8, 3), 40 * number, np.uint8)) for number in range(4)]
    for suffix in (".png", ".webp"):
        pictures[0].save(tmp_path / "animations" / f"a{suffix}", save_all=True, append_images=pictures[1:])
        pictures[0].save(tmp_path / "animations" / f"still{suffix}")
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / "frames" / f"{number}.png")
    found = find_videos([str(tmp_path)], tmp_path / "out")
    assert [str(Path(each).relative_to(tmp_path)) for each in found] == [
        "animations/a.png",
        "animations/a.webp",
        "frames",
    ]


def test_links_system_folders_and_results_are_not_read(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_videos(tmp_path / "in", "a.mp4", "deep/b.mp4", "@eaDir/a.mp4", "$RECYCLE.BIN/$R1.mp4", "._a.mp4", ".x/c.mp4")
    (tmp_path / "in" / "deep" / "back").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "0.mp4").symlink_to("a.mp4")
    write_videos(tmp_path / "else", "c.mp4")
    (tmp_path / "in" / "else").symlink_to(tmp_path / "else")
    told: list[str] = []
    found = find_videos([str(tmp_path / "in")], tmp_path / "out", told.append)
    assert list(found.values()) == ["a", "deep/b", "else/c"]
    assert told == [
        "skipped, hidden or a system's: 4 ($RECYCLE.BIN, ._a.mp4, .x, @eaDir)",
        f"skipped, links to what is read already: 2 ({tmp_path / 'in' / '0.mp4'}, {tmp_path / 'in' / 'deep' / 'back'})",
    ]
    assert list(find_videos([str(tmp_path / "in/**/*.mp4")], tmp_path / "out").values()) == ["a", "b", "c"]


def test_a_video_that_a_link_named_first_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_videos(Path(), "a.mp4")
    Path("link.mp4").symlink_to("a.mp4")
    told: list[str] = []
    words = ["link.mp4", "a.mp4", "./link.mp4", str(tmp_path / "link.mp4")]
    assert find_videos(words, Path("out"), told.append) == {"link.mp4": "link"}
    assert told == ["skipped, read already under another name: 1 (a.mp4)"]


@pytest.mark.parametrize("quoted", [True, False])
def test_a_pattern_leaves_out_the_results_of_earlier_runs(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], quoted: bool
) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    folder = tmp_path / "talks"
    write_videos(folder, "a.mp4", "b.mp4")

    def again(out: Path) -> set[str]:
        """Run the command on all that is in the folder, and return the files there."""
        words = [folder / "*"] if quoted else [path for path in sorted(folder.iterdir()) if path.name[0] != "."]
        assert run(checkpoint, out, *words, "--formats", "json,csv,png") == 0, capfd.readouterr().err
        (folder / f"a{CORRECTIONS}").write_text("{}")
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}

    written = again(folder)
    assert {"a.mp4", "a.png", "b.csv", LEDGER} <= written
    assert again(folder) == written
    assert "2 videos: 0 read, 2 done before" in capfd.readouterr().out
    elsewhere = again(folder / "deep" / "out")
    assert again(folder / "deep" / "out") == elsewhere
    shown = capfd.readouterr()
    assert "2 videos: 0 read, 2 done before" in shown.out
    assert "skipped, results of an earlier run: 9 (" in shown.err
    assert again(tmp_path / "out") == elsewhere
    assert run(checkpoint, tmp_path / "out", folder / "a.png") == 0  # alone, it is asked for
    assert run(checkpoint, tmp_path / "out", folder / "deep" / "out") == 2
    assert "name one video alone to read it nevertheless" in capfd.readouterr().err


def write_results(folder: Path, ledger: Path, **line: object) -> list[Path]:
    """Write files of results, and a line for them to the ledger of an earlier run; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    with (ledger / LEDGER).open("a") as file:
        file.write(json.dumps({"video": "/elsewhere/a.mp4", **line}) + "\n")
    files = [folder / f"a{ending}" for ending in (".csv", ".json", "_events.tsv", "_events.json")]
    for path in files:
        path.touch()
    return files


def test_results_of_a_run_that_was_killed_are_not_read(tmp_path: Path) -> None:
    (video,) = write_videos(tmp_path, "a.mp4")
    write_results(tmp_path, tmp_path, name="a", reserved=[".csv", ".json", "_events.tsv"])  # of an earlier version
    assert find_videos([str(tmp_path / "*")], tmp_path) == {str(video): "a"}


def test_results_below_the_folder_of_their_run_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (video,) = write_videos(tmp_path / "res" / "deep", "b.mp4")
    endings = [".csv", ".json", "_events.tsv", "_events.json"]
    table, *_ = write_results(tmp_path / "res" / "deep", tmp_path / "res", name="deep/a", endings=endings)
    for pattern in ("*/*/*", "res/deep/*"):
        assert list(find_videos([str(tmp_path / pattern)], tmp_path / "out")) == [str(video)]
    (tmp_path / "link").symlink_to(tmp_path / "res" / "deep")
    assert list(find_videos([str(tmp_path / "link" / "*")], tmp_path / "out")) == [str(tmp_path / "link" / "b.mp4")]
    table.rename(tmp_path / "annexed.csv")
    table.symlink_to(tmp_path / "annexed.csv")
    monkeypatch.chdir(video.parent)
    assert list(find_videos(["*"], tmp_path / "out")) == ["b.mp4"]


def test_a_folder_without_videos_is_not_taken_for_results(tmp_path: Path) -> None:
    talks, out = tmp_path / "talks", tmp_path / "talks" / "results"
    out.mkdir(parents=True)
    (video,) = write_videos(tmp_path, "b.mp4")
    told: list[str] = []
    assert find_videos([str(talks)], out, told.append) == {str(talks): "talks"}  # its lack of frames is reported later
    assert find_videos([str(out)], out, told.append) == {str(out): "results"}
    assert find_videos([str(talks), str(video)], out, told.append) == {str(talks): "talks", str(video): "b"}
    assert told == []
    assert find_videos([str(out), str(video)], out, told.append) == {str(video): "b"}
    write_results(out, out, name="a", endings=[".csv"])
    assert find_videos([str(talks)], out, told.append) == {}
    assert [line.rpartition(" (")[0] for line in told] == ["skipped, results of an earlier run: 1"] * 2


def test_a_long_ledger_takes_few_resolved_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        for form in ("reserved", "endings"):
            line = {"video": f"/{number}.mp4", "name": f"{number % 2}/{number}", form: [".csv", ".json"]}
            with (tmp_path / LEDGER).open("a") as file:
                file.write(json.dumps(line) + "\n")
    resolved: list[Any] = []
    usual = os.path.realpath

    def counting(path: Any, **options: Any) -> Any:
        resolved.append(path)
        return usual(path, **options)

    monkeypatch.setattr(os.path, "realpath", counting)
    assert list(find_videos([str(tmp_path / "a.mp4")], tmp_path)) == [str(tmp_path / "a.mp4")]
    assert len(resolved) < 60


def test_annotated_videos_are_not_read_as_videos(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_videos(tmp_path / "in", "a.mp4")
    out = tmp_path / "in" / "results"
    assert run(checkpoint, out, tmp_path / "in", "--formats", "mp4,png") == 0
    shutil.copy(out / "a.mp4", tmp_path / "in" / "copy.MOV")  # the mark is in the file
    (tmp_path / "in" / "old").mkdir()
    shutil.copy(tmp_path / "in" / "a.mp4", tmp_path / "in" / "old" / "a.mp4")  # of a version without the mark
    shutil.copy(out / "a.png", tmp_path / "in" / "old" / "a.png")
    shutil.copy(out / LEDGER, tmp_path / "in" / "old" / LEDGER)
    told: list[str] = []
    found = find_videos([str(tmp_path / "in")], tmp_path / "out", told.append)
    assert found == {str(tmp_path / "in" / "a.mp4"): "a"}
    assert told[0].startswith("skipped, results of an earlier run: 3 (")
    capfd.readouterr()
    assert run(checkpoint, tmp_path / "out", out / "a.mp4") == 0  # asked for by its name


def test_a_folder_that_refuses_results_is_found_out_before_reading(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_videos(tmp_path, "a.mp4")

    def refusing(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refusing)
    assert run(checkpoint, tmp_path / "out", tmp_path / "a.mp4") == 0
    monkeypatch.setattr(os, "replace", refusing)
    assert run(checkpoint, tmp_path / "out", tmp_path / "a.mp4", "--overwrite") == 0
    monkeypatch.setattr(shutil, "copyfile", refusing)
    monkeypatch.setattr(worker, "open_video", None)  # nothing is read
    assert run(checkpoint, tmp_path / "out", tmp_path / "a.mp4", "--overwrite") == 2
    assert f"cannot write results to the folder {tmp_path / 'out'}: Operation not permitted" in capfd.readouterr().err
