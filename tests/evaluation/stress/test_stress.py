"""``ifdd evaluate --stress`` and ``--pairs``: end to end on tiny clips, and with classifiers of known answers."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from ifdd.__main__ import main
from ifdd.data.dataset import ClipDataset
from ifdd.data.labels import LABEL_SETS
from ifdd.data.manifest import Sample, read_manifest, write_manifest
from ifdd.errors import InputError
from ifdd.evaluation.prediction import Predictions, classifier_of, predict
from ifdd.evaluation.stress.pairs import evaluate_pairs
from ifdd.evaluation.stress.stress import predict_stressed, score_stressed
from ifdd.evaluation.stress.transforms import STRESSES, Condition, apply_stress, conditions_of
from ifdd.model import create_model, load_checkpoint, save_checkpoint
from ifdd.records import CheckpointRecord, EvaluationRecord
from tests.helpers.videos import moving_frames, write_clip_manifest, write_frame_folder

LABELS = ["happy", "fear", "angry", "sad", "happy", "neutral"]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip_manifest(tmp_path_factory.mktemp("clips"), LABELS)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    torch.manual_seed(0)
    model = create_model("ifdd_tiny", 7, frames=8, size=32)
    save_checkpoint(path, model, LABEL_SETS["dfew"], 0.8, CheckpointRecord(selection="last", synthetic=True))
    return path


def rising(views: Tensor) -> Tensor:
    """Answer the first of two classes for clips that get brighter from the first to the last frame."""
    means = views.float().mean(dim=(1, 3, 4))
    rises = means[:, -1] > means[:, 0]
    return torch.where(rises[:, None], torch.tensor([0.9, 0.1]), torch.tensor([0.1, 0.9]))


def courses(folder: Path) -> list[Sample]:
    """Write clips that get brighter (happy) or darker (sad), one of each from each of four people."""
    samples = []
    for person in range(4):
        for label in ("happy", "sad"):
            levels = np.linspace(40, 200, 8)[:: 1 if label == "happy" else -1] + person
            frames = np.broadcast_to(levels[:, None, None, None], (8, 32, 32, 3)).astype(np.uint8)
            path = write_frame_folder(folder / f"{label}{person}", frames)
            samples.append(Sample(path.name, path, 8, label, "test", subject=f"p{person}"))
    return samples


def test_a_classifier_of_courses_fails_reversed_and_frozen_but_not_in_other_light(tmp_path: Path) -> None:
    dataset = ClipDataset(courses(tmp_path), ("happy", "sad"), 8, 32)
    names = ("reversal", "freeze_first", "brightness")
    done: list[int] = []
    unchanged = predict(rising, dataset, [sample.clip_id for sample in dataset.samples])
    changed = predict_stressed(rising, dataset, names, batch_size=5, advance=done.append)
    assert sum(done) == 8 * len(list(conditions_of(names)))
    record = score_stressed(unchanged, changed, names, dataset.samples, resamples=100)
    assert (record.war.value, record.clips, record.resampled) == (1.0, 8, "subjects")
    curves = {curve.name: [point.result for point in curve.points] for curve in record.curves}
    (reversed_clips,) = curves["reversal"]
    assert reversed_clips.war.value == 0
    assert reversed_clips.war_difference.value == -1
    assert reversed_clips.changed.value == 1
    assert reversed_clips.distance.value == pytest.approx(0.8)
    frozen = curves["freeze_first"][-1]  # one frame is not brighter than itself: all sad
    assert (frozen.war.value, frozen.changed.value) == (0.5, 0.5)
    assert all(each.war_difference.value == 0 for each in curves["brightness"])
    assert [point.strength for point in record.curves[1].points] == list(STRESSES["freeze_first"].strengths)


@pytest.mark.parametrize("sampling", ["uniform_segments", "consecutive_clips"])
def test_batches_give_the_same_as_changing_clips_one_by_one(checkpoint: Path, manifest: Path, sampling: str) -> None:
    samples = read_manifest(manifest)[:3]
    dataset = ClipDataset(samples, "dfew", 8, 32, sampling=sampling)
    model = load_checkpoint(checkpoint).model
    names = ("shuffle", "noise")
    found = predict_stressed(classifier_of(model), dataset, names, batch_size=4, workers=1)
    for row, condition in zip(found, conditions_of(names), strict=True):
        for place, sample in enumerate(samples):
            clip, _ = dataset[place]
            views = clip if clip.ndim == 5 else clip[None]
            changed = [apply_stress(v.numpy(), condition, sample.clip_id, n) for n, v in enumerate(views)]
            with torch.no_grad():
                each = [model(torch.from_numpy(view[None]).float() / 255).logits.softmax(1)[0] for view in changed]
            assert np.allclose(row[place], torch.stack(each).mean(0).numpy(), atol=1e-5), (condition, place)


def test_the_command_writes_curves_and_a_picture(
    checkpoint: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(checkpoint), str(manifest), "--workers", "0"]
    main([*words, "--out", str(tmp_path / "plain")])
    plain = json.loads((tmp_path / "plain" / "evaluation.json").read_text())
    assert "stress" not in plain
    assert not (tmp_path / "plain" / "stress.png").exists()
    capsys.readouterr()
    main([*words, "--stress", "reversal,gamma", "--out", str(tmp_path / "stressed")])
    printed = capsys.readouterr().out
    record = EvaluationRecord.load(tmp_path / "stressed" / "evaluation.json", "")
    assert record.stress is not None
    assert [curve.name for curve in record.stress.curves] == ["reversal", "gamma"]
    assert record.stress.war.value == record.scores.war == plain["scores"]["war"]
    assert (tmp_path / "stressed" / "predictions.csv").read_text() == (
        tmp_path / "plain" / "predictions.csv"
    ).read_text()
    report = (tmp_path / "stressed" / "evaluation.md").read_text()
    for text in (printed, report):
        assert "Changed clips" in text
        assert "2.5" in text
    assert max(map(len, printed.splitlines())) <= 80
    picture = cv2.imread(str(tmp_path / "stressed" / "stress.png"))
    assert picture is not None
    assert picture.std() > 5
    main([*words, "--out", str(tmp_path / "stressed")])
    assert not (tmp_path / "stressed" / "stress.png").exists(), "that of the earlier evaluation"


def test_stress_without_a_value_means_all(checkpoint: Path, manifest: Path, tmp_path: Path) -> None:
    main(["evaluate", str(checkpoint), str(manifest), "--workers", "0", "--stress", "--out", str(tmp_path)])
    record = EvaluationRecord.load(tmp_path / "evaluation.json", "")
    assert record.stress is not None
    assert [curve.name for curve in record.stress.curves] == list(STRESSES)


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail; return its one line."""
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_bad_input_is_refused_in_one_line(
    checkpoint: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(checkpoint), str(manifest), "--workers", "0"]
    assert "unknown name 'rain'; use some of reversal, shuffle" in refused([*words, "--stress", "rain"], capsys)
    assert "--stress names nothing" in refused([*words, "--stress="], capsys)
    assert "has no pair" in refused([*words, "--pairs"], capsys)
    path = write_frame_folder(tmp_path / "short", moving_frames(1, 32, 32))
    write_manifest(tmp_path / "short.csv", [Sample("short", path, 1, "happy", "test")])
    words[2] = str(tmp_path / "short.csv")
    assert "clip 'short' has one frame" in refused([*words, "--stress", "reversal,blur"], capsys)
    main([*words, "--stress", "blur"])  # a picture has no order, but it can be blurred


