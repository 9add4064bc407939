"""Annotated videos become labelled clips, and subsets share nobody."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifdd.__main__ import main
from ifdd.data.annotated.cutting import cut_annotated
from ifdd.data.annotated.videos import SHARES, _class_of, assign_subsets, find_annotated
from ifdd.data.manifest import Manifest
from ifdd.errors import InputError
from ifdd.video.encode import write_video
from ifdd.video.frames import iter_frames

FPS = 10


def write_lab(
    folder: Path, people: int = 3, text: str = "start,end,label\n0,1,happy\n1,3.6,smile\n3.6,3.8,sad\n"
) -> Path:
    """Write videos of 4 seconds in which frame i has the brightness 6 i, each with its annotations."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = [np.full((48, 66, 3), 6 * number, np.uint8) for number in range(4 * FPS)]
    for number in range(people):
        write_video(folder / f"p{number}.mp4", frames, float(FPS))
        (folder / f"p{number}.csv").write_text(text)
    return folder


def cut(root: Path, out: Path, clip_seconds: float = 2.0, synonyms: bool = False, **renamed: str) -> list[list[str]]:
    table = cut_annotated(root, out, tier="", renamed=renamed, synonyms=synonyms, clip_seconds=clip_seconds, workers=1)
    return [line.split(",") for line in table.read_text().splitlines()[1:]]


def brightness(path: Path) -> list[int]:
    """Return the number of each frame of a clip, from its brightness."""
    return [round(float(frame.image.mean()) / 6) for frame in iter_frames(path)]


def test_clips_have_the_frames_of_their_annotations(tmp_path: Path) -> None:
    rows = cut(write_lab(tmp_path / "lab"), tmp_path / "clips", smile="happy")
    own = [row for row in rows if row[3] == "p0"]
    assert [row[1] for row in own] == ["happy"] * 3  # the annotation of 2.6 s gives two; that of 0.2 s none
    found = [brightness(tmp_path / "clips" / row[0]) for row in own]
    assert found == [list(range(10)), list(range(10, 23)), list(range(23, 36))]


def test_subsets_share_nobody_and_a_second_run_cuts_nothing(tmp_path: Path) -> None:
    lab = write_lab(tmp_path / "lab", people=4)
    rows = cut(lab, tmp_path / "clips")
    by_person = {row[3]: {other[2] for other in rows if other[3] == row[3]} for row in rows}
    assert all(len(subsets) == 1 for subsets in by_person.values())
    assert {row[2] for row in rows} == set(SHARES)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "clips").glob("*.mp4")}
    (tmp_path / "clips" / rows[0][0]).unlink()
    assert cut(lab, tmp_path / "clips") == rows
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "clips").glob("*.mp4")}
    assert [path.name for path in kept if kept[path] != times[path]] == [rows[0][0]]


def test_shares_follow_the_clips_and_every_subset_has_somebody() -> None:
    rng = np.random.default_rng(0)
    clips = {f"p{number}": int(rng.integers(1, 30)) for number in range(60)}
    chosen = assign_subsets(clips)
    sums = Counter[str]()
    for person, subset in chosen.items():
        sums[subset] += clips[person]
    for subset, share in SHARES.items():
        assert sums[subset] / sum(clips.values()) == pytest.approx(share, abs=0.03)
    assert set(assign_subsets({"a": 1000, "b": 1, "c": 1}).values()) == set(SHARES)


def test_a_table_names_people(tmp_path: Path) -> None:
    write_lab(tmp_path / "lab", people=4)
    lines = ["video;annotation;subject", *(f"lab/p{n}.mp4;lab/p{n}.csv;{s}" for n, s in enumerate("AABC"))]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    videos, _ = find_annotated(tmp_path / "list.csv")
    assert [video.subject for video in videos] == ["A", "A", "B", "C"]


def test_prepare_gives_a_manifest(tmp_path: Path) -> None:
    lab = write_lab(tmp_path / "lab", text="start,end,label\n0,1,joy\n2,4,Sadness\n")
    main(["prepare", "annotations", str(lab), str(tmp_path / "out"), "--faces", "keep", "--synonyms", "--workers", "0"])
    samples = Manifest.read(tmp_path / "out" / "manifest.csv").select(None, None)
    assert Counter(sample.label for sample in samples) == {"happy": 3, "sad": 3}
    assert {sample.subject for sample in samples} == {"p0", "p1", "p2"}
    assert {sample.subset for sample in samples} == set(SHARES)


