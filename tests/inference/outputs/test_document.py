"""The JSON format, read back in its current and earlier versions."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifdd.errors import InputError
from ifdd.faces.boxes import FaceBox
from ifdd.faces.tracking import TrackPoint
from ifdd.inference import Recognition, Segment, TimelineEntry
from tests.helpers.results import make_model, make_track, make_video

CLASSES = ("happy", "sad")


def two_tracks(path: str = "a.mp4") -> Recognition:
    """Return results whose numbers survive the rounding of the JSON form."""
    points = [TrackPoint(i, 0.25 * i, FaceBox(1.5 + i, 2.25, 16.0, 20.0, 0.0 if i == 1 else 0.9)) for i in range(4)]
    first = make_track(
        1,
        0.0,
        1.0,
        points,
        [TimelineEntry(1, 0.0, 0.5, (0.75, 0.25), 0.5, "small"), TimelineEntry(1, 0.5, 1.0, (0.25, 0.75))],
        [Segment(1, 0.0, 1.0, "happy", 0.5, 0.25, 0.75)],
    )
    entries = [TimelineEntry(2, 0.25, 0.75, (0.5, 0.5), 0.125, "badly lit")]
    second = make_track(
        2, 0.25, 1.0, points[1:], entries, [Segment(2, 0.25, 1.0, "uncertain", 0.5, 0.5, 0.125, "small")]
    )
    return Recognition(make_video(path, 1.0, 4, 0.5), make_model(CLASSES, "for drawn faces"), (first, second), (0.25,))


def old_form(results: Recognition, version: str) -> dict[str, Any]:
    """Return the JSON form of version 1.0, 1.1 or 1.2, built independently of the reader."""
    document = results.to_dict()
    new = ("width", "height") if version == "1.2" else ("width", "height", "start_seconds")
    video = {name: value for name, value in document["video"].items() if name not in new}
    later = {
        "1.0": {"quality", "flaw", "confidence", "peak_seconds"},
        "1.1": {"quality", "flaw", "confidence"},
        "1.2": set(),
    }

    def entry(track: int, item: dict[str, Any]) -> dict[str, Any]:
        return {"track": track, **{name: value for name, value in item.items() if name not in later[version]}}

    tracks = []
    for track in document["tracks"]:
        rows = zip(*(track["boxes"][name] for name in ("frames", "seconds", "xyxy", "scores")), strict=True)
        boxes = [
            {
                "frame": frame,
                "seconds": seconds,
                "x": x,
                "y": y,
                "width": right - x,
                "height": bottom - y,
                "score": score,
            }
            for frame, seconds, (x, y, right, bottom), score in rows
        ]
        tracks.append({name: track[name] for name in ("id", "start_seconds", "end_seconds")} | {"boxes": boxes})
    form = {
        "schema_version": version,
        "video": video,
        "cuts_seconds": document["shot_boundaries_seconds"],
        "model": document["model"],
        "classes": document["model"]["classes"],
        "tracks": tracks,
        "timeline": [entry(track["id"], one) for track in document["tracks"] for one in track["windows"]],
        "segments": [entry(track["id"], one) for track in document["tracks"] for one in track["segments"]],
    }
    if version == "1.0":
        del form["cuts_seconds"]
    return form


def test_written_results_are_read_back(tmp_path: Path) -> None:
    results = two_tracks()
    results.write(tmp_path / "a.json")
    loaded = Recognition.load(tmp_path / "a.json")
    assert loaded == results
    assert loaded.to_json() == results.to_json() == (tmp_path / "a.json").read_text("utf-8")
    assert loaded.to_csv() == results.to_csv()


def test_results_without_a_face_are_read_back(tmp_path: Path) -> None:
    results = Recognition(make_video("a.mp4", 1.0, 4), make_model(CLASSES), ())
    results.write(tmp_path / "a.json")
    assert Recognition.load(tmp_path / "a.json") == results


def test_long_tracks_are_written_in_lines_and_read_back(tmp_path: Path) -> None:
    points = [TrackPoint(i, i / 25, FaceBox(float(i % 7), 1.0, 2.0, 3.0, 0.5)) for i in range(1234)]
    results = Recognition(make_video("a.mp4", 50.0, 1250), make_model(CLASSES), (make_track(1, 0.0, 49.36, points),))
    results.write(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == results.to_dict()
    assert max(map(len, (tmp_path / "a.json").read_text("utf-8").splitlines())) < 4000
    boxes = Recognition.load(tmp_path / "a.json").tracks[0].boxes
    np.testing.assert_allclose(boxes.xyxy, results.tracks[0].boxes.xyxy)


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_earlier_versions_are_read(tmp_path: Path, version: str) -> None:
    results = two_tracks()
    (tmp_path / "old.json").write_text(json.dumps(old_form(results, version)), "utf-8")
    old = Recognition.load(tmp_path / "old.json")
    assert (old.video.width, old.video.height) == (0, 0)
    assert [track.boxes for track in old.tracks] == [track.boxes for track in results.tracks]
    assert [track.windows.probabilities.tolist() for track in old.tracks] == [
        track.windows.probabilities.tolist() for track in results.tracks
    ]
    assert [segment[:5] for segment in old.segments] == [segment[:5] for segment in results.segments]
    if version == "1.2":
        assert (old.timeline, old.segments) == (results.timeline, results.segments)
        assert old.video.start_seconds == 0.5
        assert old.shot_boundaries_seconds == (0.25,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not a result of 'ifdd recognize'"),
        ("[]", "is not a result of 'ifdd recognize'"),
        ('{"a": 1}', "is not a result of 'ifdd recognize'"),
        ('{"schema_version": 2}', "is not a result of 'ifdd recognize'"),
        ('{"schema_version": "3.0"}', "has the form 3.0, which this version of ifdd cannot read"),
        ('{"schema_version": "2.0", "video": {}}', "is damaged: the field 'model' is missing"),
        ('{"schema_version": "1.2", "video": {}}', "is damaged: the field 'timeline' is missing"),
        ('{"schema_version": "2.0", "model": {"classes": 3}}', "is damaged"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.json").write_text(content, "utf-8")
    with pytest.raises(InputError, match=r"a\.json") as caught:
        Recognition.load(tmp_path / "a.json")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_columns_of_different_lengths_are_refused(tmp_path: Path) -> None:
    document = two_tracks().to_dict()
    document["tracks"][0]["boxes"]["frames"].pop()
    (tmp_path / "a.json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(InputError, match=r"damaged \(boxes of track 1 differ in length: frames has 3, seconds has 4"):
        Recognition.load(tmp_path / "a.json")


def test_numbers_that_need_rounding_are_stable(tmp_path: Path) -> None:
    track = two_tracks().tracks[0]
    segments = (track.segments[0]._replace(probability=0.6543219, quality=0.123456),)
    results = replace(two_tracks(), tracks=(replace(track, segments=segments),))
    results.write(tmp_path / "a.json")
    assert Recognition.load(tmp_path / "a.json").to_json() == (tmp_path / "a.json").read_text("utf-8")


def test_fields_that_a_later_version_adds_are_passed_over(tmp_path: Path) -> None:
    results = two_tracks()
    document = results.to_dict() | {"schema_version": "2.1", "more": 1}
    track = document["tracks"][0]
    for value in (document["video"], document["model"], track, track["segments"][0], track["windows"][0]):
        value["more"] = [1]
    (tmp_path / "a.json").write_text(json.dumps(document), "utf-8")
    assert Recognition.load(tmp_path / "a.json") == results


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("video", "duration_seconds"), 0, "video.duration_seconds is 0.0"),
        (("video", "fps"), -1, "video.fps is -1.0"),
        (("video", "files"), ["a.png"], "video.files has 1 names for 4 frames"),
        (("tracks", 0, "windows"), [], "track 1 has segments, but no windows"),
        (("tracks", 0, "windows", 0, "end_seconds"), 0.0, "a window of track 1 does not end after it begins"),
        (("tracks", 0, "segments", 0, "start_seconds"), 1.5, "a segment of track 1 ends before it begins"),
        (("tracks", 0, "boxes"), {"frames": [], "seconds": [], "xyxy": [], "scores": []}, "track 1 has no boxes"),
        (("tracks", 0, "boxes", "frames"), [0, 1, 2, 3.5], "boxes of track 1 have fractions of frames"),
        (("tracks", 0, "boxes", "seconds"), [0, "1", 2, 3], "a number is missing, not finite, or too large"),
        (("tracks", 0, "windows", 0, "quality"), None, "a number is missing, not finite, or too large"),
    ],
)
def test_values_that_no_results_have_are_refused(
    tmp_path: Path, place: tuple[str | int, ...], value: object, message: str
) -> None:
    document: Any = two_tracks().to_dict()
    inner = document
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    (tmp_path / "a.json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(InputError) as caught:
        Recognition.load(tmp_path / "a.json")
    assert f"is damaged ({message}); recognize the video again" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*gone\.json: No such file"):
        Recognition.load(tmp_path / "gone.json")
