"""The study of rendered faces: every run changes what it says, and nothing else."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from benchmarks.face_study import Run, options_of, read_study, reduce, train
from ifdd.data.manifest import Manifest, Sample, write_manifest
from ifdd.errors import InputError
from ifdd.model import BACKBONES, create_model
from ifdd.records import BestEpoch, DatasetRecord, SubsetScores, TrainingClips, TrainingRecord

ROOT = Path(__file__).parents[2]
STUDY, FACTORS = (ROOT / "benchmarks" / f"face_{name}.yaml" for name in ("study", "factors"))
NAMES = [(study, name) for study in (STUDY, FACTORS) for name in yaml.safe_load(study.read_text())["runs"]]


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Forget the backbones of the studies afterwards."""
    before = set(BACKBONES)
    yield
    for name in set(BACKBONES) - before:
        del BACKBONES[name]


def test_overrides_are_added_to_those_of_the_recipe() -> None:
    recipe, runs = read_study(STUDY)
    assert options_of(str(ROOT / recipe), runs["base"]) == {}
    given = yaml.safe_load((ROOT / recipe).read_text())["model"]["overrides"]
    assert options_of(str(ROOT / recipe), runs["light"]) == {"model.overrides": given | {"standardization": "none"}}
    assert options_of(str(ROOT / recipe), runs["local"]) == {"model.overrides": given | {"standardization": "local"}}
    assert options_of(str(ROOT / recipe), runs["tiny"]) == {"model.preset": "ifdd_tiny"}
    assert options_of(str(ROOT / recipe), runs["longer"]) == {"optimization.epochs": 20}
    assert options_of(str(ROOT / recipe), runs["whole"])["model.ablation"] == "full"


def test_every_factor_keeps_the_steps_unless_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    _, runs = read_study(FACTORS)
    assert {run.clips for run in runs.values()} == {0.125, 0.25, 0.5, 1.0}
    for name, run in runs.items():
        epochs = run.options["optimization.epochs"]
        halves = {"longer": 4, "stills": 1, "stills_first": 1}.get(name, 2)
        assert epochs * run.clips * run.people == halves * 1.0 or run.manifest, name


@pytest.mark.parametrize(("study", "name"), NAMES)
def test_every_run_builds_a_model_for_its_crops(study: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    recipe, runs = read_study(study)
    model = yaml.safe_load((ROOT / recipe).read_text())["model"]
    options = options_of(str(ROOT / recipe), runs[name])
    overrides = options.get("model.overrides", model["overrides"])
    overrides = overrides | {"action_units": tuple(overrides["action_units"])}
    preset, ablation = (options.get(f"model.{name}", model[name]) for name in ("preset", "ablation"))
    config = create_model(preset, 7, ablation, **overrides).config
    assert config.size <= runs[name].size
    assert config.alignment == runs[name].alignment


def test_a_run_starts_only_from_a_finished_run(tmp_path: Path) -> None:
    recipe, runs = read_study(STUDY)
    options = argparse.Namespace(work=tmp_path, manifest=tmp_path, detector_model=None, training="")
    crops = tmp_path / "faces_landmarks_96"
    crops.mkdir()
    (crops / "manifest.csv").touch()
    with pytest.raises(InputError, match="whole starts from base, which is not finished; train base first"):
        train(recipe, runs["whole"], options)
    best = BestEpoch(epoch=3, validation=SubsetScores(0.5, 0.5), selection="best WAR", chosen_on="validation")
    clips = TrainingClips(train=8, validation=2, unused=0, draws={"happy": 8})
    (tmp_path / "whole").mkdir()
    TrainingRecord("done", 3, 3, best, DatasetRecord("ab", True, None), clips).write(
        tmp_path / "whole" / TrainingRecord.FILE
    )
    assert train(recipe, runs["whole"], options) == tmp_path / "whole" / "last.safetensors"


def test_a_share_of_the_training_clips_keeps_the_others(tmp_path: Path) -> None:
    subsets = ["train", "test", "train", "validation", "train", "train"]
    crops = tmp_path / "crops"
    crops.mkdir()
    (crops / "prepare.json").write_text("{}")
    for number in range(6):
        (crops / f"{number}.mp4").touch()
    samples = [Sample(str(n), crops / f"{n}.mp4", 8, "happy", subset) for n, subset in enumerate(subsets)]
    write_manifest(crops / "manifest.csv", samples)
    reduced = reduce(crops, 0.5, 1.0)
    assert reduced == tmp_path / "crops_0.5_1" / "manifest.csv"
    assert reduced.with_name("prepare.json").exists(), "says how the faces are cropped"
    kept = Manifest.read(reduced).samples
    assert [sample.clip_id for sample in kept] == ["0", "1", "2", "3"]
    assert Run("a", "nothing").clips == 1


def test_a_share_of_the_people_keeps_all_of_their_clips(tmp_path: Path) -> None:
    crops = tmp_path / "crops"
    crops.mkdir()
    (crops / "prepare.json").write_text("{}")
    samples = []
    for number in range(12):
        (crops / f"{number}.mp4").touch()
        samples.append(Sample(str(number), crops / f"{number}.mp4", 8, "happy", "train", subject=f"s{number % 4}"))
    write_manifest(crops / "manifest.csv", samples)
    kept = Manifest.read(reduce(crops, 1.0, 0.5)).samples
    assert [sample.clip_id for sample in kept] == ["0", "1", "4", "5", "8", "9"]
    assert len(Manifest.read(reduce(crops, 0.5, 0.5)).samples) == 3
