"""Which frames a checkpoint is tested on: as its recipe says, as in training, or as chosen."""

import csv
import json
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ifdd.__main__ import main
from ifdd.data.dataset import ClipDataset
from ifdd.data.labels import LABEL_SETS
from ifdd.data.manifest import Manifest, read_manifest, write_manifest
from ifdd.errors import InputError
from ifdd.evaluation.calibration.confidence import fit_temperature
from ifdd.evaluation.evaluate import evaluate_model
from ifdd.evaluation.sampling import (
    Sampling,
    SamplingChoice,
    SamplingConfig,
    dataset_for,
    recipe_sampling,
    training_sampling,
)
from ifdd.explanation.clips import clip_of_faces, clip_of_manifest
from ifdd.model import create_model, load_checkpoint, save_checkpoint
from ifdd.records import CheckpointRecord, TimingRecord
from tests.helpers.videos import write_clip_manifest

LABELS = ["happy", "fear", "angry", "sad", "happy", "neutral", "surprise", "disgust"]
RECORD = CheckpointRecord(
    recipe={
        "data": {"train_sampling": "random_clip", "stride": 2},
        "evaluation": {"sampling": "spaced_clips", "stride": 2, "views": 3, "crops": 1},
    },
    timing=TimingRecord(fps=25.0, stride=2, sampling="random_clip", known=False),
)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip_manifest(tmp_path_factory.mktemp("clips"), LABELS)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "consecutive.safetensors"
    torch.manual_seed(5)
    save_checkpoint(path, create_model("ifdd_tiny", 7, frames=8, size=32), LABEL_SETS["dfew"], 0.64, RECORD)
    return path


def evaluated(checkpoint: Path, manifest: Path, out: Path, *words: str) -> tuple[dict[str, Any], np.ndarray]:
    """Return the sampling that ``ifdd evaluate`` reports, and the probabilities that it writes."""
    main(["evaluate", str(checkpoint), str(manifest), "--workers", "0", "--out", str(out), *words])
    with (out / "predictions.csv").open() as file:
        rows = [[float(row[name]) for name in LABEL_SETS["dfew"]] for row in csv.DictReader(file)]
    return json.loads((out / "evaluation.json").read_text())["protocol"]["sampling"], np.array(rows)


def test_a_checkpoint_is_tested_as_its_recipe_says(checkpoint: Path, manifest: Path, tmp_path: Path) -> None:
    reported, by_default = evaluated(checkpoint, manifest, tmp_path / "default")
    assert (reported["name"], reported["stride"], reported["temporal_views"]) == ("spaced_clips", 2, 3)
    words = ["--sampling", "spaced_clips", "--stride", "2", "--views", "3", "--crops", "1"]
    assert np.array_equal(evaluated(checkpoint, manifest, tmp_path / "named", *words)[1], by_default)
    # what is chosen replaces that alone
    reported, middle = evaluated(checkpoint, manifest, tmp_path / "middle", "--sampling", "random_clip")
    assert (reported["name"], reported["stride"]) == ("random_clip", 2)
    assert not np.allclose(middle, by_default, atol=1e-6)
    assert evaluated(checkpoint, manifest, tmp_path / "one", "--stride", "1")[0]["stride"] == 1


@pytest.mark.parametrize(
    ("evaluation", "expected"),
    [
        (None, SamplingConfig()),
        ("consecutive_clips", SamplingConfig()),
        ({"sampling": "every frame", "stride": "4", "views": True, "crops": 9}, SamplingConfig()),
        ({"crops": True, "views": 2.0}, SamplingConfig()),
        ({"crops": 2.0, "stride": -1}, SamplingConfig()),
        ({"sampling": ["random_clip"], "stride": 0}, SamplingConfig()),
        ({"sampling": "consecutive_clips", "stride": 2}, SamplingConfig("consecutive_clips", 2)),
        ({"sampling": "spaced_clips", "views": 5, "crops": 2}, SamplingConfig("spaced_clips", 1, 5, 2)),
    ],
)
def test_a_recipe_of_another_tool_gives_what_is_known_of_it(evaluation: Any, expected: SamplingConfig) -> None:
    assert recipe_sampling(CheckpointRecord(recipe={"evaluation": evaluation})) == expected


def test_the_sampling_of_the_training_is_recorded_in_one_of_two_places() -> None:
    assert training_sampling(RECORD) == SamplingConfig("random_clip", 2)
    recipe = CheckpointRecord(recipe=RECORD.recipe)  # of an earlier version
    assert training_sampling(recipe) == SamplingConfig("random_clip", 2)
    spread = TimingRecord(fps=25.0, stride=None, sampling="uniform_segments", known=True)
    assert training_sampling(CheckpointRecord(timing=spread)) == SamplingConfig()
    assert training_sampling(CheckpointRecord()) == SamplingConfig()


