"""Checkpoints of other programs are read safely; files that are none are recognised, in one line."""

import argparse
import collections
import datetime
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ifdd.__main__ import main
from ifdd.errors import InputError
from ifdd.file_kinds import file_kind
from ifdd.model import (
    convert_official,
    create_model,
    kinetics_classifier,
    load_checkpoint,
    load_official,
    save_checkpoint,
)
from ifdd.model.backbones.s3d import S3DClassifier
from ifdd.model.weights.foreign import read_weights
from ifdd.model.weights.pickles import read_pickle
from ifdd.records import CheckpointRecord
from tests.helpers.official import StateDict, official_state_dict

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 151234567\n"
PAGE = "\n<!DOCTYPE html>\n<html><head><title>Sign in\n · Lab</title></head><body></body></html>"
BIAS = "head.head.1.bias"


@pytest.fixture(scope="module")
def release() -> StateDict:
    return official_state_dict()


def prefixed(prefix: str, weights: StateDict) -> StateDict:
    return {prefix + name: value for name, value in weights.items()}


@pytest.mark.slow
def test_weights_are_found_where_programs_put_them(release: StateDict, tmp_path: Path) -> None:
    options = argparse.Namespace(lr=1e-4, out=Path("runs"), when=datetime.date(2024, 1, 1))
    scores = {"best": np.float64(0.7), "all": np.zeros(3), "by": collections.defaultdict(list, {"a": [1]})}
    forms: dict[str, dict[str, Any]] = {
        "lightning": {
            "state_dict": prefixed("model.", release),
            "hyper_parameters": {"args": options},
            "callbacks": {},
        },
        "lightning, compiled": {"state_dict": prefixed("model._orig_mod.", release)},
        "lightning with a loss": {"state_dict": prefixed("net.", release) | {"loss.weight": torch.ones(7)}},
        "plain loop": {"model_state_dict": release, "optimizer_state_dict": {"state": {}}, "args": options, **scores},
        "nested": {"model": {"state_dict": prefixed("module.", release)}},
        "averaged only": {"state_dict_ema": release},
    }
    expected = load_official(release).state_dict()
    path = tmp_path / "foreign.ckpt"
    for form, content in forms.items():
        for zipped in (True, False):
            torch.save(content, path, _use_new_zipfile_serialization=zipped)
            given = load_official(path).state_dict()
            assert all(torch.equal(given[name], expected[name]) for name in expected), form
    save_file(release, tmp_path / "foreign.safetensors", {"format": "pt"})
    given = load_official(tmp_path / "foreign.safetensors").state_dict()
    assert all(torch.equal(given[name], expected[name]) for name in expected)


def test_averaged_weights_with_a_prefix_are_a_part(release: StateDict) -> None:
    other = release | {BIAS: release[BIAS] + 1}
    both = {"state_dict": prefixed("model.", release) | prefixed("ema_model.module.", other)}
    plain, averaged = convert_official(both), convert_official(both, part="ema")
    assert torch.equal(plain.model.head.classifier.bias, release[BIAS])
    assert torch.equal(averaged.model.head.classifier.bias, other[BIAS])
    assert averaged.unused[f"model.{BIAS}"] == "other weights of the same model"
    extra = convert_official({"state_dict": prefixed("model.", release) | {"loss.weight": torch.ones(7)}})
    assert extra.unused["loss.weight"] == "not a part of the model"


def test_the_command_converts_lightning_s(release: StateDict, tmp_path: Path) -> None:
    torch.save({"state_dict": prefixed("model.", release), "args": argparse.Namespace()}, tmp_path / "epoch=3.ckpt")
    main(["convert", str(tmp_path / "epoch=3.ckpt"), str(tmp_path / "ours.safetensors"), "--classes", "dfew"])
    assert load_checkpoint(tmp_path / "ours.safetensors").classes[0] == "happy"


