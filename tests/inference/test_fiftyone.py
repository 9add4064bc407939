"""Results as a sample of FiftyOne, read back with FiftyOne; most tests need it, which ``ifdd[dev]`` leaves out."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ifdd.errors import InputError
from ifdd.faces.boxes import FaceBox
from ifdd.faces.tracking import TrackPoint
from ifdd.inference import UNCERTAIN, Recognition, Segment, TimelineEntry
from ifdd.inference.fiftyone import _face
from ifdd.inference.outputs.frames import frame_rows
from tests.helpers.results import make_model, make_track, make_video

FRAMES, FPS = 20, 10


def recognition(path: Path) -> Recognition:
    """Return results for 2 s in which one person enters in frame 5, beyond the left border."""
    points = [TrackPoint(i, i / FPS, FaceBox(-8.0, 12.0, 32.0, 24.0, 0.9 if i % 2 else 0.0)) for i in range(5, FRAMES)]
    entries = [TimelineEntry(1, 0.5, 1.0, (0.75, 0.25)), TimelineEntry(1, 1.0, 1.5, (0.5, 0.5), 0.5)]
    segments = [Segment(1, 0.5, 1.0, "happy", 0.75), Segment(1, 1.0, 1.5, UNCERTAIN, 0.5, quality=0.5, flaw="turned")]
    track = make_track(1, 0.5, 2.0, points, entries, segments)
    return Recognition(make_video(str(path), FRAMES / FPS, FRAMES), make_model(("happy", "sad")), (track,))


def test_the_confidence_of_a_face_is_that_of_its_label(tmp_path: Path) -> None:
    results = recognition(tmp_path / "a.mp4")
    happy, *_, uncertain, _, _, _, _, unread = frame_rows(results, results.tracks[0])
    merged = happy._replace(label="sad")  # a short segment whose neighbour took it
    library: Any = ModuleType("fiftyone")
    library.Detection = SimpleNamespace
    faces = [_face(library, results, row) for row in (happy, merged, uncertain, unread)]
    assert [(face.label, face.confidence) for face in faces] == [
        ("happy", 0.75),
        ("sad", 0.25),
        (UNCERTAIN, 0.5),
        ("face", None),
    ]


@pytest.fixture(scope="module")
def fiftyone() -> Any:
    return pytest.importorskip("fiftyone", reason="fiftyone is not installed: pip install 'ifdd[fiftyone]'")


def test_a_sample_holds_segments_and_faces(fiftyone: Any, tmp_path: Path) -> None:
    sample = fiftyone.Sample.from_dict(recognition(tmp_path / "a.mp4").to_fiftyone().to_dict(include_frames=True))
    assert (sample.filepath, sample.media_type) == (str(tmp_path / "a.mp4"), "video")
    assert (sample.metadata.frame_width, sample.metadata.total_frame_count, sample.metadata.frame_rate) == (64, 20, 10)
    happy, uncertain = sample.expressions.detections
    assert (happy.label, happy.support, happy.confidence, happy.person) == ("happy", [6, 10], 0.75, 1)
    assert (uncertain.label, uncertain.support, uncertain.flaw) == (UNCERTAIN, [11, 15], "turned")
    assert sorted(sample.frames) == list(range(6, 21))
    (face,) = sample.frames[6].faces.detections
    assert (face.label, face.index, face.score, face.confidence) == ("happy", 1, 0.9, 0.75)
    assert face.bounding_box == [0.0, 0.25, 0.375, 0.5]  # cut at the left border
    assert face.probabilities == {"happy": 0.75, "sad": 0.25}
    (unread,) = sample.frames[20].faces.detections
    assert (unread.label, unread.confidence, unread.score) == ("face", None, 0.9)


def test_other_sources_are_refused(fiftyone: Any, tmp_path: Path) -> None:
    for source in ("frames", "rtsp://camera/1", "-"):
        with pytest.raises(InputError, match="FiftyOne shows video files only"):
            recognition(Path(source)).to_fiftyone()
    old = recognition(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="lack the frame size"):
        replace(old, video=replace(old.video, width=0, height=0)).to_fiftyone()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "fiftyone", None)
    with pytest.raises(InputError, match=r"pip install 'ifdd\[fiftyone\]'"):
        recognition(tmp_path / "a.mp4").to_fiftyone()
