"""Names of results: no file of others is replaced, and no two videos share a name, even if several processes run."""

import fcntl
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ifdd.errors import InputError
from ifdd.faces.detection import DetectorChoice
from ifdd.faces.tracking import TrackingOptions
from ifdd.inference.batch.crew import Crew
from ifdd.inference.batch.cutting import PARTS, _folder
from ifdd.inference.batch.jobs import Job
from ifdd.inference.batch.ledger import Ledger
from ifdd.inference.batch.search import LEDGER
from ifdd.inference.batch.worker import Outcome, Settings, Worker
from ifdd.inference.outputs.write import FORMATS
from ifdd.inference.results import Results
from ifdd.inference.windows import WindowOptions
from ifdd.names import Disk
from ifdd.video.sources import SourceOptions
from tests.helpers.faces import disc_frames
from tests.helpers.videos import write_video
from tests.inference.test_batch import attempts, run, write_videos


def assigned(ledger: Ledger, *videos: str, forms: tuple[str, ...] = ("json",)) -> list[str]:
    """Return the names that videos get, each called after its file."""
    return [job.name for job in ledger.assign({video: Path(video).stem for video in videos}, forms, Disk())]


def interrupted(*_: object, **__: object) -> Any:
    raise KeyboardInterrupt


def test_files_that_are_not_results_are_not_replaced(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    folder = tmp_path / "in"
    video, other = write_videos(folder, "talk.mkv", "talk.mp4")
    coding, before = folder / "talk.eaf", other.read_bytes()
    coding.write_text("hours of work")
    assert run(checkpoint, folder, video) == 0
    assert (folder / "talk.json").is_file()
    for _ in range(2):
        assert run(checkpoint, folder, video, "--formats", "eaf,mp4,json", "--overwrite") == 0
    shown = capfd.readouterr().err
    assert (
        shown.count(f"not replaced, because no run in this folder wrote it: {coding}, {other}; the results get another")
        == 1
    )
    assert coding.read_text() == "hours of work"
    assert other.read_bytes() == before
    assert {path.name for path in folder.iterdir()} == {
        *("talk.mkv", "talk.mp4", "talk.eaf", "talk.json", "talk.csv", LEDGER),
        *("talk-2.eaf", "talk-2.mp4", "talk-2.json"),
    }


def test_results_of_an_interrupted_attempt_are_its_own(tmp_path: Path) -> None:
    assert assigned(Ledger(tmp_path, "a"), "v/talk.mp4") == ["talk"]
    (tmp_path / "talk.json").touch()  # and then the attempt was interrupted
    assert assigned(Ledger(tmp_path, "a"), "v/talk.mp4") == ["talk"]
    assert assigned(Ledger(tmp_path, "a"), "w/talk.mp4") == ["talk-2"]


def test_processes_at_a_time_give_different_names(tmp_path: Path) -> None:
    one, other = Ledger(tmp_path, "a"), Ledger(tmp_path, "b")
    assert assigned(one, "v/talk.mp4") == ["talk"]
    assert assigned(other, "w/talk.mp4") == ["talk-2"]
    assert assigned(one, "u/talk.mp4", "v/talk.mp4") == ["talk-3", "talk"]


def test_live_sources_of_two_processes_have_different_names(tmp_path: Path) -> None:
    one, other = Ledger(tmp_path, "a"), Ledger(tmp_path, "a")
    (first,) = one.assign({"camera:0": "camera"}, ["json"], Disk())
    (second,) = other.assign({"camera:1": "camera"}, ["json"], Disk())
    assert (first.name, second.name) == ("camera", "camera-2")
    one.add(first, "there is no camera 0")  # leaves its name to the next attempt
    other.add(second, None, [tmp_path / "camera-2.json"])
    third, fourth = (Ledger(tmp_path, "a").assign({f"camera:{n}": "camera"}, ["json"], Disk())[0] for n in (1, 1))
    assert (third.name, fourth.name) == ("camera", "camera-3")


def test_of_two_videos_with_one_name_the_newest_has_it(tmp_path: Path) -> None:
    for video in ("v/talk.mp4", "w/talk.mp4"):  # as processes wrote them before names were reserved
        Ledger(tmp_path, "a").add(Job(video, "talk"), None, [tmp_path / "talk.json"])
    (tmp_path / "talk.json").touch()
    assert assigned(Ledger(tmp_path, "a"), "v/talk.mp4", "w/talk.mp4") == ["talk-2", "talk"]


def test_nothing_is_reserved_twice(tmp_path: Path) -> None:
    for _ in range(3):
        assigned(Ledger(tmp_path, "a"), "talk.mp4", forms=("json", "bids"))
    (line,) = (tmp_path / LEDGER).read_text().splitlines()
    assert json.loads(line)["reserved"] == [".json", "_events.json", "_events.tsv"]


def test_a_video_is_the_same_by_another_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "below").mkdir()
    write_videos(tmp_path, "a.mp4")
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(tmp_path, "a")
    ledger.add(Job("a.mp4", "a"), None, [Path("a.json")])
    (tmp_path / "a.json").touch()
    monkeypatch.chdir("below")
    again = Ledger(tmp_path, "a")
    (job,) = again.assign({"../a.mp4": "a"}, ["json"], Disk())
    assert job.name == "a"
    assert again.is_done(job, [tmp_path / "a.json"])


