"""Classes of a run: names of one's own, and those that no training clip has."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ifdd.__main__ import main
from ifdd.data.labels import LABEL_SETS
from ifdd.data.manifest import Manifest, Sample, write_manifest
from ifdd.errors import InputError
from ifdd.model import create_model
from ifdd.training.classes import training_classes
from ifdd.training.clips import ClipDataModule, hold_out
from ifdd.training.config import DataConfig
from tests.helpers.layouts import write_ravdess

LEVELS = ("0", "1", "sehr müde")


def manifest_of(
    folder: Path, labels: Sequence[str], subsets: Sequence[str] | None = None, fps: float = 25.0
) -> Manifest:
    (folder / "clip").mkdir(exist_ok=True)
    samples = [
        Sample(f"c{place}", folder / "clip", 50, label, (subsets or ["train"] * 99)[place], fps=fps)
        for place, label in enumerate(labels)
    ]
    write_manifest(folder / "manifest.csv", samples)
    return Manifest.read(folder / "manifest.csv")


def test_the_recipe_orders_the_classes(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, LEVELS)
    config = DataConfig(manifest.path, classes=["sehr müde", 1, 0])
    assert training_classes(config, manifest) == ("sehr müde", "1", "0")
    assert training_classes(DataConfig(manifest.path, classes="manifest"), manifest) == LEVELS
    assert training_classes(DataConfig(manifest.path), manifest) == LEVELS
    emotions = manifest_of(tmp_path, ["joy", "sad"])
    assert len(training_classes(DataConfig(manifest.path), emotions)) == 7
    assert training_classes(DataConfig(manifest.path), manifest_of(tmp_path, ["joy", "happy"])) == ("happy", "joy")
    assert training_classes(DataConfig(manifest.path, classes="manifest"), emotions) == ("joy", "sad")


def test_classes_of_a_benchmark_are_those_that_occur_if_so_wanted(tmp_path: Path) -> None:
    names = [f"02-02-{emotion:02}-01-01-01-{actor:02}" for emotion in (1, 2, 3) for actor in range(1, 11)]
    root = write_ravdess(tmp_path / "RAVDESS", names)
    main(["prepare", "ravdess", str(root), str(tmp_path / "out"), "--channel", "song", "--faces", "keep"])
    manifest = Manifest.read(tmp_path / "out" / "manifest.csv")
    assert training_classes(DataConfig(manifest.path), manifest) == LABEL_SETS["ravdess"]
    of_manifest = training_classes(DataConfig(manifest.path, classes="manifest"), manifest)
    assert of_manifest == tuple(name for name in LABEL_SETS["ravdess"] if name in ("neutral", "calm", "happy"))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["a", "b", "a"], r"names a more than once \(a, b, a\)"),
        ([True, False], "write names such as yes, no, on and null in quotes"),
        (["a"], "has only the class a; name at least two"),
        ([], "is empty"),
        ("levels", "data.classes is 'levels'; use one of dfew, .*manifest, or a list of names"),
    ],
)
def test_bad_classes_are_refused(classes: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DataConfig(Path("manifest.csv"), classes=classes)


def test_a_validation_class_without_training_clips_is_refused(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, ["0", "1", "1", "2"], ["train", "train", "validation", "validation"])
    message = "no training clips of 2; the validation clips are of 1, 2, the training clips of 0, 1"
    with pytest.raises(InputError, match=message):
        ClipDataModule(DataConfig(manifest.path), manifest, create_model("ifdd_tiny", 3).config, 0)


def test_a_class_is_never_held_out_as_a_whole(tmp_path: Path) -> None:
    samples = manifest_of(tmp_path, ["0"] * 9 + ["1"]).samples
    for seed in range(6):
        train, validation = hold_out(samples, 0.5, seed)
        assert {sample.label for sample in validation} <= {sample.label for sample in train}
        assert len(train) + len(validation) == 10


@pytest.mark.parametrize(("sampling", "seconds"), [("uniform_segments", 50 / 60), ("random_clip", 32 / 60)])
def test_a_clip_lasts_as_long_as_its_frames_are_shown(tmp_path: Path, sampling: str, seconds: float) -> None:
    manifest = manifest_of(tmp_path, ["0", "1"] * 2, ["train", "train", "validation", "validation"], fps=60.0)
    config = DataConfig(manifest.path, stride=2, train_sampling=sampling)  # type: ignore[arg-type]
    clips = ClipDataModule(config, manifest, create_model("ifdd_tiny", 2).config, 0)
    assert (clips.clock_fps, clips.train.clock_fps) == (60.0, 60.0)
    assert clips.clip_seconds == pytest.approx(seconds)
    slow = ClipDataModule(replace(config, fps=30.0), manifest, create_model("ifdd_tiny", 2).config, 0)
    assert slow.clock_fps == 30.0


def test_other_spellings_of_a_class_are_trained(tmp_path: Path) -> None:
    labels, subsets = ["happy", "sad", "joy", "sad"], ["train", "train", "validation", "validation"]
    manifest = manifest_of(tmp_path, labels, subsets)
    config = DataConfig(manifest.path, synonyms=True)
    clips = ClipDataModule(config, manifest, create_model("ifdd_tiny").config, 0, "validation")
    assert len(clips.validation) == 2


def test_classes_of_one_person_each_cannot_be_held_out(tmp_path: Path) -> None:
    samples = [
        Sample(f"{label}{place}", tmp_path, 8, label, "train", subject=label)
        for label in ("happy", "sad")
        for place in range(9)
    ]
    with pytest.raises(InputError, match="every class is that of one subject alone; add a validation subset"):
        hold_out(samples, 0.5, seed=0)
