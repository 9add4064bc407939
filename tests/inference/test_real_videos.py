"""People in real videos, tracked as in ``ifdd recognize`` and compared with the manual counts of the benchmark."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.faces import REAL, needs_real
from tests.helpers.processes import run

ROOT = Path(__file__).parents[2]

pytestmark = [needs_real, pytest.mark.slow]


def rows(out: Path, *options: str) -> dict[str, dict[str, Any]]:
    """Return video -> the benchmark's measurements."""
    command = [sys.executable, "benchmarks/real_videos.py", str(REAL), "--out", str(out), *options]
    run(command, cwd=ROOT)
    return {row["video"]: row for row in json.loads(out.read_text("utf-8"))["videos"]}


@pytest.fixture(scope="module")
def yunet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    model = REAL / "models" / "yunet_n_640_640.onnx"
    return rows(tmp_path_factory.mktemp("yunet") / "rows.json", "--without-haar", "--detector-model", str(model))


@pytest.fixture(scope="module")
def haar(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return rows(tmp_path_factory.mktemp("haar") / "rows.json", "--seconds", "3")


@pytest.mark.parametrize(
    ("video", "people"),
    [
        ("one_face_smile.mp4", 1),
        ("one_face_crying_to_laughing.mp4", 1),
        ("two_faces_turning.gif", 2),
        ("classroom_small_faces.gif", 4),
        ("small_face_signing_1.mkv", 1),
        ("small_face_signing_2.mkv", 1),
    ],
)
def test_every_person_has_one_track_from_the_first_frame_to_the_last(
    yunet: dict[str, dict[str, Any]], video: str, people: int
) -> None:
    row = yunet[video]
    assert row["tracks"] == row["people"] == people
    assert row["face_share"] == 1.0
    assert row["spots_found"] == row["spots"]
    assert (row["switches"], row["cuts"], row["false_cuts"]) == (0, 0, 0)


def test_shots_end_tracks_and_no_ids_are_swapped(yunet: dict[str, dict[str, Any]]) -> None:
    row = yunet["shot_cuts_and_crowd.mp4"]
    assert (row["cuts"], row["cuts_found"], row["false_cuts"]) == (3, 3, 0)
    assert row["switches"] == 0
    assert row["spots_found"] >= 32  # of 33: in the last spot of the pianist, half of his face is outside the image
    assert 9 <= row["tracks"] <= 12  # nine people, and some blurred people behind them
    assert row["face_share"] > 0.95


@pytest.mark.parametrize("detector", ["yunet", "haar"])
def test_no_face_is_found_in_a_video_without_faces(request: pytest.FixtureRequest, detector: str) -> None:
    row = request.getfixturevalue(detector)["no_face.mp4"]
    assert (row["tracks"], row["face_share"], row["false_cuts"]) == (0, 0.0, 0)


@pytest.mark.parametrize("detector", ["yunet", "haar"])
def test_five_people_in_one_image(request: pytest.FixtureRequest, detector: str) -> None:
    row = request.getfixturevalue(detector)["multi_face.jpg"]
    assert row["tracks"] == row["people"] == 5


def test_haar_tracks_frontal_faces_and_misses_turned_and_small_ones(haar: dict[str, dict[str, Any]]) -> None:
    for video in ("one_face_smile", "one_face_crying_to_laughing", "small_face_signing_1", "small_face_signing_2"):
        row = next(row for name, row in haar.items() if name.startswith(video))
        assert row["tracks"] == 1
        assert row["face_share"] > 0.9
        assert row["spots_found"] == row["spots"]
    assert haar["two_faces_turning.gif"]["tracks"] == 0  # see docs/recognize.md: upright frontal faces only
    assert haar["classroom_small_faces.gif"]["tracks"] < 4
    crowd = haar["shot_cuts_and_crowd.mp4"]
    assert crowd["cuts"] == crowd["cuts_found"] >= 1
    assert all(row["switches"] == row["false_cuts"] == 0 for row in haar.values() if "switches" in row)
