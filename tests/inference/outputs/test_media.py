"""ELAN finds the video: links as ELAN writes them, relative to the result."""

import os
from pathlib import Path, PureWindowsPath
from xml.etree import ElementTree

import av
import numpy as np
import pytest

from ifdd.inference import ModelInfo, Recognition, VideoInfo
from ifdd.inference.outputs.media import media_links


def write(path: Path) -> Path:
    """Write a tiny video whose container is that of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("vp8" if path.suffix == ".webm" else "mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        ("mp4", "video/mp4"),
        ("mov", "video/quicktime"),
        ("mkv", "video/x-matroska"),
        ("webm", "video/webm"),
        ("avi", "video/x-msvideo"),
        ("ts", "video/mp2t"),
    ],
)
def test_the_type_is_that_of_the_container(suffix: str, kind: str, tmp_path: Path) -> None:
    video = write(tmp_path / f"a.{suffix}")
    assert media_links(str(video), tmp_path / "a.eaf")["MIME_TYPE"] == kind
    if suffix != "ts":  # FFmpeg takes so short a stream for what its suffix says
        other = video.rename(tmp_path / "b.mpg")
        assert media_links(str(other), tmp_path / "a.eaf")["MIME_TYPE"] == kind.replace("webm", "x-matroska")


@pytest.mark.parametrize("name", ["a b.mp4", "lächeln.mp4", "50 % #1 & 'x'.mp4", "東京.mp4"])
def test_paths_are_plain_and_relative_to_the_result(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "in" / name)
    monkeypatch.chdir(tmp_path)
    video = VideoInfo(f"in/{name}", frames=2, fps=10.0, duration_seconds=0.2, width=32, height=32)
    model = ModelInfo("ifdd_tiny", 16, 96, 1.6, classes=("happy", "sad"), face_detector="haar")
    results = Recognition(video, model, tracks=())
    for place, relative in (("out/deep/a.eaf", f"../../in/{name}"), ("in/a.eaf", f"./{name}")):
        results.write(place)
        media = ElementTree.parse(place).getroot().find("HEADER/MEDIA_DESCRIPTOR")
        assert media is not None
        assert media.get("MEDIA_URL") == f"file://{tmp_path.as_posix()}/in/{name}"
        assert media.get("RELATIVE_MEDIA_URL") == relative
        assert (Path(place).parent / relative).is_file()


def test_a_video_is_searched_next_to_the_result(tmp_path: Path) -> None:
    write(tmp_path / "moved" / "a.mp4")
    links = media_links("a.mp4", tmp_path / "moved" / "a.eaf")
    assert links["MEDIA_URL"] == f"file://{tmp_path.as_posix()}/moved/a.mp4"
    nowhere = {"MEDIA_URL": "./b.mp4", "MIME_TYPE": "video/mp4", "RELATIVE_MEDIA_URL": "./b.mp4"}
    assert media_links("in/b.mp4", tmp_path / "a.eaf") == nowhere
    gone = media_links(str(tmp_path / "gone.mkv"), tmp_path / "a.eaf")  # ELAN asks where it is
    assert gone["RELATIVE_MEDIA_URL"] == "./gone.mkv"
    assert gone["MIME_TYPE"] == "video/x-matroska"


@pytest.mark.skipif(os.name == "nt", reason="these are ordinary paths there")
def test_paths_of_windows(tmp_path: Path) -> None:
    drive = str(PureWindowsPath("C:/Users/me/My Videos/a.mov"))
    expected = {"MEDIA_URL": "file:///C:/Users/me/My Videos/a.mov", "MIME_TYPE": "video/quicktime"}
    assert media_links(drive, tmp_path / "a.eaf") == expected
    share = media_links("\\\\server\\share\\a.mp4", tmp_path / "a.eaf")
    assert share["MEDIA_URL"] == "file:////server/share/a.mp4"


@pytest.mark.parametrize(
    "video",
    ["standard input", "camera:0", "https://host/a.mp4", "rtsp://host/a", "folder", "a\x1bb.mp4", "a\udce9.mp4"],
)
def test_what_elan_cannot_open_has_no_link(video: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    assert media_links(video, tmp_path / "a.eaf") == {}
