from collections.abc import Callable
from pathlib import Path

import pytest

from ifdd.data.datasets.listing import Folder, Listing, choose_variant, clips_in, find_folder, read_lines, walk
from ifdd.errors import InputError
from ifdd.video.suffixes import VIDEO_SUFFIXES

TEXT = "00025.mp4 anger\n\n 00028.mp4 fear\t\n"
LINES = [(1, "00025.mp4 anger"), (3, "00028.mp4 fear")]


def empty_listing() -> Listing:
    return Listing("mafw", "mafw", ("anger", "fear"), "clips", ())


def lines_of(tmp_path: Path, data: bytes) -> tuple[list[tuple[int, str]], list[tuple[str, str]]]:
    (tmp_path / "list.txt").write_bytes(data)
    listing = empty_listing()
    lines = read_lines(listing, Folder(tmp_path, "lists", [], ["list.txt"]), "list.txt")
    assert listing.lists == ["lists/list.txt"]
    return lines, [(finding.severity, finding.message) for finding in listing.findings]


def test_usual_text_is_read_without_remark(tmp_path: Path) -> None:
    assert lines_of(tmp_path, TEXT.encode()) == (LINES, [])


@pytest.mark.parametrize(
    ("encode", "remark"),
    [
        (lambda text: text.replace("\n", "\r\n").encode(), "line ends CRLF"),
        (lambda text: text.replace("\n", "\r").encode(), "line ends CR;"),
        (lambda text: text.replace("\n", "\r\n", 1).encode(), "line ends CRLF and LF"),
        (lambda text: text.rstrip().encode(), "no line end after the last line"),
        (lambda text: text.encode("utf-8-sig"), "UTF-8-SIG"),
        (lambda text: text.encode("utf-16"), "UTF-16"),
        (lambda text: (text + "00030.mp4\tfear\t一位女士说着话。\n").encode("gbk"), "GBK"),
    ],
)
def test_other_encodings_and_line_ends_are_read_and_noted(
    tmp_path: Path, encode: Callable[[str], bytes], remark: str
) -> None:
    lines, findings = lines_of(tmp_path, encode(TEXT))
    assert lines[:2] == LINES
    assert len(findings) == 1
    assert findings[0][0] == "note"
    assert remark in findings[0][1]


@pytest.mark.parametrize("data", [b"\x00\x01\x02", b"00025.mp4 \xff\xff\n", b"PK\x03\x04\x00\x00"])
def test_what_is_no_text_is_wrong(tmp_path: Path, data: bytes) -> None:
    lines, findings = lines_of(tmp_path, data)
    assert lines == []
    assert findings[0][0] == "wrong"
    assert findings[0][1].startswith("lists/list.txt: neither UTF-8 nor GBK")


def test_a_folder_is_found_however_spelt_deep_and_doubled(tmp_path: Path) -> None:
    for path in ("MAFW/Train_&_Test-set/train & test set/single", "empty/TRAINTESTSET", "00001/Train & Test Set/x"):
        (tmp_path / path).mkdir(parents=True)
    found = find_folder(walk(tmp_path), ("Train & Test Set",))
    assert found is not None
    assert found.relative == "MAFW/Train_&_Test-set/train & test set"
    assert find_folder(walk(tmp_path), ("frames",)) is None


def test_the_walk_leaves_folders_of_clips_alone(tmp_path: Path) -> None:
    for path in ("Clip/00001/deep", ".hidden/x", "b", "a"):
        (tmp_path / path).mkdir(parents=True)
    assert [folder.relative for folder in walk(tmp_path)] == ["", "Clip", "a", "b"]
    with pytest.raises(InputError, match=r"cannot read the folder .*nothing"):
        walk(tmp_path / "nothing")


def test_variants_are_chosen_in_the_order_of_the_table_or_by_name(tmp_path: Path) -> None:
    variants = {"sixteen": ("clip_16f", "clip16"), "all": ("clip",), "videos": ("original",)}
    for path in ("Clip/clip/00001", "Clip/original/00001"):
        (tmp_path / path).mkdir(parents=True)
    # "Clip" holds the variants and is none itself: the folder in it that is called the same is
    assert choose_variant(walk(tmp_path), variants, "auto", tmp_path)[1].relative == "Clip/clip"
    assert choose_variant(walk(tmp_path), variants, "videos", tmp_path)[0] == "videos"
    with pytest.raises(InputError, match="contains no folder sixteen with clips"):
        choose_variant(walk(tmp_path), variants, "sixteen", tmp_path)
    with pytest.raises(InputError, match="unknown frames 'jpg'; choose auto, sixteen, all, videos"):
        choose_variant(walk(tmp_path), variants, "jpg", tmp_path)


def test_two_places_for_one_clip_are_a_finding(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a.mp4", "b.MOV", "notes.txt"):
        (tmp_path / name).touch()
    listing = empty_listing()
    listing.put_on_disk(clips_in(walk(tmp_path)[0]))
    assert listing.on_disk == {"a": tmp_path / "a", "b": tmp_path / "b.MOV"}
    assert [finding.message for finding in listing.findings] == ["clip a exists twice, as a and a.mp4; keep one"]


def test_videos_of_every_ending_are_clips() -> None:
    """One table says what a video is, for datasets and for one's own videos."""
    names = [f"clip{suffix}" for suffix in VIDEO_SUFFIXES]
    assert len(clips_in(Folder(Path("clips"), "", [], [*names, "CLIP.WMV", "clip.ts.txt", "mp4"]))) == len(names) + 1
    assert {".mp4", ".wmv", ".gif", ".webm", ".avi", ".ts", ".qt"} < set(VIDEO_SUFFIXES)
    assert list(VIDEO_SUFFIXES) == sorted(set(VIDEO_SUFFIXES))
