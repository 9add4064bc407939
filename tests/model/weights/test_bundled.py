"""The checkpoints in the box: complete, small, known to the docs, and better than guessing."""

import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest
import torch

from ifdd import load_checkpoint
from ifdd.model import BUNDLED, DEMONSTRATION, find_checkpoint
from ifdd.synth.config import PRESETS, SynthConfig
from ifdd.synth.dataset import SynthDataset

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "checkpoints.md").read_text(encoding="utf-8")


def test_a_name_or_a_path_leads_to_a_file() -> None:
    assert find_checkpoint("ifdd_tiny_synth") == find_checkpoint(Path("ifdd_tiny_synth")) == BUNDLED[DEMONSTRATION]
    assert find_checkpoint("runs/best.safetensors") == Path("runs/best.safetensors")


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_checkpoint_is_small_and_says_what_it_is(name: str) -> None:
    assert BUNDLED[name].stat().st_size < 6e6
    checkpoint = load_checkpoint(name)
    assert checkpoint.record.synthetic is True
    assert checkpoint.record.recipe_option("data", "name") == "SynthDFER"
    assert not checkpoint.model.training
    assert all(value.dtype != torch.float16 for value in checkpoint.model.state_dict().values())


@torch.inference_mode()
def test_the_demonstration_knows_people_that_it_has_never_seen() -> None:
    checkpoint = load_checkpoint(DEMONSTRATION)
    preset = PRESETS["standard"]
    config = SynthConfig(preset.behaviour, preset.scene)
    clips = SynthDataset(config, count=140, seed=1, subset="test")  # seed 1 as in `make demo`: the test's people
    assert len(clips) == 28
    right = 0
    for frames, target in map(clips.__getitem__, range(len(clips))):
        clip = frames.float()[None] / 255  # (1, 3, 16, 112, 112)
        small = torch.nn.functional.interpolate(clip, (16, 64, 64), mode="trilinear")
        right += int(checkpoint.model(small).logits.argmax()) == target
    assert right >= 20  # of 28; guessing would give 4


@pytest.mark.parametrize("name", BUNDLED)
def test_the_card_has_the_figures_of_the_file_that_ships(name: str) -> None:
    result = json.loads((ROOT / "results" / f"{name}.json").read_text())
    assert result["protocol"]["checkpoint"]["sha256"] == hashlib.sha256(BUNDLED[name].read_bytes()).hexdigest()
    assert result["protocol"]["clips_used_for"] == "nothing"
    card = PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]
    scores = result["scores"]
    assert re.findall(r"[WU]AR ([\d.]+) %", card) == [f"{100 * scores[kind]:.1f}" for kind in ("war", "uar")]
    recalls = next(line for line in card.splitlines() if line.startswith("| recall %"))
    assert re.findall(r"\d+\.\d", recalls) == [
        f"{100 * scores['recalls'][c]:.1f}" for c in load_checkpoint(name).classes
    ]
    assert f"{result['protocol']['clips']} clips" in card


def test_every_link_leads_somewhere() -> None:
    for link in re.findall(r"\]\(((?!http)[^)]+)\)", PAGE):
        file, _, anchor = link.partition("#")
        page = PAGE if not file else (ROOT / "docs" / file).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def test_everything_that_is_no_module_is_packaged() -> None:
    package = ROOT / "src" / "ifdd"
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["ifdd"]
    packaged = {path for pattern in patterns for path in package.glob(pattern)}
    others = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert others == packaged
