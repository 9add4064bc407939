import shutil
from pathlib import Path

import pytest

from ifdd.data.manifest import Sample, read_manifest, write_manifest
from ifdd.errors import InputError

HEADER = "clip_id,path,frames,label,subset,fold,subject\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        (tmp_path / "clips" / name).mkdir(parents=True)
    return tmp_path


def samples_of(folder: Path) -> list[Sample]:
    return [
        Sample("a", folder / "clips/a", 16, "happy", "train", 1, "p1"),
        Sample("b", folder / "clips/b", 9, "sad", "test", 1, ""),
        Sample("a", folder / "clips/a", 16, "happy", "test", 2, "p1"),
        Sample("c, with comma", folder / "clips/c", 700, "fear", "validation", 0, "p,2"),
    ]


def test_what_was_written_is_read(folder: Path) -> None:
    write_manifest(folder / "manifest.csv", samples_of(folder))
    assert read_manifest(folder / "manifest.csv") == samples_of(folder)


def test_a_manifest_moves_with_its_folder(folder: Path) -> None:
    write_manifest(folder / "manifest.csv", samples_of(folder))
    moved = folder.with_name("moved")
    shutil.move(folder, moved)
    assert [sample.path for sample in read_manifest(moved / "manifest.csv")][:2] == [
        moved / "clips/a",
        moved / "clips/b",
    ]


def test_paths_are_posix_and_relative_even_outside_the_folder(folder: Path) -> None:
    target = folder / "lists" / "manifest.csv"
    write_manifest(target, samples_of(folder)[:1])
    assert target.read_text() == HEADER + "a,../clips/a,16,happy,train,1,p1\n"
    assert read_manifest(target)[0].path == folder / "clips/a"


def test_relative_manifest_and_sample_paths_start_at_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    write_manifest(Path("manifest.csv"), [Sample("a", Path("clips/a"), 1, "happy", "test")])
    assert read_manifest(Path("manifest.csv"))[0].path == folder / "clips/a"


def test_subset_and_fold_select(folder: Path) -> None:
    write_manifest(folder / "manifest.csv", samples_of(folder))
    assert [s.clip_id for s in read_manifest(folder / "manifest.csv", "test")] == ["b", "a"]
    assert [s.clip_id for s in read_manifest(folder / "manifest.csv", fold=1)] == ["a", "b"]
    assert [s.clip_id for s in read_manifest(folder / "manifest.csv", "test", 2)] == ["a"]


def test_labels_are_read_in_one_spelling_also_behind_a_byte_order_mark_and_crlf(folder: Path) -> None:
    text = HEADER + "a,clips/a,16,Happiness,test,0,\nb,clips/b,16,anger,test,0,\n"
    (folder / "manifest.csv").write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert [s.label for s in read_manifest(folder / "manifest.csv")] == ["happy", "angry"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "a,clips/a,16,bored,test,0,",
            r"manifest\.csv, line 3, clip 'a': unknown emotion 'bored'; known.*happy",
        ),
        ("a,clips/nothing,16,happy,test,0,", r"line 3, clip 'a': no such file or folder .*clips/nothing"),
        ("a,,16,happy,test,0,", "line 3, clip 'a': no such file"),
        ("a,clips/a,0,happy,test,0,", "frames is '0'; it must be an integer of at least 1"),
        ("a,clips/a,many,happy,test,0,", "frames is 'many'"),
        ("a,clips/a,16,happy,test,-1,", "fold is '-1'"),
        ("a,clips/a,16,happy,training,0,", "unknown subset 'training'; use train, validation, test"),
        ("a,clips/a,16,happy", "4 columns where there must be 7"),
        (",clips/a,16,happy,test,0,", "the clip id is empty"),
        ("ok,clips/a,16,happy,train,0,", "line 2 has the same clip in the same fold"),
    ],
)
def test_a_bad_line_is_named(folder: Path, row: str, message: str) -> None:
    (folder / "manifest.csv").write_text(f"{HEADER}ok,clips/b,16,happy,test,0,\n{row}\n")
    with pytest.raises(InputError, match=message):
        read_manifest(folder / "manifest.csv", subset="test")


def test_the_line_number_counts_lines_inside_quotes(folder: Path) -> None:
    (folder / "manifest.csv").write_text(f'{HEADER}"two\nlines",clips/a,16,happy,test,0,\nb,clips/b,0,sad,test,0,\n')
    with pytest.raises(InputError, match="line 4, clip 'b'"):
        read_manifest(folder / "manifest.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a manifest"),
        (b"video_name,label\n1,2\n", "its first line must be clip_id,path"),
        (b"\xff\xfe\x00binary", "not a UTF-8 text file"),
        (HEADER.encode(), "no clip with subset any and fold any; the manifest holds no clips"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path / "manifest.csv")


def test_missing_manifest_subset_and_fold_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the manifest .*none\.csv"):
        read_manifest(folder / "none.csv")
    write_manifest(folder / "manifest.csv", samples_of(folder))
    with pytest.raises(InputError, match="unknown subset 'val'; choose one of train, validation, test"):
        read_manifest(folder / "manifest.csv", subset="val")
    with pytest.raises(InputError, match=r"subset test and fold 3; the manifest holds test \(fold 1\)"):
        read_manifest(folder / "manifest.csv", subset="test", fold=3)
