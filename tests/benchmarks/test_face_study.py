"""The study of rendered faces: every run changes what it says, and nothing else."""

from pathlib import Path

import pytest
import yaml

from benchmarks.face_study import Run, options_of, read_study, reduce
from ifdd.data.manifest import Manifest, Sample, write_manifest
from ifdd.model import create_model

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "benchmarks" / "face_study.yaml"


def test_overrides_are_added_to_those_of_the_recipe() -> None:
    base, runs = read_study(STUDY)
    assert options_of(str(ROOT / base), runs["base"]) == {}
    given = yaml.safe_load((ROOT / base).read_text())["model"]["overrides"]
    assert options_of(str(ROOT / base), runs["light"]) == {"model.overrides": given | {"standardization": "none"}}
    assert options_of(str(ROOT / base), runs["tiny"]) == {"model.preset": "ifdd_tiny"}


@pytest.mark.parametrize("name", read_study(STUDY)[1])
def test_every_run_builds_a_model_for_its_crops(name: str) -> None:
    base, runs = read_study(STUDY)
    model = yaml.safe_load((ROOT / base).read_text())["model"]
    options = options_of(str(ROOT / base), runs[name])
    overrides = options.get("model.overrides", model["overrides"])
    overrides = overrides | {"action_units": tuple(overrides["action_units"])}
    ablation = options.get("model.ablation", "full")
    config = create_model(options.get("model.preset", model["preset"]), 7, ablation, **overrides).config
    assert (config.size, config.alignment) == (runs[name].size, runs[name].alignment)


def test_a_share_of_the_training_clips_keeps_the_others(tmp_path: Path) -> None:
    subsets = ["train", "test", "train", "validation", "train", "train"]
    for number in range(6):
        (tmp_path / f"{number}.mp4").touch()
    samples = [Sample(str(n), tmp_path / f"{n}.mp4", 8, "happy", subset) for n, subset in enumerate(subsets)]
    write_manifest(tmp_path / "manifest.csv", samples)
    kept = Manifest.read(reduce(tmp_path, 0.5)).samples
    assert [sample.clip_id for sample in kept] == ["0", "1", "2", "3"]
    assert Run("a", "nothing").clips == 1