@pytest.mark.parametrize(
    ("text", "people", "message"),
    [
        ("start,end,label\n0,6,happy\n", 3, "p0.mp4 ends at 4 s, but the annotation 'happy' lasts from 0 to 6 s"),
        ("start,end,label\n0,2,happy\n", 2, "the annotated videos show 2 people; train, validation and test need 3"),
        ("start,end,label,person\n0,2,happy,A\n0,2,sad,B\n", 3, "p0.csv has the tiers 'A', 'B'; choose"),
        ("start,end,label\n0,2,uncertain\n", 3, "uncertain"),
        ("start,end\n0,2\n", 3, "p0.csv has no column label"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, text: str, people: int, message: str) -> None:
    with pytest.raises(InputError) as raised:
        cut(write_lab(tmp_path / "lab", people, text), tmp_path / "clips")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tier", "B"], "p0.csv has no tier 'B'; it has ''"),
        (["--rename", "frown=sad"], "--rename: no annotation has the label 'frown'"),
        (["--clip-seconds", "0.5"], "--clip-seconds is 0.5"),
        (["--subset", "train"], "--subset applies to folder, not to annotations"),
    ],
)
def test_wrong_options_are_refused(
    tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = write_lab(tmp_path / "lab")
    with pytest.raises(SystemExit) as stopped:
        main(["prepare", "annotations", str(lab), str(tmp_path / "out"), *words])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_table_of_annotations_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("video,annotation,subject\n")
    with pytest.raises(InputError, match=r"clips\.csv would replace the table of annotations"):
        cut(tmp_path / "clips.csv", tmp_path)


def test_a_folder_without_pairs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("start,end,label\n0,1,happy\n")
    with pytest.raises(InputError, match="has no video with annotations beside it"):
        find_annotated(tmp_path)


def test_an_unreadable_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lab(tmp_path / "lab")
    write_lab(tmp_path / "lab" / "locked")
    scandir = os.scandir

    def refuse(path: str | Path) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # root may read everything, so permissions do not help
    with pytest.raises(InputError, match=r"cannot read the folder .*locked; check its permissions"):
        find_annotated(tmp_path / "lab")


def test_two_videos_of_one_name_are_refused(tmp_path: Path) -> None:
    write_lab(tmp_path)
    (tmp_path / "p1.mp4").rename(tmp_path / "p1.mkv")
    (tmp_path / "p1.avi").write_bytes((tmp_path / "p0.mp4").read_bytes())
    with pytest.raises(InputError, match=r"p1\.csv lies beside the videos p1\.avi and p1\.mkv; keep one of them"):
        find_annotated(tmp_path)
    (tmp_path / "p1.csv").unlink()
    videos, _ = find_annotated(tmp_path)
    assert [video.subject for video in videos] == ["p0", "p2"]


def test_a_label_that_no_class_may_have_is_named_with_its_file(tmp_path: Path) -> None:
    lab = write_lab(tmp_path / "lab", text="start,end,label\n0,2,Uncertain\n2,4,happy\n")
    with pytest.raises(InputError, match=r"p0\.csv: .*'Uncertain'.*; --rename 'Uncertain=' leaves its annotations out"):
        find_annotated(lab)
    videos, _ = find_annotated(lab, renamed={"Uncertain": ""})
    assert [[each.label for each in video.labels] for video in videos] == [["happy"]] * 3


def test_long_names_in_any_script_fit_the_disk(tmp_path: Path) -> None:
    lab = write_lab(tmp_path / "lab")
    for name in ("\N{CJK UNIFIED IDEOGRAPH-9762}" * 80, "\N{GRINNING FACE}" * 60, "a" * 200):
        for suffix in (".mp4", ".csv"):
            (lab / f"p0{suffix}").rename(lab / f"{name}{suffix}")
        rows = cut(lab, tmp_path / "clips")
        assert all((tmp_path / "clips" / row[0]).is_file() for row in rows)
        assert any(row[0].startswith(name[:40]) for row in rows)
        for suffix in (".mp4", ".csv"):
            (lab / f"{name}{suffix}").rename(lab / f"p0{suffix}")


def test_spaces_around_labels_do_not_matter() -> None:
    renamed = {"smile": "happy", "talking": ""}
    assert [_class_of(label, renamed, False) for label in ("smile ", " smile", "talking ", " sad ")] == [
        *("happy", "happy", "", "sad"),
    ]
