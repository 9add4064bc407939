"""Clips that cannot be read are reported once, replaced in the same way every time, and counted."""

import json
from pathlib import Path

import pytest
import yaml

from ifdd.__main__ import main
from ifdd.data.manifest import Sample
from ifdd.errors import InputError
from ifdd.training.engine import unreadable
from ifdd.training.engine.unreadable import UnreadableClips
from tests.training.test_train import RECIPE


def samples(count: int) -> list[Sample]:
    return [Sample(f"clip{index}", Path("x"), 16, "happy", "train") for index in range(count)]


def test_one_clip_in_a_hundred_may_be_unreadable(capfd: pytest.CaptureFixture[str]) -> None:
    clips = UnreadableClips({"train": samples(250), "validation": samples(99)})
    written: list[dict[str, str]] = []
    clips.changed = lambda: written.append(clips.plain)
    for index in (7, 3, 7):
        clips.report("train", index, "no frames")
    assert capfd.readouterr().err.splitlines() == [
        f"training clip clip{index} cannot be read: another clip of its class takes its place (no frames)"
        for index in (7, 3)
    ]
    assert written[-1] == {"clip7": "no frames", "clip3": "no frames"}
    with pytest.raises(InputError) as refused:
        clips.report("train", 9, "truncated")
    assert str(refused.value) == (
        "3 of 250 training clips cannot be read, more than 1 %: clip7 (no frames); clip3 (no frames); clip9 "
        "(truncated); repair them and repeat the command (ifdd train: with --resume), or remove them from the manifest "
        "and start again"
    )
    resumed = UnreadableClips({"train": samples(250), "validation": samples(99)})
    resumed.changed = lambda: written.append(resumed.plain)
    resumed.restore({"train": {"clip3": "no frames"}})
    assert written[-1] == {"clip3": "no frames"}
    with pytest.raises(InputError, match="1 of 99 validation clips cannot be read"):
        clips.report("validation", 0, "truncated")
    assert "validation clip clip0 cannot be read: it does not count (truncated)" in capfd.readouterr().err


def test_a_training_goes_on_with_other_clips(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unreadable, "MOST_PERCENT", 40)
    rows = manifest.read_text().replace("clips/", f"{manifest.parent}/clips/").splitlines()
    broken = {}
    for subset in ("train", "validation"):
        place = next(number for number, row in enumerate(rows) if f",{subset}," in row)
        cells = rows[place].split(",")
        rows[place] = ",".join([cells[0], str(tmp_path / "broken.mp4"), *cells[2:]])
        broken[cells[0]] = subset
    (tmp_path / "broken.mp4").write_text("not a video")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    changed = {
        "data": RECIPE["data"] | {"manifest": str(tmp_path / "manifest.csv"), "cache": False},  # type: ignore[operator]
        "optimization": {"epochs": 2, "warmup_epochs": 0.5},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE | changed))
    for workers in ("0", "1"):
        out = tmp_path / workers
        main(["train", str(tmp_path / "recipe.yaml"), "--out", str(out), "--data.workers", workers])
        errors = capfd.readouterr().err
        for clip in broken:
            assert errors.count(f"clip {clip} cannot be read") == 1
        assert json.loads((out / "training.json").read_text())["unreadable"].keys() == broken.keys()
    log = "csv/version_0/metrics.csv"
    assert (tmp_path / "0" / log).read_text() == (tmp_path / "1" / log).read_text()
