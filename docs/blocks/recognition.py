"""Recognition of videos: speed, tracking, timelines, the JSON format, the other formats."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from docs.blocks.markdown import Makers, code, percent, result, sentence, table
from ifdd.faces.quality import FLAWS, STILL, TOO_FEW
from ifdd.inference.outputs.write import FORMATS

CONTENTS = {
    "json": ("all results", ""),
    "csv": ("the timeline, one window of one person a row", ""),
    "parquet": ("the timeline, as in `csv`, with types; path and notice in the metadata", "`ifdd[parquet]`"),
    "frames": ("a row for each person and frame: box, label, probabilities, action units (`NAME.frames.csv`)", ""),
    "bids": ("the segments as events of BIDS (`NAME_events.tsv`), and what its columns mean (`NAME_events.json`)", ""),
    "vtt": ("captions (WebVTT), a cue for each segment, such as `#2 happy 83%`", ""),
    "srt": ("captions (SubRip), likewise", ""),
    "eaf": ("segments for ELAN, a tier for each person, linked to the video, also relative to the file", ""),
    "textgrid": ("segments for Praat, a tier for each person, empty where the person is out of sight", ""),
    "png": ("the plot", "`ifdd[plot]`"),
    "svg": ("the plot as vector graphics", "`ifdd[plot]`"),
    "mp4": ("the annotated video", "`ifdd[plot]`"),
}
"""Format -> what it holds, and the extra that it needs."""

SEARCHED = {1: "every frame", None: "8 times a second"}
"""``detect_every`` -> how often faces were searched for."""


DETECTED = {"full": "as a whole", "small": "reduced, where the faces are known"}
"""Size of a picture -> how it is searched."""


def speed() -> str:
    """List what an hour of video takes."""
    report = result("video")
    whole, small, minutes = report["whole"], report["small_model"], report["video"]["minutes"]
    memory = ", ".join(str(whole["memory_megabytes"][mark]) for mark in ("10%", "50%", "100%"))
    rows = (
        ("length of the video", f"{minutes:g} min"),
        ("speed", f"{whole['x_real_time']:.1f} x real time"),
        ("CPU time per second of video", f"{whole['cpu_seconds'] / minutes / 60:.2f} s"),
        ("speed compared with stages that take turns", f"{report['pipeline_to_turns']:.2f} x"),
        ("speed of two workers that read a part each", f"{report['two_workers']['x_real_time']:.1f} x real time"),
        ("speed with `ifdd_tiny_synth`", f"{small['side_by_side']['x_real_time']:.1f} x real time"),
        ("speed of two workers with it", f"{small['two_workers']['x_real_time']:.1f} x real time"),
        ("memory after 10 %, 50 %, 100 %", f"{memory} MB"),
        ("peak memory", f"{whole['peak_megabytes']} MB"),
        ("JSON file", f"{whole['json_megabytes']:.0f} MB"),
    )
    return table(("", ""), rows)


def stages() -> str:
    """List the shares of the stages in the CPU time."""
    shares = result("video")["stages"]["shares"]
    return table(tuple(shares), [[percent(share, 0) for share in shares.values()]])


def engines_of_yunet() -> str:
    """List how the two engines of YuNet differ."""
    rows = []
    for name, found in result("detection")["sizes"].items():
        low, high = found["times_opencv"]["quartiles"]
        rows.append(
            (
                DETECTED[name],
                found["pictures"],
                found["faces"],
                found["pictures_with_other_counts"],
                f"{found['largest_difference_pixels']:.4f} pixels",
                f"{found['times_opencv']['median']:.1f} x ({low:.1f} to {high:.1f})",
            )
        )
    header = (
        "searched",
        "pictures",
        "faces",
        "pictures with other faces",
        "largest difference",
        "times the speed of OpenCV",
    )
    return table(header, rows)


def tracking() -> str:
    """List how well people are followed in crowds of drawn people."""
    report = result("timeline")
    (people,) = set(report["people"].values())
    rows = []
    for row in report["tracking"]:
        if row["detect_every"] in SEARCHED:
            searched = SEARCHED[row["detect_every"]]
            scores = (percent(row["idf1"]), row["tracks"], row["switches"], f"{row['times_real_time']:.1f}")
            rows.append((row["crowd"], row["detector"], searched, *scores))
    header = ("crowd", "detector", "searched", "IDF1", f"tracks of {people} people", "switches", "x real time")
    return table(header, rows)


def timelines() -> str:
    """List how well the demonstration model reads those crowds."""
    rows = [
        (
            row["crowd"],
            percent(row["segment_f1"]["0.5"]),
            percent(row["right_time"]),
            f"{row['median_onset_error_ms']} ms",
        )
        for row in result("timeline")["timeline"]
        if not row["flip"]
    ]
    return table(("crowd", "segment F1", "correct time", "median error of onsets"), rows)


def real_videos() -> str:
    """List what is found in real videos."""
    rows = []
    for row in result("real_videos")["videos"]:
        if row["detector"] == "yunet" and "cuts" in row:
            cuts = f"{row['cuts_found']} of {row['cuts']}"
            found = (row["people"], row["tracks"], row["switches"], cuts)
            rows.append((row["video"], row["frames"], percent(row["face_share"], 0), *found))
    return table(("video", "frames", "with a face", "people", "tracks", "switches", "shot boundaries found"), rows)


def turned() -> str:
    """List how often turned faces are turned upright."""
    rows = []
    for row in result("turned")["angles"]:
        low, high = (100 * bound for bound in row["right_interval"])
        right = f"{row['right']} ({low:.1f} to {high:.1f} %)"
        rows.append(
            (row["angle"], row["sightings"], row["right_untried"], right, row["uncertain"], row["read_wrongly"])
        )
    return table(
        ("turned by", "sightings", "upright without turning", "upright now", "uncertain", "wrong and read"), rows
    )


def still() -> str:
    """List how many windows of living people and of photographs are still."""
    rows = [(row["kind"], row["windows"], percent(row["still"] / row["windows"])) for row in result("still")["kinds"]]
    return table(("what", "windows", "still"), rows)


def json_fields() -> str:
    """List the fields of the JSON format, from its schema."""
    schema = json.loads((files("ifdd.inference.outputs") / "recognition.schema.json").read_text("utf-8"))
    rows = ((code(path), sentence(text)) for path, text in schema_fields(schema, schema))
    return table(("field", "meaning"), rows)


def schema_fields(schema: dict[str, Any], whole: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and description of every field of a schema; absent ones may be missing from a result."""
    for name, given in schema.get("properties", {}).items():
        field = _resolved(given, whole)
        items = _resolved(field.get("items", {}), whole)
        place = path + name + ("[]" if "properties" in items else "")
        optional = "" if name in schema.get("required", ()) else " (may be absent)"
        yield place, sentence(given.get("description", field.get("description", ""))) + optional
        yield from schema_fields(items if "properties" in items else field, whole, f"{place}.")


