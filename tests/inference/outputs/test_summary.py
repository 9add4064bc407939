"""The lines that a person reads."""

from ifdd.inference import Recognition, RecognizedTrack, RecognizedVideo, Segment
from ifdd.inference.boxes import Boxes
from ifdd.inference.outputs.summary import summarize


def test_many_people_are_told_of_in_few_lines() -> None:
    tracks = tuple(RecognizedTrack(id, float(id), id + 1.0, Boxes.of(())) for id in range(1, 500))
    segments = tuple(Segment(id, float(id), id + 1.0, "happy", 0.9) for id in range(1, 500))
    video = RecognizedVideo("a.mp4", 501.0, 500, 1.0)
    lines = summarize(Recognition(video, {}, ("happy",), tracks, (), segments)).splitlines()
    assert len(lines) < 100
    assert "459 more" in lines[-1]


def test_segments_of_faces_that_are_hard_to_read_say_so() -> None:
    video = RecognizedVideo("a.mp4", 3.0, 3, 1.0)
    segments = (
        Segment(1, 0.0, 1.0, "happy", 0.9, quality=0.95),
        Segment(1, 1.0, 2.0, "happy", 0.9, quality=0.4),
        Segment(1, 2.0, 3.0, "uncertain", 0.5, quality=0.1, flaw="badly lit"),
    )
    track = RecognizedTrack(1, 0.0, 3.0, Boxes.of(()))
    lines = summarize(Recognition(video, {}, ("happy",), (track,), (), segments)).splitlines()
    assert [line.split(" s  ")[1] for line in lines[-3:]] == [
        "happy 0.90",
        "happy 0.90, quality 0.40",
        "uncertain 0.50 (badly lit)",
    ]


def test_a_photograph_has_one_frame() -> None:
    photograph = Recognition(RecognizedVideo("a.jpg", 0.04, 1, 25.0), {}, ("happy",), (), (), ())
    assert summarize(photograph).splitlines()[0] == "a.jpg: 0.0 s, 1 frame"
