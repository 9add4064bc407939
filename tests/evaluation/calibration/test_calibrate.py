"""``ifdd calibrate``, and that its temperature and threshold act wherever probabilities are made."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from ifdd import load_checkpoint
from ifdd.__main__ import main
from ifdd.data.dataset import ClipDataset
from ifdd.data.labels import LABEL_SETS
from ifdd.data.manifest import Manifest, read_manifest, write_manifest
from ifdd.evaluation.calibration.confidence import calibrated, negative_log_likelihood
from ifdd.evaluation.evaluate import evaluate_model
from ifdd.inference.reader import ClipReader
from ifdd.model import create_model, save_checkpoint
from ifdd.records import CheckpointRecord, DatasetRecord
from tests.helpers.videos import write_clip_manifest

LABELS = ["happy", "fear", "angry", "sad", "happy", "neutral", "surprise", "disgust"]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip_manifest(tmp_path_factory.mktemp("clips"), LABELS)


@pytest.fixture(scope="module")
def sure(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model that tells these clips apart and is more confident than it should be, stored in 16 bits."""
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    torch.manual_seed(3)
    model = create_model("ifdd_tiny", 7, frames=8, size=32)
    usual = np.log(evaluate_model(model, ClipDataset(read_manifest(manifest), "dfew", 8, 32)).probabilities).mean(0)
    with torch.no_grad():
        model.head.classifier.bias.sub_(torch.from_numpy(usual)).mul_(15)
        model.head.classifier.weight.mul_(15)
    save_checkpoint(path, model, LABEL_SETS["dfew"], 0.8, CheckpointRecord(), half=True)
    return path


def predictions(checkpoint: Path, manifest: Path, out: Path) -> np.ndarray:
    """Return the probabilities that ``ifdd evaluate`` writes."""
    main(["evaluate", str(checkpoint), str(manifest), "--workers", "0", "--out", str(out)])
    with (out / "predictions.csv").open() as file:
        return np.array([[float(row[name]) for name in LABEL_SETS["dfew"]] for row in csv.DictReader(file)])


