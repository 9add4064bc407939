"""The bundled checkpoints: complete, small, and better than guessing."""

import json
import tomllib
from pathlib import Path

import pytest
import torch

from ifdd import load_checkpoint
from ifdd.files import file_sha256
from ifdd.model import BUNDLED, DEFAULT, DEMONSTRATION, find_checkpoint
from ifdd.synth.config import PRESETS, SynthConfig
from ifdd.synth.dataset import SynthDataset

ROOT = Path(__file__).parents[3]


def test_a_name_or_a_path_leads_to_a_file() -> None:
    assert find_checkpoint("ifdd_tiny_synth") == find_checkpoint(Path("ifdd_tiny_synth")) == BUNDLED[DEMONSTRATION]
    assert find_checkpoint("runs/best.safetensors") == Path("runs/best.safetensors")


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_checkpoint_is_small_and_says_what_it_is(name: str) -> None:
    assert BUNDLED[name].stat().st_size < 12e6
    checkpoint = load_checkpoint(name)
    assert checkpoint.record.synthetic is True
    assert checkpoint.record.recipe_option("data", "name") in ("SynthDFER", "rendered SynthDFER")
    assert [licence.id for licence in checkpoint.record.known_licences] == ["MIT"]
    assert not checkpoint.model.training
    assert all(value.dtype != torch.float16 for value in checkpoint.model.state_dict().values())


def test_the_default_says_how_it_reads_real_people_and_when_it_abstains() -> None:
    checkpoint = load_checkpoint(DEFAULT)
    config, measured = checkpoint.model.config, checkpoint.record.measured
    assert (config.alignment, config.standardization, config.frames) == ("landmarks", "grey", 8)
    assert len(config.action_units) == 22
    assert measured is not None
    report = json.loads((ROOT / "results" / "real_faces.json").read_text())
    found = next(each for each in report["checkpoints"] if each["checkpoint"] == DEFAULT)
    assert measured.accuracy == found["restricted"]["accuracy"]["value"]
    assert found["sha256"] == file_sha256(BUNDLED[DEFAULT])
    calibration = checkpoint.calibration
    assert calibration is not None
    assert calibration.clips_used_for == "not known"  # of another dataset
    assert 0 < calibration.abstain_below < 1


@pytest.mark.slow
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


def test_everything_that_is_no_module_is_packaged() -> None:
    package = ROOT / "src" / "ifdd"
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["ifdd"]
    packaged = {path for pattern in patterns for path in package.glob(pattern)}
    others = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert others == packaged