def _resolved(field: Any, whole: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference to a definition of the same schema."""
    found: dict[str, Any] = field if isinstance(field, dict) else {}
    if "$ref" in found:
        found = {**whole["$defs"][found["$ref"].rpartition("/")[2]], **found}
    return found


def schema_version() -> str:
    """Return the version of the JSON format."""
    schema = json.loads((files("ifdd.inference.outputs") / "recognition.schema.json").read_text("utf-8"))
    return str(schema["properties"]["schema_version"]["const"])


def formats() -> str:
    """List the formats in which results are written."""
    return table(("format", "holds", "needs"), ((code(name), *CONTENTS[name]) for name in FORMATS))


def whole_video() -> Any:
    """Return what was measured on an hour of video."""
    return result("video")["whole"]


BLOCKS: Makers = {
    "video speed": speed,
    "video stages": stages,
    "engines of yunet": engines_of_yunet,
    "tracking": tracking,
    "timelines": timelines,
    "real videos": real_videos,
    "turned": turned,
    "still": still,
    "json fields": json_fields,
    "formats": formats,
}
FIGURES: Makers = {
    "video minutes": lambda: f"{whole_video()['wall_seconds'] / 60:.0f}",
    "video megabytes": lambda: str(whole_video()["peak_megabytes"]),
    "large model seconds": lambda: f"{1 / result('video')['other_model']['x_real_time_per_cpu_second']:.0f}",
    "large model share": lambda: percent(result("video")["other_model"]["shares"]["model"], 0),
    "schema version": schema_version,
    "flaws": lambda: ", ".join(code(word) for word in (*FLAWS.values(), TOO_FEW, STILL)),
}
