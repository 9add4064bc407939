"""A checkpoint for all tests of this room."""

from pathlib import Path

import pytest
import torch

from ifdd.data.labels import LABEL_SETS
from ifdd.model import create_model, save_checkpoint

CLASSES = LABEL_SETS["dfew"]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained ifdd_tiny for clips of 1 s."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    torch.manual_seed(0)
    save_checkpoint(path, create_model("ifdd_tiny", num_classes=7), CLASSES, 1.0, {"preset": "ifdd_tiny"})
    return path
