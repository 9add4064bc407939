"""DFEW in its owners' layout: five folds of numbered clips with numbered labels, and ten annotators' votes.

Lists: ``EmoLabel_DataSplit/train(single-labeled)/set_1.csv`` and so on, header ``video_name,label``, labels from 1.
Frames: ``Clip/clip_224x224_16f/00001/*.jpg``, ``Clip/clip_224x224/``, ``Clip/jpg_256/``; videos
``Clip/original/1.mp4``. Votes: ``Annotation/annotation.csv``. Folders may be spelt ``train_single-labeled`` or
``train``, lie at any depth, and repeat their name as unpacked archives do; ids may be padded with zeros.

Re-published lists whose labels start at 0 are detected and refused: read as 1-based, each clip would get another class,
and only the scores would show it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ifdd.data.datasets.listing import (
    Entry,
    Folder,
    Listing,
    Options,
    choose_variant,
    claim,
    clips_in,
    counts_of_folds,
    plain,
    read_columns,
    read_lines,
    report_skipped,
    walk,
)
from ifdd.data.labels import LABEL_SETS
from ifdd.errors import InputError
from ifdd.tables import SEPARATORS

CLASSES = LABEL_SETS["dfew"]
FOLDS = (1, 2, 3, 4, 5)

VARIANTS: dict[str, tuple[str, ...]] = {
    "clip_224x224_16f": ("clip_224x224_16f", "clip_224x16f"),
    "clip_224x224": ("clip_224x224",),
    "jpg_256": ("jpg_256",),
    "original": ("original",),
}
"""Kind of frames -> names of its folder: 16 interpolated frames per clip, all frames, all uncropped frames, videos."""

RATE_REASONS = {
    "clip_224x224_16f": "16 frames were interpolated over each clip, whose duration is not in the frames",
}
"""Kind of frames -> why its frame rate is not known, where more can be said than that none is published."""

TEST_COUNTS: dict[int, tuple[int, ...]] = {
    1: (489, 379, 534, 435, 294, 29, 181),
    2: (489, 379, 534, 435, 294, 29, 181),
    3: (489, 379, 534, 435, 294, 29, 180),
    4: (489, 379, 534, 434, 294, 29, 180),
    5: (489, 378, 533, 434, 293, 29, 180),
}
"""Fold -> clips per class in its test list. The five test lists partition all clips, so each training list is the union
of the other four."""


class Row(NamedTuple):
    """One line of a list."""

    clip_id: str
    label: int
    """As written in the list."""
    where: str


class Vote(NamedTuple):
    """One line of the annotation."""

    label: int
    """From 1; 0 if no emotion has enough votes."""
    votes: str


def read_dfew(root: Path, options: Options) -> Listing:
    """Read the lists of all five folds, the votes if present, and which clips are on disk.

    Raises:
        InputError: there are no lists or no frames, or the kind of frames is unknown.
    """
    tree = walk(root)
    variant, frames = choose_variant(tree, VARIANTS, options.frames, root)
    pairs = tuple((fold, subset) for fold in FOLDS for subset in ("train", "test"))
    listing = Listing("dfew", "dfew", CLASSES, variant, pairs, published=counts_of_folds(TEST_COUNTS))
    report_skipped(listing, tree)
    listing.rate_reason = RATE_REASONS.get(variant, "DFEW publishes no frame rate")
    listing.put_on_disk(_by_number(listing, clips_in(frames)))
    lists = _find_lists(listing, tree)
    if not lists:
        raise InputError(
            f"{root} contains no lists of DFEW; put 'EmoLabel_DataSplit/train(single-labeled)/set_1.csv' and the "
            "others there"
        )
    votes = _read_votes(listing, tree)
    rows = {pair: _read_list(listing, *lists[pair]) for pair in pairs if pair in lists}
    first = _first_labels(listing, rows)
    for fold, subset in pairs:
        if (fold, subset) in rows:
            _add_rows(listing, rows[fold, subset], first[fold, subset], fold, subset, votes, frames.path)
        else:
            name = f"{subset}(single-labeled)/set_{fold}.csv"
            listing.report("lists", "wrong", f"fold {fold}, {subset}: no {name}; copy it from the dataset")
    return listing


def _by_number(listing: Listing, clips: list[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    """Yield five-digit id and path of the clips on disk, whose names may be padded or not."""
    for name, path in clips:
        if name.isascii() and name.isdigit():
            yield f"{int(name):05d}", path
        else:
            listing.report("unlisted", "note", f"{path.parent.name}/{path.name} is not a clip of DFEW; it is not used")


def _find_lists(listing: Listing, tree: list[Folder]) -> dict[tuple[int, str], tuple[Folder, str]]:
    """Return (fold, subset) -> list, at any depth."""
    found: dict[tuple[int, str], tuple[Folder, str]] = {}
    for folder in tree:
        subset = re.match(r"(train|test)", plain(folder.path.name))
        if "multi" in plain(folder.path.name):
            continue
        for name in folder.files:
            match = re.fullmatch(r"(?:(train|test)_?)?set_?([1-5])\.csv", name.lower())
            if match is None or not (match[1] or subset):
                continue
            claim(listing, found, (int(match[2]), match[1] or (subset[1] if subset else "")), folder, name)
    return found


def _read_list(listing: Listing, folder: Folder, name: str) -> list[Row]:
    """Return the well-formed lines of a list."""
    rows, padded = [], 0
    lines = read_lines(listing, folder, name)
    separator = next((each for each in SEPARATORS if any(each in line for _, line in lines)), ",")
    for number, line in lines:
        where = f"{folder.relative}/{name}, line {number}"
        parts = [part.strip().strip('"') for part in line.split(separator)]
        if [plain(part) for part in parts] == ["videoname", "label"]:
            continue
        clip = re.fullmatch(r"([0-9]{1,9})(\.mp4)?", parts[0])
        if len(parts) != 2 or clip is None or not re.fullmatch(r"[0-9]{1,9}", parts[1]):
            listing.drop_line(where, f"{line!r} is not 'number,label'; correct the line")
            continue
        padded += len(clip[1]) > len(str(int(clip[1])))
        rows.append(Row(f"{int(clip[1]):05d}", int(parts[1]), where))
    if padded:
        message = f"{padded} ids are padded with zeros, unlike the official ones; read as numbers"
        listing.report("ids", "note", f"{folder.relative}/{name}: {message}")
    return rows


def _first_labels(listing: Listing, rows: dict[tuple[int, str], list[Row]]) -> dict[tuple[int, str], int]:
    """Return the number of the first class in each list; a list that starts at 0 is refused.

    A short list may contain neither 0 nor 7; then the other lists decide.
    """
    labels = {pair: {row.label for row in part} for pair, part in rows.items()}
    from_zero = [pair for pair, found in labels.items() if 0 in found and len(CLASSES) not in found]
    for pair in from_zero:
        where = rows[pair][0].where.partition(", line")[0]
        message = (
            f"{where}: labels are {min(labels[pair])} to {max(labels[pair])}, but 1 to {len(CLASSES)} in the official "
            "lists: this list was re-published with 0 for Happy instead of 1; use the official one, or add 1 to each "
            "label"
        )
        listing.report("label base", "refused", message)
    all_from_zero = bool(from_zero) and not any(len(CLASSES) in found for found in labels.values())
    return {pair: 0 if pair in from_zero or all_from_zero else 1 for pair in rows}


def _add_rows(
    listing: Listing, rows: list[Row], first: int, fold: int, subset: str, votes: dict[str, Vote], frames: Path
) -> None:
    """Add the lines of a list to the listing."""
    for clip_id, label, where in rows:
        source = listing.on_disk.get(clip_id, frames / clip_id)
        vote = votes.get(clip_id)
        if not 0 <= label - first < len(CLASSES):
            message = (
                f"{where}: clip {clip_id} has the label {label}, which is not a class; labels are 1 to {len(CLASSES)}"
            )
            listing.report("names", "wrong", message, clip_id)
            listing.exclude(Entry(clip_id, "", subset, fold, where, source), f"unknown label {label}")
            continue
        if vote is not None and vote.label != label + 1 - first:
            message = (
                f"{where}: clip {clip_id} has the label {label}, the annotation says {vote.label}; check which is right"
            )
            listing.report("agreement", "wrong" if vote.label else "note", message, clip_id)
        entry = Entry(clip_id, CLASSES[label - first], subset, fold, where, source, votes=vote.votes if vote else "")
        listing.entries.append(entry)


def _read_votes(listing: Listing, tree: list[Folder]) -> dict[str, Vote]:
    """Return clip id -> the annotators' votes; empty without annotation."""
    for folder in tree:
        for name in folder.files:
            if name.lower() == "annotation.csv":
                return _parse_votes(listing, folder, name)
    listing.report("votes", "note", "no Annotation/annotation.csv: the manifest has no soft labels")
    return {}


