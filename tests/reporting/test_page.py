"""The page of a report: complete, escaped, self-contained; what is not there any more is named."""

import base64
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ifdd.__main__ import main
from ifdd.data.manifest import dataset_hash, read_manifest, write_manifest
from ifdd.evaluation.crossval_report import write_crossval
from ifdd.evaluation.folds import FoldResult, cross_validation
from ifdd.evaluation.report import CHOSEN_ON_TEST, write_evaluation
from ifdd.model import create_model, save_checkpoint
from ifdd.records import CheckpointRecord, DatasetRecord
from ifdd.reporting.clips import Clips, hardest
from ifdd.reporting.gallery import Card, Gallery
from ifdd.reporting.pairs import pair_runs
from ifdd.reporting.reading import read_runs
from ifdd.reporting.results import Run
from ifdd.reporting.scores import run_scores
from tests.helpers.html import Page, check_page, check_svg
from tests.helpers.records import CALIBRATION, PROTOCOL, chosen_on
from tests.helpers.reports import evaluation_of, write_test, write_training
from tests.helpers.videos import write_clip_manifest

HOSTILE = '<script>alert(1)<\u2044script> $x$ & "y"'
"""A name of a class and of a clip; folders cannot have a slash, so another character looks like one."""

CLASSES = (HOSTILE, "sad", "<b>")


def report(*words: str | Path, out: Path) -> Page:
    main(["report", *map(str, words), "--out", str(out)])
    return check_page(out.read_text(encoding="utf-8"))


