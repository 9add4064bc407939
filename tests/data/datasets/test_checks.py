"""Each check is made to fail on a tiny tree in an official layout."""

import shutil
from pathlib import Path

import pytest

from ifdd.data.datasets.checks import CHECKS, Checked, Verdict, check_lengths, verdicts
from ifdd.data.datasets.dfew import read_dfew
from ifdd.data.datasets.ferv39k import read_ferv39k
from ifdd.data.datasets.folder import read_folder
from ifdd.data.datasets.listing import Listing, Options
from ifdd.data.datasets.mafw import read_mafw
from ifdd.data.preparation.inspection import inspect
from tests.helpers.layouts import edit, write_clip, write_dfew, write_ferv39k, write_mafw

TRAIN = "EmoLabel_DataSplit/train(single-labeled)/set_1.csv"
TEST = "EmoLabel_DataSplit/test(single-labeled)/set_1.csv"


def outcome(listing: Listing, *, synthetic: bool = True) -> dict[str, Checked]:
    check_lengths(listing, inspect(listing, "first", 2, synthetic))
    return {check.name: check for check in verdicts(listing, {})}


def failing(root: Path) -> dict[str, Verdict]:
    """Return the checks of a DFEW tree that are not ok."""
    return {name: check.verdict for name, check in outcome(read_dfew(root, Options())).items() if check.verdict != "ok"}


def messages(check: Checked) -> list[str]:
    return [finding.message for finding in check.findings]


def test_a_tree_without_faults_passes_every_check(tmp_path: Path) -> None:
    write_dfew(tmp_path / "dfew")
    (tmp_path / "dfew/Clip/clip_224x224_16f/16372").rename(tmp_path / "16372")
    assert failing(tmp_path / "dfew") == {}
    listing = read_ferv39k(write_ferv39k(tmp_path / "ferv39k"), Options())
    assert {check.verdict for check in outcome(listing).values()} == {"ok"}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        # the line is named, and then the clip is missing in this fold
        (TRAIN, "\n3,2\n", "\n3;2\n", {"lines": "wrong"}),
        (TRAIN, "\n3,2\n", "\n3,9\n", {"names": "wrong"}),
        (TRAIN, "\n3,2\n", "\n03,2\n", {"ids": "noted"}),
        (TRAIN, "\n3,2\n", "\n3,2\n3,2\n", {"duplicates": "wrong"}),
        (TRAIN, "\n3,2\n", "\n3,2\n3,4\n", {"duplicates": "wrong", "agreement": "wrong"}),
        (TRAIN, "\n3,2\n", "\n3,4\n", {"agreement": "wrong"}),
        (TRAIN, "\n3,2\n", "\n3,2\n1,1\n", {"subsets": "wrong"}),
        (TEST, "\n1,1\n", "\n1,1\n3,2\n", {"subsets": "wrong", "partition": "wrong"}),
        (TEST, "\n1,1\n", "\n", {"partition": "wrong"}),
        (TRAIN, "\n3,2\n", "\n777,2\n", {"frames": "wrong", "partition": "wrong"}),
        ("Annotation/annotation.csv", "\n0,0,5,5,", "\n0,0,5,x,", {"votes": "wrong"}),
    ],
)
def test_a_fault_in_a_list_fails_its_check(
    tmp_path: Path, file: str, old: str, new: str, expected: dict[str, Verdict]
) -> None:
    write_dfew(tmp_path)
    edit(tmp_path / file, old, new)
    assert failing(tmp_path) == {**expected, "unlisted": "noted"}


def test_a_list_that_is_missing_fails_lists_and_not_the_partition(tmp_path: Path) -> None:
    write_dfew(tmp_path)
    (tmp_path / TEST).unlink()
    assert failing(tmp_path) == {"lists": "wrong", "unlisted": "noted"}


def test_a_list_that_is_no_text_fails_encoding(tmp_path: Path) -> None:
    write_dfew(tmp_path)
    (tmp_path / TRAIN).write_bytes(b"\x00\xff")
    assert failing(tmp_path)["encoding"] == "wrong"


def test_labels_from_zero_are_refused(tmp_path: Path) -> None:
    assert failing(write_dfew(tmp_path, first_label=0)) == {"label base": "refused", "unlisted": "noted"}


def test_mixed_label_sets_are_refused(tmp_path: Path) -> None:
    write_mafw(tmp_path, kinds=("single",))
    (tmp_path / "Train & Test Set/single").rename(tmp_path / "Train & Test Set/compound")
    listing = read_mafw(tmp_path, Options(label_set="compound"))
    assert outcome(listing)["label set"].verdict == "refused"


def test_counts_are_compared_with_the_published_ones_class_by_class(tmp_path: Path) -> None:
    counts = outcome(read_dfew(write_dfew(tmp_path), Options()), synthetic=False)["counts"]
    assert counts.verdict == "wrong"
    assert len(counts.findings) == 5 * 2 * 7
    assert messages(counts)[0] == (
        "fold 1, train: 1 clips of happy, 1956 are published; copy the list from the dataset again"
    )
    (tmp_path / TRAIN).unlink()
    counts = outcome(read_dfew(tmp_path, Options()), synthetic=False)["counts"]
    assert messages(counts)[0] == "fold 1, train: no clips, 9356 are published; copy the list from the dataset again"


