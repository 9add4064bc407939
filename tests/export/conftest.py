"""A tiny untrained model, exported once in every form."""

from pathlib import Path

import pytest
import torch

from ifdd.__main__ import main
from ifdd.data.labels import LABEL_SETS
from ifdd.model import create_model, save_checkpoint
from ifdd.records import CheckpointRecord, LicenceRecord
from tests.helpers.records import CALIBRATION

NAMES = {"onnx": "tiny.onnx", "openvino": "tiny.xml", "pt2": "tiny.pt2"}
"""Form -> name of its file."""

PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino", "pt2": "torch"}
"""Form -> the package that runs it."""


def save_tiny(path: Path, **options: object) -> Path:
    """Write an untrained checkpoint with a calibration, for clips of 8 x 32 x 32."""
    torch.manual_seed(5)
    model = create_model("ifdd_tiny", 7, frames=8, size=32, **options)  # type: ignore[arg-type]
    with torch.no_grad():
        model.head.classifier.weight.mul_(20)
    record = CheckpointRecord(preset="ifdd_tiny", synthetic=True, licences=(LicenceRecord("öwn", "MIT", "any <use>"),))
    save_checkpoint(path, model, LABEL_SETS["dfew"], 0.8, record, calibration=CALIBRATION)
    return path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("exported") / "tiny.safetensors", standardization="clip")


@pytest.fixture(scope="session")
def exported(tiny: Path) -> dict[str, Path]:
    """Return form -> file."""
    files = {form: tiny.parent / name for form, name in NAMES.items()}
    for file in files.values():
        main(["export", str(tiny), str(file)])
    return files
