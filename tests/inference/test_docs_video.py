"""The page's figures of speed and memory are those of the result file."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_figures_are_those_of_the_result_file() -> None:
    page = (ROOT / "docs" / "recognize.md").read_text("utf-8")
    section = " ".join(page.partition("## Speed and memory")[2].partition("\n## ")[0].split())
    report = json.loads((ROOT / "results" / "video.json").read_text("utf-8"))
    whole, memory = report["whole"], report["whole"]["memory_megabytes"]
    minutes = report["video"]["minutes"]
    rows = {
        "length of the video": f"{minutes:g} min",
        "speed": f"{whole['x_real_time']:.1f} x real time",
        "CPU time for a second of video": f"{whole['cpu_seconds'] / minutes / 60:.2f} s",
        "speed against stages that take turns": f"{report['pipeline_to_turns']:.2f} x",
        "memory after 10 %, 50 %, 100 %": ", ".join(str(memory[mark]) for mark in ("10%", "50%", "100%")) + " MB",
        "most memory": f"{whole['peak_megabytes']} MB",
        "JSON file": f"{whole['json_megabytes']:.0f} MB",
    }
    for name, value in rows.items():
        assert f"| {name} | {value} |" in section
    shares = report["stages"]["shares"]
    assert f"| {' | '.join(shares)} |" in section
    assert f"| {' | '.join(f'{share:.0%}'.replace('%', ' %') for share in shares.values())} |" in section
    other = report["other_model"]
    assert f"{other['shares']['model']:.0%}".replace("%", " %") + " of it" in section
    assert f"{1 / other['x_real_time_per_cpu_second']:.0f} CPU seconds" in section


def test_an_hour_is_read_in_memory_that_stays_as_it_is() -> None:
    """Peak under 1.5 GB; in the second half only the results grow."""
    report = json.loads((ROOT / "results" / "video.json").read_text("utf-8"))
    whole, memory = report["whole"], report["whole"]["memory_megabytes"]
    assert report["video"]["minutes"] >= 60
    assert whole["peak_megabytes"] < 1500
    assert memory["100%"] < memory["50%"] + 30
