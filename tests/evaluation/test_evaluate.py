import csv
import hashlib
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ifdd.__main__ import main
from ifdd.data.dataset import ClipDataset
from ifdd.data.labels import LABEL_SETS
from ifdd.data.manifest import Sample, dataset_hash, read_manifest, write_manifest
from ifdd.data.packs.writer import write_pack
from ifdd.errors import InputError
from ifdd.evaluation.evaluate import evaluate, evaluate_model
from ifdd.evaluation.report import predictions_csv
from ifdd.model import IFDD, create_model, save_checkpoint
from ifdd.records import CheckpointRecord, DatasetRecord, EvaluationRecord
from tests.helpers.processes import run
from tests.helpers.records import PROTOCOL
from tests.helpers.videos import moving_frames, write_clip_manifest, write_video

LABELS = ["happy", "fear", "angry", "sad", "happy", "neutral"]


@pytest.fixture(scope="module")
def model() -> IFDD:
    torch.manual_seed(0)
    return create_model("ifdd_tiny", 7, frames=8, size=32)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip_manifest(tmp_path_factory.mktemp("clips"), LABELS)


@pytest.fixture(scope="module")
def checkpoint(model: IFDD, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_checkpoint(path, model, LABEL_SETS["dfew"], 0.8, CheckpointRecord(selection="validation WAR", synthetic=True))
    return path


def slow_probabilities(model: IFDD, dataset: ClipDataset, index: int) -> list[float]:
    """Classify one clip view by view: an independent way to compute the result of ``evaluate_model``."""
    clip, _ = dataset[index]
    views = clip if clip.ndim == 5 else clip[None]
    with torch.no_grad():
        each = [model.eval()(view[None].float() / 255).logits.softmax(1)[0] for view in views]
    return [float(value) for value in sum(each) / len(each)]


@pytest.mark.parametrize("sampling", ["uniform_segments", "consecutive_clips"])
def test_batches_give_the_same_probabilities_as_single_clips(model: IFDD, manifest: Path, sampling: str) -> None:
    samples = read_manifest(manifest)
    samples[2] = replace(samples[2], frames=10)  # fewer views than the others
    dataset = ClipDataset(samples, "dfew", 8, 32, sampling=sampling)
    done: list[int] = []
    evaluation = evaluate_model(model.train(), dataset, batch_size=4, advance=done.append)
    assert sum(done) == len(LABELS)
    expected_views = [1] * 6 if sampling == "uniform_segments" else [2, 2, 1, 2, 2, 2]
    assert evaluation.views.tolist() == expected_views
    assert evaluation.targets.tolist() == [0, 6, 3, 1, 0, 2]
    expected = [slow_probabilities(model, dataset, index) for index in range(6)]
    assert np.allclose(evaluation.probabilities, expected, atol=1e-5)
    right = np.argmax(expected, axis=1) == evaluation.targets
    assert evaluation.scores.war == pytest.approx(right.mean())


def test_labels_that_the_model_predicts_give_perfect_scores(model: IFDD, manifest: Path) -> None:
    samples = read_manifest(manifest)
    first = evaluate_model(model, ClipDataset(samples, "dfew", 8, 32))
    names = [LABEL_SETS["dfew"][index] for index in first.probabilities.argmax(1)]
    relabelled = [replace(sample, label=name) for sample, name in zip(samples, names, strict=True)]
    again = evaluate_model(model, ClipDataset(relabelled, "dfew", 8, 32))
    assert (again.scores.war, again.scores.uar) == (1.0, 1.0)
    # the class order is that of the dataset: in another order, the same predictions are wrong
    turned = (*LABEL_SETS["dfew"][1:], LABEL_SETS["dfew"][0])
    shuffled = evaluate_model(model, ClipDataset(relabelled, turned, 8, 32))
    assert shuffled.scores.war == 0


def test_the_command_writes_what_it_prints(
    checkpoint: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "result"
    main(["evaluate", str(checkpoint), str(manifest), "--workers", "1", "--out", str(out)])
    document = json.loads((out / "evaluation.json").read_text())
    scores, protocol = document["scores"], document["protocol"]
    assert document["schema_version"] == 2
    assert protocol["classes"] == list(LABEL_SETS["dfew"])
    assert protocol["checkpoint"]["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert protocol["manifest"]["sha256"] == hashlib.sha256(manifest.read_bytes()).hexdigest()
    assert (protocol["subset"], protocol["clips"], protocol["sampling"]["frames"]) == ("test", 6, 8)
    assert protocol["versions"]["torch"] == torch.__version__
    assert scores["support"]["happy"] == 2
    assert scores["recalls"]["surprise"] is None
    assert np.sum(scores["confusion"]) == 6
    with (out / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["target"] for row in rows] == LABELS
    assert np.mean([row["target"] == row["prediction"] for row in rows]) == pytest.approx(scores["war"])
    for row in rows:
        probabilities = {name: float(row[name]) for name in protocol["classes"]}
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert max(probabilities, key=lambda name: probabilities[name]) == row["prediction"]
    printed = capsys.readouterr().out
    for text in (printed, (out / "evaluation.md").read_text()):
        assert f"{100 * scores['war']:.2f} %" in text
        assert f"{100 * scores['uar']:.2f} %" in text
        assert "validation WAR" in text
        assert "surprise" in text
    assert "computer-generated" in printed


def test_results_are_written_although_nobody_reads_what_is_printed(
    checkpoint: Path, manifest: Path, tmp_path: Path
) -> None:
    words = [
        sys.executable,
        "-m",
        "ifdd",
        "evaluate",
        checkpoint,
        manifest,
        "--workers",
        "0",
        "--out",
        tmp_path / "out",
    ]
    run(["sh", "-c", f"{shlex.join(map(str, words))} | true"])
    assert (tmp_path / "out" / "evaluation.json").is_file()


def test_the_precision_changes_little_and_is_recorded(checkpoint: Path, manifest: Path, tmp_path: Path) -> None:
    tables = []
    for precision in ("32-true", "bf16-mixed"):
        out = tmp_path / precision
        main(
            ["evaluate", str(checkpoint), str(manifest), "--workers", "0", "--precision", precision, "--out", str(out)]
        )
        assert EvaluationRecord.load(out / "evaluation.json", "").protocol.precision == precision
        assert ("bf16-mixed" in (out / "evaluation.md").read_text()) == (precision == "bf16-mixed")
        with (out / "predictions.csv").open() as file:
            tables.append([[float(row[name]) for name in LABEL_SETS["dfew"]] for row in csv.DictReader(file)])
    exact, mixed = map(np.array, tables)
    assert 0 < np.abs(exact - mixed).max() < 0.02


def test_results_by_group_are_written_and_printed(
    checkpoint: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = read_manifest(manifest)
    ages = ["young", "old", "old", "young", "", "old"]
    people = ["anna", "bert", "", "carl", "anna", "bert"]
    aged = [
        replace(sample, attributes={"age": age}, subject=person)
        for sample, age, person in zip(samples, ages, people, strict=True)
    ]
    table = manifest.with_name("aged.csv")
    write_manifest(table, aged)
    main(["evaluate", str(checkpoint), str(table), "--workers", "0", "--by", "age, label", "--out", str(tmp_path)])
    record = EvaluationRecord.load(tmp_path / "evaluation.json", "")
    assert record.groups is not None
    age, label = record.groups
    assert [(group.group, group.clips) for group in age.groups] == [("old", 3), ("young", 2), ("", 1)]
    with (tmp_path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    right = [row["target"] == row["prediction"] for row in rows]
    assert [row["subject"] for row in rows] == people
    for group in age.groups:
        assert group.war.value == pytest.approx(
            np.mean([hit for hit, age in zip(right, ages, strict=True) if age == group.group])
        )
    assert age.overall.war.value == record.scores.war
    assert age.overall.uar.value == pytest.approx(record.scores.uar)
    assert record.reliability is not None
    assert age.overall.ece.value == pytest.approx(record.reliability.ece)
    assert [group.group for group in label.groups] == sorted(set(LABELS))
    printed = " ".join(capsys.readouterr().out.split())
    for text in (printed, (tmp_path / "evaluation.md").read_text()):
        assert "By age" in text
        assert "By label" in text
        assert "not stated *" in text
        assert f"ECE {100 * record.reliability.ece:.2f} %" in text


def test_views_and_crops_are_reported_and_a_pack_gives_the_same_result_as_folders(
    checkpoint: Path, manifest: Path, tmp_path: Path
) -> None:
    packed = write_pack(tmp_path / "frames.pack", read_manifest(manifest), quality=None)
    write_manifest(tmp_path / "packed.csv", packed)
    for table, out in ((manifest, "folders"), (tmp_path / "packed.csv", "packed")):
        words = ["evaluate", str(checkpoint), str(table), "--sampling", "spaced_clips", "--views", "3", "--crops", "2"]
        main([*words, "--out", str(tmp_path / out)])
    sampling = json.loads((tmp_path / "packed" / "evaluation.json").read_text())["protocol"]["sampling"]
    assert (sampling["temporal_views"], sampling["crops"], sampling["views_per_clip"]) == (3, 2, [3, 3])
    assert sampling["meaning"].startswith("3 clips at equal distances")
    folders, pack = ((tmp_path / out / "predictions.csv").read_text() for out in ("folders", "packed"))
    assert folders == pack


def test_a_repeated_evaluation_gives_the_same_bytes(checkpoint: Path, manifest: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        evaluate(checkpoint, manifest, batch_size=2, workers=0, out=tmp_path / name)
    for name in ("evaluation.json", "predictions.csv", "evaluation.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_classes_are_matched_by_name(model: IFDD, manifest: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_checkpoint(
        other,
        model,
        ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
        0.8,
        CheckpointRecord(),
    )
    evaluate(other, manifest, workers=0, out=tmp_path / "out")
    document = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert document["scores"]["support"]["happiness"] == 2
    samples = read_manifest(manifest)
    direct = evaluate_model(model, ClipDataset(samples, "ferv39k", 8, 32))
    assert predictions_csv(direct, PROTOCOL).splitlines()[1].split(",")[1] == "happy"
    assert document["scores"]["war"] == pytest.approx(direct.scores.war)


def test_a_checkpoint_without_the_classes_of_the_manifest_is_refused(manifest: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.safetensors"
    save_checkpoint(small, create_model("ifdd_tiny", 2, frames=8, size=32), ("happy", "sad"), 0.8, CheckpointRecord())
    with pytest.raises(
        InputError, match=r"clips of angry, fear, neutral, but .*small\.safetensors has only the classes happy, sad;"
    ):
        evaluate(small, manifest)
    with pytest.raises(InputError, match="the model has 2 classes, but the data has 7"):
        evaluate_model(create_model("ifdd_tiny", 2, frames=8, size=32), ClipDataset(read_manifest(manifest), "dfew"))


def test_clips_of_another_alignment_are_noted(
    model: IFDD, checkpoint: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aligned = IFDD(replace(model.config, alignment="landmarks"))
    save_checkpoint(tmp_path / "a.safetensors", aligned, LABEL_SETS["dfew"], 0.8, CheckpointRecord())
    main(["evaluate", str(tmp_path / "a.safetensors"), str(manifest), "--workers", "1"])
    assert "are aligned by box, but" in capsys.readouterr().err
    main(["evaluate", str(checkpoint), str(manifest), "--workers", "1"])
    assert "aligned by" not in capsys.readouterr().err


def test_several_folds_at_once_are_refused(checkpoint: Path, manifest: Path) -> None:
    samples = [replace(sample, fold=index % 2 + 1) for index, sample in enumerate(read_manifest(manifest))]
    folds = manifest.with_name("folds.csv")
    write_manifest(folds, samples)
    with pytest.raises(InputError, match="has the folds 1, 2; choose"):
        evaluate(checkpoint, folds)
    evaluate(checkpoint, folds, fold=2, workers=0)


def test_training_clips_are_refused_as_test_clips_and_otherwise_labelled(
    model: IFDD, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = read_manifest(manifest)
    folds = [
        replace(sample, fold=fold, subset="test" if index % 2 + 1 == fold else "train")
        for fold in (1, 2)
        for index, sample in enumerate(clips)
    ]
    table, trained = manifest.with_name("two_folds.csv"), tmp_path / "fold_1.safetensors"
    write_manifest(table, folds)
    record = CheckpointRecord(
        dataset=DatasetRecord(dataset_hash(folds), None, None),
        recipe={"data": {"fold": 1}},
        chosen_on="validation",
    )
    save_checkpoint(trained, model, LABEL_SETS["dfew"], 0.8, record)
    words = ["evaluate", str(trained), str(table), "--workers", "0", "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as stop:
        main([*words, "--fold", "2"])
    assert stop.value.code == 2
    assert "was trained on fold 1, where the test clips of fold 2 are training clips" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    for fold, subset, used_for in (("1", "test", "nothing"), ("1", "train", "training"), ("2", "train", "training")):
        main([*words, "--fold", fold, "--subset", subset])
        shown = [" ".join(capsys.readouterr().out.split()), (tmp_path / "out" / "evaluation.md").read_text()]
        assert [("trained on these clips" in text) for text in shown] == [used_for == "training"] * 2
        document = json.loads((tmp_path / "out" / "evaluation.json").read_text())
        assert document["protocol"]["clips_used_for"] == used_for
    # a checkpoint that went on with other clips, then on with others
    for _ in range(2):
        record = CheckpointRecord(dataset=DatasetRecord("other", None, None), earlier=record.trainings)
    save_checkpoint(trained, model, LABEL_SETS["dfew"], 0.8, record)
    with pytest.raises(SystemExit):
        main([*words, "--fold", "2"])
    assert "was trained on fold 1, where the test clips of fold 2 are training clips" in capsys.readouterr().err
    main([*words, "--fold", "1"])
    document = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert document["protocol"]["clips_used_for"] == "nothing"
    # the same folds with other clips: their use is not known
    write_manifest(table, folds[:3] + folds[6:])
    main([*words, "--fold", "2"])
    document = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert document["protocol"]["clips_used_for"] == "not known"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.safetensors", "MANIFEST"], "none.safetensors"),
        (["MANIFEST", "MANIFEST"], "test.csv"),
        (["CHECKPOINT", "none.csv"], "cannot read the manifest none.csv"),
        (["CHECKPOINT", "MANIFEST", "--subset", "train"], "no clip with subset train"),
        (["CHECKPOINT", "MANIFEST", "--batch_size", "0"], "--batch-size is 0; it must be at least 1"),
        (["CHECKPOINT", "MANIFEST", "--sampling", "all"], "sampling"),
        (["CHECKPOINT", "MANIFEST", "--views", "0"], "--views is 0; it must be at least 1"),
        (["CHECKPOINT", "MANIFEST", "--crops", "4"], "crops"),
        (["CHECKPOINT", "MANIFEST", "--speed", "9"], "speed"),
        (["CHECKPOINT", "SHORT", "--by", "age,sex"], "has no column 'sex' to group by; use one of age, subject, label"),
        (["CHECKPOINT", "MANIFEST", "--by", "path"], "has no column 'path' to group by; use one of subject, label"),
        (["CHECKPOINT", "SHORT", "--workers", "1"], "has 10 frames, so there is no frame"),
    ],
)
def test_bad_input_gives_one_line_and_exit_code_2(
    checkpoint: Path,
    manifest: Path,
    tmp_path: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    video = write_video(tmp_path / "short.mp4", moving_frames(10))
    write_manifest(tmp_path / "short.csv", [Sample("a", video, 40, "happy", "test", attributes={"age": "31"})])
    names = {"CHECKPOINT": str(checkpoint), "MANIFEST": str(manifest), "SHORT": str(tmp_path / "short.csv")}
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", *(names.get(word, word) for word in words)])
    assert stop.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("ifdd evaluate: ")
    assert message in last


def test_the_help_page_shows_every_option() -> None:
    shown = run([sys.executable, "-m", "ifdd", "evaluate", "--help"]).stdout
    for option in ("checkpoint", "manifest", "--subset", "--fold", "--sampling", "--stride", "--workers", "--out"):
        assert option in shown
    assert "uniform_segments without one" in " ".join(shown.split())