def _parse_votes(listing: Listing, folder: Folder, name: str) -> dict[str, Vote]:
    where = f"{folder.relative}/{name}"
    wanted = [f"{place}{emotion}" for place, emotion in enumerate(CLASSES, start=1)] + ["order", "label"]
    try:
        table = read_columns(listing, folder, name, wanted)
    except InputError as error:
        listing.report("votes", "wrong", f"{error}; the votes are not used")
        return {}
    header = [plain(cell) for cell in table.header]
    if not set(wanted) <= set(header):
        message = f"{where}: the first line must name {', '.join(wanted)}, and was {table.form}; the votes are not used"
        listing.report("votes", "wrong", message)
        return {}
    votes = {}
    for number, row in table.rows:
        cells = dict(zip(header, row, strict=False))
        numbers = [cells.get(column, "").strip() for column in wanted]
        if not all(re.fullmatch(r"[0-9]{1,9}(\.0)?", cell) for cell in numbers):
            listing.report(
                "votes", "wrong", f"{where}, line {number}: not all of its cells are numbers; correct the line"
            )
            continue
        *counts, order, label = (int(float(cell)) for cell in numbers)
        given = [f"{emotion}:{count}" for emotion, count in zip(CLASSES, counts, strict=True) if count]
        votes[f"{order:05d}"] = Vote(label, " ".join(given))
    return votes
