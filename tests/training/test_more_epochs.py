"""More epochs after the end of a training, or before it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from ifdd import load_checkpoint
from ifdd.__main__ import main
from ifdd.training.module import learning_rate_factor
from tests.training.test_train import RECIPE, refusal


@pytest.fixture(scope="module")
def recipe(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    data = RECIPE["data"] | {"manifest": str(manifest)}  # type: ignore[operator]
    path.write_text(yaml.safe_dump(RECIPE | {"data": data, "optimization": {"epochs": 1, "warmup_epochs": 0}}))
    return path


@pytest.fixture(scope="module")
def ended(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("training") / "run"
    main(["train", str(recipe), "--out", str(out)])
    return out


@pytest.fixture
def run(ended: Path, tmp_path: Path) -> Path:
    out: Path = shutil.copytree(ended, tmp_path / "run")
    return out


def rates(out: Path) -> list[float]:
    """The learning rate in the state after the last epoch."""
    point = torch.load(out / "resume.ckpt", weights_only=True)
    return [group["lr"] for group in point["optimizer_states"][0]["param_groups"]]


def test_a_finished_training_goes_on_with_the_schedule_of_the_new_length(
    recipe: Path, ended: Path, run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (ended / "resume.ckpt").read_bytes()
    peak = 1e-4 * 8 / 32
    assert rates(run) == pytest.approx([0.01 * peak] * 2)  # the floor
    main(["train", str(recipe), "--out", str(run), "--resume", "--optimization.epochs", "3"])
    said = capfd.readouterr()
    now = peak * learning_rate_factor(3, 9, 0, 0.01)
    assert f"training on after epoch 1 to epoch 3: the learning rate goes from 2.5e-07 to {now:.3g}" in said.out
    assert [line.split()[1] for line in said.err.splitlines() if "loss" in line] == ["2/3", "3/3"]
    training = json.loads((run / "training.json").read_text())
    assert (training["state"], training["epoch"], training["epochs"]) == ("done", 3, 3)
    assert training["extended_after"] == [1]
    last = load_checkpoint(run / "last.safetensors").record
    assert (last.epoch, last.recipe_option("optimization", "epochs"), last.extended_after) == (3, 3, (1,))
    assert yaml.safe_load((run / "recipe.yaml").read_text())["optimization"]["epochs"] == 3
    assert rates(run) == pytest.approx([0.01 * peak] * 2)
    main(["train", str(recipe), "--out", str(run), "--resume", "--optimization.epochs", "3"])
    assert "is finished already (3 epochs" in capfd.readouterr().out
    assert (ended / "resume.ckpt").read_bytes() == before  # where the folder was copied from
    assert "3 -> 1" in refusal(capfd, "train", recipe, "--out", run, "--resume")


def test_without_the_state_the_weights_are_named(recipe: Path, run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (run / "resume.ckpt").unlink()
    line = refusal(capfd, "train", recipe, "--out", run, "--resume", "--optimization.epochs", "3")
    assert f"start from its weights with another --out: --model.weights {run / 'best.safetensors'}" in line
    assert json.loads((run / "training.json").read_text())["state"] == "done"


def test_without_the_option_nothing_is_changed(recipe: Path, run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    line = refusal(capfd, "train", recipe, "--out", run, "--optimization.epochs", "3")
    assert "add --resume to resume it" in line
