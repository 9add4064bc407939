"""Annotations as ELAN, Praat, BORIS and people write them, made by the libraries that define the formats."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from pympi import Eaf, TextGrid

from ifdd.annotations.annotation import Annotation
from ifdd.annotations.reading import read_annotations
from ifdd.errors import InputError

HAPPY, SAD = Annotation("Anna", 0.5, 2.0, "happy"), Annotation("Anna", 2.0, 3.25, "sad & <tired>")


def write_eaf(path: Path, linked: Sequence[tuple[str, str, int | None]] = ()) -> None:
    file = Eaf()
    for name, kind, offset in linked:
        file.add_linked_file(name, mimetype=kind, time_origin=offset)
    file.add_tier("Anna")
    file.add_tier("Ben")
    for each in (SAD, HAPPY):
        file.add_annotation("Anna", int(1000 * each.start_seconds), int(1000 * each.end_seconds), each.label)
    file.to_file(str(path))


@pytest.mark.parametrize("mode", ["normal", "short", "binary"])
def test_praat(tmp_path: Path, mode: str) -> None:
    grid = TextGrid(xmax=4)
    tier = grid.add_tier("Anna")
    points = grid.add_tier("clicks", tier_type="TextTier")
    points.add_point(1.0, "click")
    for each in (HAPPY, SAD):
        tier.add_interval(each.start_seconds, each.end_seconds, each.label)
    grid.to_file(str(tmp_path / "a.TextGrid"), mode=mode)
    found = read_annotations(tmp_path / "a.TextGrid")
    assert found.annotations == (HAPPY, SAD)
    assert found.tiers == ("Anna",)


def test_praat_in_utf_16(tmp_path: Path) -> None:
    grid = TextGrid(xmax=4)
    grid.add_tier("Änne").add_interval(0.0, 1.0, "fröhlich")
    grid.to_file(str(tmp_path / "a.TextGrid"), codec="utf-16")
    assert read_annotations(tmp_path / "a.TextGrid").annotations == (Annotation("Änne", 0.0, 1.0, "fröhlich"),)


def test_elan(tmp_path: Path) -> None:
    write_eaf(tmp_path / "a.eaf")
    found = read_annotations(tmp_path / "a.eaf")
    assert found.annotations == (HAPPY, SAD)
    assert found.of("Ben") == ()


def test_dependent_tiers_of_elan_have_the_times_of_their_parents(tmp_path: Path) -> None:
    file = Eaf()
    file.add_linguistic_type("dependent", "Symbolic_Association")
    file.add_tier("Anna")
    file.add_tier("emotion", ling="dependent", parent="Anna")
    file.add_annotation("Anna", 500, 2000, "speaks")
    file.add_ref_annotation("emotion", "Anna", 700, "happy")
    file.to_file(str(tmp_path / "a.eaf"))
    assert read_annotations(tmp_path / "a.eaf").of("emotion") == (Annotation("emotion", 0.5, 2.0, "happy"),)


BORIS = "Observation id,Media file,FPS,Subject,Behavior,Modifiers,Behavior type,Start (s),Stop (s),Duration (s)\n"


@pytest.mark.parametrize(
    ("linked", "expected"),
    [
        ([("a.mp4", "video/mp4", None)], 0.5),
        ([("a.mp4", "video/mp4", 1200), ("a.wav", "audio/x-wav", 0)], 1.7),
        ([("a.wav", "audio/x-wav", 300)], 0.8),
        ([], 0.5),
    ],
)
def test_times_of_elan_are_those_of_its_video(
    tmp_path: Path, linked: list[tuple[str, str, int | None]], expected: float
) -> None:
    write_eaf(tmp_path / "a.eaf", linked)
    assert read_annotations(tmp_path / "a.eaf").annotations[0].start_seconds == pytest.approx(expected)


def test_times_of_elan_are_those_of_the_first_of_several_cameras(tmp_path: Path) -> None:
    linked = [("a.wav", "audio/x-wav", 0), ("a.mp4", "video/mp4", 200), ("b.mp4", "video/mp4", 900)]
    write_eaf(tmp_path / "a.eaf", [*linked, ("c.mp4", "video/mp4", 200)])
    found = read_annotations(tmp_path / "a.eaf")
    assert found.annotations[0].start_seconds == pytest.approx(0.7)
    assert found.notes == ("times are those of a.mp4; other videos have another offset: b.mp4",)


def test_aggregated_events_of_boris(tmp_path: Path) -> None:
    rows = "1,a.mp4,25,Anna,happy,,STATE,0.5,2.0,1.5\n1,a.mp4,25,Anna,click,,POINT,1.0,1.0,NA\n"
    (tmp_path / "a.csv").write_text(BORIS + rows)
    found = read_annotations(tmp_path / "a.csv")
    assert found.annotations == (HAPPY,)
    assert found.notes == ("1 points in time were left out",)


def test_tabular_events_of_boris_are_paired(tmp_path: Path) -> None:
    rows = ["0.5\tAnna\thappy\tSTART", "0.7\tBen\thappy\tSTART", "1.0\tAnna\tclick\tPOINT", "2.0\tAnna\thappy\tSTOP"]
    text = "Time\tSubject\tBehavior\tBehavior type\n" + "\n".join([*rows, "3.0\tBen\thappy\tSTOP"])
    (tmp_path / "a.tsv").write_text(text)
    assert read_annotations(tmp_path / "a.tsv").annotations == (HAPPY, Annotation("Ben", 0.7, 3.0, "happy"))


@pytest.mark.parametrize(
    "text",
    [
        "start_seconds,end_seconds,label,person\n0.5,2,happy,Anna\n",
        "onset\tduration\ttrial_type\tsubject\n0.5\t1.5\thappy\tAnna\n1\t2\tn/a\tAnna\n",
        "Start;End;Emotion;Tier\n0,5;2,0;happy;Anna\n",
    ],
)
def test_tables_of_other_kinds(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert read_annotations(tmp_path / "a.csv").annotations == (HAPPY,)


def test_what_lies_in_a_small_overlap_is_left_out_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("start,end,label\n0,2.03,happy\n2,2.02,sad\n2.01,3,sad\n")
    found = read_annotations(tmp_path / "a.csv")
    assert [(each.start_seconds, each.end_seconds) for each in found.annotations] == [(0, 2.03), (2.03, 3)]
    assert found.notes == ("annotations within the end of another one of their tier were left out: 1",)


def test_small_overlaps_are_cut(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("start,end,label\n0,2.03,happy\n2,3,sad\n")
    found = read_annotations(tmp_path / "a.csv").annotations
    assert [(each.start_seconds, each.end_seconds) for each in found] == [(0, 2.03), (2.03, 3)]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.doc", "", "unknown kind of annotations '.doc'; use one of .eaf, .textgrid, .csv, .tsv"),
        ("a.csv", "start,end\n1,2\n", "has no column label"),
        ("a.csv", "label,end\nhappy,2\n", "has no column start_seconds"),
        ("a.csv", "start,end,label\n1,x,happy\n", "line 2: end_seconds is 'x'; give a number"),
        ("a.csv", "start,end,label\n1,inf,happy\n", "line 2: end_seconds is 'inf'; give a number"),
        ("a.csv", "start,end,label\n3,2,happy\n", "'happy' lasts from 3 to 2 s; correct its times"),
        ("a.csv", "start,end,label\n-1,2,happy\n", "lasts from -1 to 2 s"),
        ("a.csv", "start,end,label\n0,2,happy\n1,3,sad\n", "'happy' and 'sad' overlap at 1 s; a person"),
        ("a.csv", "start,end,label\n1,1,happy\n", "has no annotations that last"),
        ("a.csv", BORIS + "1,a.mp4,,,x,,STATE,0,1,1\n2,b.mp4,,,x,,STATE,0,1,1\n", "is about 2 videos"),
        ("a.tsv", "Time,Behavior,Behavior type\n1,happy,STOP\n", "line 2: STOP of 'happy' without START before it"),
        ("a.tsv", "Time,Behavior,Behavior type\n1,happy,START\n", "line 2: 'happy' starts and does not stop"),
        ("a.eaf", "<ANNOTATION_DOCUMENT>", "is not a file of ELAN, or damaged"),
        ("a.eaf", "<html></html>", "is not a file of ELAN, or damaged"),
        ("a.TextGrid", "File type = nothing", "is not a TextGrid of Praat, or damaged"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as raised:
        read_annotations(tmp_path / name)
    assert message in str(raised.value)
    assert name in str(raised.value)


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_eaf(tmp_path / "a.eaf")
    monkeypatch.setitem(__import__("sys").modules, "pympi", None)
    with pytest.raises(InputError, match=r"pip install 'ifdd\[annotations\]'"):
        read_annotations(tmp_path / "a.eaf")
