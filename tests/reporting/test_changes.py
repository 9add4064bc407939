"""Scores on changed clips and on minimal pairs are shown as they were stored."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from ifdd.__main__ import main
from ifdd.records import (
    ChangeRecord,
    Estimate,
    EvaluationRecord,
    PairCondition,
    PairsRecord,
    StressCurve,
    StressPoint,
    StressRecord,
)
from ifdd.reporting.changes import pairs_rows, stress_rows, stress_words
from tests.helpers.html import check_page, check_svg
from tests.helpers.reports import write_test


def estimate(value: float) -> Estimate:
    return Estimate(value, value - 0.05, value + 0.05)


def change(war: float, difference: float) -> ChangeRecord:
    return ChangeRecord(
        war=estimate(war),
        uar=Estimate(war, None, None),
        war_difference=estimate(difference),
        uar_difference=estimate(difference),
        changed=estimate(0.25),
        distance=estimate(0.1),
    )


STRESS = StressRecord(
    war=estimate(0.75),
    uar=Estimate(0.75, None, None),
    curves=(
        StressCurve("reversal", "frames in reverse", "share", 0.0, (StressPoint(1.0, change(0.7, -0.05)),)),
        StressCurve(
            "<blur>",
            "blurred",
            "pixels",
            0.0,
            (StressPoint(1.0, change(0.5, -0.25)), StressPoint(2.0, change(0.25, -0.5))),
        ),
    ),
    clips=4,
    seed=0,
    level=0.95,
    resampled="clips",
    resamples=100,
)

PAIRS = PairsRecord(
    reference="<onset>",
    pairs=4,
    conditions=(
        PairCondition("<onset>", 4, change(0.75, 0.0)),
        PairCondition("offset", 4, change(0.5, -0.25)),
    ),
    seed=0,
    level=0.95,
    resampled="pairs",
    resamples=100,
)

CLIPS = [("a", 0, 0, 0.9), ("b", 0, 1, 0.8), ("c", 1, 1, 0.7)]


def write_changed(folder: Path, stress: StressRecord | None = STRESS) -> Path:
    write_test(folder, CLIPS)
    file = folder / EvaluationRecord.FILE
    replace(EvaluationRecord.load(file, "write it again"), stress=stress, pairs=PAIRS).write(file)
    return folder


def test_rows_have_every_strength_and_condition() -> None:
    header, rows = stress_rows({"run": STRESS})
    assert header[:3] == ["change", "strength", "WAR %"]
    assert rows[0] == ["unchanged", "-", "75.00 (70.0 to 80.0)", "75.00", "-", "-"]
    assert [row[:2] for row in rows[1:]] == [
        ["reversal: frames in reverse", "-"],
        ["<blur>: blurred", "1 pixels"],
        ["<blur>: blurred", "2 pixels"],
    ]
    assert rows[3][2:] == ["25.00 (20.0 to 30.0)", "25.00", "-50.00 (-55.0 to -45.0)", "25.00 (20.0 to 30.0)"]
    assert [row[1] for row in stress_rows({"one": STRESS, "two": STRESS})[1]] == ["one"] * 4 + ["two"] * 4
    assert [row[:3] for row in pairs_rows(PAIRS)[1]] == [
        ["<onset>", "4", "75.00 (70.0 to 80.0)"],
        ["offset", "4", "50.00 (45.0 to 55.0)"],
    ]


def test_the_words_name_the_largest_loss() -> None:
    assert stress_words({"run": STRESS}) == (
        "run: unchanged 75.00 %; the largest loss is 50.00 points by <blur> (2 pixels)"
    )


@pytest.mark.slow
@pytest.mark.parametrize("runs", [1, 2])
def test_the_page_shows_changed_clips_and_minimal_pairs(runs: int, tmp_path: Path) -> None:
    folders = [str(write_changed(tmp_path / f"run{number}")) for number in range(runs)]
    folders += [str(write_changed(tmp_path / "without", stress=None))] if runs > 1 else []
    out = tmp_path / "report.html"
    main(["report", *folders, "--hardest", "0", "--out", str(out)])
    page = check_page(out.read_text(encoding="utf-8"))
    headings = page.texts_of("h3")
    assert headings.count("Changed clips") == (1 if runs == 1 else 3)
    assert headings.count("Minimal pairs") == (1 if runs == 1 else 3)
    cells = page.texts_of("th", "td")
    assert "<onset>" in cells
    assert "-50.00 (-55.0 to -45.0)" in cells
    images = [image for image in page.all("img") if image["alt"].startswith("Accuracy on changed clips")]
    chart = check_svg(base64.b64decode(images[0]["src"].partition(",")[2]).decode())
    assert "<blur>" in chart
    assert "reversal" in chart
    assert "none" in chart  # the unchanged clips, on the axis