def test_names_that_sound_like_formats_get_the_formats_asked_for(checkpoint: Path, tmp_path: Path) -> None:
    write_videos(tmp_path / "in", "walk.frames.mp4", "run.statistics.mp4")
    assert run(checkpoint, tmp_path / "out", tmp_path / "in", "--formats", "csv,frames") == 0
    written = {path.name: path.read_text().partition("\n")[0] for path in (tmp_path / "out").glob("*.csv")}
    assert written.keys() == {f"{n}{e}" for n in ("walk.frames", "run.statistics") for e in (".csv", ".frames.csv")}
    for name in ("walk.frames", "run.statistics"):
        assert "start_seconds" in written[f"{name}.csv"]
        assert "frame" in written[f"{name}.frames.csv"].split(",")


def test_parts_are_removed_if_another_run_reads_the_whole_video(checkpoint: Path, tmp_path: Path) -> None:
    (video,) = write_videos(tmp_path, "caf\udce9.mp4")
    out = tmp_path / "out"
    assert run(checkpoint, out, video, "--part-minutes", "1") == 0  # too short to cut; its name is not UTF-8
    for words in ((), ("--part-minutes", "1")):
        left = _folder(out, Job(str(video), "caf\udce9")) / "digest" / "0001.safetensors"
        left.parent.mkdir(parents=True)
        left.touch()
        assert run(checkpoint, out, video, "--overwrite", *words) == 0
        assert not (out / PARTS).exists()


def test_a_name_waits_until_another_process_has_its_own(tmp_path: Path) -> None:
    names: list[str] = []
    thread = threading.Thread(target=lambda: names.extend(assigned(Ledger(tmp_path, "a"), "v/talk.mp4")))
    with (tmp_path / LEDGER).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        thread.start()
        thread.join(0.3)
        assert names == []
    thread.join()
    assert names == ["talk"]


def test_the_files_of_a_pipe_are_read_once(checkpoint: Path, tmp_path: Path) -> None:
    (video,) = write_videos(tmp_path, "a.mkv")
    pipe = tmp_path / "pipe.mkv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(video.read_bytes()), daemon=True)
    writer.start()
    assert run(checkpoint, tmp_path / "out", pipe) == 0
    writer.join()
    assert (tmp_path / "out" / "pipe.json").is_file()


def test_an_earlier_ledger_names_one_of_two_files(tmp_path: Path) -> None:
    Ledger(tmp_path, "a").add(Job("talk.mp4", "talk"), None, [tmp_path / "talk_events.tsv"])
    (tmp_path / "talk_events.json").touch()
    assert assigned(Ledger(tmp_path, "a"), "talk.mp4", forms=("bids",)) == ["talk"]


def test_a_video_whose_results_another_run_began_to_replace_is_not_done(tmp_path: Path) -> None:
    video, other = write_videos(tmp_path, "a.mp4", "b.mp4")
    result, untouched = tmp_path / "a.json", tmp_path / "b.json"
    for path in (result, untouched):
        path.touch()
    jobs = Job(str(video), "a"), Job(str(other), "b")
    first = Ledger(tmp_path, "one")
    for job, path in zip(jobs, (result, untouched), strict=True):
        first.add(job, None, [path])
    Ledger(tmp_path, "one").begin(jobs[0])  # of the same settings: its results would be the same
    assert Ledger(tmp_path, "one").is_done(jobs[0], [result])
    Ledger(tmp_path, "two").begin(jobs[0])
    again = Ledger(tmp_path, "one")
    assert not again.is_done(jobs[0], [result])
    assert again.is_done(jobs[1], [untouched])


