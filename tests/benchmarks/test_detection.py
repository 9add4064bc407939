"""The benchmark of YuNet's engines refuses what gives no quartiles before it measures."""

import sys
from pathlib import Path

import pytest

from benchmarks import detection
from tests.helpers.videos import moving_frames, write_video


@pytest.mark.parametrize("frames", [1, detection.EVERY])
def test_one_picture_is_refused(
    frames: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    video, out = tmp_path / "a.mp4", tmp_path / "result.json"
    write_video(video, moving_frames(frames))
    words = [str(video), "--detector-model", str(tmp_path / "yunet.onnx"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["benchmark", *words])
    with pytest.raises(SystemExit, match="2"):
        detection.main()
    assert capsys.readouterr().err == (
        "detection: there are fewer than two frames to search, one of 10; give longer videos\n"
    )
    assert not out.exists()
