"""Numbers that are not finite are neither written nor loaded, converted, calibrated, scored or recognised."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ifdd.__main__ import main
from ifdd.errors import InputError
from ifdd.inference.reader import ClipReader
from ifdd.model import (
    IFDD,
    check_readings,
    class_probabilities,
    create_model,
    load_checkpoint,
    load_official,
    save_calibration,
    save_checkpoint,
)
from ifdd.model.weights.checksums import CHECKSUM
from ifdd.model.weights.finite import not_finite
from ifdd.records import CheckpointRecord
from tests.helpers.official import official_state_dict
from tests.helpers.records import CALIBRATION

CLASSES = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")


def tiny() -> IFDD:
    return create_model("ifdd_tiny", size=32).eval()


def spoilt(path: Path, name: str, value: float) -> Path:
    """A checkpoint with one number that is not finite, as earlier versions wrote it."""
    save_checkpoint(path, tiny(), CLASSES, 1.6, CheckpointRecord())
    with safe_open(path, "pt") as file:
        metadata, weights = file.metadata(), {each: file.get_tensor(each) for each in file.keys()}  # noqa: SIM118
    weights[name].view(-1)[-1] = value
    save_file(weights, path, {each: text for each, text in metadata.items() if each != CHECKSUM})
    return path


def a_buffer() -> str:
    return next(name for name, _ in tiny().named_buffers() if name.endswith("running_var"))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("part", ["weight", "buffer"])
def test_such_a_checkpoint_is_not_loaded(tmp_path: Path, part: str, value: float) -> None:
    name = a_buffer() if part == "buffer" else "head.classifier.weight"
    path = spoilt(tmp_path / "model.safetensors", name, value)
    message = rf"model\.safetensors holds weights that are not finite .* 1 of \d+ tensors, the first {name}"
    with pytest.raises(InputError, match=message):
        load_checkpoint(path)
    with pytest.raises(InputError, match=message):
        save_calibration(path, tmp_path / "other.safetensors", CALIBRATION)
    assert [each.name for each in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize("command", ["evaluate", "calibrate", "convert", "info", "recognize"])
def test_no_command_takes_it(tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = spoilt(tmp_path / "model.safetensors", "head.classifier.bias", math.nan)
    manifest = tmp_path / "manifest.csv"
    (tmp_path / "a.mp4").touch()
    manifest.write_text("clip_id,path,frames,label,subset,fold,subject,votes\na,a.mp4,30,sad,test,0,,\n")
    words = {
        "evaluate": [str(path), str(manifest)],
        "calibrate": [str(path), str(manifest), "--subset", "test", "--out", str(tmp_path / "out.safetensors")],
        "convert": [str(path), str(tmp_path / "out.safetensors"), "--half"],
        "info": [str(path)],
        "recognize": ["film.mp4", "--checkpoint", str(path), "--out", str(tmp_path / "out")],
    }[command]
    with pytest.raises(SystemExit, match="2"):
        main([command, *words])
    error = capsys.readouterr().err
    assert "holds weights that are not finite" in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("out*"))


def test_such_weights_are_not_written(tmp_path: Path) -> None:
    model = tiny()
    model.get_buffer(a_buffer()).fill_(math.inf)
    with pytest.raises(InputError, match=r"cannot write .*not finite"):
        save_checkpoint(tmp_path / "model.safetensors", model, CLASSES, 1.6, CheckpointRecord())
    model = tiny()
    model.head.classifier.weight.data[0, 0] = 1e6
    with pytest.raises(InputError, match="too large for 16-bit floats"):
        save_checkpoint(tmp_path / "model.safetensors", model, CLASSES, 1.6, CheckpointRecord(), half=True)
    record = CheckpointRecord(extra={"note": math.nan})
    with pytest.raises(InputError, match="holds a number that is not finite"):
        save_checkpoint(tmp_path / "model.safetensors", tiny(), CLASSES, 1.6, record)
    assert not list(tmp_path.iterdir())


def test_the_release_s_files_are_looked_at_too() -> None:
    weights = official_state_dict()
    name = "head.head.1.bias"
    with pytest.raises(InputError, match=rf"the state dict holds weights that are not finite .*{name}"):
        load_official(weights | {name: weights[name] * math.nan})


def test_every_kind_of_number_is_looked_at() -> None:
    values = {
        "half": torch.tensor([1.0, math.inf]).half(),
        "eight": torch.tensor([1.0, math.nan]).to(torch.float8_e5m2),
        "fine": torch.ones(2, dtype=torch.bfloat16),
        "count": torch.tensor(3),
        "none": torch.zeros(0),
    }
    assert not_finite(values) == ["half", "eight"]


@pytest.mark.parametrize("logit", [math.nan, math.inf, -math.inf])
def test_no_logit_becomes_a_plausible_probability(logit: float) -> None:
    probabilities = class_probabilities(torch.tensor([[0.0, logit, 1.0], [0.0, 1.0, 2.0]]))
    assert probabilities[0].isnan().all()
    assert probabilities[1].sum().item() == pytest.approx(1)
    with pytest.raises(InputError, match="clip 'a': the model's output is not finite"):
        check_readings(probabilities, "clip 'a'")


def test_finite_weights_that_overflow_give_no_reading(tmp_path: Path) -> None:
    model = tiny()
    model.head.classifier.weight.data.fill_(3e38)
    save_checkpoint(tmp_path / "model.safetensors", model, CLASSES, 1.6, CheckpointRecord())
    reader = ClipReader(load_checkpoint(tmp_path / "model.safetensors"), "cpu")
    clip = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)
    with pytest.raises(InputError, match="a window of the video: the model's output is not finite"):
        reader.predict([clip])
