"""The page's figures of tracking and timelines are those of the result file."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_figures_are_those_of_the_result_file() -> None:
    page = " ".join((ROOT / "docs" / "recognize.md").read_text("utf-8").split())
    report = json.loads((ROOT / "results" / "timeline.json").read_text("utf-8"))
    names = {1: "every frame", 3: "every 3rd"}
    rows = [row for row in report["tracking"] if row["detect_every"] in names]
    assert len(rows) == 4
    for row in rows:
        cells = (
            row["detector"],
            names[row["detect_every"]],
            f"{row['idf1']:.1%}".replace("%", " %"),
            row["tracks"],
            row["switches"],
            f"{row['times_real_time']:.1f}",
        )
        assert "| " + " | ".join(map(str, cells)) + " |" in page
        assert (row["cuts"], row["cuts_found"], row["false_cuts"]) == (6, 6, 0)
    assert report["people"] == 27
    (plain,) = (row for row in report["timeline"] if not row["flip"])
    assert f"{100 * plain['segment_f1']['0.5']:.1f} % segment F1" in page
    assert f"{100 * plain['right_time']:.1f} % of the time right" in page
    assert f"within {plain['median_onset_error_ms']} ms" in page
