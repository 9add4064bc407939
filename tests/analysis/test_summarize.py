"""Tables of what people showed, against sums by pandas and numbers known in advance."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas
import pytest

from ifdd.__main__ import main
from ifdd.analysis.measures import measure
from ifdd.analysis.periods import Period
from ifdd.analysis.plot import group_shares
from ifdd.analysis.rows import Summary
from ifdd.faces.boxes import FaceBox
from ifdd.faces.tracking import TrackPoint
from ifdd.inference import Recognition, RecognizedTrack, Segment, TimelineEntry
from tests.helpers.results import make_model, make_track, make_video

CLASSES = ("happy", "sad")
SEGMENTS = ((0.0, 2.0, "happy"), (2.0, 3.0, "uncertain"), (3.0, 5.0, "happy"), (5.0, 9.0, "sad"))


def person(id: int, segments: Sequence[tuple[float, float, str]]) -> RecognizedTrack:
    """Return a person with windows of one second, 0.9 for happy until second 5 and 0.3 from then on."""
    start, end = segments[0][0], segments[-1][1]
    chances = [(second, 0.9 if second < 5 else 0.3) for second in range(int(start), int(end))]
    entries = [TimelineEntry(id, second, second + 1.0, (happy, 1 - happy), 0.5) for second, happy in chances]
    points = [TrackPoint(second, float(second), FaceBox(1.0, 1.0, 9.0, 9.0, 0.9)) for second, _ in chances]
    return make_track(id, start, end, points, entries, [Segment(id, *each, 0.8) for each in segments])


def write_results(folder: Path, name: str, *people: RecognizedTrack, seconds: float = 10.0, start: float = 0.0) -> None:
    video = make_video(f"films/{name}.mp4", seconds, 100, start_seconds=start)
    Recognition(video, make_model(CLASSES, "drawn faces only"), people).write(folder / f"{name}.json")


def summarize(*words: str | Path) -> pandas.DataFrame:
    main(["summarize", *map(str, words)])
    out = Path(words[1])
    return pandas.read_csv(out, sep="\t" if out.suffix == ".tsv" else ",")


def test_a_person_has_one_row_with_shares_episodes_and_onsets(tmp_path: Path) -> None:
    write_results(tmp_path, "party", person(3, SEGMENTS))
    table = summarize(tmp_path, tmp_path / "out.csv")
    (row,) = table.to_dict("records")
    assert row["video"] == "films/party.mp4"
    assert row["person"] == 3
    assert row["result"] == "party.json"
    assert (row["start_seconds"], row["end_seconds"], row["seconds"]) == (0, 9, 9)
    assert row["happy_share"] == pytest.approx(4 / 9, abs=1e-6)
    assert (row["happy_episodes"], row["happy_mean_seconds"], row["happy_longest_seconds"]) == (2, 2, 2)
    assert (row["happy_onset_seconds"], row["sad_onset_seconds"], row["uncertain_onset_seconds"]) == (0, 5, 2)
    assert row["happy_probability"] == pytest.approx((5 * 0.9 + 4 * 0.3) / 9, abs=1e-6)
    assert row["transitions"] == 3
    assert row["quality"] == 0.5
    assert row["notice"] == "drawn faces only"
    assert "uncertain_probability" not in table


def test_the_long_form_has_one_row_for_each_label(tmp_path: Path) -> None:
    write_results(tmp_path, "party", person(1, SEGMENTS))
    table = summarize(tmp_path / "party.json", tmp_path / "out.tsv", "--per", "label").set_index("label")
    assert list(table.index) == ["happy", "sad", "uncertain"]
    assert table["share"].sum() == pytest.approx(1, abs=1e-5)
    assert table.loc["sad", "longest_seconds"] == 4
    assert pandas.isna(table.loc["uncertain", "probability"])


def test_transitions_are_counted_between_segments_that_touch(tmp_path: Path) -> None:
    gap = person(1, [(0.0, 2.0, "happy"), (2.0, 3.0, "sad"), (4.0, 5.0, "happy"), (5.0, 6.0, "sad")])
    write_results(tmp_path, "party", gap)
    table = summarize(tmp_path, tmp_path / "out.csv", "--per", "transition")
    assert table[["from", "to", "count"]].values.tolist() == [["happy", "sad", 2]]


def test_periods_cut_episodes_and_lose_no_time(tmp_path: Path) -> None:
    write_results(tmp_path, "party", person(1, SEGMENTS))
    whole = summarize(tmp_path, tmp_path / "whole.csv", "--per", "label").groupby("label")["seconds"].sum()
    table = summarize(tmp_path, tmp_path / "out.csv", "--per", "label", "--period-seconds", "4")
    assert table.groupby("label")["seconds"].sum().to_dict() == whole.to_dict()
    assert sorted(set(table["period_end_seconds"])) == [4, 8, 10]
    second = table[table["period_start_seconds"] == 4].set_index("label")
    assert second.loc["happy", "seconds"] == 1
    assert second.loc["happy", "episodes"] == 1
    assert pandas.isna(second.loc["happy", "onset_seconds"])  # it was under way
    assert second.loc["sad", "onset_seconds"] == 1


def test_a_person_counts_once_in_several_periods(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_results(tmp_path, "party", person(1, SEGMENTS))
    write_results(tmp_path, "feast", person(1, SEGMENTS))
    summarize(tmp_path, tmp_path / "out.csv", "--period-seconds", "5")
    assert "rows 4, videos 2, periods 4, people 2" in capsys.readouterr().out


def test_events_are_in_player_time_and_belong_to_their_video(tmp_path: Path) -> None:
    write_results(tmp_path, "one", person(1, SEGMENTS), start=1.0)
    write_results(tmp_path, "two", person(1, SEGMENTS))
    events = tmp_path / "events.tsv"
    events.write_text("onset\tduration\ttrial_type\tvideo\n6\t2\tloss\tone\n0\t4\tn/a\ttwo.mp4\n")
    table = summarize(tmp_path, tmp_path / "out.csv", "--events", str(events))
    assert table[["video", "period_start_seconds", "sad_seconds"]].values.tolist() == [
        ["films/one.mp4", 5, 2],
        ["films/two.mp4", 0, 0],
    ]
    assert table["period"].tolist()[0] == "loss"
    assert pandas.isna(table["period"].tolist()[1])


def test_a_period_without_people_keeps_a_row(tmp_path: Path) -> None:
    write_results(tmp_path, "empty")
    table = summarize(tmp_path, tmp_path / "out.csv")
    assert pandas.isna(table.loc[0, "person"])
    assert table.loc[0, "seconds"] == 0


def test_the_parquet_table_is_the_same(tmp_path: Path) -> None:
    write_results(tmp_path, "party", person(1, SEGMENTS), person(2, SEGMENTS[2:]))
    table = summarize(tmp_path, tmp_path / "out.csv")
    main(["summarize", str(tmp_path), str(tmp_path / "out.parquet")])
    other = pandas.read_parquet(tmp_path / "out.parquet")
    pandas.testing.assert_frame_equal(table.assign(period=""), other, check_dtype=False)


def test_shares_of_a_group_do_not_depend_on_the_length_of_a_video() -> None:
    def of(name: str, *segments: tuple[float, float, str]) -> Summary:
        results = Recognition(make_video(name, 20.0, 20), make_model(CLASSES), (person(1, segments),))
        found = measure(results.tracks[0], Period(0.0, 20.0), CLASSES)
        assert found is not None
        return Summary(Path(name), results, Period(0.0, 20.0), (found,))

    shares = group_shares([of("a.mp4", (0.0, 10.0, "happy")), of("b.mp4", (0.0, 1.0, "happy"), (1.0, 2.0, "sad"))])
    assert list(shares) == ["mean", "a.mp4", "b.mp4"]
    assert shares["mean"] == {"happy": 0.75, "sad": 0.25, "uncertain": 0}


def test_videos_of_one_name_have_a_bar_each() -> None:
    def of(result: str, video: str, event: str = "") -> Summary:
        results = Recognition(make_video(video, 20.0, 20), make_model(CLASSES), (person(1, [(0.0, 9.0, "happy")]),))
        period = Period(0.0, 20.0, event)
        found = measure(results.tracks[0], period, CLASSES)
        assert found is not None
        return Summary(Path(result), results, period, (found,))

    videos = [of("a/x.json", "in/a/x.mp4"), of("b/x.json", "in/b/x.mp4"), of("y.json", "in/y.mp4")]
    assert list(group_shares(videos)) == ["mean", "a/x.mp4", "b/x.mp4", "y.mp4"]
    copies = [of("x.json", "in/a/x.mp4"), of("x-2.json", "else/a/x.mp4")]
    assert list(group_shares(copies)) == ["mean", "x", "x-2"]
    assert list(group_shares([of("x.json", "x.mp4", "mean")])) == ["mean of all", "mean"]
    events = [of("x.json", "x.mp4", "loss"), of("y.json", "y.mp4", "loss"), of("y.json", "y.mp4")]
    assert list(group_shares(events)) == ["mean", "loss", "other events"], "one bar for a kind of event in all videos"


def test_the_picture_is_written(tmp_path: Path) -> None:
    write_results(tmp_path, "party <$x$>", person(1, SEGMENTS))
    summarize(tmp_path, tmp_path / "out.csv", "--plot", str(tmp_path / "group.png"))
    assert (tmp_path / "group.png").read_bytes().startswith(b"\x89PNG")


def test_other_json_files_are_skipped_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_results(tmp_path, "party", person(1, SEGMENTS))
    (tmp_path / "story.json").write_text(json.dumps({"schema_version": 1, "scenes": []}))
    (tmp_path / "list.json").write_text("[1, 2]")
    pairs = [{"video": "a.mp4", "coding": "a.eaf"}] * 200  # as of 'ifdd agree' for many videos
    (tmp_path / "agreement.json").write_text(json.dumps({"schema_version": 1, "pairs": pairs}))
    for ending in (".corrections.json", "_events.json"):  # those of 'ifdd app' and --formats bids
        (tmp_path / f"party{ending}").write_text("{}")
    summarize(tmp_path, tmp_path / "out.csv")
    assert "3 other JSON files were skipped" in capsys.readouterr().err


def test_results_of_two_models_give_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_results(tmp_path, "one", person(1, SEGMENTS))
    text = (tmp_path / "one.json").read_text()
    (tmp_path / "two.json").write_text(text.replace('"name": "ifdd_tiny"', '"name": "ifdd_small"'))
    summarize(tmp_path, tmp_path / "out.csv")
    assert "2 models (ifdd_small, ifdd_tiny)" in " ".join(capsys.readouterr().err.split())


def test_results_of_other_class_weights_give_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, weights in (("one", {}), ("two", {"sad": 2.0, "happy": 0.5})):
        model = replace(make_model(CLASSES), class_weights=weights)
        Recognition(make_video(f"{name}.mp4", 10.0, 100), model, (person(1, SEGMENTS),)).write(
            tmp_path / f"{name}.json"
        )
    summarize(tmp_path, tmp_path / "out.csv")
    shown = " ".join(capsys.readouterr().err.split())
    assert "2 models (ifdd_tiny, ifdd_tiny with class weights happy 0.5, sad 2); compare people only within" in shown


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ("onset,length\n1,2\n", "has no column 'duration'"),
        ("onset,duration\n1,x\n", "line 2: the duration is 'x'; give a number"),
        ("onset,duration\n1,nan\n", "line 2: the duration is 'nan'; give a number"),
        ("onset,duration\n1,0\n", "line 2: the duration is 0; it must be above 0"),
        ("onset,duration\n12,1\n", "line 2: the event at 12 s lies outside films/party.mp4 (0 to 10 s)"),
        ("onset,duration,video\n1,1,other\n", "line 2: there are no results of the video 'other'"),
        ("onset,duration\n", "has no events"),
    ],
)
def test_events_that_do_not_fit_are_refused(
    tmp_path: Path, events: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results(tmp_path, "party", person(1, SEGMENTS))
    (tmp_path / "events.csv").write_text(events)
    refused(
        [tmp_path, tmp_path / "out.csv", "--events", tmp_path / "events.csv"], message, capsys, tmp_path / "out.csv"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing", "out.csv"], "missing does not exist"),
        ([".", "out.xlsx"], "unknown kind of table '.xlsx'; use .csv, .tsv or .parquet"),
        ([".", "out.csv", "--plot", "out.doc"], "unknown kind of picture '.doc'"),
        ([".", "out.csv", "--period-seconds", "0"], "--period-seconds is 0"),
        ([".", "out.csv", "--period-seconds", "2", "--events", "e.csv"], "exclude each other"),
        ([".", "out.csv", "--events", "e.csv"], "cannot read e.csv"),
        ([".", "out.csv"], "holds no results"),
    ],
)
def test_wrong_input_is_refused(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(list(words), message, capsys, tmp_path / "out.csv")


def test_more_periods_than_memory_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_results(tmp_path, "party", person(1, SEGMENTS))
    words = [str(tmp_path), str(tmp_path / "out.csv"), "--period-seconds", "1e-9"]
    refused(words, "more than 100,000 periods in 10 s", capsys, tmp_path / "out.csv")


def test_a_damaged_result_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_results(tmp_path, "party", person(1, SEGMENTS))
    whole = (tmp_path / "party.json").read_text()
    (tmp_path / "cut.json").write_text(whole[: len(whole) // 2])
    refused([tmp_path, tmp_path / "out.csv"], "cut.json", capsys, tmp_path / "out.csv")


def refused(words: Sequence[str | Path], message: str, capsys: pytest.CaptureFixture[str], out: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["summarize", *map(str, words)])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_the_events_are_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_results(tmp_path, "party", person(1, SEGMENTS))
    (trials := tmp_path / "trials.tsv").write_text("onset\tduration\n0\t4\n")
    with pytest.raises(SystemExit, match="2"):
        summarize(tmp_path, trials, "--events", trials)
    assert "trials.tsv would replace the events that are read; choose another file" in capsys.readouterr().err
    assert trials.read_text().startswith("onset")


def test_a_table_is_reported_also_where_there_is_nothing_to_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results(tmp_path, "empty")
    with pytest.raises(SystemExit, match="2"):
        summarize(tmp_path, tmp_path / "out.csv", "--plot", tmp_path / "out.png")
    said = capsys.readouterr()
    assert "out.csv: rows 1, videos 1, periods 1, people 0" in said.out
    assert "nothing to plot" in said.err


def test_a_missing_library_of_the_plot_is_named_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results(tmp_path, "party", person(1, SEGMENTS))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SystemExit, match="2"):
        summarize(tmp_path, tmp_path / "out.csv", "--plot", tmp_path / "out.png")
    assert "a plot needs matplotlib" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
