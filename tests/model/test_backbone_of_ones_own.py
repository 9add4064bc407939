"""The example of docs/model.md: a backbone in ten lines, registered, trained, saved, loaded, in commands."""

import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ifdd import create_model, load_checkpoint
from ifdd.command_line.options import describe
from ifdd.command_line.parser import parse
from ifdd.errors import InputError
from ifdd.model import BACKBONES, IFDDLoss, save_checkpoint
from ifdd.records import CheckpointRecord
from tests.helpers.pages import ROOT, blocks
from tests.helpers.processes import run
from tests.helpers.videos import write_clip_manifest

PAGE, SECTION = ROOT / "docs" / "model.md", "Your own backbone"
REGISTER, USE, SCRIPT = blocks(PAGE, "python", SECTION)
(COMMANDS,) = blocks(PAGE, "", SECTION)
CLASSES = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Run the page's first block, and forget the backbone afterwards."""
    exec(compile(REGISTER, "docs/model.md", "exec"), {})
    yield
    BACKBONES.pop("mine", None)


def test_it_takes_ten_lines() -> None:
    lines = [line for line in REGISTER.splitlines() if line and not line.startswith(("from", "import"))]
    assert len(lines) == 10


def test_it_is_created_by_its_name() -> None:
    names: dict[str, object] = {}
    exec(compile(USE, "docs/model.md", "exec"), names)
    assert type(names["model"].backbone).__name__ == "Mine"  # type: ignore[attr-defined]


@pytest.mark.parametrize("ablation", ["full", "issm_only", "even_odd", "frames_8", "frames_32", "backbone_only"])
def test_pyramid_issm_and_ladm_do_not_know_it(ablation: str) -> None:
    model = create_model("ifdd_tiny", backbone="mine", ablation=ablation)
    clip = torch.rand(2, 3, model.config.frames, 64, 64)
    assert model(clip).logits.shape == (2, 7)
    for size in (32, 96):
        other = create_model("ifdd_tiny", backbone="mine", ablation=ablation, size=size)
        assert other(torch.rand(2, 3, other.config.frames, size, size)).logits.shape == (2, 7)


@pytest.mark.parametrize("frames", [8, 16, 32])
def test_it_sees_every_frame(frames: int) -> None:
    clip = torch.rand(1, 3, frames, 64, 64, requires_grad=True)
    maps = BACKBONES["mine"](frames, 64, 0.0)(clip)[-1]
    assert maps.shape == (1, 128, 8, 2, 2)
    (gradient,) = torch.autograd.grad(maps.sum(), clip)
    assert gradient.abs().sum((0, 1, 3, 4)).gt(0).all()


def test_it_learns_and_a_gradient_reaches_all_of_it() -> None:
    torch.manual_seed(0)
    model = create_model("ifdd_tiny", backbone="mine", dropout=0.0, drop_path=0.0)
    loss = IFDDLoss(model.config)
    clip, target = torch.rand(4, 3, 16, 64, 64), torch.eye(7)[:4]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    totals = []
    for _ in range(10):
        optimizer.zero_grad()
        total = loss(model(clip), target).total
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert all(value.grad is not None and value.grad.any() for value in model.backbone.parameters())  # type: ignore[attr-defined]
    assert totals[-1] < 0.7 * totals[0]


def test_its_checkpoint_is_complete_and_asks_for_its_code(tmp_path: Path) -> None:
    model = create_model("ifdd_tiny", backbone="mine").eval()
    path = tmp_path / "mine.safetensors"
    save_checkpoint(path, model, CLASSES, 1.6, CheckpointRecord())
    clip = torch.rand(1, 3, 16, 64, 64)
    with torch.inference_mode():
        assert torch.equal(load_checkpoint(path).model(clip).logits, model(clip).logits)
    del BACKBONES["mine"]
    with pytest.raises(InputError, match="unknown backbone 'mine'"):
        load_checkpoint(path)


def test_a_backbone_that_does_not_fit_is_told_why() -> None:
    register = REGISTER.replace("128", "100")
    exec(compile(register, "docs/model.md", "exec"), {})
    with pytest.raises(InputError, match="channels divisible by 8"):
        create_model("ifdd_tiny", backbone="mine")


def test_a_script_that_registers_it_has_every_command(tmp_path: Path) -> None:
    script, checkpoint = tmp_path / "mine.py", tmp_path / "mine.safetensors"
    script.write_text(REGISTER + SCRIPT)
    save_checkpoint(checkpoint, create_model("ifdd_tiny", backbone="mine", size=32), CLASSES, 1.6, CheckpointRecord())
    manifest = write_clip_manifest(tmp_path / "clips", CLASSES)
    words = ["evaluate", str(checkpoint), str(manifest), "--out", str(tmp_path / "evaluation"), "--device", "cpu"]
    run([sys.executable, script, *words])
    assert (tmp_path / "evaluation" / "evaluation.json").exists()


def test_the_page_s_training_builds_it() -> None:
    words = shlex.split(re.findall(r"python mine.py train (.*)", COMMANDS)[0])
    function = importlib.import_module("ifdd.training.train").train
    config = parse(describe("train", function), [str(ROOT / words[0]), *words[1:]])["model"]
    assert config.overrides == {"backbone": "mine"}
    model = create_model(config.preset, ablation=config.ablation, **config.overrides)
    assert type(model.backbone).__name__ == "Mine"
