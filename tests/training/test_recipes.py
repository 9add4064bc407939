"""Every recipe end to end with the real commands: SynthDFER in the official layout, prepare, train, evaluate."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ifdd import load_checkpoint
from ifdd.__main__ import main
from ifdd.data.labels import LABEL_SETS
from ifdd.records import CheckpointRecord

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[2] / "configs"
FOLDS = {"dfew": ["--data.fold", "2"], "ferv39k": [], "mafw": ["--data.fold", "2"]}
CLIPS = {"dfew": 21, "ferv39k": 21, "mafw": 22}
UAR = ["--config", str(CONFIGS / "uar.yaml")]
TINY = {
    "model.preset": "ifdd_tiny",
    "model.weights": "null",
    "optimization.epochs": 1,
    "optimization.warmup_epochs": 0,
    "data.batch_size": 8,
    "data.workers": 0,
    "data.validation_fraction": 0.5,
    "run.device": "cpu",
}


OPTIONS = {
    "dfew": [],
    "ferv39k": ["--manifest-format", "parquet"],
    "mafw": ["--faces", "keep"],  # cropping is tested elsewhere
}


class Prepared(NamedTuple):
    name: str
    manifest: Path


@pytest.fixture(scope="session", params=["dfew", "ferv39k", "mafw"])
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    name: str = request.param
    folder = tmp_path_factory.mktemp(name)
    words = ["--clips", str(CLIPS[name]), "--size", "40", "--preset", "easy", "--workers", "1"]
    main(["synth", str(folder / "tree"), "--layout", name, *words])
    words = ["--allow-incomplete", "--workers", "1", *OPTIONS[name]]
    main(["prepare", name, str(folder / "tree"), str(folder / "out"), *words])
    return Prepared(name, next((folder / "out").glob("manifest.*")))


def train(prepared: Prepared, out: Path, *words: str) -> CheckpointRecord:
    """Train a recipe with a tiny model; return the record of its checkpoint."""
    frames = 32 if prepared.name == "mafw" else 16
    tiny = [word for name, value in TINY.items() for word in (f"--{name}", str(value))]
    tiny += ["--model.overrides", f"{{size: 32, frames: {frames}}}", "--data.manifest", str(prepared.manifest)]
    recipe = str(CONFIGS / f"{prepared.name}.yaml")
    main(["train", recipe, "--out", str(out), *words, *FOLDS[prepared.name], *tiny])
    return load_checkpoint(out / "best.safetensors").record


def evaluate(prepared: Prepared, out: Path) -> dict[str, Any]:
    words = ["--sampling", "consecutive_clips", "--workers", "0", "--device", "cpu", "--out", str(out)]
    fold = [word.replace("--data.fold", "--fold") for word in FOLDS[prepared.name]]
    main(["evaluate", str(out / "best.safetensors"), str(prepared.manifest), *words, *fold])
    result: dict[str, Any] = json.loads((out / "evaluation.json").read_text())
    return result


def test_a_recipe_runs_from_the_official_layout_to_scores(prepared: Prepared, tmp_path: Path) -> None:
    record = train(prepared, tmp_path)
    assert record.chosen_on == "validation"
    assert record.selection == "best WAR on validation clips, clips not in training"
    assert record.synthetic is True
    protocol = evaluate(prepared, tmp_path)["protocol"]
    assert protocol["classes"] == list(LABEL_SETS[prepared.name])
    assert protocol["dataset"]["prepared"]["dataset"] == prepared.name
    assert protocol["sampling"]["frames"] == (32 if prepared.name == "mafw" else 16)
    training = json.loads((tmp_path / "training.json").read_text())
    assert training["clips"]["train"] + training["clips"]["validation"] + protocol["clips"] == CLIPS[prepared.name]


def test_the_uar_recipe_with_selection_on_the_test_clips(
    prepared: Prepared, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    record = train(prepared, tmp_path, *UAR, "--run.selection", "test")
    assert record.recipe_option("data", "class_balance") == 0.5
    assert record.recipe_option("optimization", "logit_adjustment") == 1.0
    assert record.chosen_on == "test"
    assert record.selection == "best UAR on the TEST clips themselves"
    assert "the TEST clips themselves" in " ".join(capfd.readouterr().out.split())
    result = evaluate(prepared, tmp_path)
    assert result["protocol"]["checkpoint"]["chosen_on"] == "test"
    training = json.loads((tmp_path / "training.json").read_text())
    assert training["clips"]["test"] == result["protocol"]["clips"]
    assert sum(training["clips"]["draws"].values()) == training["clips"]["train"]


@pytest.mark.parametrize("prepared", ["dfew"], indirect=True)
def test_votes_of_dfew_become_soft_labels(prepared: Prepared, tmp_path: Path) -> None:
    record = train(prepared, tmp_path, "--data.soft-labels")
    assert record.recipe_option("data", "soft_labels") is True


@pytest.mark.parametrize("prepared", ["ferv39k"], indirect=True)
def test_soft_labels_without_votes_are_refused(
    prepared: Prepared, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        train(prepared, tmp_path, "--data.soft-labels")
    assert stop.value.code == 2
    assert "no training clip of the manifest has votes" in capfd.readouterr().err
