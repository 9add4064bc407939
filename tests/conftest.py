"""What holds for all tests."""

import signal
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
import torch
from hypothesis import settings

from ifdd.data.labels import LABEL_SETS
from ifdd.faces import detection as faces
from ifdd.model import create_model, save_checkpoint

# Two busy cores make single examples slow; a test is slow or wrong as a whole, not by one example's time. The same
# examples in every run: a change is to blame for what fails.
settings.register_profile("ifdd", deadline=None, derandomize=True)
settings.load_profile("ifdd")

# A shell that runs the tests in the background lets them, and the commands that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No face detector is in torch's cache, nor can one be downloaded, but from this machine."""

    def local_only(url: str, timeout: float) -> Any:
        if urlsplit(url).hostname not in (None, "127.0.0.1"):
            raise URLError("no network")
        return urlopen(url, timeout=timeout)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(faces, "urlopen", local_only)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained ifdd_tiny for clips of 1 s."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    torch.manual_seed(0)
    save_checkpoint(path, create_model("ifdd_tiny", num_classes=7), LABEL_SETS["dfew"], 1.0, {"preset": "ifdd_tiny"})
    return path
