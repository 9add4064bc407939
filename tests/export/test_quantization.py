"""``ifdd export --int8``: accuracy before and after, and the budget."""

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import onnx
import pytest
import torch

from ifdd.__main__ import main
from ifdd.data.labels import LABEL_SETS
from ifdd.errors import InputError
from ifdd.evaluation.report import Evaluation
from ifdd.export.artifacts import OnnxArtifact
from ifdd.export.command import Quantization, quantization_record
from ifdd.export.quantization import quantize
from ifdd.model import create_model, load_checkpoint, load_exported, load_model, save_checkpoint
from ifdd.records import CheckpointRecord
from tests.export.test_export import clips, fails
from tests.helpers.videos import write_clip_manifest

pytestmark = pytest.mark.slow

LABELS = ["happy", "fear", "angry", "sad", "happy", "neutral"]


def with_subsets(folder: Path, labels: Sequence[str] = LABELS) -> Path:
    """Write a manifest whose last three clips are for validation."""
    manifest = write_clip_manifest(folder, labels, subset="train")
    lines = manifest.read_text().splitlines()
    lines[-3:] = [line.replace(",train,", ",validation,") for line in lines[-3:]]
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.xml"])
def test_a_quantised_model_is_near_the_checkpoint_and_records_what_it_cost(
    name: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--int8", str(with_subsets(tmp_path / "clips")), "--max-drop", "100", "--workers", "0"]
    main(["export", str(tiny), str(tmp_path / name), *words])
    assert "in 8-bit integers" in capsys.readouterr().out
    found = load_exported(tmp_path / name)
    quantization = found.export.quantization
    assert quantization is not None
    assert found.export.precision == "int8"
    assert (quantization.calibration_clips, quantization.clips, quantization.subset) == (3, 3, "validation")
    assert 0 <= quantization.war_before <= 1
    assert found.export.parity.largest_difference < 20 * 1e-4  # of the model before; its logits are 20 times as large
    expected = load_checkpoint(tiny).engine("cpu")(clips(3)).logits
    logits = load_model(tmp_path / name).engine("cpu")(clips(3)).logits
    assert 0 < (logits - expected).square().mean().sqrt() < 0.25 * expected.std()
    weights = tmp_path / name if name.endswith(".onnx") else (tmp_path / name).with_suffix(".bin")
    assert weights.stat().st_size < 0.4 * 4 * sum(p.numel() for p in load_checkpoint(tiny).model.parameters())


@pytest.mark.parametrize("whole", [False, True])
def test_a_full_disk_is_reported_in_one_line_and_a_clip_is_not_blamed_on_it(
    exported: dict[str, Path], monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    def write_half(source: str, target: str, *options: object) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:-9])

    def write_nothing(*arguments: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def unreadable() -> Iterator[np.ndarray]:
        yield from clips(1)[None].numpy()
        raise PermissionError(13, "Permission denied", "/elsewhere/clip.mp4")

    artifact = OnnxArtifact(onnx.load(str(exported["onnx"])))
    with pytest.raises(PermissionError, match="elsewhere"):
        quantize(artifact, unreadable())
    if whole:
        monkeypatch.setattr("onnx.save", write_nothing)
    else:
        monkeypatch.setattr("onnx.shape_inference.infer_shapes_path", write_half)
    with pytest.raises(InputError, match=r"the disk of the temporary folder /\S+ is full; free space there, or set"):
        quantize(artifact, unreadable())


def evaluation(right: int, wrong: int) -> Evaluation:
    from ifdd.evaluation.metrics import confusion_matrix, scores_from_confusion

    targets = np.zeros(right + wrong, np.int64)
    predicted = np.repeat([0, 1], [right, wrong])
    confusion = confusion_matrix(torch.from_numpy(predicted), torch.from_numpy(targets), 2)
    return Evaluation(
        scores=scores_from_confusion(confusion, ("happy", "sad")),
        clip_ids=tuple(map(str, range(right + wrong))),
        targets=targets,
        probabilities=np.eye(2, dtype=np.float32)[predicted],
        views=np.ones(right + wrong, np.int64),
    )


def test_a_drop_above_the_budget_is_refused(tmp_path: Path) -> None:
    from ifdd.data.manifest import Manifest

    wanted = Quantization(Manifest.read(with_subsets(tmp_path)), "validation", None, 0.5, 2, 16, 0, False)
    before = evaluation(80, 20)
    kept = quantization_record(wanted, before, evaluation(81, 19))
    assert (kept.war_before, kept.war_after, kept.changed, kept.calibration_clips) == (0.8, 0.81, 1, 2)
    with pytest.raises(ValueError, match=r"WAR falls from 80\.0 to 79\.0 on 100 validation clips, more than"):
        quantization_record(wanted, before, evaluation(79, 21))
    assert quantization_record(replace(wanted, max_drop=1.0), before, evaluation(79, 21)).max_drop == 1.0


def test_other_classes_or_no_clips(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.onnx"
    other = with_subsets(tmp_path / "other", ["happy", "fear", "sad", "bored", "bored", "sad"])
    assert "has clips of bored, but" in fails(capsys, "export", tiny, out, "--int8", other, "--workers", 0)
    trained = with_subsets(tmp_path / "trained", ["bored", "fear", "sad", "happy", "fear", "sad"])
    assert "bored" in fails(capsys, "export", tiny, out, "--int8", trained, "--workers", 0, "--max-drop", 100)
    tests = write_clip_manifest(tmp_path / "tests", LABELS)
    line = fails(capsys, "export", tiny, out, "--int8", tests, "--workers", 0, "--subset", "test")
    assert "no clip with subset train" in line
    assert not out.exists()


def test_what_is_not_quantised(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = with_subsets(tmp_path / "clips")
    line = fails(capsys, "export", tiny, tmp_path / "a.pt2", "--int8", manifest)
    assert "--int8 needs the format onnx or openvino" in line
    model = create_model("ifdd_mvit_xs", 7, frames=8, size=32, backbone="mvit_tiny")
    save_checkpoint(tmp_path / "mvit.safetensors", model, LABEL_SETS["dfew"], 0.8, CheckpointRecord())
    line = fails(capsys, "export", tmp_path / "mvit.safetensors", tmp_path / "a.onnx", "--int8", manifest)
    assert "--int8 is for CNN backbones" in line
