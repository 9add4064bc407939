"""Videos in object storage: in memory, and on a local server that speaks S3."""

import errno
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ifdd.__main__ import main
from ifdd.inference import Recognition
from ifdd.inference.batch.jobs import find_videos
from ifdd.inference.batch.ledger import Ledger
from ifdd.remote.storage import fetch, is_stored, stored_files, stored_stamp
from ifdd.video import SourceOptions, open_video
from tests.helpers.faces import disc_frames
from tests.helpers.processes import run
from tests.helpers.results import make_model, make_video
from tests.helpers.videos import write_video

SECRET = "hush-hush-secret"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A storage in memory with two videos and what is not a video; temporary files go to ``tmp_path / "copies"``."""
    fsspec = pytest.importorskip("fsspec")
    (tmp_path / "copies").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "copies"))
    system = fsspec.filesystem("memory")
    video = write_video(tmp_path / "a.mkv", disc_frames(20)).read_bytes()
    for name in ("in/b.mkv", "in/deep/a.MKV", "in/.hidden.mkv", "in/notes.txt", "in/@eaDir/c.mkv"):
        system.pipe(f"/lab/{name}", video)
    yield system
    system.rm("/lab", recursive=True)


def copies(folder: Path) -> list[Path]:
    """Return the temporary copies that exist."""
    return list((folder / "copies").iterdir())


def test_folders_and_patterns_are_searched(store: Any, tmp_path: Path) -> None:
    notes: list[str] = []
    found = find_videos(["memory://lab/in", "memory://lab/in/b.mkv"], tmp_path / "out", notes.append)
    assert found == {"memory://lab/in/b.mkv": "b", "memory://lab/in/deep/a.MKV": "deep/a"}
    assert notes == ["skipped, hidden or a system's: 2 (.hidden.mkv, @eaDir/c.mkv)"]
    assert find_videos(["memory://lab/in/*/*.MKV"], tmp_path) == {"memory://lab/in/deep/a.MKV": "a"}
    for nothing in ("memory://lab/*.avi", "memory://lab/in/@eaDir"):
        with pytest.raises(ValueError, match=r"no video at memory://lab/.*; check the address"):
            find_videos([nothing, "memory://lab/in/@eaDir/*.avi"], tmp_path)


def test_a_copy_lasts_as_long_as_its_video_is_open(store: Any, tmp_path: Path) -> None:
    video = open_video("memory://lab/in/b.mkv")
    (folder,) = copies(tmp_path)
    assert folder.stat().st_mode & 0o077 == 0, "no other account may read it"
    assert len(list(video)) == 20
    assert video.info().path == "memory://lab/in/b.mkv"
    assert copies(tmp_path) == []


def test_what_is_no_video_is_named_by_its_address(store: Any, tmp_path: Path) -> None:
    store.pipe("/lab/in/bad.mkv", b"nothing")
    with pytest.raises(ValueError, match=r"cannot read the video memory://lab/in/bad.mkv") as error:
        open_video("memory://lab/in/bad.mkv")
    assert str(tmp_path) not in str(error.value)
    with pytest.raises(ValueError, match=r"no such video: memory://lab/none.mkv; check the address"):
        open_video("memory://lab/none.mkv")
    with pytest.raises(ValueError, match="cannot read memory://lab/in"):
        open_video("memory://lab/in")
    assert copies(tmp_path) == []


def test_what_goes_wrong_while_reading_is_named_by_the_address(store: Any, tmp_path: Path) -> None:
    store.pipe("/lab/in/bad.png", b"no image")
    for address, start in (("memory://lab/in/b.mkv", 40.0), ("memory://lab/in/bad.png", 0.0)):
        with pytest.raises(ValueError, match=f"{address} (ends at|is not a readable image)") as error:
            list(open_video(address, SourceOptions(start_seconds=start)))
        assert str(tmp_path) not in str(error.value)
    assert copies(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(f"key {SECRET}"), "access to memory://lab/in/b.mkv is denied; check the credentials"),
        (
            OSError(errno.ENOSPC, SECRET),
            "no space for a copy of memory://lab/in/b.mkv in .*copies; TMPDIR names",
        ),
        (
            RuntimeError(f"https://me:{SECRET}@host"),
            "cannot read memory://lab/in/b.mkv: RuntimeError; check the",
        ),
    ],
)
def test_errors_of_a_storage_are_one_line_without_secrets(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(type(store), "get_file", refuse)
    with pytest.raises(ValueError, match=message) as refusal:
        fetch("memory://lab/in/b.mkv")
    assert SECRET not in str(refusal.value)
    assert copies(tmp_path) == []


def test_keys_in_addresses_are_not_shown() -> None:
    pytest.importorskip("fsspec")
    for secret in (SECRET, f"sla/sh-{SECRET}"):
        with pytest.raises(ValueError, match="no such video: memory://") as error:
            fetch(f"memory://key:{secret}@lab/none.mkv")
        assert SECRET not in str(error.value)


def test_a_changed_file_has_another_stamp(store: Any) -> None:
    before = stored_stamp("memory://lab/in/b.mkv")
    assert before == stored_stamp("memory://lab/in/b.mkv") != ""
    store.pipe("/lab/in/b.mkv", b"another")
    assert stored_stamp("memory://lab/in/b.mkv") not in (before, "")
    assert stored_stamp("memory://lab/none.mkv") == ""


def test_stored_videos_are_recognized_once(
    store: Any, checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["recognize", "memory://lab/in", "--checkpoint", str(checkpoint), "--detector", "haar", "--device", "cpu"]
    main([*words, "--out", str(out), "--formats", "json"])
    assert json.loads((out / "b.json").read_text())["video"]["path"] == "memory://lab/in/b.mkv"
    assert (out / "deep" / "a.json").exists()
    assert len(Ledger(out, "").names) == 2
    main([*words, "--out", str(out), "--formats", "json"])
    assert "2 videos: 0 read, 2 done before, 0 failed" in capfd.readouterr().out
    assert copies(tmp_path) == []


def test_a_stored_video_is_annotated(store: Any, checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    words = ["--checkpoint", str(checkpoint), "--detector", "haar", "--device", "cpu", "--formats", "mp4"]
    main(["recognize", "memory://lab/in/b.mkv", "--out", str(tmp_path / "out"), *words])
    assert len(list(open_video(tmp_path / "out" / "b.mp4"))) == 20
    assert copies(tmp_path) == []


def test_a_stored_video_that_can_no_longer_be_annotated_is_named_by_its_address(store: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    recognition = Recognition(make_video("memory://lab/in/b.mkv", 0.8, 20), make_model(("happy", "sad")), ())
    store.pipe("/lab/in/b.mkv", b"nothing")
    with pytest.raises(ValueError, match=r"cannot read the video memory://lab/in/b.mkv") as error:
        recognition.write(tmp_path / "b.mp4")
    assert str(tmp_path / "copies") not in str(error.value)


def test_results_cannot_be_written_to_a_storage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["recognize", "a.mp4", "--out", "s3://lab/results"])
    assert "results need a folder; write them to a disk, and copy the folder there" in capsys.readouterr().err
    assert not Path("s3:").exists()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(ValueError, match=r"s3://lab/a.mp4 needs s3fs; install it with: pip install 'ifdd\[storage\]'"):
        stored_files("s3://lab/a.mp4")
    with pytest.raises(ValueError, match=r"gs://lab/a.mp4 needs gcsfs; install it with: pip install .* 'gcsfs'"):
        stored_files("gs://lab/a.mp4")
    assert not is_stored("https://lab/a.mp4")


@pytest.mark.slow
def test_an_s3_server_is_read(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("s3fs", reason="s3fs needs older versions than constraints.txt has")
    boto3, server = pytest.importorskip("boto3"), pytest.importorskip("moto.server")
    served = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    served.start()
    try:
        address = "http://{}:{}".format(*served.get_host_and_port())
        access = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1"}
        client = boto3.client(
            "s3",
            endpoint_url=address,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key=SECRET,
        )
        client.create_bucket(Bucket="lab")
        video = write_video(tmp_path / "a.mkv", disc_frames(20))
        for name in ("in/a.mkv", "in/deep/b.mkv"):
            client.upload_file(str(video), "lab", name)
        (tmp_path / "copies").mkdir()
        env = {**access, "AWS_ENDPOINT_URL": address, "TMPDIR": str(tmp_path / "copies")}
        options = ["--checkpoint", checkpoint, "--detector", "haar", "--device", "cpu", "--formats", "json"]
        command = [sys.executable, "-m", "ifdd", "recognize", *options, "--out", tmp_path / "out"]
        done = run([*command, "s3://lab/in/", "s3://lab/none.mkv"], env={**os.environ, **env}, code=2)
        client.put_object(Bucket="lab", Key="in/a.mkv", Body=video.read_bytes() + b"\0")
        again = run([*command, "s3://lab/in/*", "s3://lab/in/deep/b.mkv"], env={**os.environ, **env})
    finally:
        served.stop()
    assert "3 videos: 2 read, 0 done before, 1 failed" in done.stdout
    assert "s3://lab/none.mkv: failed: no such video: s3://lab/none.mkv; check the address" in done.stderr
    assert "2 videos: 1 read, 1 done before, 0 failed" in again.stdout
    assert SECRET not in done.stdout + done.stderr + again.stdout + again.stderr
    assert copies(tmp_path) == []
    results = [json.loads((tmp_path / "out" / name).read_text()) for name in ("a.json", "deep/b.json")]
    assert [result["video"]["path"] for result in results] == ["s3://lab/in/a.mkv", "s3://lab/in/deep/b.mkv"]
