"""The benchmarks of real videos refuse a wrong folder before they measure, and keep the result of an earlier run."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import real_videos, still, turned
from benchmarks.real_videos import SEEN, find_videos
from ifdd.errors import InputError

YUNET = ["--detector-model", "yunet.onnx"]


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that runs a benchmark on wrong arguments and returns its message."""
    out = tmp_path / "result.json"

    def run(main: Callable[[], None], *words: object) -> str:
        out.write_text("of an earlier run")
        monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, words), "--out", str(out)])
        with pytest.raises(SystemExit, match="2"):
            main()
        assert out.read_text() == "of an earlier run"
        text = capsys.readouterr().err
        assert text.count("\n") == 1
        return text

    return run


def test_a_folder_without_the_videos_is_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    assert "none of videos/one_face_smile.mp4" in refusal(real_videos.main, tmp_path / "typo", *YUNET)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / next(iter(SEEN))).touch()
    assert "no detector is left" in refusal(real_videos.main, tmp_path, "--without-haar")


def test_the_other_benchmarks_take_the_same_folder(tmp_path: Path, refusal: Callable[..., str]) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for main, words in ((turned.main, []), (still.main, ["--photographs", photographs])):
        assert "has no videos; give the folder that holds videos/" in refusal(main, tmp_path, *words, *YUNET)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "notes.txt").touch()
    with pytest.raises(InputError, match="has no videos"):
        find_videos(tmp_path)
    (tmp_path / "videos" / "b.gif").touch()
    (tmp_path / "videos" / "a.mkv").touch()
    assert [path.name for path in find_videos(tmp_path)] == ["a.mkv", "b.gif"]
    (photographs / "a.jpg").touch()
    assert "has 1 of 64 photographs" in refusal(still.main, tmp_path, "--photographs", photographs, *YUNET)
