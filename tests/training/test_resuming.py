"""What a resumed run must share with its start, also where an earlier version of ifdd began it."""

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import IO, NoReturn

import pytest
import yaml

from ifdd.data.transforms import AugmentationConfig, MixupConfig
from ifdd.errors import InputError
from ifdd.evaluation.sampling import SamplingConfig
from ifdd.records import BestEpoch, DatasetRecord, PreparedRecord, SubsetScores, TrainingClips, TrainingRecord
from ifdd.training import resuming
from ifdd.training.config import DataConfig, ModelConfig, OptimizationConfig, RunConfig
from ifdd.training.crossval.folds import Fold, begun_classes
from ifdd.training.recipe import RECIPE_FILE, Recipe
from ifdd.training.resuming import RUNNING, known_training, only_run

RECIPE = Recipe(
    DataConfig(Path("manifest.csv")),
    ModelConfig(),
    OptimizationConfig(epochs=3, warmup_epochs=1.0),
    AugmentationConfig(),
    MixupConfig(),
    RunConfig(),
    SamplingConfig(),
)
BEST = BestEpoch(epoch=2, validation=SubsetScores(0.5, 0.25), selection="best WAR", chosen_on="validation")
CLIPS = TrainingClips(train=8, validation=2, unused=0, draws={"happy": 8})
PREPARED = PreparedRecord("dfew", "clip_224x224", "dfew", None, None, "complete", 0, unchanged=True)
NOW = DatasetRecord("ab", False, PREPARED)


def resumed(out: Path, before: DatasetRecord) -> None:
    """Resume a run on the clips of ``NOW`` that had another description of them at its start."""
    RECIPE.write(out)
    begun = TrainingRecord("done", 3, 3, BEST, before, CLIPS)
    begun.write(out / TrainingRecord.FILE)
    assert known_training(RECIPE, out, NOW) == begun


@pytest.mark.parametrize("prepared", [None, replace(PREPARED, dataset="manifest")])
def test_a_run_goes_on_whatever_an_earlier_version_called_its_dataset(
    tmp_path: Path, prepared: PreparedRecord | None
) -> None:
    resumed(tmp_path, replace(NOW, prepared=prepared))


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (replace(NOW, hash="cd"), "clips, labels or folds of manifest.csv have changed"),
        (replace(NOW, prepared=replace(PREPARED, frames="jpg_256")), "were prepared differently"),
    ],
)
def test_a_run_does_not_go_on_with_other_clips_or_frames(tmp_path: Path, before: DatasetRecord, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resumed(tmp_path, before)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors"])
def test_weights_without_a_state_are_kept(tmp_path: Path, name: str, resume: bool) -> None:
    (tmp_path / name).touch()
    for epoch in (None, 2, 1):
        if epoch is not None:
            trained = TrainingRecord("running", epoch, 3, BEST, NOW, CLIPS)
            trained.write(tmp_path / TrainingRecord.FILE)
        if epoch == 1:
            assert known_training(RECIPE, tmp_path, NOW, resume) is None
        else:
            with pytest.raises(InputError, match=f"{name} would be replaced: .* has no resume.ckpt"):
                known_training(RECIPE, tmp_path, NOW, resume)


def test_a_recipe_of_ifdd_is_replaced_and_one_of_a_person_is_not(tmp_path: Path) -> None:
    file = tmp_path / RECIPE_FILE
    RECIPE.write(tmp_path)
    assert known_training(RECIPE, tmp_path, NOW) is None
    plain = RECIPE.plain()
    del plain["mixup"], plain["evaluation"], plain["data"]["cache"]  # as earlier versions wrote it
    file.write_text(yaml.safe_dump(plain))
    assert known_training(RECIPE, tmp_path, NOW) is None
    for own in (
        file.read_text() + "# smaller steps diverge less\n",
        yaml.safe_dump(RECIPE.plain() | {"out": "exp"}, sort_keys=False),
        "data: {manifest: manifest.csv}\n",
        "data:\n  manifest: manifest.csv\n",
        "- 1\n",
        "data: [",
    ):
        file.write_text(own)
        with pytest.raises(InputError, match=r"recipe\.yaml was not written by ifdd and would be replaced; move it"):
            known_training(RECIPE, tmp_path, NOW)
        assert file.read_text() == own


def test_a_lock_that_its_holder_removes_meanwhile_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = resuming._lock

    def late(file: IO[str], out: Path) -> None:
        monkeypatch.undo()
        (tmp_path / RUNNING).unlink()
        usual(file, out)

    monkeypatch.setattr(resuming, "_lock", late)
    with only_run(tmp_path):
        assert (tmp_path / RUNNING).exists()
    assert not list(tmp_path.iterdir())


def test_a_disk_that_does_not_show_open_files_locks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(one: os.stat_result, other: os.stat_result) -> NoReturn:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(os.path, "samestat", fails)
    with only_run(tmp_path):
        assert (tmp_path / RUNNING).exists()
    assert not list(tmp_path.iterdir())


def test_folds_share_the_classes_of_those_that_are_begun(tmp_path: Path) -> None:
    folds = [Fold(number, RECIPE, tmp_path / f"fold_{number}") for number in (1, 2, 3)]
    assert begun_classes(folds) is None
    for number, classes in ((2, ("sad", "happy")), (3, ("sad", "happy", "calm"))):
        clips = replace(CLIPS, draws=dict.fromkeys(classes, 4))
        folds[number - 1].folder.mkdir()
        TrainingRecord("done", 3, 3, BEST, NOW, clips).write(folds[number - 1].folder / TrainingRecord.FILE)
        if number == 2:
            assert begun_classes(folds) == classes
    with pytest.raises(
        InputError, match=r"different classes.*\(fold_2 with sad, happy; fold_3 with sad, happy, calm\)"
    ):
        begun_classes(folds)
