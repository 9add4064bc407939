"""The page's figures of tracking and timelines are those of the result file."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs" / "recognize.md").read_text("utf-8").split())


def test_figures_are_those_of_the_result_file() -> None:
    report = json.loads((ROOT / "results" / "timeline.json").read_text("utf-8"))
    names = {1: "every frame", None: "8 times a second"}
    rows = [row for row in report["tracking"] if row["detect_every"] in names]
    assert len(rows) == 8
    for row in rows:
        cells = (
            row["crowd"],
            row["detector"],
            names[row["detect_every"]],
            f"{100 * row['idf1']:.1f} %",
            row["tracks"],
            row["switches"],
            f"{row['times_real_time']:.1f}",
        )
        assert "| " + " | ".join(map(str, cells)) + " |" in PAGE
        assert row["cuts_found"] == row["cuts"]
        assert row["false_cuts"] == 0
    (people,) = set(report["people"].values())
    assert f"tracks of {people} people" in PAGE
    for crowd in ("standing", "walking"):
        (plain,) = (row for row in report["timeline"] if not row["flip"] and row["crowd"] == crowd)
        f1, right = (f"{100 * value:.1f} %" for value in (plain["segment_f1"]["0.5"], plain["right_time"]))
        assert f"| {crowd} | {f1} | {right} | {plain['median_onset_error_ms']} ms |" in PAGE


def test_figures_of_real_videos_are_those_of_the_result_file() -> None:
    report = json.loads((ROOT / "results" / "real_videos.json").read_text("utf-8"))
    rows = [row for row in report["videos"] if row["detector"] == "yunet" and "cuts" in row]
    assert len(rows) == 8
    for row in rows:
        share = f"{100 * row['face_share']:.0f} %"
        cuts = f"{row['cuts_found']} of {row['cuts']}"
        cells = (row["video"], row["frames"], share, row["people"], row["tracks"], row["switches"], cuts)
        assert "| " + " | ".join(map(str, cells)) + " |" in PAGE
        assert row["false_cuts"] == 0
