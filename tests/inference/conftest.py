"""A checkpoint for all tests of this room."""

from pathlib import Path
from typing import NoReturn
from urllib.error import URLError

import pytest
import torch

from ifdd.data import faces
from ifdd.data.labels import LABEL_SETS
from ifdd.model import create_model, save_checkpoint

CLASSES = LABEL_SETS["dfew"]


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No face detector is in torch's cache, nor can one be downloaded."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(faces, "urlopen", refuse)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained ifdd_tiny for clips of 1 s."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    torch.manual_seed(0)
    save_checkpoint(path, create_model("ifdd_tiny", num_classes=7), CLASSES, 1.0, {"preset": "ifdd_tiny"})
    return path
