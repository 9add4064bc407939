import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ifdd.data.labels import LABEL_SETS
from ifdd.evaluation import report
from ifdd.evaluation.metrics import scores_from_confusion
from ifdd.evaluation.report import (
    CHOSEN_ON_TEST,
    USED_FOR,
    Evaluation,
    evaluation_markdown,
    evaluation_record,
    evaluation_tables,
    predictions_csv,
    write_evaluation,
)
from ifdd.records import Estimate, StressRecord
from tests.helpers.records import PROTOCOL, chosen_on

ON_TEST = chosen_on(PROTOCOL, "test")


def evaluation_of(label_set: str) -> Evaluation:
    """Return three clips: two of class 0, one of them classified as class 1, and one of the last class."""
    classes = LABEL_SETS[label_set]
    last = len(classes) - 1
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    confusion[0, 0] = confusion[0, 1] = confusion[last, last] = 1
    probabilities = np.full((3, len(classes)), 0.01, np.float32)
    probabilities[range(3), [0, 1, last]] = 0.9
    return Evaluation(
        scores=scores_from_confusion(confusion, classes),
        clip_ids=("a", 'b "quoted", with comma', "c"),
        targets=np.array([0, 0, last]),
        probabilities=probabilities,
        views=np.ones(3, np.int64),
    )


@pytest.mark.parametrize(("label_set", "width"), [("dfew", 80), ("mafw", 110)])
def test_the_table_fits_a_terminal_and_shows_every_class(label_set: str, width: int) -> None:
    console = Console(width=width, record=True, file=None)
    with console.capture() as capture:
        console.print(evaluation_tables(evaluation_of(label_set), PROTOCOL))
    text = capture.get()
    assert "…" not in text
    for name in LABEL_SETS[label_set]:
        assert name in text
    assert "66.67 %" in text
    assert "75.00 %" in text
    assert "fold 3" in text
    assert len({name[:4] for name in LABEL_SETS[label_set]}) == len(LABEL_SETS[label_set])


def test_markdown_by_hand() -> None:
    text = evaluation_markdown(evaluation_of("dfew"), PROTOCOL)
    assert "WAR 66.67 %, UAR 75.00 % on 3 clips." in text
    assert "| happy | 2 | 50.00 | 1 | 1 | 0 | 0 | 0 | 0 | 0 |" in text
    assert "| sad | 0 | - | 0 | 0 | 0 | 0 | 0 | 0 | 0 |" in text
    for row in (
        "| chosen by | `best WAR on validation clips` |",
        "| trained with | `seed 7, ifdd 0.0.9, commit f00` |",
        "| dataset | `hash efefefefefef, SynthDFER as mafw, frames clips, faces cropped, complete` |",
        "| label order | `dfew: happy, sad` |",
        "| views | `3 in total, 16 frames of 96x96, stride 2` |",
    ):
        assert row in text


def test_a_checkpoint_chosen_on_the_test_clips_is_labelled_in_every_table_and_file() -> None:
    console = Console(width=80, record=True, file=None)
    with console.capture() as capture:
        console.print(evaluation_tables(evaluation_of("dfew"), ON_TEST))
    assert CHOSEN_ON_TEST in " ".join(capture.get().split())
    assert f"**{CHOSEN_ON_TEST}**" in evaluation_markdown(evaluation_of("dfew"), ON_TEST)
    assert CHOSEN_ON_TEST not in evaluation_markdown(evaluation_of("dfew"), PROTOCOL)
    rows = predictions_csv(evaluation_of("dfew"), ON_TEST).splitlines()
    assert rows[0].endswith(",checkpoint_chosen_on,clips_used_for")
    assert all(row.endswith(",test,nothing") for row in rows[1:])


@pytest.mark.parametrize("used_for", USED_FOR)
def test_clips_that_the_training_used_are_labelled_in_every_table_and_file(used_for: str) -> None:
    protocol = replace(PROTOCOL, subset="train", clips_used_for=used_for)
    console = Console(width=80, record=True, file=None)
    with console.capture() as capture:
        console.print(evaluation_tables(evaluation_of("dfew"), protocol))
    assert USED_FOR[used_for] in " ".join(capture.get().split())
    assert f"**{USED_FOR[used_for]}**" in evaluation_markdown(evaluation_of("dfew"), protocol)
    rows = predictions_csv(evaluation_of("dfew"), protocol).splitlines()[1:]
    assert all(row.endswith(f",validation,{used_for}") for row in rows)


def test_a_manifest_changed_after_preparation_is_labelled() -> None:
    assert PROTOCOL.dataset.prepared is not None
    changed = replace(PROTOCOL.dataset, prepared=replace(PROTOCOL.dataset.prepared, unchanged=False))
    assert "CHANGED" in evaluation_markdown(evaluation_of("dfew"), replace(PROTOCOL, dataset=changed))
    assert "CHANGED" not in evaluation_markdown(evaluation_of("dfew"), PROTOCOL)


def test_the_document_is_plain_json() -> None:
    document = json.loads(json.dumps(evaluation_record(evaluation_of("dfew"), PROTOCOL).plain(), allow_nan=False))
    assert document["scores"]["war"] == pytest.approx(2 / 3)
    assert document["scores"]["recalls"]["happy"] == 0.5
    assert document["scores"]["recalls"]["sad"] is None
    assert document["scores"]["confusion"][0] == [1, 1, 0, 0, 0, 0, 0]
    assert document["protocol"] == PROTOCOL.plain()


def test_predictions_by_hand() -> None:
    evaluation = replace(evaluation_of("dfew"), subjects=("anna", "", "bert"))
    lines = predictions_csv(evaluation, PROTOCOL).splitlines()
    classes = "happy,sad,neutral,angry,surprise,disgust,fear"
    assert lines[0] == f"clip_id,target,prediction,{classes},subject,checkpoint_chosen_on,clips_used_for"
    assert lines[1].startswith("a,happy,happy,0.900000,0.010000,")
    assert lines[2].startswith('"b ""quoted"", with comma",happy,sad,')
    assert [line.rsplit(",", 3)[1] for line in lines[1:]] == ["anna", "", "bert"]


def test_an_evaluation_is_there_when_everything_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score, unchanged = Estimate(0.5, 0.4, 0.6), evaluation_of("dfew")
    stress = StressRecord(
        war=score, uar=score, curves=(), clips=3, seed=0, level=0.95, resampled="clips", resamples=2000
    )
    stressed = replace(unchanged, stress=stress)
    written: list[Path] = []
    monkeypatch.setattr(report, "write_curves", lambda path, _: written.append(path))
    write_evaluation(tmp_path, stressed, PROTOCOL)
    assert written == [tmp_path / "stress.png"]
    assert (tmp_path / "evaluation.json").exists()

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    for name, evaluation in (("write_curves", stressed), ("predictions_csv", unchanged)):
        monkeypatch.setattr(report, name, full)
        with pytest.raises(OSError, match="No space"):
            write_evaluation(tmp_path, evaluation, PROTOCOL)
        assert not (tmp_path / "evaluation.json").exists()