@pytest.mark.parametrize("sampling", ["random_clip", "uniform_segments"])
def test_the_temperature_is_fitted_to_clips_as_in_training(sampling: Sampling, manifest: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    model = create_model("ifdd_tiny", 7, frames=8, size=32)
    usual = np.log(evaluate_model(model, ClipDataset(read_manifest(manifest), "dfew", 8, 32)).probabilities).mean(0)
    with torch.no_grad():
        model.head.classifier.bias.sub_(torch.from_numpy(usual)).mul_(15)
        model.head.classifier.weight.mul_(15)
    record = CheckpointRecord(timing=TimingRecord(fps=25.0, stride=1, sampling=sampling, known=False))
    path, out = tmp_path / "sure.safetensors", tmp_path / "calibrated.safetensors"
    save_checkpoint(path, model, LABEL_SETS["dfew"], 0.64, record)
    model = load_checkpoint(path).model
    dataset = ClipDataset(read_manifest(manifest), "dfew", 8, 32, sampling=sampling)
    names = [LABEL_SETS["dfew"][index] for index in evaluate_model(model, dataset).probabilities.argmax(1)]
    names[:2] = "sad", "fear"  # not always right, so that a temperature exists
    fitted_on = write_clip_manifest(tmp_path / "clips", names)
    main(["calibrate", str(path), str(fitted_on), "--subset", "test", "--workers", "0", "--out", str(out)])
    found = evaluate_model(model, ClipDataset(read_manifest(fitted_on), "dfew", 8, 32, sampling=sampling))
    expected = fit_temperature(np.log(found.probabilities).astype(np.float64), found.targets)
    calibration = load_checkpoint(out).calibration
    assert calibration is not None
    assert calibration.temperature == pytest.approx(expected, rel=1e-4)
    assert calibration.sampling is not None
    assert calibration.sampling.name == sampling


def test_an_explained_clip_has_the_speed_of_the_training(checkpoint: Path, manifest: Path) -> None:
    loaded, samples = load_checkpoint(checkpoint), read_manifest(manifest)
    expected = ClipDataset(samples, "dfew", 8, 32, sampling="random_clip", stride=2)[3][0].permute(1, 2, 3, 0).numpy()
    spread = ClipDataset(samples, "dfew", 8, 32)[3][0].permute(1, 2, 3, 0).numpy()
    assert not np.array_equal(expected, spread)
    assert np.array_equal(clip_of_manifest(Manifest.read(manifest), samples[3].clip_id, loaded).frames, expected)
    assert np.array_equal(clip_of_faces(samples[3].path, loaded).frames, expected)


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("ifdd.explanation.embedding", ["embed", "CHECKPOINT", "MANIFEST", "--out", "OUT"]),
        ("ifdd.explanation.disentanglement.command", ["disentangle", "CHECKPOINT", "MANIFEST"]),
        ("ifdd.export.parity", ["export", "CHECKPOINT", "OUT.onnx", "--clips", "MANIFEST"]),
        ("ifdd.export.quantization", ["export", "CHECKPOINT", "OUT.onnx", "--int8", "MANIFEST"]),
        ("ifdd.evaluation.evaluate", ["export", "CHECKPOINT", "OUT.onnx", "--int8", "MANIFEST"]),
    ],
)
def test_every_reader_of_a_manifest_samples_by_the_record(
    module: str, arguments: list[str], checkpoint: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = read_manifest(manifest)
    subsets = ("train", "validation", *(5 * ["test"]))
    many = [
        replace(sample, clip_id=f"{number}", subset=subset, subject=f"{number}")
        for number, (subset, sample) in enumerate(product(subsets, samples))
    ]
    write_manifest(tmp_path / "many.csv", many)
    paths = {"CHECKPOINT": checkpoint, "MANIFEST": tmp_path / "many.csv"}
    paths |= {"OUT": tmp_path / "out", "OUT.onnx": tmp_path / "out.onnx"}
    asked: list[SamplingConfig] = []

    def stop(model: object, samples: object, how: SamplingConfig, **_: object) -> ClipDataset:
        asked.append(how)
        raise InputError("far enough")

    monkeypatch.setattr(f"{module}.dataset_for", stop)
    with pytest.raises(SystemExit):
        main([str(paths.get(word, word)) for word in arguments])
    tested = module == "ifdd.evaluation.evaluate"
    assert asked == [recipe_sampling(RECORD) if tested else training_sampling(RECORD)]


def test_the_clips_of_a_checkpoint_have_its_size_clock_and_classes(checkpoint: Path, manifest: Path) -> None:
    loaded, samples = load_checkpoint(checkpoint), read_manifest(manifest)
    dataset = dataset_for(loaded, samples, SamplingConfig("spaced_clips", 2, 3))
    assert (dataset.clip_length, dataset.size, dataset.clock_fps, dataset.views) == (8, 32, 25.0, 3)
    assert dataset.classes == loaded.classes
    assert dataset_for(loaded, samples, SamplingConfig(), classes=sorted(set(LABELS))).classes == tuple(
        sorted(set(LABELS))
    )
    assert SamplingChoice(**asdict(SamplingConfig())).of(RECORD) == SamplingConfig()