def test_a_run_that_is_interrupted_between_two_formats_leaves_nothing_that_passes_for_earlier_results(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos, out = write_videos(tmp_path, "a.mp4", "b.mp4"), tmp_path / "out"
    for count in (1, 2):
        assert run(checkpoint, out, *videos[:count]) == 0
        before = attempts(out)
        with monkeypatch.context() as patch:
            patch.setitem(FORMATS, "csv", interrupted)
            assert run(checkpoint, out, *videos[:count], "--windows.stride-seconds", "0.2") == 130
        assert run(checkpoint, out, *videos[:count]) == 0
        assert attempts(out) == [*before, "a"], "the video whose results were begun is read again, the other one is not"


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_a_run_that_is_interrupted_before_it_writes_leaves_earlier_results_done(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    videos = write_videos(tmp_path, "a.mp4", "b.mp4")[: 2 if options else 1]
    out = tmp_path / "out"
    assert run(checkpoint, out, *videos, *options) == 0
    before = attempts(out)
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "recognize", interrupted)
        patch.setattr(Crew, "outcomes", lambda self, settings, files, notify: interrupted(list(files)))
        assert run(checkpoint, out, *videos, *options, "--windows.stride-seconds", "0.2") == 130
    assert run(checkpoint, out, *videos, *options) == 0
    assert attempts(out) == before


def test_a_run_learns_what_another_one_has_done_meanwhile(checkpoint: Path, tmp_path: Path) -> None:
    (video,) = write_videos(tmp_path, "a.mp4")
    words = WindowOptions(), TrackingOptions(), SourceOptions(), tmp_path, ("json",), True
    settings = Settings(checkpoint, DetectorChoice(), "cpu", *words)
    worker = Worker(settings, settings.build())
    (job,) = worker.ledger.assign({str(video): "a"}, ["json"], Disk())
    other = Ledger(tmp_path, "other settings")
    results = [tmp_path / "a.json", tmp_path / "a.csv"]
    for path in results:
        path.touch()
    other.add(job, None, results)
    assert worker(job).error is None
    assert not Ledger(tmp_path, "other settings").is_done(job, results), "one of its results was replaced"
    Ledger(tmp_path, worker.ledger.settings).add(job, None, results[1:])
    worker.ledger.add(job, None, results[:1])
    assert Ledger(tmp_path, worker.ledger.settings).is_done(job, results), "both results are of these settings"
    other.add(job, None, results[:1])
    assert not Ledger(tmp_path, "other settings").is_done(job, results), "the other result is not its own"


def test_a_ledger_that_was_removed_is_forgotten(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "a")
    assert assigned(ledger, "v/talk.mp4") == ["talk"]
    ledger.path.unlink()
    assert assigned(ledger, "w/talk.mp4") == ["talk"]


def test_a_failed_format_leaves_the_others_done(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_videos(tmp_path / "in", "a.mp4", "b.mp4")
    out = tmp_path / "out"

    def broken(results: Results, path: Path) -> None:
        raise InputError(f"cannot write captions to {path}")

    monkeypatch.setitem(FORMATS, "vtt", broken)
    assert run(checkpoint, out, tmp_path / "in", "--formats", "json,vtt,csv") == 2
    written = f"written: {out / 'b.json'}, {out / 'b.csv'}"
    assert f"b.mp4: failed: cannot write captions to {out / 'b.vtt'}; {written}\n" in capfd.readouterr().err
    assert run(checkpoint, tmp_path / "one", tmp_path / "in" / "a.mp4", "--formats", "json,vtt") == 2
    assert f"a.vtt; written: {tmp_path / 'one' / 'a.json'}\n" in capfd.readouterr().err
    assert sorted(path.name for path in out.glob("a.*")) == ["a.csv", "a.json"]
    for formats, code, shown in (
        ("json,csv", 0, "0 read, 2 done before, 0 failed"),
        ("json,srt", 0, "2 read, 0 done before, 0 failed"),
        ("vtt", 2, "0 read, 0 done before, 2 failed"),
        ("vtt", 2, "0 read, 0 done before, 2 failed"),
    ):
        assert run(checkpoint, out, tmp_path / "in", "--formats", formats) == code
        printed = capfd.readouterr()
        assert shown in printed.out
        assert "written" not in printed.err
    assert len(attempts(out)) == 6, "the second failure is not tried again"
    assert run(checkpoint, out, tmp_path / "in", "--formats", "json,csv,srt") == 0
    assert "2 done before" in capfd.readouterr().out


def test_a_pipe_that_fails_leaves_its_name_to_the_next_one(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.mkv"
    bad.write_bytes(b"no video")
    (good,) = write_videos(tmp_path, "a.mkv")
    for video, code in ((bad, 2), (bad, 2), (good, 0)):
        with video.open("rb") as file:
            monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": file}))
            assert run(checkpoint, tmp_path / "out", "-") == code
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"stdin.json", "stdin.csv", LEDGER}


def test_a_single_video_that_failed_before_is_tried_again(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (video,) = write_videos(tmp_path, "a.mp4")
    out = tmp_path / "out"
    assert run(checkpoint, out, video, "--source.start-seconds", "9") == 2
    assert run(checkpoint, out, video, "--source.start-seconds", "9") == 2
    assert attempts(out) == ["a", "a"]
    assert "failed before" not in capfd.readouterr().err


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_a_video_that_grows_while_it_is_read_is_not_done(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    (video,) = write_videos(tmp_path, "rec.mkv")
    usual = Worker.recognize

    def growing(self: Worker, *words: Any) -> Outcome:
        outcome = usual(self, *words)
        write_video(video, disc_frames(9, {}))
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "recognize", growing)
        assert run(checkpoint, tmp_path / "out", video, *options) == 0
    assert run(checkpoint, tmp_path / "out", video) == 0
    assert attempts(tmp_path / "out") == ["rec", "rec"]
