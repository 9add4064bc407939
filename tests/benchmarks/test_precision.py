"""The benchmark of precision refuses arguments whose results could not be told apart."""

import sys
from pathlib import Path

import pytest

from benchmarks import precision
from tests.helpers.videos import write_clip_manifest


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["best.safetensors"], "best.safetensors is not CHECKPOINT=MANIFEST"),
        (["one/best.safetensors={}", "two/best.safetensors={}"], "two checkpoints are called best; rename one"),
        (["best.safetensors={}.csv"], "{}.csv"),
    ],
)
def test_mistakes_are_refused_before_anything_is_read(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_clip_manifest(tmp_path, ["happy"], count=1)
    monkeypatch.setattr(precision, "compare", lambda *_: pytest.fail("measured"))
    monkeypatch.setattr(sys, "argv", ["precision", *(word.format(manifest) for word in words)])
    with pytest.raises(SystemExit, match="2"):
        precision.main()
    assert message.format(manifest) in capsys.readouterr().err