def test_kinetics_weights_may_be_wrapped(tmp_path: Path) -> None:
    weights = S3DClassifier(400).state_dict()
    torch.save({"state_dict": prefixed("module.", weights), "epoch": 1}, tmp_path / "own.pth")
    given = kinetics_classifier("s3d", tmp_path / "own.pth").state_dict()
    assert all(torch.equal(given[name], value) for name, value in weights.items())


def test_the_release_s_weights_are_no_kinetics_weights(release: StateDict, tmp_path: Path) -> None:
    torch.save(release, tmp_path / "own.pth")
    with pytest.raises(InputError, match="weights of the official IFDD release; convert it with 'ifdd convert'"):
        kinetics_classifier("s3d", tmp_path / "own.pth")


def test_a_missing_file_and_one_of_ifdd_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    for read in (load_official, read_weights):
        with pytest.raises(InputError, match=r"no checkpoint at .*own\.safetensors; check the path"):
            read(path)
    save_checkpoint(path, create_model("ifdd_tiny", 2), ("happy", "sad"), 1.6, CheckpointRecord())
    with pytest.raises(InputError, match="is a checkpoint of ifdd, not weights of another program; read ifdd's"):
        kinetics_classifier("s3d", path)


@pytest.mark.parametrize("suffix", ["onnx", "xml", "pt2"])
def test_an_exported_model_is_not_a_source_of_weights(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"own.{suffix}"
    path.write_text("<?xml version='1.0'?><net/>")
    for read in (load_official, read_weights, lambda path: kinetics_classifier("s3d", path)):
        with pytest.raises(InputError, match="is an exported model, which only 'ifdd recognize'"):
            read(path)
    with pytest.raises(SystemExit, match="2"):
        main(["convert", str(path), str(tmp_path / "ours.safetensors")])
    assert "is an exported model" in capsys.readouterr().err


class Settings:
    """An unknown class, which must not be built."""

    built = 0

    def __setstate__(self, state: object) -> None:
        Settings.built += 1


class Code:
    """Unpickling this would write a file."""

    def __init__(self, function: Callable[..., object], path: Path) -> None:
        self.function, self.path = function, path

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, (str(self.path),)


def test_unknown_objects_are_named_with_the_keys(tmp_path: Path) -> None:
    settings = Settings()
    settings.__dict__["a"] = 1
    torch.save({"epoch": 3, "config": settings, "model": {"weight": torch.zeros(2)}}, tmp_path / "own.pth")
    Settings.built = 0
    with pytest.raises(InputError) as caught:
        load_official(tmp_path / "own.pth")
    line = str(caught.value)
    assert f"holds objects of other programs ({__name__}.Settings), which ifdd does not unpickle" in line
    assert "its keys are epoch, config, model; where it was made, save the weights alone" in line
    assert Settings.built == 0


@pytest.mark.parametrize("function", [Path.touch, open, eval, __import__("os").mkdir])
@pytest.mark.parametrize("zipped", [True, False])
def test_no_code_is_run_even_to_list_the_keys(tmp_path: Path, function: Callable[..., object], zipped: bool) -> None:
    file = tmp_path / "evil.pth"
    content = {"model": {"weight": torch.zeros(1)}, "args": argparse.Namespace(x=Code(function, tmp_path / "touched"))}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    for read in (load_official, load_checkpoint, read_pickle):
        with pytest.raises(InputError, match=r"cannot read .*evil\.pth"):
            read(file)
    assert [each.name for each in tmp_path.iterdir()] == ["evil.pth"]


def training_state() -> dict[str, Any]:
    return {
        "state_dict": {"model.head.classifier.bias": torch.zeros(7)},
        "callbacks": {"ValidationCheckpoints": {"best": {}}},
        "pytorch-lightning_version": "2.6",
    }


def write(path: Path, kind: str) -> None:
    """Write a file that is no checkpoint."""
    if kind == "torchscript":
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("net/data.pkl", "net/constants.pkl", "net/code/__torch__.py"):
                archive.writestr(name, "x")
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("weights/best.pth", "x")
    elif kind == "folder":
        path.mkdir()
    elif kind == "cut":
        torch.save({"weight": torch.zeros(100)}, path)
        path.write_bytes(path.read_bytes()[:300])
    elif kind == "state":
        torch.save(training_state(), path)
    elif kind == "other":
        torch.save({"epoch": 3, "net": {"fc.bias": torch.zeros(2)}}, path)
    elif kind == "scores":
        torch.save({"epoch": 3, "war": 0.5}, path)
    else:
        contents = {
            "lfs": LFS.encode(),
            "page": PAGE.encode(),
            "xml": b"\xef\xbb\xbf<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
            "text": b'{"error": "Entry not found"}',
            "empty": b"",
            "zeros": bytes(5000),
            "onnx": b"\x08\x06\x12\x07pytorch\x1a\x031.7:\x80\xb0",
            "gzip": b"\x1f\x8b\x08\x00" + bytes(40),
            "keras": b"\x89HDF\r\n\x1a\n" + bytes(40),
            "video": b"\x00\x00\x00 ftypisom" + bytes(40),
            "joblib": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94.",
        }
        path.write_bytes(contents[kind])


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("lfs", "it is a Git LFS pointer to a file of 151.2 MB; run 'git lfs pull' in its repository"),
        ("page", "it is a web page ('Sign in · Lab'), not the file: the download needs a login"),
        ("xml", "it is a web page, not the file"),
        ("text", 'it is a text file that begins with \'{"error": "Entry not found"}\''),
        ("empty", "it is empty; download or copy it again"),
        ("zeros", "it is nothing but zeros"),
        ("cut", "it is cut off: a zip archive, as PyTorch writes it, without its end"),
        ("torchscript", "it is a TorchScript archive; give the weights alone"),
        ("zip", "it is a zip archive of weights/best.pth; unpack it"),
        ("onnx", "it is an ONNX model"),
        ("gzip", "it is a gzip archive; unpack it first"),
        ("keras", "it is an HDF5 file, as Keras writes it"),
        ("video", "it is a video or picture"),
        ("joblib", "it is a Python pickle that torch.save did not write"),
        ("folder", "it is a folder; give a file in it"),
        ("state", "is the state of a training, which only 'ifdd train --resume' reads; give the checkpoint"),
        ("other", "fc.bias"),
        ("scores", "holds epoch, war"),
    ],
)
def test_a_file_that_is_none_is_recognised(tmp_path: Path, kind: str, message: str, suffix: str) -> None:
    path = tmp_path / f"own{suffix}"
    write(path, kind)
    for read in (load_checkpoint, load_official):
        with pytest.raises(InputError) as caught:
            read(path)
        line = str(caught.value)
        assert message in line
        assert str(path) in line
        assert len(line.splitlines()) == 1
        assert len(line) < 500


def test_the_best_checkpoint_of_a_folder_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "best.safetensors").touch()
    for words in (["info", str(tmp_path)], ["recognize", "film.mp4", "--checkpoint", str(tmp_path)]):
        with pytest.raises(SystemExit, match="2"):
            main(words)
    kind = file_kind(tmp_path)
    assert kind is not None
    assert kind.text == f"it is a folder; did you mean {tmp_path / 'best.safetensors'}?"


def test_safetensors_of_another_model_and_cut_ones_are_told_apart(release: StateDict, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"bert.pooler.bias": torch.zeros(4)}, path, {"format": "pt"})
    with pytest.raises(
        InputError, match=r"not an ifdd checkpoint: it holds the weights of another model, bert\.pooler"
    ):
        load_checkpoint(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match=r"it is cut off: a \.safetensors file with \d+ of its \d+ bytes"):
        load_checkpoint(path)
    save_file(release, path)
    with pytest.raises(InputError, match="of the official IFDD release; convert it: ifdd convert"):
        load_checkpoint(path)