def test_a_clip_without_frames_is_left_out_of_every_fold(tmp_path: Path) -> None:
    write_dfew(tmp_path)
    frames = tmp_path / "Clip/clip_224x224_16f"
    shutil.rmtree(frames / "00003")
    for file in (frames / "00005").iterdir():
        file.unlink()
    listing = read_dfew(tmp_path, Options())
    check = outcome(listing)["frames"]
    assert check.verdict == "wrong"
    assert messages(check) == [
        f"clip 00003: path does not exist: {frames / '00003'}; copy it from the dataset",
        f"clip 00005: the folder contains no frames: {frames / '00005'}; copy it from the dataset",
    ]
    assert {e.clip_id for e in listing.excluded} == {"00003", "00005"}
    assert len(listing.excluded) == 10
    assert len(listing.entries) == 40
    assert "no frames: the folder contains no frames" in {e.reason for e in listing.excluded}


def test_an_unreadable_frame_leaves_its_clip_out(tmp_path: Path) -> None:
    write_dfew(tmp_path)
    (tmp_path / "Clip/clip_224x224_16f/00003/1.jpg").write_bytes(b"\xff\xd8\xff")
    listing = read_dfew(tmp_path, Options())
    check = outcome(listing)["readable"]
    assert check.verdict == "wrong"
    assert messages(check)[0].startswith("clip 00003: ")
    assert "1.jpg is not a readable image" in messages(check)[0]
    assert {e.clip_id for e in listing.excluded} == {"00003"}
    assert listing.excluded[0].reason.startswith("unreadable: ")


def test_short_clips_are_kept_and_listed(tmp_path: Path) -> None:
    write_dfew(tmp_path)
    (tmp_path / "Clip/clip_224x224_16f/00003/16.jpg").unlink()
    listing = read_dfew(tmp_path, Options())
    check = outcome(listing)["length"]
    assert (check.verdict, messages(check)) == (
        "noted",
        ["clip 00003 has 15 frames; it is kept, and stretched on reading"],
    )
    assert len(listing.entries) == 50


def test_clips_that_no_list_names_are_noted(tmp_path: Path) -> None:
    check = outcome(read_dfew(write_dfew(tmp_path), Options()))["unlisted"]
    assert [finding.clip_id for finding in check.findings] == ["16372"]


def test_a_clip_of_both_subsets_stays_in_the_test(tmp_path: Path) -> None:
    write_dfew(tmp_path)
    edit(tmp_path / TRAIN, "\n3,2\n", "\n3,2\n1,1\n")
    listing = read_dfew(tmp_path, Options())
    check = outcome(listing)["subsets"]
    assert messages(check)[0].startswith("clip 00001 is in train and test of fold 1 (EmoLabel_DataSplit/train")
    assert {e.subset for e in listing.entries if (e.clip_id, e.fold) == ("00001", 1)} == {"test"}
    assert [(e.clip_id, e.subset, e.reason) for e in listing.excluded] == [
        ("00001", "train", "also in the test list of the fold")
    ]


def test_equal_lines_leave_one_and_contradicting_ones_none(tmp_path: Path) -> None:
    write_dfew(tmp_path)
    edit(tmp_path / TRAIN, "\n3,2\n", "\n3,2\n3,2\n")
    edit(tmp_path / TRAIN, "\n5,3\n", "\n5,3\n5,4\n")
    listing = read_dfew(tmp_path, Options())
    check = outcome(listing)["duplicates"]
    assert messages(check)[0].startswith(
        "clip 00003 is listed twice (EmoLabel_DataSplit/train(single-labeled)/set_1.csv, "
    )
    assert messages(check)[1].startswith("clip 00005 is listed as neutral and as angry (")
    found = [e.clip_id for e in listing.entries if e.fold == 1 and e.subset == "train"]
    assert found.count("00003") == 1
    assert found.count("00005") == 0
    assert [e.clip_id for e in listing.excluded] == ["00003", "00005", "00005"]


def test_one_id_for_two_files_is_reported(tmp_path: Path) -> None:
    write_clip(tmp_path / "a", 16)
    write_clip(tmp_path / "b", 18)
    (tmp_path / "list.csv").write_text(
        "clip_id,path,label,subset,fold\nx,a,happy,test,1\nx,b,sad,train,2\nx,a,happy,test,2\n"
    )
    listing = read_folder(tmp_path / "list.csv", Options())
    found = outcome(listing)
    assert {name for name, check in found.items() if check.verdict == "wrong"} == {"ids"}
    assert messages(found["ids"]) == [
        f"clip x is {tmp_path / 'a'} in list.csv, line 2 and {tmp_path / 'b'} in list.csv, line 3; give different "
        "clips different ids"
    ]
    assert [(entry.fold, entry.source) for entry in listing.entries] == [(1, tmp_path / "a"), (2, tmp_path / "a")]


def test_folds_of_ones_own_may_be_no_partition(tmp_path: Path) -> None:
    write_clip(tmp_path / "a", 16)
    (tmp_path / "list.csv").write_text("path,label,subset,fold\na,happy,test,1\na,happy,test,2\n")
    assert outcome(read_folder(tmp_path / "list.csv", Options()))["partition"].verdict == "noted"


def test_what_was_not_checked_is_called_so_unless_it_failed(tmp_path: Path) -> None:
    listing = read_dfew(write_dfew(tmp_path, frames=3), Options())
    inspect(listing, "none", 2, synthetic=True)
    found = {check.name: check for check in verdicts(listing, {"readable": "not asked for", "length": "no"})}
    assert list(found) == list(CHECKS)
    assert (found["readable"].verdict, found["readable"].reason) == ("not checked", "not asked for")
    assert found["length"].verdict == "not checked"
