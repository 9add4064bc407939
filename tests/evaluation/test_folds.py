"""Aggregation of folds, compared with results derived by hand, and its output formats."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ifdd.errors import InputError
from ifdd.evaluation import crossval_report
from ifdd.evaluation.crossval_report import (
    crossval_csv,
    crossval_latex,
    crossval_markdown,
    crossval_tables,
    write_crossval,
)
from ifdd.evaluation.folds import CrossValidation, FoldResult, cross_validation, crossval_record, read_fold
from ifdd.evaluation.metrics import scores_from_confusion
from ifdd.evaluation.report import CHOSEN_ON_TEST, write_evaluation
from ifdd.records import CheckpointRecord, DatasetRecord, EvaluatedCheckpoint, Protocol, SamplingRecord
from tests.helpers.records import PROTOCOL
from tests.helpers.reports import evaluation_of

CLASSES = ("happy", "sad", "fear")
CONFUSIONS = (
    [[8, 2, 0], [1, 3, 0], [1, 0, 1]],  # 12 of 16 right: WAR 0.75, recalls 0.8, 0.75, 0.5: UAR 0.683333
    [[6, 4, 0], [0, 6, 0], [0, 0, 0]],  # 12 of 16 right: WAR 0.75, recalls 0.6, 1, none: UAR 0.8
    [[9, 0, 1], [0, 4, 0], [1, 1, 0]],  # 13 of 16 right: WAR 0.8125, recalls 0.9, 1, 0: UAR 0.633333
)


def protocol(fold: int, chosen_on: str = "validation", commit: str | None = "abc") -> Protocol:
    description = CheckpointRecord(
        data="DFEW & more_1",
        synthetic=False,
        selection=f"best WAR on {chosen_on} clips",
        epoch=10 + fold,
        recipe={"model": {"preset": "ifdd_tiny", "ablation": "full"}, "data": {"fold": fold}, "run": {"seed": 5}},
        versions={"ifdd": "0.1.0"},
        commit=commit,
    )
    return replace(
        PROTOCOL,
        checkpoint=EvaluatedCheckpoint(f"fold_{fold}/best.safetensors", "ab" * 32, 1.6, chosen_on, 5, description),
        dataset=DatasetRecord("ef" * 32, synthetic=False, prepared=None),
        classes=CLASSES,
        label_order="its own",
        fold=fold,
        clips=16,
        sampling=SamplingRecord(
            name="consecutive_clips",
            stride=1,
            temporal_views=None,
            crops=1,
            meaning="clips one after another",
            frames=16,
            size=224,
            views=20 + fold,
            views_per_clip=(fold, 2 + fold),
            average="probabilities",
        ),
        versions={"ifdd": "0.1.0", "torch": f"2.{fold}"},
        commit=commit,
    )


def folds(numbers: tuple[int, ...] = (1, 2, 3), chosen_on: str = "validation") -> list[FoldResult]:
    return [
        FoldResult(
            number, scores_from_confusion(np.array(CONFUSIONS[number - 1]), CLASSES), protocol(number, chosen_on)
        )
        for number in numbers
    ]


@pytest.fixture(scope="module")
def result() -> CrossValidation:
    return cross_validation(folds()[::-1], (1, 2, 3))


def terminal(result: CrossValidation) -> str:
    console = Console(width=80, file=None)
    with console.capture() as capture:
        console.print(crossval_tables(result))
    assert "…" not in capture.get()
    return capture.get()


def test_scores_by_hand(result: CrossValidation) -> None:
    document = json.loads(json.dumps(crossval_record(result).plain(), allow_nan=False))
    scores = document["scores"]
    assert scores["war"]["mean"] == pytest.approx((0.75 + 0.75 + 0.8125) / 3)
    # deviations from the mean: -1/48, -1/48, 2/48; their squares' sum / (3 - 1) = 3 / 48**2
    assert scores["war"]["deviation"] == pytest.approx(3**0.5 / 48)
    assert scores["uar"]["mean"] == pytest.approx((41 / 60 + 48 / 60 + 38 / 60) / 3)
    assert scores["uar"]["deviation"] == pytest.approx((79 / 3) ** 0.5 / 60)
    assert scores["recalls"] == pytest.approx({"happy": 2.3 / 3, "sad": 2.75 / 3, "fear": 0.25})
    pooled = document["pooled"]
    assert pooled["confusion"] == [[23, 6, 1], [1, 13, 0], [2, 1, 1]]
    assert pooled["war"] == pytest.approx(37 / 48)
    assert pooled["uar"] == pytest.approx((23 / 30 + 13 / 14 + 1 / 4) / 3)
    assert [fold["fold"] for fold in document["folds"]] == [1, 2, 3]
    assert document["folds"][1]["recalls"] == {"happy": 0.6, "sad": 1.0, "fear": None}
    assert document["folds"][2]["epoch"] == 13
    assert (document["complete"], document["missing"]) == (True, [])
    for low, high, score in (
        (*scores["war"]["interval"], scores["war"]["mean"]),
        (*pooled["uar_interval"], pooled["uar"]),
        (*document["folds"][0]["war_interval"], 0.75),
    ):
        assert 0 <= low < score < high <= 1


def test_the_protocol_covers_all_folds(result: CrossValidation) -> None:
    found = crossval_record(result).plain()["protocol"]
    assert found["sampling"]["views"] == 21 + 22 + 23
    assert found["sampling"]["views_per_clip"] == [1, 5]
    assert found["clips"] == 48
    assert found["seed"] == 5
    assert found["versions"] == {"ifdd": "0.1.0", "torch": "2.1 and 2.2 and 2.3"}
    assert found["training"] == {"versions": {"ifdd": "0.1.0"}, "commit": "abc"}
    assert found["recipe"]["data"] == {"fold": None}


def test_one_split_has_no_deviation() -> None:
    single = [FoldResult(0, scores_from_confusion(np.array(CONFUSIONS[0]), CLASSES), protocol(0))]
    alone = cross_validation(single, (0,))
    document = crossval_record(alone).plain()
    assert document["scores"]["war"]["deviation"] is None
    assert document["scores"]["war"]["interval"] == document["folds"][0]["war_interval"]
    assert document["folds"][0]["fold"] is None
    assert "one split, no folds" in crossval_markdown(alone)
    assert r"\pm" not in crossval_latex(alone)
    assert "| deviation |  | - |" in crossval_markdown(alone)


def test_missing_folds_are_reported() -> None:
    part = cross_validation(folds((1, 3)), (1, 2, 3))
    assert crossval_record(part).plain()["missing"] == [2]
    for text in (crossval_markdown(part), crossval_latex(part), terminal(part)):
        assert "only 2 of 3 folds: 1, 3" in " ".join(text.split())
    assert "only 2 of 3" in crossval_latex(part).splitlines()[-1]


def test_checkpoints_chosen_on_test_clips_are_labelled_in_every_table() -> None:
    flattered = cross_validation(folds(chosen_on="test"), (1, 2, 3))
    for text in (crossval_markdown(flattered), crossval_latex(flattered), terminal(flattered)):
        assert " ".join(text.split()).count(CHOSEN_ON_TEST) >= 1
    assert crossval_markdown(flattered).count(CHOSEN_ON_TEST) == 2
    assert crossval_record(flattered).plain()["protocol"]["chosen_on"] == "test"
    assert all(line.endswith(",test") for line in crossval_csv(flattered).splitlines()[1:])
    rows = [line for line in crossval_latex(flattered).splitlines() if "ifdd" in line and not line.startswith("%")]
    assert len(rows) == 4
    assert all(" & test & " in row for row in rows)
    fair = cross_validation(folds(), (1, 2, 3))
    assert CHOSEN_ON_TEST not in crossval_markdown(fair) + crossval_latex(fair) + terminal(fair)


def test_subjects_are_drawn_where_every_fold_knows_them(tmp_path: Path) -> None:
    """Each fold tests 8 people with 6 clips each, which are all recognised, or none."""
    clips = [(str(place), place % 3, (place % 3 + place // 6 % 2) % 3, 0.9) for place in range(48)]
    subjects = tuple(f"person {place // 6}" for place in range(48))
    for fold in (1, 2):
        evaluation = replace(evaluation_of(clips, CLASSES), subjects=subjects)
        write_evaluation(tmp_path / f"fold_{fold}", evaluation, replace(protocol(fold), clips=48))
    known = [read_fold(fold, tmp_path / f"fold_{fold}") for fold in (1, 2)]
    assert known[0].by_subject is not None
    assert known[0].by_subject.shape == (8, 3, 3)
    (tmp_path / "fold_2" / "predictions.csv").unlink()
    found = [cross_validation(results, (1, 2)) for results in (known, [known[0], read_fold(2, tmp_path / "fold_2")])]
    assert [each.protocol.resampled for each in found] == ["subjects", "clips"]
    assert found[0].war.mean == found[1].war.mean == 0.5
    widths = [float(np.ptp(each.war.interval or ())) for each in found]
    assert widths[0] > 2 * widths[1]
    for each, drawn in zip(found, ("subjects", "clips"), strict=True):
        assert f"resamples of the {drawn} within each fold" in crossval_markdown(each)


def test_a_fold_of_one_subject_draws_clips(tmp_path: Path) -> None:
    evaluation = replace(evaluation_of([("a", 0, 0, 0.9), ("b", 1, 0, 0.9)], CLASSES), subjects=("anna", "anna"))
    write_evaluation(tmp_path, evaluation, protocol(1))
    assert cross_validation([read_fold(1, tmp_path)], (1,)).protocol.resampled == "clips"


def test_csv_can_be_parsed(result: CrossValidation) -> None:
    rows = list(csv.DictReader(io.StringIO(crossval_csv(result))))
    assert [row["fold"] for row in rows] == ["1", "2", "3", "mean", "deviation", "pooled"]
    assert float(rows[0]["uar"]) == pytest.approx(41 / 60, abs=1e-6)
    assert rows[1]["recall_fear"] == ""
    assert float(rows[4]["war"]) == pytest.approx(3**0.5 / 48, abs=1e-6)
    assert rows[5]["clips"] == "48"
    assert {row["checkpoint_chosen_on"] for row in rows} == {"validation"}


def test_latex_rows_have_the_columns_of_their_header(result: CrossValidation) -> None:
    lines = crossval_latex(result).splitlines()
    rows = [line for line in lines if not line.startswith(("%", r"\midrule"))]
    assert all(row.endswith(r" \\") for row in rows)
    assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {7}
    assert rows[0] == r"Method & Chosen on & Happy & Sad & Fear & WAR & UAR \\"
    assert rows[1] == r"ifdd\_tiny, fold 1 & validation & 80.00 & 75.00 & 50.00 & 75.00 & 68.33 \\"
    assert rows[-1].endswith(r"& 76.67 & 91.67 & 25.00 & $77.08 \pm 3.61$ & $70.56 \pm 8.55$ \\")
    assert lines[0] == "% ifdd_tiny on DFEW & more_1: 3 folds"
    assert any(r"\begin{tabular}{llrrrrr}" in line for line in lines)


def test_what_latex_would_obey_is_escaped(result: CrossValidation) -> None:
    name = replace(result.protocol.name, model=r"a^2~b_c\{d}")
    last = crossval_latex(replace(result, protocol=replace(result.protocol, name=name))).splitlines()[-1]
    assert last.startswith(r"a\textasciicircum{}2\textasciitilde{}b\_c\textbackslash{}\{d\} & validation & ")


def test_markdown_and_terminal_show_the_same(result: CrossValidation) -> None:
    markdown, shown = crossval_markdown(result), " ".join(terminal(result).split())
    assert markdown.startswith("# ifdd_tiny on DFEW & more_1: 3 folds\n")
    assert "| deviation |  | 3.61 |  | 8.55 |  |  |" in markdown
    assert "| happy | 30 | 76.67 | 23 | 6 | 1 |" in markdown
    for text in ("3.61", "8.55", "76.67", "seed 5", "best WAR on validation clips", "n - 1", "bootstrap"):
        assert text in markdown
        assert text in shown


def test_a_result_is_there_when_everything_is(
    result: CrossValidation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_crossval(tmp_path, result)

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(crossval_report, "crossval_latex", full)
    with pytest.raises(OSError, match="No space"):
        write_crossval(tmp_path, result)
    assert not (tmp_path / "crossval.json").exists()


def test_the_files_are_written_and_a_damaged_evaluation_is_refused(result: CrossValidation, tmp_path: Path) -> None:
    write_crossval(tmp_path, result)
    assert json.loads((tmp_path / "crossval.json").read_text())["schema_version"] == 1
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".csv", ".md", ".tex"}
    for text, message in (
        ("{", "is damaged"),
        ('{"schema_version": 1}', "schema version 1 of another version"),
        ('{"schema_version": 2, "scores": {}}', "is damaged"),
        ('{"schema_version": 2, "scores": {"confusion": [[1]]}, "protocol": {"classes": ["sad", "fear"]}}', "damaged"),
    ):
        (tmp_path / "evaluation.json").write_text(text)
        with pytest.raises(InputError, match=message):
            read_fold(1, tmp_path)
