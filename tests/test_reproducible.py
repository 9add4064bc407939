"""The same command on the same machine writes the same bytes."""

from pathlib import Path

import pytest

from ifdd.evaluation.evaluate import evaluate
from ifdd.inference.recognize import recognize
from ifdd.synth.command import synth
from tests.helpers.videos import write_clip_manifest


def content(folder: Path) -> dict[str, bytes]:
    """Return relative path -> bytes of every file; the ledger of a folder names the folder of the video only."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story")
    synth(folder, clips=1, frames=12, fps=10.0, size=128, preset="easy", workers=0)
    return folder / "clips"


def test_synth_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, workers in (("a", 0), ("b", 2)):
        synth(tmp_path / name, clips=4, frames=4, size=32, seed=3, workers=workers)
    first = content(tmp_path / "a")
    assert len(first) == 10  # 4 videos, 4 truths, manifest and settings
    assert first == content(tmp_path / "b")


def test_evaluate_writes_the_same_bytes(tmp_path: Path, checkpoint: Path) -> None:
    manifest = write_clip_manifest(tmp_path, ["happy", "sad", "angry", "fear"])
    for name in ("a", "b"):
        evaluate(checkpoint, manifest, out=tmp_path / name, device="cpu", by="", workers=0)
    first = content(tmp_path / "a")
    assert {"evaluation.json", "predictions.csv"} <= first.keys()
    assert first == content(tmp_path / "b")


def test_recognize_writes_the_same_bytes(tmp_path: Path, checkpoint: Path, story: Path) -> None:
    for name in ("a", "b"):
        recognize(
            [str(story)],
            checkpoint=checkpoint,
            out=tmp_path / name,
            detector="haar",
            device="cpu",
            formats="json,csv,vtt,srt,eaf,textgrid,svg,mp4",
        )
    first, again = content(tmp_path / "a"), content(tmp_path / "b")
    assert len(first) == 9  # eight forms, and the ledger
    assert [name for name in first if first[name] != again[name]] == []
