"""MAFW in its owners' layout: five folds of numbered videos with named labels, 11 single or 43 compound ones.

Lists: ``Train & Test Set/single/no_caption/set_1/train.txt`` and so on, with lines like ``00025.mp4 anger``; those
with captions have four tab-separated columns, in GBK, and lack all neutral clips. The compound folds differ from the
single ones: a training clip of one may be a test clip of the other.

Frames: ``frames/00025/*.png``; videos: ``clips/00025.mp4``. Both show whole scenes, so faces need cropping.
"""

import re
from pathlib import Path

from ifdd.data.datasets.listing import (
    Entry,
    Folder,
    Listing,
    Options,
    add,
    choose_variant,
    claim,
    clips_in,
    counts_of_folds,
    plain,
    read_lines,
    report_skipped,
    walk,
)
from ifdd.data.labels import LABEL_SETS
from ifdd.errors import InputError

FOLDS = (1, 2, 3, 4, 5)

VARIANTS: dict[str, tuple[str, ...]] = {"frames": ("frames",), "clips": ("clips",)}
"""Kind of frames -> names of its folder: images, videos."""

SINGLE_TEST_COUNTS: dict[int, tuple[int, ...]] = {
    1: (278, 128, 125, 249, 228, 294, 215, 48, 184, 53, 37),
    2: (278, 128, 125, 249, 228, 294, 215, 47, 183, 53, 37),
    3: (278, 128, 125, 248, 228, 294, 214, 47, 183, 52, 36),
    4: (278, 128, 125, 248, 227, 294, 214, 47, 183, 52, 36),
    5: (278, 127, 125, 248, 227, 294, 214, 47, 183, 52, 36),
}
"""Fold -> clips per single class in its test list."""

# fmt: off
COMPOUND_TEST_COUNTS: dict[int, tuple[int, ...]] = {
    1: (85, 62, 36, 215, 228, 122, 100, 23, 82, 29, 9,
        177, 32, 79, 11, 42, 37, 7, 44, 20, 20, 47, 42, 5, 9, 109, 18,
        7, 11, 3, 8, 6, 12, 16, 3, 27, 4, 8, 4, 4, 8, 4, 3),
    2: (85, 62, 36, 215, 228, 122, 100, 22, 82, 29, 8,
        177, 31, 79, 11, 42, 37, 7, 44, 19, 20, 47, 41, 5, 9, 109, 18,
        7, 11, 3, 8, 5, 12, 15, 3, 26, 4, 8, 4, 4, 7, 4, 3),
    3: (85, 62, 36, 215, 228, 122, 99, 22, 82, 29, 8,
        177, 31, 78, 10, 42, 37, 7, 44, 19, 20, 46, 41, 4, 9, 108, 18,
        6, 11, 3, 8, 5, 12, 15, 2, 26, 4, 7, 3, 4, 7, 4, 2),
    4: (85, 62, 36, 215, 227, 122, 99, 22, 81, 28, 8,
        176, 31, 78, 10, 41, 37, 6, 43, 19, 19, 46, 41, 4, 9, 108, 18,
        6, 11, 2, 8, 5, 12, 15, 2, 26, 3, 7, 3, 4, 7, 4, 2),
    5: (85, 62, 36, 215, 227, 122, 99, 22, 81, 28, 8,
        176, 31, 78, 10, 41, 37, 6, 43, 19, 19, 46, 41, 4, 9, 108, 18,
        6, 10, 2, 7, 5, 11, 15, 2, 26, 3, 7, 3, 3, 7, 3, 2),
}
# fmt: on
"""Fold -> clips per compound class in its test list. Folds 2 to 5 were counted in the training list of fold 1, which is
the concatenation of the other four test lists (as are, clip for clip, all single training lists)."""

LABEL_SET_NAMES = {"single": "mafw", "compound": "mafw_compound"}
"""Choice -> name in ``LABEL_SETS``."""


