from pathlib import Path

import pytest

from ifdd.data.datasets.listing import Listing, Options, counts_of_folds
from ifdd.data.datasets.mafw import COMPOUND_TEST_COUNTS, SINGLE_TEST_COUNTS, counts_of, read_mafw
from ifdd.data.labels import LABEL_SETS
from ifdd.errors import InputError
from tests.helpers.layouts import COMPOUND_MEMBERS, MAFW_MEMBERS, edit, write_mafw

LISTS = Path(__file__).parents[4] / "shared" / "real" / "lists" / "MAFW" / "Train & Test Set"
SINGLE = "Train & Test Set/single/no_caption"


def messages(listing: Listing, check: str) -> list[str]:
    return [finding.message for finding in listing.findings if finding.check == check]


def read(root: Path, label_set: str = "single", *, captioned: bool = False, frames: str = "auto") -> Listing:
    return read_mafw(root, Options(frames=frames, label_set=label_set, captioned=captioned))


@pytest.mark.parametrize(
    ("variant", "lists"),
    [
        ("clips", "Train & Test Set/{kind}/{captions}/set_{fold}/{subset}.txt"),
        ("frames", "MAFW/Train_Test_Set/{kind}/{captions}/set{fold}/{subset}.txt"),
        ("data/frames", "{kind}/{captions}/set_{fold}/{subset}.txt"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_single_lists_are_read_from_any_tree(tmp_path: Path, variant: str, lists: str, line_end: str) -> None:
    listing = read(write_mafw(tmp_path, variant=variant, lists=lists, line_end=line_end))
    assert (listing.label_set, listing.variant) == ("mafw", variant.removeprefix("data/"))
    assert len(listing.entries) == 5 * len(MAFW_MEMBERS)
    assert {e.clip_id for e in listing.entries} == {clip_id for clip_id, _, _ in MAFW_MEMBERS} == set(listing.on_disk)
    labels = dict(zip(LABEL_SETS["mafw"], listing.labels, strict=True))
    assert {e.clip_id: e.label for e in listing.entries} == {c: labels[label] for c, label, _ in MAFW_MEMBERS}
    assert all(e.source.exists() for e in listing.entries)
    assert {finding.severity for finding in listing.findings} == {"note"}  # line ends
    assert len(messages(listing, "encoding")) == 10


def test_compound_lists_have_folds_and_classes_of_their_own(tmp_path: Path) -> None:
    listing = read(write_mafw(tmp_path), "compound")
    assert listing.label_set == "mafw_compound"
    assert len(listing.classes) == 43
    assert len(listing.entries) == 5 * len(COMPOUND_MEMBERS)
    assert "angry_disgust" in {e.label for e in listing.entries}
    assert {e.where.split("/")[1] for e in listing.entries} == {"compound"}
    with pytest.raises(InputError, match="unknown label set 'both'; choose one of single, compound"):
        read(tmp_path, "both")


def test_captions_are_passed_over_and_lack_the_neutral_clips(tmp_path: Path) -> None:
    listing = read(write_mafw(tmp_path), captioned=True)
    assert {e.where.split("/")[2] for e in listing.entries} == {"with_caption"}
    assert {e.label for e in listing.entries} == set(listing.labels) - {"neutral"}
    assert all("GBK" in message for message in messages(listing, "encoding"))
    assert sum(map(sum, counts_of("single", True).values())) == 8034


def test_only_captioned_lists_must_be_chosen(tmp_path: Path) -> None:
    write_mafw(tmp_path, captions=("with_caption",))
    with pytest.raises(InputError, match=r"contains no single lists of MAFW; .* add --captioned"):
        read(tmp_path)
    assert len(read(tmp_path, captioned=True).entries) == 50


def test_single_lists_in_the_compound_folder_are_refused(tmp_path: Path) -> None:
    write_mafw(tmp_path, kinds=("single",))
    (tmp_path / "Train & Test Set/single").rename(tmp_path / "Train & Test Set/compound")
    listing = read(tmp_path, "compound")
    assert "they are single lists" in messages(listing, "label set")[0]
    assert {f.severity for f in listing.findings if f.check == "label set"} == {"refused"}


def test_compound_lists_in_the_single_folder_are_refused(tmp_path: Path) -> None:
    write_mafw(tmp_path, kinds=("compound",))
    (tmp_path / "Train & Test Set/compound").rename(tmp_path / "Train & Test Set/single")
    listing = read(tmp_path)
    assert messages(listing, "label set")[0].startswith("20 lines of the single lists have compound emotions")
    assert len(listing.excluded) == 20


@pytest.mark.parametrize(
    ("new", "check", "message"),
    [
        ("00022.mp4 disgustt", "names", "clip 00022 has the label 'disgustt'; the classes are anger, disgust"),
        ("00022.mp4", "lines", "'00022.mp4' is not '00025.mp4 anger'"),
        ("clip.mp4 disgust", "lines", "'clip.mp4 disgust' is not"),
        ("00022.mp4 disgust fear", "lines", "is not"),
        ("22.mp4 disgust", "ids", "1 ids differ from the official form 00025.mp4"),
        ("00022 disgust", "ids", "1 ids differ from the official form 00025.mp4"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, new: str, check: str, message: str) -> None:
    write_mafw(tmp_path)
    edit(tmp_path / SINGLE / "set_1/train.txt", "00022.mp4 disgust", new)
    listing = read(tmp_path)
    (found,) = messages(listing, check)
    assert found.startswith(f"{SINGLE}/set_1/train.txt")
    assert message in found
    kept = any((e.clip_id, e.fold) == ("00022", 1) for e in listing.entries)
    assert kept == (check == "ids")


def test_missing_lists_are_said(tmp_path: Path) -> None:
    write_mafw(tmp_path)
    (tmp_path / SINGLE / "set_3/test.txt").unlink()
    assert messages(read(tmp_path), "lists") == [
        "fold 3, test: no single/no_caption/set_3/test.txt; copy it from the dataset"
    ]


def test_frames_come_before_videos_and_either_can_be_chosen(tmp_path: Path) -> None:
    write_mafw(tmp_path)
    write_mafw(tmp_path, variant="frames")
    assert read(tmp_path).variant == "frames"
    assert read(tmp_path, frames="clips").entries[0].source.suffix == ".mp4"


def test_the_published_counts_have_the_published_sizes() -> None:
    counts = counts_of_folds(SINGLE_TEST_COUNTS)
    sizes = [(sum(counts[fold, "train"]), sum(counts[fold, "test"])) for fold in range(1, 6)]
    assert sizes == [(7333, 1839), (7335, 1837), (7339, 1833), (7340, 1832), (7341, 1831)]
    assert sum(map(sum, COMPOUND_TEST_COUNTS.values())) == 8996
    assert {len(counts) for counts in COMPOUND_TEST_COUNTS.values()} == {43}


@pytest.mark.skipif(not LISTS.exists(), reason="needs MAFW's lists")
def test_the_published_counts_are_those_of_the_true_lists() -> None:
    kinds = [("single", "no_caption"), ("single", "with_caption"), ("compound", "no_caption")]
    for kind, captions in kinds:
        classes = LABEL_SETS["mafw" if kind == "single" else "mafw_compound"]
        published = counts_of_folds(counts_of(kind, captions == "with_caption"))
        files = sorted((LISTS / kind / captions).glob("set_*/*.txt"))
        assert len(files) in (2, 10)
        for file in files:
            labels = [line.split()[1] for line in file.read_bytes().decode("gbk").splitlines()]
            counts = tuple(labels.count(name) for name in classes)
            assert counts == published[int(file.parent.name[-1]), file.stem]


@pytest.mark.skipif(not LISTS.exists(), reason="needs MAFW's lists")
def test_a_training_list_is_the_other_test_lists_one_after_the_other() -> None:
    """So the counts of the compound test lists of folds 2 to 5 can be read from the training list of fold 1."""
    folder = LISTS / "single/no_caption"
    tests = {fold: (folder / f"set_{fold}/test.txt").read_text().splitlines() for fold in range(1, 6)}
    for fold in range(1, 6):
        others = [line for other, lines in tests.items() if other != fold for line in lines]
        train = (folder / f"set_{fold}/train.txt").read_text().splitlines()
        assert train == others if fold == 1 else sorted(train) == sorted(others)

    names = list(LABEL_SETS["mafw_compound"])
    lines = (LISTS / "compound/no_caption/set_1/train.txt").read_text().splitlines()
    blocks: list[list[int]] = []
    last = len(names)
    for place in (names.index(line.split()[1]) for line in lines):
        if place < last:
            blocks.append([0] * len(names))
        blocks[-1][place] += 1
        last = place
    assert [tuple(block) for block in blocks] == [COMPOUND_TEST_COUNTS[fold] for fold in (2, 3, 4, 5)]
