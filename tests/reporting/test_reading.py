"""Results are read back as they were written, and what is damaged is named."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ifdd.__main__ import main
from ifdd.errors import InputError
from ifdd.evaluation.predictions_file import read_predictions
from ifdd.files import file_sha256
from ifdd.records import EvaluatedCheckpoint, ExportRecord, ParityRecord
from ifdd.reporting.reading import read_runs, read_series
from ifdd.reporting.scores import warnings
from tests.helpers.records import PROTOCOL
from tests.helpers.reports import write_test, write_training

CLIPS = [("a", 0, 0, 0.9), ("b", 0, 1, 0.8), ("c", 1, 1, 0.7)]


def test_an_evaluation_is_read_back(tmp_path: Path) -> None:
    (run,) = read_runs([str(write_test(tmp_path / "test", CLIPS))])
    predictions = run.tests[0].predictions
    assert predictions is not None
    assert predictions.clip_ids == ("a", "b", "c")
    assert predictions.right.tolist() == [True, False, True]
    assert predictions.probabilities == pytest.approx(np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]))
    assert run.confusion is not None
    assert run.confusion.tolist() == [[1, 1], [0, 1]]
    assert not run.missing_predictions
    assert read_runs([str(tmp_path / "test" / "evaluation.json")])[0].confusion is not None


def test_classes_with_the_names_of_columns_are_read_back(tmp_path: Path) -> None:
    folder = write_test(tmp_path / "test", CLIPS, ("target", "sad, or not"))
    found = read_predictions(folder / "predictions.csv", ("target", "sad, or not"))
    assert found.targets.tolist() == [0, 0, 1]


def test_predictions_of_an_earlier_version_have_no_subjects(tmp_path: Path) -> None:
    classes = ("happy", "subject")
    file = write_test(tmp_path / "test", CLIPS, classes) / "predictions.csv"
    assert read_predictions(file, classes).subjects == ("", "", "")
    edit(file, ",subject,checkpoint_chosen_on", ",checkpoint_chosen_on")
    edit(file, ",,validation", ",validation")
    found = read_predictions(file, classes)
    assert found.subjects is None
    assert found.by_subject is None
    assert found.right.tolist() == [True, False, True]


def test_the_log_of_a_resumed_run_has_the_last_value_of_each_epoch(tmp_path: Path) -> None:
    found = {series.name: series for series in read_series(write_training(tmp_path / "run"))}
    assert found["validation/war"].epochs == (1, 2)
    assert found["validation/war"].values == (0.5, 0.75)
    assert found["train/total"].epochs == (1,)  # the other one is not a number
    assert found["train/classification"].values == (2.5, 1.5)


def test_training_and_test_of_one_checkpoint_are_one_run(tmp_path: Path) -> None:
    training = write_training(tmp_path / "training")
    (training / "best.safetensors").write_bytes(b"weights")
    checkpoint = replace(PROTOCOL.checkpoint, sha256=file_sha256(training / "best.safetensors"))
    test = write_test(tmp_path / "test", CLIPS, protocol=replace(PROTOCOL, checkpoint=checkpoint))
    other = write_test(tmp_path / "other", CLIPS)
    runs = read_runs([str(training), str(other), str(test)])
    assert [(run.name, len(run.trainings)) for run in runs] == [(str(other), 0), (str(test), 1)]


def test_the_training_of_a_tested_checkpoint_is_found_where_the_test_found_it(tmp_path: Path) -> None:
    training = write_training(tmp_path / "training")
    best = training / "best.safetensors"
    best.write_bytes(b"weights")
    checkpoint = EvaluatedCheckpoint(
        str(best), file_sha256(best), 1.0, "validation", 0, PROTOCOL.checkpoint.description
    )
    test = write_test(tmp_path / "test", CLIPS, protocol=replace(PROTOCOL, checkpoint=checkpoint))
    assert len(read_runs([str(test)])[0].trainings) == 1
    best.write_bytes(b"other weights")
    assert read_runs([str(test)])[0].trainings == ()


def test_a_training_run_may_hold_its_evaluation(tmp_path: Path) -> None:
    training = write_training(tmp_path / "training")
    write_test(training / "evaluation", CLIPS)
    (run,) = read_runs([str(training)])
    assert (len(run.trainings), len(run.tests)) == (1, 1)


def test_a_test_of_another_checkpoint_than_the_training_keeps_is_named(tmp_path: Path) -> None:
    training = write_training(tmp_path / "training")
    best = training / "best.safetensors"
    best.write_bytes(b"weights of epoch 90")
    checkpoint = replace(PROTOCOL.checkpoint, path=str(best), sha256=file_sha256(best))
    write_test(training / "evaluation", CLIPS, protocol=replace(PROTOCOL, checkpoint=checkpoint))
    (run,) = read_runs([str(training)])
    assert warnings(run) == []
    best.write_bytes(b"weights of epoch 180")
    (run,) = read_runs([str(training)])
    (words,) = warnings(run)
    assert words == (
        f"the test of fold 3 is of another checkpoint ({best}, sha256 {checkpoint.sha256[:12]}) than the "
        "best.safetensors that the training keeps now; evaluate that one"
    )
    last = replace(checkpoint, path=str(training / "calibrated.safetensors"), sha256="ab" * 32)
    write_test(training / "evaluation", CLIPS, protocol=replace(PROTOCOL, checkpoint=last))
    assert warnings(read_runs([str(training)])[0]) == []  # tested on purpose
    parity = ParityRecord(clips=8, dataset=None, largest_difference=0.0)
    export = ExportRecord(
        form="onnx",
        precision="float32",
        checkpoint="best",
        checkpoint_sha256=file_sha256(best),
        versions={},
        input="a clip",
        outputs=("logits",),
        parity=parity,
    )
    exported = replace(checkpoint, sha256="cd" * 32, export=export)
    write_test(training / "evaluation", CLIPS, protocol=replace(PROTOCOL, checkpoint=exported))
    (run,) = read_runs([str(training)])
    assert warnings(run) == []


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def without_json(folder: Path) -> None:
    (folder / "evaluation.json").unlink()


def cut_json(folder: Path) -> None:
    (folder / "evaluation.json").write_text((folder / "evaluation.json").read_text()[:100])


def wrong_matrix(folder: Path) -> None:
    document = json.loads((folder / "evaluation.json").read_text())
    document["scores"]["confusion"] = [[1, 2]]
    (folder / "evaluation.json").write_text(json.dumps(document))


def negative_matrix(folder: Path) -> None:
    document = json.loads((folder / "evaluation.json").read_text())
    document["scores"]["confusion"] = [[5, -1], [0, 2]]
    (folder / "evaluation.json").write_text(json.dumps(document))


def other_version(folder: Path) -> None:
    edit(folder / "evaluation.json", '"schema_version": 2', '"schema_version": 99')


def other_columns(folder: Path) -> None:
    edit(folder / "predictions.csv", "happy,sad", "happy,mad")


def no_number(folder: Path) -> None:
    edit(folder / "predictions.csv", "0.900000", "much")


def cut_line(folder: Path) -> None:
    edit(folder / "predictions.csv", "c,sad,sad,0.300000,0.700000,,validation,nothing", "c,sad,sad,0.3")


def cut_lines(folder: Path) -> None:
    lines = (folder / "predictions.csv").read_text().splitlines()
    kept = [lines[0], *(",".join(line.split(",")[:3]) for line in lines[1:])]
    (folder / "predictions.csv").write_text("\n".join(kept))


def large_probability(folder: Path) -> None:
    edit(folder / "predictions.csv", "0.900000", "9.000000")


def no_clips(folder: Path) -> None:
    lines = (folder / "predictions.csv").read_text().splitlines()
    (folder / "predictions.csv").write_text(lines[0] + "\n")


DAMAGES: dict[Callable[[Path], None], str] = {
    without_json: "has no results (crossval.json, training.json, evaluation.json)",
    cut_json: "evaluation.json is damaged",
    wrong_matrix: "evaluation.json is damaged (its confusion matrix does not fit its classes)",
    negative_matrix: "evaluation.json is damaged (its confusion matrix does not fit its classes)",
    other_version: "evaluation.json has schema version 99",
    other_columns: "predictions.csv is damaged (its columns of probabilities are happy, mad); evaluate again",
    no_number: "predictions.csv is damaged (could not convert string to float: 'much'); evaluate again",
    cut_line: "predictions.csv is damaged",
    cut_lines: "predictions.csv is damaged (clip 'a' does not have a probability from 0 to 1 for each class)",
    large_probability: "does not have a probability from 0 to 1 for each class",
    no_clips: "predictions.csv is damaged (it has no clips); evaluate again",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_results_are_refused_in_one_line(
    damage: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_test(tmp_path / "test", CLIPS)
    damage(folder)
    with pytest.raises(SystemExit) as stop:
        main(["report", str(folder), "--out", str(tmp_path / "report.html")])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ifdd report: ")
    assert DAMAGES[damage] in line
    assert not (tmp_path / "report.html").exists()


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    folder = write_training(tmp_path / "run")
    edit(folder / "csv" / "version_0" / "metrics.csv", "epoch,step", "step,what")
    with pytest.raises(InputError, match=r"metrics.csv is damaged \(no column 'epoch'\); delete it"):
        read_runs([str(folder)])


@pytest.mark.parametrize(("row", "what"), [("9" * 400 + ",0,1.0", "an epoch or"), ("7,0,1e300", "is out of range")])
def test_numbers_that_no_chart_can_show_are_damage(row: str, what: str, tmp_path: Path) -> None:
    folder = write_training(tmp_path / "run")
    (folder / "csv" / "version_0" / "metrics.csv").write_text(f"epoch,step,train/total\n{row}\n")
    with pytest.raises(InputError, match=rf"metrics.csv is damaged \(.*{what}"):
        read_runs([str(folder)])


def test_results_of_different_classes_are_not_put_side_by_side(tmp_path: Path) -> None:
    first, turned, other = (
        str(write_test(tmp_path / name, CLIPS, classes))
        for name, classes in {"a": ("happy", "sad"), "b": ("sad", "happy"), "c": ("happy", "fear")}.items()
    )
    assert len(read_runs([first, turned])) == 2
    with pytest.raises(InputError, match=r"a has the classes happy, sad, and .*c has happy, fear; write one report"):
        read_runs([first, other])


def test_a_folder_is_named_once(tmp_path: Path) -> None:
    folder = write_test(tmp_path / "test", CLIPS)
    shutil.copytree(folder, tmp_path / "copy")
    assert len(read_runs([str(folder), str(tmp_path / "copy")])) == 2
    with pytest.raises(InputError, match="is given twice; name each folder once"):
        read_runs([str(folder), f"{folder}/../test"])