def pictures(page: Page, kind: str) -> list[bytes]:
    prefix = f"data:image/{kind};base64,"
    sources = [image["src"] for image in page.all("img") if image["src"].startswith(prefix)]
    return [base64.b64decode(source.removeprefix(prefix)) for source in sources]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a manifest, a checkpoint, its evaluation and its training, all with names made to break pages."""
    folder = tmp_path_factory.mktemp("hostile")
    manifest = write_clip_manifest(folder, [HOSTILE, "sad", "<b>", "sad"])
    named = [replace(each, clip_id=f"{each.clip_id} {HOSTILE}") for each in read_manifest(manifest)]
    write_manifest(manifest, named)
    torch.manual_seed(0)
    model = create_model("ifdd_tiny", 3, frames=8, size=32)
    record = CheckpointRecord(selection=HOSTILE, chosen_on="test", data=HOSTILE, preset=HOSTILE)
    training = write_training(folder / "training", CLASSES)
    save_checkpoint(training / "best.safetensors", model, CLASSES, 0.8, record)
    words = ["--out", str(folder / HOSTILE), "--workers", "0", "--by", "label"]
    main(["evaluate", str(training / "best.safetensors"), str(manifest), *words])
    return folder


def test_every_name_is_escaped_and_the_page_is_complete(hostile: Path, tmp_path: Path) -> None:
    page = report(hostile / HOSTILE, out=tmp_path / "report.html")
    name = str(hostile / HOSTILE)
    assert name in page.texts_of("h1")[0]
    assert page.texts_of("h2") == ["Scores", name]
    headings = page.texts_of("h3")
    assert headings[:4] == ["Confusion matrix", "Recall of each class", "Calibration", "Training"]
    assert headings[4:] == ["Results by label", "Hardest clips", "Protocol"]
    assert f"as {HOSTILE}" in page.texts_of("th")
    assert any(CHOSEN_ON_TEST in text for text in page.texts_of("p"))
    assert any(text.startswith("2 of 2 epochs on 8 clips; epoch 2 was kept") for text in page.texts_of("p"))
    charts = [check_svg(picture.decode()) for picture in pictures(page, "svg+xml")]
    assert len(charts) == 4
    assert "<script>" in charts[0]
    assert len(page.all("source")) == 4


def test_the_hardest_clips_are_shown_with_heat_maps_as_the_model_saw_them(hostile: Path, tmp_path: Path) -> None:
    page = report(hostile / HOSTILE, "--hardest", "2", out=tmp_path / "report.html")
    decoded = [cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_COLOR) for each in pictures(page, "jpeg")]
    assert [None if each is None else each.shape for each in decoded] == [(32, 8 * 32, 3)] * (2 * 3)
    captions = page.texts_of("figcaption")
    assert sum(caption.startswith("Emotion features Y_D: what speaks for") for caption in captions) == 2
    assert sum(caption.startswith("Context Y_S: what speaks for") for caption in captions) == 2
    (run,) = read_runs([str(hostile / HOSTILE)])
    items = [text for text in page.texts_of("li") if "to which the model gives" in text or "recognised with" in text]
    assert [hard.clip_id for hard in hardest(run, 2)] == [item.partition(": ")[0] for item in items]
    plain = report(hostile / HOSTILE, "--skip-heat-maps", "--hardest", "1", out=tmp_path / "report.html")
    assert len(pictures(plain, "jpeg")) == 1
    assert cards(hostile / HOSTILE, 0) == ([], "")


def cards(folder: Path, count: int = 1, manifest: Path | None = None) -> tuple[list[Card], str]:
    return Gallery(Clips(manifest), count, heat_maps=True, device="cpu").cards(read_runs([str(folder)])[0])


def test_what_is_gone_is_named(hostile: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(hostile, moved)
    file, manifest = moved / HOSTILE / "evaluation.json", moved / "test.csv"
    file.write_text(file.read_text().replace(str(hostile / "training"), str(moved / "training")))
    best = moved / "training" / "best.safetensors"
    best.write_bytes(best.read_bytes() + b" ")
    (card,), note = cards(moved / HOSTILE)
    assert card.notes == (f"No heat maps: {best} is not the file that was tested",)
    best.unlink()
    (card,), note = cards(moved / HOSTILE)
    assert card.notes[0].startswith("No heat maps: the checkpoint cannot be read (")
    assert (len(card.pictures), note) == (1, "")
    assert len(cards(moved / HOSTILE, 4, manifest)[0]) == 4
    manifest.write_text(manifest.read_text().replace(",sad,", ",<b>,"))
    (card,), note = cards(moved / HOSTILE, 1, manifest)
    assert (card.pictures, card.notes) == ((), ())
    assert note == f"No pictures: {manifest} has other clips, labels or folds now than when they were tested."
    shutil.rmtree(moved / "clips")
    assert cards(moved / HOSTILE, 1, manifest)[1].startswith("No pictures: their data cannot be read: ")
    (moved / HOSTILE / "predictions.csv").unlink()
    assert cards(moved / HOSTILE) == ([], "Not known: there is no predictions.csv of the evaluation.")


def test_a_clip_that_cannot_be_read_is_named(hostile: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(hostile, moved)
    for image in (moved / "clips").rglob("*.png"):
        image.write_bytes(b"no image")
    found, note = cards(moved / HOSTILE, 4, moved / "test.csv")
    assert note == ""
    assert all(card.notes[0].startswith("No pictures: ") and not card.pictures for card in found)


def test_the_hardest_clips_are_those_of_the_lowest_probability(tmp_path: Path) -> None:
    clips = [("sure", 0, 0, 0.9), ("wrong", 0, 1, 0.8), ("worst", 1, 0, 0.95), ("unsure", 1, 1, 0.55)]
    (run,) = read_runs([str(write_test(tmp_path / "test", clips))])
    found = hardest(run, 3)
    assert [hard.clip_id for hard in found] == ["worst", "wrong", "unsure"]
    assert [hard.probability for hard in found] == pytest.approx([0.05, 0.2, 0.55])
    assert (found[0].target, found[0].prediction) == ("sad", "happy")
    assert found[0].confidence == pytest.approx(0.95)


FIRST = [("a", 0, 0, 0.9), ("b", 0, 1, 0.9), ("c", 1, 0, 0.9), ("d", 1, 1, 0.9)]
BETTER = [("d", 1, 1, 0.8), ("c", 1, 1, 0.8), ("b", 0, 0, 0.8), ("a", 0, 0, 0.8)]


def with_people(run: Run, people: dict[str, str]) -> Run:
    (test,) = run.tests
    assert test.predictions is not None
    subjects = tuple(people[clip_id] for clip_id in test.predictions.clip_ids)
    return replace(run, tests=(replace(test, predictions=replace(test.predictions, subjects=subjects)),))


def test_runs_are_compared_on_the_same_clips(tmp_path: Path) -> None:
    other_data = replace(PROTOCOL, dataset=DatasetRecord("12" * 32, None, None))
    names = [
        str(write_test(tmp_path / "first", FIRST)),
        str(write_test(tmp_path / "better", BETTER)),
        str(write_test(tmp_path / "fewer", BETTER[:3])),
        str(write_test(tmp_path / "other", BETTER, protocol=other_data)),
        str(write_training(tmp_path / "training")),
    ]
    runs = read_runs(names)
    better, fewer, other, training = pair_runs(runs)
    assert better.found is not None
    assert better.found.difference == pytest.approx(0.5)
    assert (better.found.clips, better.found.people) == (4, 4)
    assert better.corrected == better.found.p
    assert fewer.reason == other.reason == "tested on other clips"
    assert training.reason == f"{names[4]} has no predictions of single clips"
    grouped = pair_runs([with_people(runs[0], {"a": "x", "b": "x", "c": "y", "d": "y"}), runs[1]])[0]
    assert grouped.found is not None
    assert grouped.found.people == 2
    assert grouped.found.difference == pytest.approx(0.5)
    alone = with_people(runs[1], dict.fromkeys("abcd", "x"))
    assert pair_runs([runs[0], alone])[0].reason == "the clips show one person"
    page = report(names[0], names[1], names[2], names[4], "--hardest", "0", out=tmp_path / "report.html")
    assert page.texts_of("h2")[:3] == ["Scores", "Side by side", names[0]]
    cells = page.texts_of("td")
    assert any(cell.startswith("+50.00 (") for cell in cells)
    assert "not compared: tested on other clips" in cells
    assert "4 and 4" in cells
    overview = page.texts_of("tr")
    assert any(row.startswith(f"{names[4]} 75.00") or row.startswith(f"{names[4]}75.00") for row in overview)


def test_scores_have_their_intervals(tmp_path: Path) -> None:
    page = report(write_test(tmp_path / "test", FIRST), out=tmp_path / "report.html")
    assert any(re.fullmatch(r"50\.00 \(0\.0 to 100\.0\)", cell) for cell in page.texts_of("td"))
    alt = next(image["alt"] for image in page.all("img") if image["alt"].startswith("Confusion matrix"))
    assert "happy taken for sad in 1 of 2 clips; sad taken for happy in 1 of 2 clips" in alt


def write_people(folder: Path, earlier: bool = False) -> Path:
    """Write a test of 12 people with 10 clips each, all of which are recognised, or none; return the folder."""
    clips = [(f"{place}", place // 5 % 2, place // 10 % 2 ^ place // 5 % 2, 0.9) for place in range(120)]
    subjects = tuple(f"person {place // 10}" for place in range(120))
    described = replace(PROTOCOL, clips=len(clips))
    write_evaluation(folder, replace(evaluation_of(clips), subjects=subjects), described)
    if earlier:
        file = folder / "predictions.csv"
        file.write_text(re.sub(r",(subject|person \d+),", ",", file.read_text()))
    return folder


def test_intervals_are_over_people_where_they_are_known(tmp_path: Path) -> None:
    runs = read_runs([str(write_people(tmp_path / name, name == "earlier")) for name in ("new", "earlier")])
    new, earlier = (run_scores(run) for run in runs)
    assert new is not None
    assert earlier is not None
    assert (new.resampled, earlier.resampled) == ("subjects", "clips")
    assert new.war.value == earlier.war.value == 0.5
    assert new.war.interval is not None
    assert earlier.war.interval is not None
    assert new.war.interval.high - new.war.interval.low > 2.5 * (earlier.war.interval.high - earlier.war.interval.low)
    page = report(tmp_path / "new", tmp_path / "earlier", "--hardest", "0", out=tmp_path / "report.html")
    assert {"subjects", "clips"} <= set(page.texts_of("td"))
    assert any("10,000 resamples of the subjects, each with all of their test clips" in p for p in page.texts_of("p"))


def test_people_come_from_predictions_and_where_nothing_names_them_the_page_says_so(tmp_path: Path) -> None:
    names = [str(write_people(tmp_path / name, "old" in name)) for name in ("first", "second", "old", "older")]
    first, second, old, older = read_runs(names)
    for runs in ((first, second), (first, old), (old, first)):
        (pair,) = pair_runs(runs)
        assert pair.found is not None
        assert (pair.found.people, pair.people_unreadable) == (12, False)
    (pair,) = pair_runs((old, older))
    assert pair.found is not None
    assert (pair.found.people, pair.people_unreadable) == (120, True)
    page = report(*names[2:], "--hardest", "0", out=tmp_path / "report.html")
    assert any(f"{names[3]}: every clip counts as a person, because" in text for text in page.texts_of("caption"))
    page = report(*names[:2], "--hardest", "0", out=tmp_path / "report.html")
    assert "every clip counts as a person, because" not in " ".join(page.texts_of("caption"))


def test_people_of_an_earlier_version_come_from_the_manifest(tmp_path: Path) -> None:
    samples = [replace(each, subject="anna") for each in read_manifest(write_clip_manifest(tmp_path, ["happy", "sad"]))]
    write_manifest(tmp_path / "test.csv", samples)
    data = replace(PROTOCOL.dataset, hash=dataset_hash(samples))
    protocol = replace(PROTOCOL, dataset=data)
    clips = [(sample.clip_id, place, 0, 0.9) for place, sample in enumerate(samples)]
    folder = write_test(tmp_path / "test", clips, protocol=protocol)
    file = folder / "predictions.csv"
    file.write_text(file.read_text().replace(",subject,", ",").replace(",,", ","))
    (run,) = read_runs([str(folder)])
    assert run.people_unreadable
    found = Clips(tmp_path / "test.csv").with_people(run).tests[0].predictions
    assert found is not None
    assert found.subjects == ("anna", "anna")


def test_calibration_shows_the_checkpoints_temperature(tmp_path: Path) -> None:
    calibrated = replace(PROTOCOL, checkpoint=replace(PROTOCOL.checkpoint, calibration=CALIBRATION))
    page = report(write_test(tmp_path / "test", FIRST, protocol=calibrated), out=tmp_path / "report.html")
    assert any("temperature 2.000, predictions below 0.550 are withheld" in text for text in page.texts_of("p"))


@pytest.mark.parametrize("subset", ["test", "validation"])
def test_a_cross_validation_shows_its_folds_and_all_clips(subset: str, tmp_path: Path) -> None:
    results = []
    for fold, clips in {1: FIRST, 2: BETTER}.items():
        protocol = replace(chosen_on(PROTOCOL, subset), fold=fold, clips=4)
        write_test(tmp_path / f"fold_{fold}" / "evaluation", clips, protocol=protocol)
        write_training(tmp_path / f"fold_{fold}")
        results.append(FoldResult(fold, evaluation_of(clips).scores, protocol))
    write_crossval(tmp_path, cross_validation(results, (1, 2, 3)))
    page = report(tmp_path, out=tmp_path / "report.html")
    assert page.texts_of("h3")[0] == "Folds"
    cells = page.texts_of("td")
    assert any(cell.startswith("75.00 (") for cell in cells)  # the mean of 50 and 100 %
    assert "test, mean of 2 folds" in cells
    warnings = " ".join(text for text in page.texts_of("p"))
    assert "the cross-validation is not finished: fold 3 is missing" in warnings
    assert (CHOSEN_ON_TEST in warnings) == (subset == "test")
    charts = [check_svg(picture.decode()) for picture in pictures(page, "svg+xml")]
    assert any("fold 1" in chart and "fold 2" in chart for chart in charts)
    shutil.rmtree(tmp_path / "fold_2")
    document = json.loads((tmp_path / "crossval.json").read_text())
    assert document["protocol"].pop("resampled") == "clips"  # files of earlier versions say nothing
    (tmp_path / "crossval.json").write_text(json.dumps(document))
    page = report(tmp_path, out=tmp_path / "report.html")
    assert "Calibration" not in page.texts_of("h3")  # it needs the clips of all folds
    assert page.texts_of("tbody")


@pytest.mark.parametrize(("state", "words"), [("done", "2 of 2 epochs on 8 clips"), ("running", "0 of 2 epochs")])
def test_a_training_run_alone_is_reported(state: str, words: str, tmp_path: Path) -> None:
    page = report(write_training(tmp_path / "run", state=state), out=tmp_path / "report.html")
    assert page.texts_of("h3") == ["Training"]
    assert any(text.startswith(words) for text in page.texts_of("p"))
    assert ("no epoch is finished" in page.texts_of("td")) == (state == "running")
    assert ("75.00" in page.texts_of("td")) == (state == "done")


def test_many_classes_and_perfect_scores_fit(tmp_path: Path) -> None:
    classes = [f"class {number} with quite a long name, which charts shorten" for number in range(20)]
    clips = [(f"clip {number}", number, number, 0.9) for number in range(19)]
    page = report(write_test(tmp_path / "test", clips, classes), out=tmp_path / "report.html")
    alt = next(image["alt"] for image in page.all("img") if image["alt"].startswith("Confusion matrix"))
    assert alt == "Confusion matrix of 20 classes. Every clip was recognised."
    assert f"as {classes[0]}" in page.texts_of("th")


def test_a_manifest_gives_the_people(hostile: Path, tmp_path: Path) -> None:
    shutil.copytree(hostile / HOSTILE, tmp_path / "copy")
    page = report(hostile / HOSTILE, tmp_path / "copy", "--hardest", "0", out=tmp_path / "report.html")
    assert "4 and 4" in page.texts_of("td")
    assert "+0.00 (0.0 to 0.0)" in page.texts_of("td")
    assert dataset_hash(read_manifest(hostile / "test.csv"))