def read_mafw(root: Path, options: Options) -> Listing:
    """Read the lists of all five folds, single or compound, and which clips are on disk.

    Raises:
        InputError: there are no such lists or no frames, or the kind of frames or the label set is unknown.
    """
    if options.label_set not in LABEL_SET_NAMES:
        raise InputError(f"unknown label set {options.label_set!r}; choose one of {', '.join(LABEL_SET_NAMES)}")
    tree = walk(root)
    variant, frames = choose_variant(tree, VARIANTS, options.frames, root)
    pairs = tuple((fold, subset) for fold in FOLDS for subset in ("train", "test"))
    label_set = LABEL_SET_NAMES[options.label_set]
    classes = LABEL_SETS[label_set]
    counts = counts_of(options.label_set, options.captioned)
    listing = Listing("mafw", label_set, classes, variant, pairs, published=counts_of_folds(counts))
    report_skipped(listing, tree)
    listing.rate_reason = "MAFW publishes no frame rate of its images"
    listing.put_on_disk((_number(name), path) for name, path in clips_in(frames))
    captions = "with_caption" if options.captioned else "no_caption"
    lists = _find_lists(listing, tree, options.label_set, plain(captions))
    if not lists:
        hint = "" if options.captioned else "; if you only have the lists with captions, add --captioned"
        raise InputError(
            f"{root} contains no {options.label_set} lists of MAFW; put 'Train & Test Set/{options.label_set}/"
            f"{captions}/set_1/train.txt' and the others there{hint}"
        )
    for fold, subset in pairs:
        if (fold, subset) in lists:
            _read_list(listing, *lists[fold, subset], fold, subset, frames.path)
        else:
            name = f"{options.label_set}/{captions}/set_{fold}/{subset}.txt"
            listing.report("lists", "wrong", f"fold {fold}, {subset}: no {name}; copy it from the dataset")
    _check_kind(listing, options.label_set)
    return listing


def counts_of(label_set: str, captioned: bool) -> dict[int, tuple[int, ...]]:
    """Return fold -> clips per class in its test list; lists with captions have no neutral clips."""
    tests = SINGLE_TEST_COUNTS if label_set == "single" else COMPOUND_TEST_COUNTS
    if not captioned:
        return tests
    neutral = LABEL_SETS["mafw"].index("neutral")
    return {fold: (*counts[:neutral], 0, *counts[neutral + 1 :]) for fold, counts in tests.items()}


def _number(name: str) -> str:
    """Return a clip's id padded to five digits; other names unchanged."""
    return f"{int(name):05d}" if re.fullmatch("[0-9]{1,9}", name) else name


def _find_lists(
    listing: Listing, tree: list[Folder], label_set: str, captions: str
) -> dict[tuple[int, str], tuple[Folder, str]]:
    """Return (fold, subset) -> list."""
    found: dict[tuple[int, str], tuple[Folder, str]] = {}
    for folder in tree:
        parts = [plain(part) for part in folder.relative.split("/")]
        fold = re.fullmatch(r"(?:set|fold)([1-5])", parts[-1])
        if fold is None or label_set not in parts or captions not in parts:
            continue
        for name in folder.files:
            match = re.fullmatch(r"(train|test)\.(?:txt|csv)", name.lower())
            if match is not None:
                claim(listing, found, (int(fold[1]), match[1]), folder, name)
    return found


def _read_list(listing: Listing, folder: Folder, name: str, fold: int, subset: str, frames: Path) -> None:
    """Read one list; the captions after the second column are ignored."""
    bare = 0
    for number, line in read_lines(listing, folder, name):
        where = f"{folder.relative}/{name}, line {number}"
        parts = line.split("\t") if "\t" in line else line.split()
        clip = re.fullmatch(r"([0-9]+)(?:\.mp4)?", parts[0].strip())
        if clip is None or len(parts) not in (2, 4):
            listing.drop_line(where, f"{line[:60]!r} is not '00025.mp4 anger'; correct the line")
            continue
        clip_id = _number(clip[1])
        bare += parts[0].strip() != f"{clip_id}.mp4"
        source = listing.on_disk.get(clip_id, frames / clip_id)
        add(listing, Entry(clip_id, parts[1].strip(), subset, fold, where, source))
    if bare:
        message = f"{folder.relative}/{name}: {bare} ids differ from the official form 00025.mp4; read as numbers"
        listing.report("ids", "note", message)


def _check_kind(listing: Listing, label_set: str) -> None:
    """Refuse lists of the other kind: compound and single folds differ and must not be mixed."""
    compounds = sum("_" in entry.label for entry in listing.entries)
    strange = sum("_" in excluded.reason for excluded in listing.excluded)
    if label_set == "compound" and listing.entries and not compounds:
        message = (
            "the lists in the folder compound contain no compound emotion: they are single lists; use the compound ones"
        )
        listing.report("label set", "refused", message)
    if label_set == "single" and strange:
        message = (
            f"{strange} lines of the single lists have compound emotions; use the single lists, or --label-set compound"
        )
        listing.report("label set", "refused", message)
