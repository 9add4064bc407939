import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from ifdd.data.datasets.dfew import TEST_COUNTS, read_dfew
from ifdd.data.datasets.listing import Listing, Options, counts_of_folds
from ifdd.data.labels import LABEL_SETS
from ifdd.errors import InputError
from tests.helpers.layouts import DFEW_MEMBERS, edit, write_clip, write_dfew

LISTS = Path(__file__).parents[4] / "shared" / "real" / "lists" / "DFEW"


def messages(listing: Listing, check: str) -> list[str]:
    return [finding.message for finding in listing.findings if finding.check == check]


def read(root: Path, frames: str = "auto") -> Listing:
    return read_dfew(root, Options(frames=frames))


def test_every_line_is_read_with_its_place_frames_and_votes(tmp_path: Path) -> None:
    listing = read(write_dfew(tmp_path))
    assert listing.findings == []
    assert len(listing.entries) == 5 * len(DFEW_MEMBERS)
    entry = next(e for e in listing.entries if (e.clip_id, e.fold) == ("00003", 1))
    assert (entry.label, entry.subset) == ("sad", "train")
    assert entry.where == "EmoLabel_DataSplit/train(single-labeled)/set_1.csv, line 2"
    assert entry.source == tmp_path / "Clip/clip_224x224_16f/00003"
    assert entry.votes == "sad:8 neutral:2"
    assert {e.clip_id: e.label for e in listing.entries} == {c.zfill(5): label for c, label, _ in DFEW_MEMBERS}
    for fold in range(1, 6):
        tested = {e.clip_id for e in listing.entries if e.fold == fold and e.subset == "test"}
        assert tested == {c.zfill(5) for c, _, test_fold in DFEW_MEMBERS if test_fold == fold}


@pytest.mark.parametrize(
    "lists",
    [
        "EmoLabel_DataSplit/{subset}_single-labeled/set_{fold}.csv",
        "EmoLabel_DataSplit/{subset}/set_{fold}.csv",
        "{subset}(single-labeled)/{subset}_set_{fold}.csv",
        "DFEW-part2/EmoLabel_DataSplit/EmoLabel_DataSplit/{subset}(single-labeled)/set_{fold}.csv",
        "lists/{subset}_set_{fold}.csv",
    ],
)
def test_lists_are_found_however_their_folders_are_spelt(tmp_path: Path, lists: str) -> None:
    assert len(read(write_dfew(tmp_path, lists=lists)).entries) == 50


@pytest.mark.parametrize(
    ("folder", "variant"),
    [
        ("Clip/clip_224x224_16f", "clip_224x224_16f"),
        ("DFEW-part2/Clip/clip_224x16f", "clip_224x224_16f"),
        ("Clip/clip_224x224/clip_224x224", "clip_224x224"),
        ("jpg_256", "jpg_256"),
        ("Clip/original", "original"),
    ],
)
def test_every_kind_of_frames_is_found(tmp_path: Path, folder: str, variant: str) -> None:
    listing = read(write_dfew(tmp_path, variant=folder))
    assert listing.variant == variant
    assert all(entry.source.exists() for entry in listing.entries)
    assert set(listing.on_disk) - {e.clip_id for e in listing.entries} == {"16372"}
    assert read(tmp_path, variant).variant == variant
    with pytest.raises(InputError, match="unknown frames 'frames'; choose auto, clip_224x224_16f, clip_224x224"):
        read(tmp_path, "frames")


def test_a_list_from_zero_is_refused_with_the_reason(tmp_path: Path) -> None:
    listing = read(write_dfew(tmp_path, first_label=0, padded=True, lists="{subset}/{subset}_set_{fold}.csv"))
    refused = messages(listing, "label base")
    assert refused[0].startswith("train/train_set_1.csv: labels are 0 to 6, but 1 to 7 in the official lists")
    assert {finding.severity for finding in listing.findings if finding.check == "label base"} == {"refused"}
    assert messages(listing, "ids")[0].startswith("train/train_set_1.csv: 8 ids are padded with zeros")
    # read as what it is, so that the other checks still say something
    assert {e.clip_id: e.label for e in listing.entries} == {c.zfill(5): label for c, label, _ in DFEW_MEMBERS}


@pytest.mark.parametrize("label", ["8", "0"])
def test_a_label_that_is_no_class_is_left_out(tmp_path: Path, label: str) -> None:
    write_dfew(tmp_path)
    edit(tmp_path / "EmoLabel_DataSplit/train(single-labeled)/set_1.csv", "\n3,2\n", f"\n3,{label}\n")
    listing = read(tmp_path)
    assert messages(listing, "names") == [
        "EmoLabel_DataSplit/train(single-labeled)/set_1.csv, line 2: "
        f"clip 00003 has the label {label}, which is not a class; labels are 1 to 7"
    ]
    assert [(e.clip_id, e.subset, e.fold, e.reason) for e in listing.excluded] == [
        ("00003", "train", 1, f"unknown label {label}")
    ]
    assert messages(listing, "label base") == []


