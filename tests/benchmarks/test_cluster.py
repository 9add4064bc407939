"""The benchmark of clusters refuses what it cannot measure, and joins only rounds of the same code and videos."""

import argparse
import json
import shutil
import sys
from pathlib import Path

import pytest

import ifdd
from benchmarks import cluster
from ifdd.faces.detection import DetectorChoice
from ifdd.model import find_checkpoint
from ifdd.synth.videos.story import StoryConfig


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--videos", "2"], "--videos 2 leaves none"),
        (["--workers", "8"], "--videos 6 leaves none"),
        (["--workers", "0"], "--workers takes numbers from 1"),
    ],
)
def test_too_few_videos_are_refused_before_anything_is_measured(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "write_videos", lambda *_: pytest.fail("measured"))
    monkeypatch.setattr(sys, "argv", ["cluster", *words])
    with pytest.raises(SystemExit, match="2"):
        cluster.main()
    assert message in capsys.readouterr().err


def test_kept_videos_have_the_length_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(folder: Path, *words: object) -> None:
        (folder / "story.mp4").write_text(str(words[-1]))

    monkeypatch.setattr(cluster, "write_story", write)
    short = Path(cluster.write_videos(tmp_path, 2, 4.0)[0].video).read_text()
    long = Path(cluster.write_videos(tmp_path, 2, 8.0)[1].video).read_text()
    assert (short, long) == (str(StoryConfig(seconds=2.0)), str(StoryConfig(seconds=4.0)))
    monkeypatch.setattr(cluster, "write_story", lambda *_: pytest.fail("drawn again"))
    assert Path(cluster.write_videos(tmp_path, 1, 4.0)[0].video).read_text() == short


def test_rounds_of_other_code_or_weights_are_not_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, detector = tmp_path / "source", tmp_path / "yunet.onnx"
    source.mkdir()
    (source / "__init__.py").write_text("")
    detector.write_text("first")
    shutil.copyfile(find_checkpoint("ifdd_tiny_synth"), tmp_path / "best.safetensors")
    monkeypatch.setattr(ifdd, "__file__", str(source / "__init__.py"))
    monkeypatch.setattr(cluster, "version", lambda _: "1.0")
    monkeypatch.setattr(cluster, "choose_detector", lambda model, _: DetectorChoice(model))
    options = argparse.Namespace(
        checkpoint=str(tmp_path / "best.safetensors"), detector_model=detector, videos=6, seconds=4.0, workers=[1, 2]
    )
    out, rounds = tmp_path / "cluster.json", [[{"pool": "local"}]]
    for changed in (source / "__init__.py", detector, tmp_path / "best.safetensors"):
        about = cluster.describe(options)
        out.write_text(json.dumps(about | {"commit": "1-dirty", "rounds": rounds}))
        assert cluster.earlier_rounds(out, cluster.describe(options)) == rounds
        changed.write_text("changed")
        assert cluster.earlier_rounds(out, cluster.describe(options)) == []
