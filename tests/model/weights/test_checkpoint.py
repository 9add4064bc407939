"""Checkpoints of ours: written whole, read back, damaged ones refused."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ifdd import create_model, load_checkpoint, load_official
from ifdd.errors import InputError
from ifdd.model import load_model, save_calibration, save_checkpoint, save_measurement
from ifdd.model.weights.checksums import CHECKSUM
from ifdd.records import CheckpointRecord, MeasuredRecord
from ifdd.remote.hub import HubAddress
from tests.helpers.records import CALIBRATION

CLASSES = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")


def test_a_checkpoint_comes_back_complete(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = create_model("ifdd_tiny", size=64, lifting="predictor_first", mean=(0.1, 0.2, 0.3)).eval()
    save_checkpoint(path, model, CLASSES, 1.6, CheckpointRecord(data="SynthDFER", epoch=3))
    loaded = load_checkpoint(path)
    assert loaded.classes == CLASSES
    assert loaded.clip_seconds == 1.6
    assert loaded.record == CheckpointRecord(data="SynthDFER", epoch=3)
    assert loaded.model.config == model.config
    assert not loaded.model.training
    clip = torch.rand(1, 3, 16, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.model(clip), model(clip), rtol=0, atol=0)
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_calibration_comes_back_and_files_without_one_read_as_before(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    metadata, weights = stored(path)
    assert "calibration" not in metadata
    plain = load_checkpoint(path)
    assert (plain.calibration, plain.temperature, plain.abstain_below) == (None, 1, 0)
    save_file({name: value.half() if value.ndim > 1 else value for name, value in weights.items()}, path, metadata)
    save_calibration(path, path, CALIBRATION)  # in place
    loaded = load_checkpoint(path)
    assert (loaded.calibration, loaded.temperature, loaded.abstain_below) == (CALIBRATION, 2, 0.55)
    assert loaded[1:4] == plain[1:4]
    with safe_open(path, "pt") as file:
        assert file.get_tensor("head.classifier.weight").dtype == torch.float16


def test_what_was_measured_is_added_and_nothing_else_changes(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    metadata, weights = stored(path)
    before = load_checkpoint(path)
    assert before.record.measured is None
    measured = MeasuredRecord(pictures="photographs", count=500, classes=5, accuracy=0.5, interval=(0.4, 0.6))
    save_measurement(path, path, measured)
    after = load_checkpoint(path)
    assert after.record == replace(before.record, measured=measured)
    assert after[1:3] == before[1:3]
    with safe_open(path, "pt") as file:
        assert {**metadata, "description": ""} == {**without_checksum(file.metadata()), "description": ""}
        assert all(torch.equal(file.get_tensor(name), value) for name, value in weights.items())


def test_a_checkpoint_of_an_earlier_version_keeps_its_box_and_its_light(tmp_path: Path) -> None:
    path, old = tmp_path / "model.safetensors", tmp_path / "old.safetensors"
    model = create_model("ifdd_tiny", size=32, alignment="landmarks", standardization="clip")
    save_checkpoint(path, model, CLASSES, 1.6, CheckpointRecord())
    loaded = load_checkpoint(path).model.config
    assert (loaded.alignment, loaded.standardization) == ("landmarks", "clip")
    with safe_open(path, "pt") as file:
        metadata, weights = without_checksum(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    config = json.loads(metadata["config"])
    del config["alignment"], config["standardization"], config["action_units"], config["action_unit_weight"]
    save_file(weights, old, metadata | {"config": json.dumps(config)})
    loaded = load_checkpoint(old).model.config
    assert (loaded.alignment, loaded.standardization, loaded.action_units) == ("box", "none", ())
    assert load_checkpoint("ifdd_tiny_synth").model.config.alignment == "box"


def test_a_checkpoint_keeps_its_action_units(tmp_path: Path) -> None:
    path, clip = tmp_path / "model.safetensors", torch.rand(1, 3, 16, 32, 32)
    model = create_model("ifdd_tiny", size=32, action_units=(12, 1, 45), action_unit_weight=0.25).eval()
    save_checkpoint(path, model, CLASSES, 1.6, CheckpointRecord())
    loaded = load_checkpoint(path).model
    assert (loaded.config.action_units, loaded.config.action_unit_weight) == ((12, 1, 45), 0.25)
    assert torch.equal(loaded(clip).action_units, model(clip).action_units)


def test_class_names_must_fit_the_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the model has 7 classes, given 2 names"):
        save_checkpoint(
            tmp_path / "model.safetensors", create_model("ifdd_tiny"), ("happy", "sad"), 1.0, CheckpointRecord()
        )
    assert not list(tmp_path.iterdir())


def test_no_two_classes_share_a_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the class 'happy' is named twice; every class needs its own name"):
        save_checkpoint(
            tmp_path / "model.safetensors", create_model("ifdd_tiny", 2), ("happy", "happy"), 1.0, CheckpointRecord()
        )
    assert not list(tmp_path.iterdir())


def test_integers_are_not_rounded_to_16_bits(tmp_path: Path) -> None:
    path, numbers = tmp_path / "model.safetensors", torch.tensor([[100_001, 3]])
    model = create_model("ifdd_tiny", size=32)
    model.head.register_buffer("counts", numbers)
    save_checkpoint(path, model, CLASSES, 1.6, CheckpointRecord(), half=True)
    with safe_open(path, "pt") as file:
        assert torch.equal(file.get_tensor("head.counts"), numbers)
        assert file.get_tensor("head.classifier.weight").dtype == torch.float16


def test_an_address_on_the_hub_is_resolved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, asked = tmp_path / "model.safetensors", []
    save_checkpoint(path, create_model("ifdd_tiny", size=32), CLASSES, 1.6, CheckpointRecord())

    def fetch(address: HubAddress) -> Path:
        asked.append(address)
        return path

    monkeypatch.setattr("ifdd.model.weights.checkpoint.fetch_from_hub", fetch)
    for read in (load_checkpoint, load_model):
        asked.clear()
        assert read("hf://ada/faces").classes == CLASSES
        assert len(asked) == 1
    asked.clear()
    save_calibration("hf://ada/faces", tmp_path / "calibrated.safetensors", CALIBRATION)
    assert len(asked) == 1


def test_a_damaged_or_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match="no checkpoint at"):
        load_checkpoint(path)
    save_checkpoint(path, create_model("ifdd_tiny", size=64), CLASSES, 1.6, CheckpointRecord())
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(InputError, match="cannot read"):
        load_checkpoint(path)
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="is not an ifdd checkpoint"):
        load_checkpoint(path)
    with pytest.raises(InputError, match="cannot read"):
        load_checkpoint(tmp_path)


def without_checksum(metadata: dict[str, str]) -> dict[str, str]:
    """Return metadata as of a file of an earlier version, which may be changed."""
    return {name: text for name, text in metadata.items() if name != CHECKSUM}


def stored(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Metadata and weights of a good checkpoint."""
    save_checkpoint(path, create_model("ifdd_tiny", size=32), CLASSES, 1.6, CheckpointRecord())
    with safe_open(path, "pt") as file:
        return without_checksum(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@pytest.mark.parametrize(
    ("entry", "text", "message"),
    [
        ("config", None, "its config is missing or unreadable"),
        ("config", "{", "its config is missing or unreadable"),
        ("config", "[]", r"its config is \[\]"),
        ("config", '{"mean": [0.1, 0.2]}', "it must be 3 numbers"),
        ("config", '{"colour": 1}', r"unknown model options \['colour'\]"),
        ("config", '{"num_classes": 1000000000}', "the model has 1000000000 classes, given 7 names"),
        ("classes", None, "its classes is missing"),
        ("classes", "3", "its classes is 3"),
        ("classes", '["a"]', "the model has 7 classes, given 1 names"),
        ("classes", "[1, 2, 3, 4, 5, 6, 7]", "class names must be text, given 1"),
        ("classes", '["a", [], "c", "d", "e", "f", "g"]', r"class names must be text, given \[\]"),
        ("classes", '["a", "b", "c", "b", "e", "f", "g"]', "the class 'b' is named twice"),
        ("clip_seconds", '"x"', "its clip_seconds is 'x'"),
        ("clip_seconds", "-1", "clip_seconds is -1.0; it must be a positive number of seconds"),
        ("clip_seconds", "NaN", "clip_seconds is nan; it must be a positive number of seconds"),
        ("description", "null", "its description is None"),
        ("description", '{"note": NaN}', "its description is missing or unreadable"),
        ("calibration", "{", "its calibration is missing or unreadable"),
        ("calibration", "[]", r"its calibration is \[\]"),
        ("calibration", "{}", "calibration: the field temperature is missing"),
        ("calibration", json.dumps(CALIBRATION.plain() | {"temperature": 0}), "calibration: temperature is 0"),
        ("calibration", json.dumps(CALIBRATION.plain() | {"temperature": math.nan}), "temperature is nan"),
        ("calibration", json.dumps(CALIBRATION.plain() | {"abstain_below": math.inf}), "abstain_below is inf"),
        ("calibration", json.dumps(CALIBRATION.plain() | {"abstain_below": 2}), "abstain_below is 2"),
    ],
)
def test_damaged_metadata_is_named(tmp_path: Path, entry: str, text: str | None, message: str) -> None:
    path = tmp_path / "model.safetensors"
    metadata, weights = stored(path)
    metadata.pop(entry, None)
    save_file(weights, path, metadata if text is None else metadata | {entry: text})
    with pytest.raises(InputError, match=message):
        load_checkpoint(path)


def test_a_classifier_for_other_classes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    metadata, weights = stored(path)
    save_file(weights | {"head.classifier.weight": torch.zeros(11, 256)}, path, metadata)
    with pytest.raises(InputError, match="its classifier has 11 classes, expected 7"):
        load_checkpoint(path)


def test_files_of_another_kind_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no checkpoint at .*released\.pth"):
        load_checkpoint(tmp_path / "released.pth")
    with pytest.raises(InputError, match="it is a folder"):
        load_checkpoint(tmp_path)
    save_checkpoint(tmp_path / "model.safetensors", create_model("ifdd_tiny"), CLASSES, 1.6, CheckpointRecord())
    with pytest.raises(InputError, match=r"it is a folder; did you mean .*model\.safetensors\?"):
        load_checkpoint(tmp_path)
    with pytest.raises(InputError, match="checkpoints with load_checkpoint"):
        load_official(tmp_path / "model.safetensors")


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_clip_lasts_some_time(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(InputError, match="it must be a positive number of seconds"):
        save_checkpoint(tmp_path / "model.safetensors", create_model("ifdd_tiny"), CLASSES, seconds, CheckpointRecord())


def test_a_preset_is_not_a_checkpoint() -> None:
    with pytest.raises(
        InputError, match=r"ifdd_tiny is a preset, which has no trained weights; did you mean ifdd_face"
    ):
        load_checkpoint("ifdd_tiny")
