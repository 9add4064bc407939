"""Numbers that are not finite end a training, and nothing of them is kept."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from ifdd import load_checkpoint
from ifdd.__main__ import main
from ifdd.model import IFDD
from ifdd.model.outputs import IFDDOutput
from ifdd.training.module import ClipClassifier
from tests.training.test_train import RECIPE, refusal


@pytest.fixture
def recipe(manifest: Path, tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    data = RECIPE["data"] | {"manifest": str(manifest)}  # type: ignore[operator]
    optimization = {"epochs": 2, "warmup_epochs": 0.5, "ema_decay": 0.5}
    path.write_text(yaml.safe_dump(RECIPE | {"data": data, "optimization": optimization}))
    return path


def written(out: Path) -> set[str]:
    return {path.name for path in out.iterdir()} & {"best.safetensors", "last.safetensors", "resume.ckpt"}


def test_a_rate_that_is_too_high_stops_in_the_first_epoch_and_writes_no_checkpoint(
    recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    line = refusal(capfd, "train", recipe, "--out", out, "--optimization.learning-rate", "1e30")
    assert "the training diverged in epoch 1 of 2 at step 2: the loss is nan" in line
    assert "lower optimization.learning_rate (now 1e+30) or set optimization.gradient_clip to 1" in line
    assert not written(out)
    assert json.loads((out / "training.json").read_text())["best"] == {}
    main(["train", str(recipe), "--out", str(out)])  # nothing is lost, so the folder may be used again
    assert load_checkpoint(out / "best.safetensors")


def spoil(monkeypatch: pytest.MonkeyPatch, epoch: int, what: str) -> None:
    """Spoil one kind of numbers in the last step of an epoch, from 0."""
    usual = ClipClassifier.on_train_batch_start

    def on_train_batch_start(self: ClipClassifier, batch: Any, batch_idx: int) -> None:
        usual(self, batch, batch_idx)
        if self.trainer.current_epoch != epoch or batch_idx != 2:
            return
        handle: Any
        if what == "gradient":
            weight = self.model.head.classifier.weight
            handle = weight.register_hook(lambda gradient: (handle.remove(), gradient * math.nan)[1])
        elif what == "buffer":
            name = next(name for name, _ in self.model.named_buffers() if name.endswith("running_var"))
            self.model.get_buffer(name).fill_(math.inf)
        else:
            weight = self.model.head.classifier.weight
            handle = weight.register_hook(lambda gradient: (handle.remove(), gradient + 1e25)[1])

    monkeypatch.setattr(ClipClassifier, "on_train_batch_start", on_train_batch_start)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("gradient", "weights are not finite, the first head.classifier.weight"),
        ("buffer", "weights are not finite, the first backbone."),
        ("state", "gradients are so large that the optimiser's state is not finite"),
    ],
)
def test_the_epoch_before_is_kept(
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    what: str,
    message: str,
) -> None:
    out = tmp_path / "run"
    spoil(monkeypatch, 1, what)
    line = refusal(capfd, "train", recipe, "--out", out)
    assert "diverged in epoch 2 of 2 at step 6: " in line
    assert message in line
    assert f"{out} keeps epoch 1 and the best before: choose another --out" in line
    assert written(out) == {"best.safetensors", "last.safetensors", "resume.ckpt"}
    assert load_checkpoint(out / "last.safetensors").record.epoch == 1
    assert all(value.isfinite().all() for value in load_file(out / "best.safetensors").values())
    assert torch.load(out / "resume.ckpt", weights_only=True)["epoch"] == 0


def test_validation_whose_output_is_not_finite_is_not_scored(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    usual = IFDD.forward

    def forward(self: IFDD, clip: torch.Tensor) -> IFDDOutput:
        output = usual(self, clip)
        return output if self.training else output._replace(logits=output.logits - torch.inf)

    monkeypatch.setattr(IFDD, "forward", forward)
    line = refusal(capfd, "train", recipe, "--out", tmp_path / "run")
    assert "the output for 3 validation clips is not finite" in line
    assert not written(tmp_path / "run")


def test_a_fold_that_diverged_is_named(recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["--optimization.learning-rate", "1e30", "--evaluation.sampling", "uniform_segments"]
    line = refusal(capfd, "crossval", recipe, "--out", tmp_path / "folds", *words)
    assert "fold all: the training diverged in epoch 1" in line
    assert not (tmp_path / "folds" / "fold_0" / "evaluation").exists()
