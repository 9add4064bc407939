"""Checkpoints: the release's outputs reproduced, ours written and read, damaged ones refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ifdd import create_model, load_checkpoint, load_official
from ifdd.errors import InputError
from ifdd.model import save_checkpoint
from tests.helpers.official import official_state_dict

TOLERANCE = 1e-4
CLASSES = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")


@pytest.fixture(scope="module")
def release() -> dict[str, torch.Tensor]:
    return official_state_dict()


def test_outputs_are_the_release_s(release: dict[str, torch.Tensor]) -> None:
    expected = json.loads((Path(__file__).parent / "release_outputs_16.json").read_text())
    generator = np.random.Generator(np.random.Philox(2024))
    clip = torch.from_numpy(generator.random((2, 3, 16, 224, 224), dtype=np.float32))
    model = load_official(release)
    with torch.inference_mode():
        output = model(clip)
        stages = model.backbone.tokens(clip)  # type: ignore[attr-defined]
    given = {
        "logits": output.logits,
        "emotion": output.emotion,
        "lifting_residual": output.lifting_residual,
        "static_index": output.split.static_index,
        "dynamic_index": output.split.dynamic_index,
        "stage_mean_std": torch.tensor([[stage.mean(), stage.std()] for stage in stages]),
    }
    assert given.keys() == expected.keys()
    for name, value in given.items():
        torch.testing.assert_close(value, torch.tensor(expected[name]), atol=TOLERANCE, rtol=0, msg=name)


@pytest.mark.parametrize(
    "config",
    [
        {"backbone": "mvit_s", "num_classes": 11},
        {"split": "even_odd", "num_classes": 11},
        {"lifting": "none"},
        {"lifting": "predictor_first", "frames": 32},
    ],
    ids=str,
)
def test_the_variant_is_read_off_names_and_shapes(config: dict[str, Any], tmp_path: Path) -> None:
    state_dict = official_state_dict(**config)
    torch.save({"model": state_dict, "epoch": 3}, tmp_path / "release.pth")
    order = config.get("lifting", "updater_first")
    model = load_official(
        tmp_path / "release.pth",
        frames=config.get("frames", 16),
        order="predictor_first" if order == "predictor_first" else "updater_first",
    )
    assert not model.training
    for name, value in ({"sampling": "official"} | config).items():
        assert getattr(model.config, name) == value
    classifier = model.head.classifier.weight
    torch.testing.assert_close(classifier, state_dict["head.head.1.weight"])


def test_a_checkpoint_comes_back_complete(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = create_model("ifdd_tiny", size=64, lifting="predictor_first", mean=(0.1, 0.2, 0.3)).eval()
    save_checkpoint(path, model, CLASSES, 1.6, {"data": "SynthDFER", "epoch": 3})
    loaded = load_checkpoint(path)
    assert loaded.classes == CLASSES
    assert loaded.clip_seconds == 1.6
    assert loaded.description == {"data": "SynthDFER", "epoch": 3}
    assert loaded.model.config == model.config
    assert not loaded.model.training
    clip = torch.rand(1, 3, 16, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.model(clip), model(clip), rtol=0, atol=0)
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_class_names_must_fit_the_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the model has 7 classes, given 2 names"):
        save_checkpoint(tmp_path / "model.safetensors", create_model("ifdd_tiny"), ("happy", "sad"), 1.0, {})
    assert not list(tmp_path.iterdir())


def test_a_damaged_or_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match="no checkpoint at"):
        load_checkpoint(path)
    save_checkpoint(path, create_model("ifdd_tiny", size=64), CLASSES, 1.6, {})
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(InputError, match="cannot read"):
        load_checkpoint(path)
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="is not an ifdd checkpoint"):
        load_checkpoint(path)
    with pytest.raises(InputError, match="cannot read"):
        load_checkpoint(tmp_path)