@pytest.mark.parametrize("line", ["3", "3,2,1", "three,2", "3,happy", "-3,2"])
def test_a_line_that_is_not_complete_is_named(tmp_path: Path, line: str) -> None:
    write_dfew(tmp_path)
    edit(tmp_path / "EmoLabel_DataSplit/train(single-labeled)/set_1.csv", "\n3,2\n", f"\n{line}\n")
    (message,) = messages(read(tmp_path), "lines")
    assert message.endswith(f"set_1.csv, line 2: {line!r} is not 'number,label'; correct the line")


@pytest.mark.parametrize(
    "encode",
    [lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"), lambda text: text.replace(",", ', "')[:-1].encode()],
)
def test_spreadsheet_habits_are_read(tmp_path: Path, encode: Callable[[str], bytes]) -> None:
    assert len(read(write_dfew(tmp_path, encode=encode)).entries) == 50


def test_a_list_without_header_is_read_whole(tmp_path: Path) -> None:
    assert len(read(write_dfew(tmp_path, header=False)).entries) == 50


def test_missing_and_double_lists_are_said(tmp_path: Path) -> None:
    write_dfew(tmp_path)
    (tmp_path / "EmoLabel_DataSplit/test(single-labeled)/set_4.csv").unlink()
    other = tmp_path / "EmoLabel_DataSplit/train_single-labeled"
    other.mkdir()
    (other / "set_2.csv").write_text("video_name,label\n1,1\n")
    multi = tmp_path / "EmoLabel_DataSplit/test(multi-labeled)"
    multi.mkdir()
    (multi / "set_4.csv").write_text("video_name,label\n1,1\n")
    assert messages(read(tmp_path), "lists") == [
        "EmoLabel_DataSplit/train_single-labeled/set_2.csv is not used, because "
        "EmoLabel_DataSplit/train(single-labeled)/set_2.csv is for the same part",
        "fold 4, test: no test(single-labeled)/set_4.csv; copy it from the dataset",
    ]


def test_no_lists_or_no_frames_stop_at_once(tmp_path: Path) -> None:
    write_clip(tmp_path / "Clip/clip_224x224/00001", 1)
    with pytest.raises(InputError, match=r"contains no lists of DFEW; put 'EmoLabel_DataSplit/train"):
        read(tmp_path)
    with pytest.raises(InputError, match="contains no folder jpg_256 with clips"):
        read(tmp_path, "jpg_256")


def test_the_annotators_and_the_lists_agree(tmp_path: Path) -> None:
    write_dfew(tmp_path)
    edit(tmp_path / "EmoLabel_DataSplit/train(single-labeled)/set_1.csv", "\n3,2\n", "\n3,5\n")
    (message,) = messages(read(tmp_path), "agreement")
    assert "clip 00003 has the label 5, the annotation says 2" in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1happy,", "happy,", "the first line must name 1happy, 2sad, 3neutral"),
        ("0,0,5,5,0,0,0,16372,0", "0,0,5,5,,0,0,16372,0", "line 2: not all of its cells are numbers"),
    ],
)
def test_a_damaged_annotation_is_said(tmp_path: Path, old: str, new: str, message: str) -> None:
    write_dfew(tmp_path)
    edit(tmp_path / "Annotation/annotation.csv", old, new)
    (found,) = messages(read(tmp_path), "votes")
    assert found.startswith(f"Annotation/annotation.csv{',' if 'line 2' in message else ':'} {message}")


def test_without_annotation_there_are_no_votes_and_that_is_said(tmp_path: Path) -> None:
    listing = read(write_dfew(tmp_path, annotation=False))
    assert {entry.votes for entry in listing.entries} == {""}
    assert "no soft labels" in messages(listing, "votes")[0]


def test_what_is_no_clip_is_said(tmp_path: Path) -> None:
    write_dfew(tmp_path)
    (tmp_path / "Clip/clip_224x224_16f/thumbnails").mkdir()
    (tmp_path / "Clip/clip_224x224_16f/1").mkdir()
    listing = read(tmp_path)
    assert messages(listing, "unlisted") == ["clip_224x224_16f/thumbnails is not a clip of DFEW; it is not used"]
    assert messages(listing, "frames") == ["clip 00001 exists twice, as 00001 and 1; keep one"]


def test_the_published_counts_have_the_published_sizes() -> None:
    counts = counts_of_folds(TEST_COUNTS)
    sizes = [(sum(counts[fold, "train"]), sum(counts[fold, "test"])) for fold in range(1, 6)]
    assert sizes == [(9356, 2341), (9356, 2341), (9357, 2340), (9358, 2339), (9361, 2336)]


@pytest.mark.skipif(not LISTS.exists(), reason="needs DFEW's lists")
def test_the_published_counts_are_those_of_the_true_lists() -> None:
    for (fold, subset), counts in counts_of_folds(TEST_COUNTS).items():
        with (LISTS / f"EmoLabel_DataSplit/{subset}(single-labeled)/set_{fold}.csv").open(newline="") as file:
            labels = [int(row["label"]) for row in csv.DictReader(file)]
        assert counts == tuple(labels.count(number) for number in range(1, len(LABEL_SETS["dfew"]) + 1))