def test_the_calibration_is_stored_and_acts(
    sure: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = predictions(sure, manifest, tmp_path / "plain")
    # labels that fit the predictions most of the time, so that a temperature exists
    names = [LABEL_SETS["dfew"][index] for index in plain.argmax(1)]
    names[:2] = "sad", "fear"
    fitted_on = write_clip_manifest(tmp_path / "clips", names)
    out = tmp_path / "calibrated.safetensors"
    main(["calibrate", str(sure), str(fitted_on), "--subset", "test", "--out", str(out), "--workers", "0"])
    shown = capsys.readouterr().out
    found = load_checkpoint(out).calibration
    assert found is not None
    assert f"{found.temperature:.3f}" in shown
    assert found.dataset == Manifest.read(fitted_on).dataset_hash
    assert (found.clips, found.subset, found.clips_used_for) == (len(LABELS), "test", "not known")
    targets = np.array([LABEL_SETS["dfew"].index(name) for name in names])
    logits = np.log(np.maximum(predictions(sure, fitted_on, tmp_path / "before"), 1e-6))
    assert found.nll[1] < found.nll[0]
    assert found.nll[1] == pytest.approx(negative_log_likelihood(calibrated(logits, found.temperature), targets), 0.05)
    after = predictions(out, fitted_on, tmp_path / "after")
    assert after == pytest.approx(calibrated(logits, found.temperature), abs=2e-3)
    assert (tmp_path / "after" / "evaluation.json").read_text().count('"temperature"') == 1
    # recognition: the same model on the same clips
    clips = np.random.default_rng(0).integers(0, 256, (2, 8, 32, 32, 3), np.uint8)
    read = [ClipReader(load_checkpoint(path), "cpu", flip=False).read(list(clips)).numpy() for path in (sure, out)]
    assert read[1] == pytest.approx(calibrated(np.log(read[0]), found.temperature), abs=1e-5)
    # the weights are those of the file, in 16 bits
    with safe_open(sure, "pt") as first, safe_open(out, "pt") as second:
        for name in first.keys():  # noqa: SIM118 (not a dict)
            assert second.get_tensor(name).dtype == first.get_tensor(name).dtype
            assert torch.equal(second.get_tensor(name), first.get_tensor(name))
    # a second calibration starts from the same logits
    again = tmp_path / "again.safetensors"
    main(["calibrate", str(out), str(fitted_on), "--subset", "test", "--out", str(again), "--workers", "0"])
    refitted = load_checkpoint(again).calibration
    assert refitted is not None
    assert refitted.temperature == pytest.approx(found.temperature, rel=1e-3)
    assert refitted.nll == pytest.approx(found.nll, rel=1e-3)
    main(["info", str(out), "--seconds", "0.01"])
    assert f"temperature {found.temperature:.4g}" in capsys.readouterr().out


def test_an_accuracy_out_of_reach_is_reported(
    sure: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "calibrated.safetensors"
    plain = predictions(sure, manifest, tmp_path / "plain")
    names = [LABEL_SETS["dfew"][index] for index in plain.argmax(1)]
    surest = int(plain.max(1).argmax())
    names[surest] = "sad" if names[surest] != "sad" else "happy"  # so that no threshold leaves only correct clips
    fitted_on = write_clip_manifest(tmp_path / "clips", names)
    options = ["--subset", "test", "--out", str(out), "--workers", "0", "--accuracy", "1"]
    main(["calibrate", str(sure), str(fitted_on), *options])
    assert "No threshold that keeps 10.00 % of the clips reaches an accuracy of 100.00 %" in capsys.readouterr().out
    found = load_checkpoint(out).calibration
    assert found is not None
    assert not found.threshold.reached
    assert found.threshold.accuracy == 7 / 8
    assert (found.abstain_below, found.threshold.coverage) == (0, 1)
    main(["calibrate", str(sure), str(fitted_on), *options, "--coverage", "0.5"])
    found = load_checkpoint(out).calibration
    assert found is not None
    assert (found.threshold.target, found.threshold.coverage) == ("coverage", 0.5)
    assert 0 < found.abstain_below < 1


def test_clips_of_the_training_are_refused_before_the_model_reads_them(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        pytest.fail("the model ran")

    monkeypatch.setattr("ifdd.evaluation.evaluate.evaluate_model", read)
    path = tmp_path / "trained.safetensors"
    model = create_model("ifdd_tiny", 7, frames=8, size=32)
    text = manifest.read_text().replace(",test,", ",train,")
    trained_on = manifest.with_name("trained.csv")
    trained_on.write_text(text)
    record = CheckpointRecord(dataset=DatasetRecord(Manifest.read(trained_on).dataset_hash, None, None))
    save_checkpoint(path, model, LABEL_SETS["dfew"], 0.8, record)
    out = str(tmp_path / "out.safetensors")
    with pytest.raises(SystemExit, match="2"):
        main(["calibrate", str(path), str(trained_on), "--subset", "train", "--out", out, "--workers", "0"])
    error = capsys.readouterr().err
    assert "was trained on the train clips" in error
    assert "choose --subset validation or test" in error
    folds = manifest.with_name("folds.csv")
    samples = [replace(each, fold=place % 2 + 1) for place, each in enumerate(read_manifest(trained_on))]
    write_manifest(folds, samples)
    with pytest.raises(SystemExit, match="2"):
        main(["calibrate", str(path), str(folds), "--subset", "train", "--out", out, "--workers", "0"])
    assert "has the folds 1, 2; choose" in capsys.readouterr().err


def test_a_checkpoint_with_weights_of_classes_is_refused(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weighted.safetensors"
    model = create_model("ifdd_tiny", 7, frames=8, size=32)
    save_checkpoint(path, model, LABEL_SETS["dfew"], 0.8, CheckpointRecord(class_weights={"sad": 2.0}))
    with pytest.raises(SystemExit, match="2"):
        main(["calibrate", str(path), str(manifest), "--subset", "test", "--out", str(tmp_path / "out.safetensors")])
    assert "calibrate the checkpoint that it was converted from" in capsys.readouterr().err
