"""Tables of frames, and BIDS events, read back by pandas."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest

from ifdd.errors import InputError
from ifdd.faces.boxes import FaceBox
from ifdd.faces.tracking import TrackPoint
from ifdd.inference import Recognition, Segment, TimelineEntry
from tests.helpers.results import make_model, make_track, make_video

CLASSES = ("happy", "so <sad>")


@pytest.fixture
def result() -> Recognition:
    """Two seconds at 5 frames a second of one person, whose windows end after 1.6 s."""
    points = [TrackPoint(i, i / 5, FaceBox(10.0 + i, 20.0, 30.0, 40.0, 0.9)) for i in range(10)]
    entries = [TimelineEntry(1, 0.0, 0.8, (0.75, 0.25), 1.0), TimelineEntry(1, 0.4, 1.6, (0.25, 0.75), 1.0)]
    segments = [Segment(1, 0.0, 0.8, "happy", 0.7), Segment(1, 0.8, 1.6, "uncertain", 0.6, quality=0.1, flaw="small")]
    track = make_track(1, 0.0, 2.0, points, entries, segments)
    return Recognition(make_video("a.mp4", 2.0, 10), make_model(CLASSES), (track,))


def test_every_frame_has_its_box_and_the_probabilities_of_the_moment(result: Recognition, tmp_path: Path) -> None:
    result.write(tmp_path / "a.frames.csv")
    table = pandas.read_csv(tmp_path / "a.frames.csv", keep_default_na=False, na_values={"happy": "", "quality": ""})
    assert table["frame"].tolist() == list(range(10))
    assert table["left"].tolist() == [10.0 + i for i in range(10)]
    assert table["right"].tolist() == [40.0 + i for i in range(10)]
    expected = [0.75, 0.75, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, np.nan, np.nan]  # 0.4 to 0.8 s: the mean of both windows
    np.testing.assert_allclose(table["happy"], expected)
    assert table["label"].tolist() == ["happy"] * 4 + ["uncertain"] * 4 + [""] * 2


def test_bids_events_have_a_row_for_each_segment(result: Recognition, tmp_path: Path) -> None:
    result.write(tmp_path / "a_events.tsv")
    table = pandas.read_csv(tmp_path / "a_events.tsv", sep="\t", keep_default_na=False)
    assert list(table.columns[:3]) == ["onset", "duration", "trial_type"]
    assert table[["onset", "duration", "trial_type", "person", "flaw"]].values.tolist() == [
        [0.0, 0.8, "happy", 1, "n/a"],
        [0.8, 0.8, "uncertain", 1, "small"],
    ]
    described = json.loads((tmp_path / "a_events.json").read_text("utf-8"))
    assert set(table.columns) <= described.keys()
    assert set(described["trial_type"]["Levels"]) == {*CLASSES, "uncertain"}


def test_bids_events_are_on_the_clock_of_a_player(result: Recognition, tmp_path: Path) -> None:
    late = replace(result, video=replace(result.video, start_seconds=1.5, path="caf\udce9.mp4"))
    late.write(tmp_path / "a_events.tsv")
    assert pandas.read_csv(tmp_path / "a_events.tsv", sep="\t")["onset"].tolist() == [1.5, 2.3]
    assert json.loads((tmp_path / "a_events.json").read_text("utf-8"))["Sources"] == ["caf\udce9.mp4"]


@pytest.mark.parametrize("name", ["a.bids", "a.frames", "a.tsv", "events.tsv"])
def test_names_of_formats_are_no_endings(result: Recognition, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="unknown format"):
        result.write(tmp_path / name)


def test_classes_called_like_columns_are_marked(result: Recognition, tmp_path: Path) -> None:
    named = replace(result, model=replace(result.model, classes=("left", "label")))
    named.write(tmp_path / "a.frames.csv")
    columns = (tmp_path / "a.frames.csv").read_text().splitlines()[0].split(",")
    assert len(set(columns)) == len(columns)
    assert columns[9:11] == ["left (class)", "label (class)"]
