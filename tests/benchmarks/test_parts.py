"""The benchmark of videos in parts compares people by their numbers."""

import argparse
from pathlib import Path

import pytest

from benchmarks import parts
from ifdd.faces.boxes import FaceBox
from ifdd.faces.tracking import TrackPoint
from ifdd.inference import Recognition
from tests.helpers.results import make_model, make_track, make_video


def recognition(*ids: int) -> Recognition:
    """Return people who stand at places of their own."""
    points = {id: [TrackPoint(0, 0.0, FaceBox(10.0 * id, 0.0, 8.0, 8.0, 0.9))] for id in ids}
    tracks = tuple(make_track(id, 0.0, 1.0, points[id]) for id in ids)
    return Recognition(make_video("video.mp4", 1.0, 25), make_model(("happy",)), tracks)


def test_a_missing_person_does_not_shift_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter((recognition(1, 2, 3), recognition(1, 3)))
    monkeypatch.setattr(parts, "recognized", lambda *given: next(found))
    compared = parts.compare(Path("video.mp4"), argparse.Namespace(part_seconds=1.0), Path("folder"))
    assert compared["people"] == [3, 2]
    assert compared["people_with_equal_boxes"] == compared["people_with_equal_windows"] == 2
    assert compared["same_expression"] == pytest.approx(2 / 3)