def paired(samples: list[Sample], conditions: list[str], pairs: list[str]) -> list[Sample]:
    about = zip(samples, conditions, pairs, strict=True)
    return [replace(sample, attributes={"pair": pair, "condition": condition}) for sample, condition, pair in about]


def answers(rows: list[list[float]], targets: list[int]) -> Predictions:
    return Predictions(np.array(rows, np.float32), np.array(targets), np.ones(len(rows), int))


def test_pairs_are_compared_with_their_reference() -> None:
    names = ["a1", "b1", "a2", "b2", "a3"]
    samples = [Sample(name, Path("x"), 2, "happy", "test", subject=f"s{name[1]}") for name in names]
    samples = paired(samples, ["whole", "half", "whole", "half", "whole"], ["1", "1", "2", "2", "3"])
    rows = [[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.7, 0.3], [0.1, 0.9]]
    found = evaluate_pairs(answers(rows, [0] * 5), samples, Path("m.csv"), resamples=50)
    assert (found.reference, found.pairs, found.resampled) == ("whole", 3, "subjects")
    whole, half = found.conditions
    assert (whole.clips, whole.result.distance.value) == (3, 0)
    assert whole.result.war.value == pytest.approx(2 / 3)
    assert (half.clips, half.result.war.value, half.result.war_difference.value) == (2, 0.5, -0.5)
    assert half.result.changed.value == 0.5
    assert half.result.distance.value == pytest.approx((0.5 + 0.1) / 2)


@pytest.mark.parametrize(
    ("conditions", "pairs", "message"),
    [
        (["a", ""], ["1", "1"], "clip '1' has no condition"),
        (["a", "b"], ["1", ""], "clip '1' has no pair"),
        (["a", "a"], ["1", "1"], "'0' and '1' are both 'a' of pair '1'; keep one"),
        (["a", "a"], ["1", "2"], "all clips are 'a'"),
        (["a", "b"], ["1", "2"], "no pair has clips of 'a' and 'b'"),
    ],
)
def test_manifests_without_pairs_are_refused(conditions: list[str], pairs: list[str], message: str) -> None:
    samples = paired([Sample(str(n), Path("x"), 2, "happy", "test") for n in range(2)], conditions, pairs)
    with pytest.raises(InputError, match=message):
        evaluate_pairs(answers([[0.9, 0.1]] * 2, [0, 0]), samples, Path("m.csv"))


def test_the_command_compares_pairs(
    checkpoint: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = paired(read_manifest(manifest), ["on", "off"] * 3, ["1", "1", "2", "2", "3", "3"])
    table = manifest.with_name("pairs.csv")
    write_manifest(table, samples)
    words = ["evaluate", str(checkpoint), str(table), "--workers", "0", "--pairs", "--by", "condition"]
    main([*words, "--out", str(tmp_path)])
    record = EvaluationRecord.load(tmp_path / "evaluation.json", "")
    assert record.pairs is not None
    assert record.groups is not None
    assert [each.condition for each in record.pairs.conditions] == ["on", "off"]
    by_condition = {group.group: group.war.value for group in record.groups[0].groups}
    assert {each.condition: each.result.war.value for each in record.pairs.conditions} == by_condition
    assert "Minimal pairs" in capsys.readouterr().out
    assert "Minimal pairs" in (tmp_path / "evaluation.md").read_text()


def test_a_condition_names_change_and_strength() -> None:
    assert list(conditions_of(["reversal", "noise"]))[:2] == [Condition("reversal", 1.0), Condition("noise", 10.0)]
