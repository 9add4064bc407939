"""Checkpoints of ours: written whole, read back, damaged ones refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ifdd import create_model, load_checkpoint
from ifdd.errors import InputError
from ifdd.model import save_checkpoint

CLASSES = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")


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
