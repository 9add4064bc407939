"""The summary in text."""

from ifdd.inference.outputs.summary import summarize
from ifdd.inference.results import Results, Segment
from tests.helpers.results import make_model, make_track, make_video


def test_many_people_are_summarized_in_few_lines() -> None:
    tracks = tuple(
        make_track(id, float(id), id + 1.0, segments=[Segment(id, float(id), id + 1.0, "happy", 0.9)])
        for id in range(1, 500)
    )
    lines = summarize(Results(make_video("a.mp4", 501.0, 500), make_model(("happy",)), tracks)).splitlines()
    assert len(lines) < 100
    assert "459 more" in lines[-1]


def test_segments_of_poor_quality_show_it() -> None:
    segments = (
        Segment(1, 0.0, 1.0, "happy", 0.9, quality=0.95),
        Segment(1, 1.0, 2.0, "happy", 0.9, quality=0.4),
        Segment(1, 2.0, 3.0, "uncertain", 0.5, quality=0.1, flaw="badly lit"),
    )
    track = make_track(1, 0.0, 3.0, segments=segments)
    lines = summarize(Results(make_video("a.mp4", 3.0, 3), make_model(("happy",)), (track,))).splitlines()
    assert [line.split(" s  ")[1] for line in lines[-3:]] == [
        "happy 0.90",
        "happy 0.90, quality 0.40",
        "uncertain 0.50 (badly lit)",
    ]


def test_a_photograph_has_one_frame() -> None:
    photograph = Results(make_video("a.jpg", 0.04, 1), make_model(("happy",)), ())
    assert summarize(photograph).splitlines()[0] == "a.jpg: 0.0 s, 1 frame"
