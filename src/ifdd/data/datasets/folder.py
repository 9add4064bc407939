"""The user's own clips: folders named by class, or a CSV file.

Folder: ``happy/clip.mp4`` or ``happy/clip/*.jpg``, optionally below ``train/``, ``validation/`` and ``test/``. CSV: a
header with ``path`` and ``label`` and optionally ``clip_id``, ``subset``, ``fold``, ``subject``, ``votes``, ``fps``;
paths are relative to the file's folder. Any other column, such as ``age``, is kept as an attribute of the clips.

A class may have any name. Names are kept as they are written; ``Options.synonyms`` reads other spellings of an emotion
as its canonical name.
"""

import os
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ifdd.data.datasets.listing import (
    Entry,
    Folder,
    Listing,
    Options,
    add,
    clips_in,
    plain,
    read_columns,
    report_skipped,
    walk,
)
from ifdd.data.labels import known_label, natural_order, parse_votes
from ifdd.data.manifest import read_rate
from ifdd.errors import InputError
from ifdd.files import exists
from ifdd.folders import some
from ifdd.tables import SEPARATORS, Table
from ifdd.video.mark import is_annotated
from ifdd.video.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES

SUBSET_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""Name of a folder -> subset."""

CSV_COLUMNS = ("path", "label", "clip_id", "subset", "fold", "subject", "votes", "fps")


def read_folder(root: Path, options: Options) -> Listing:
    """Read a folder of classes or a CSV file.

    Raises:
        InputError: the folder or file is unreadable, it contains no clips, or the CSV file lacks a column.
    """
    listing = Listing("folder", "own", (), "own", (), synonyms=options.synonyms)
    if root.is_file():
        _read_csv(listing, root, options.subset)
    else:
        _read_tree(listing, root, options.subset)
    if not listing.entries and not listing.findings:
        raise InputError(f"{root} contains no clips; put videos or folders of images in folders named happy, sad, ...")
    classes = present_classes(listing)
    note_synonyms(listing, classes)
    return replace(listing, classes=classes)


def is_read(root: Path, folder: Path) -> bool:
    """Whether a folder is one of those that ``read_folder`` would take for subsets, classes or clips."""
    try:
        place = folder.resolve().relative_to(root.resolve())
    except ValueError:
        return False
    subsets = [each.name for each in root.iterdir() if each.is_dir() and plain(each.name) in SUBSET_FOLDERS]
    return not subsets or (bool(place.parts) and place.parts[0] in subsets)


def present_classes(listing: Listing) -> tuple[str, ...]:
    """Return the classes that occur: known emotions first, then other names, numbers by value."""
    return tuple(natural_order(entry.label for entry in listing.entries))


def note_synonyms(listing: Listing, classes: tuple[str, ...]) -> None:
    """Note classes that are spellings of one emotion and kept apart."""
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in classes:
        spellings[known_label(name) or name].append(name)
    for emotion, names in spellings.items():
        if len(names) > 1:
            message = (
                f"{' and '.join(names)} are spellings of {emotion} and are kept as {len(names)} classes; --synonyms "
                "reads them as one"
            )
            listing.report("names", "note", message)


def _read_tree(listing: Listing, root: Path, usual: str) -> None:
    tree = {folder.relative: folder for folder in walk(root, depth=2, digits=True)}
    report_skipped(listing, tree.values())
    names = tree[""].folders
    subsets = {name: SUBSET_FOLDERS[plain(name)] for name in names if plain(name) in SUBSET_FOLDERS}
    loose = [
        f"{place}/{name}" if place else name
        for place in ("", *subsets)
        if place in tree
        for name in tree[place].files
        if name.lower().endswith(VIDEO_SUFFIXES)
    ]
    if loose:
        message = f"videos that are in no folder of a class are not used: {len(loose)} ({some(loose)})"
        listing.report("unlisted", "note", message)
    for name in names:
        inner = tree.get(name)
        if inner is None or (subsets and name not in subsets):
            listing.report("unlisted", "note", f"the folder {name} is not a subset; it is not used")
        elif not subsets:
            _read_class(listing, inner, name, usual)
        else:
            for label in inner.folders:
                if f"{name}/{label}" in tree:
                    _read_class(listing, tree[f"{name}/{label}"], label, subsets[name])
    _drop_second_links(listing)


def _drop_second_links(listing: Listing) -> None:
    """Keep one entry of each file that links lead to, so that no clip is in two subsets or counted twice."""
    groups: dict[str, list[Entry]] = {}
    for entry in listing.entries:
        groups.setdefault(os.path.realpath(entry.source), []).append(entry)
    again: list[Entry] = []
    for group in groups.values():
        kept = min(group, key=lambda entry: entry.source.is_symlink())
        others = [entry for entry in group if entry is not kept]
        again += others
        for entry in others:
            listing.exclude(entry, f"the same clip: as {kept.clip_id}")
            if entry.label != kept.label:
                message = f"clip {entry.clip_id} is a link to {kept.clip_id}, which has another label; remove one"
                listing.report("agreement", "wrong", message, entry.clip_id)
    if again:
        message = f"links to clips that are there already are not used: {len(again)} ({some(e.clip_id for e in again)})"
        listing.report("unlisted", "note", message)
        listing.entries[:] = [entry for entry in listing.entries if entry not in again]


def _read_class(listing: Listing, folder: Folder, label: str, subset: str) -> None:
    """Add the clips in the folder of one class."""
    clips = [(f"{folder.relative}/{name}", path) for name, path in clips_in(folder)]
    annotated = [path for _, path in clips if path.is_file() and is_annotated(path)]
    if annotated:
        message = f"{folder.relative} contains annotated videos of 'ifdd recognize', which are not used"
        listing.report("unlisted", "note", f"{message}: {len(annotated)} ({some(path.name for path in annotated)})")
    clips = [(clip_id, path) for clip_id, path in clips if path not in annotated]
    for clip_id, path in clips:
        add(listing, Entry(clip_id, label, subset, 0, f"{folder.relative}/{path.name}", path))
    if not clips:
        listing.report("unlisted", "note", f"the folder {folder.relative} contains no clips")
    read = {path.name for _, path in clips}
    images = sum(name.lower().endswith(IMAGE_SUFFIXES) and name not in read for name in folder.files)
    others = sum(not name.lower().endswith((*VIDEO_SUFFIXES, *IMAGE_SUFFIXES)) for name in folder.files)
    if images:
        message = (
            f"{folder.relative} contains {images} images next to the clips; put the images of each clip in a separate "
            "folder"
        )
        listing.report("unlisted", "note", message)
    if others:
        listing.report(
            "unlisted", "note", f"{folder.relative} contains {others} files that are not videos; they are not used"
        )


def _read_csv(listing: Listing, file: Path, usual: str) -> None:
    place = Folder(file.absolute().parent, "", [], [file.name])
    table = read_columns(listing, place, file.name, CSV_COLUMNS, lambda table: _existing(table, place.path))
    header = [name if name in CSV_COLUMNS else name.strip().lower() for name in table.header]
    if not header:
        raise InputError(
            f"{file} is not a CSV file of clips; its first line must be {','.join(CSV_COLUMNS)} or a part of it"
        )
    if not {"path", "label"} <= set(header):
        raise InputError(
            f"{file}: the first line must name path and label, and may name {', '.join(CSV_COLUMNS[2:])}, separated by "
            f"{', '.join(SEPARATORS.values())}; it was {table.form}"
        )
    further = [name for name in header if name not in CSV_COLUMNS]
    if "" in further or {"frames", "durations"} & set(further) or len(set(header)) < len(header):
        raise InputError(
            f"{file}: a column has no name, occurs twice or is named frames or durations; rename or remove it; the "
            f"file was {table.form}"
        )
    if further:
        message = f"{file.name}: the columns {', '.join(further)} are kept as attributes of the clips"
        listing.report("lists", "note", message)
    for number, cells in table.rows:
        where = f"{file.name}, line {number}"
        if len(cells) != len(header):
            listing.drop_line(where, f"{len(cells)} columns instead of {len(header)}; correct the line")
            continue
        row = dict.fromkeys(CSV_COLUMNS, "") | dict(zip(header, map(str.strip, cells), strict=True))
        _take_row(listing, row, tuple((name, row[name]) for name in further), where, place.path, usual)


def _existing(table: Table, base: Path) -> int:
    """Return how many of the paths of a table exist."""
    return sum(exists(_source(base, each.strip())) for each in table.column("path"))


def _source(base: Path, path: str) -> Path:
    """Return the path of a clip, whose separators may be those of Windows."""
    return base / path.replace("\\", "/")


def _take_row(
    listing: Listing, row: dict[str, str], attributes: tuple[tuple[str, str], ...], where: str, base: Path, usual: str
) -> None:
    """Add one line of a CSV file, or report what is wrong with it."""
    subset = SUBSET_FOLDERS.get(plain(row["subset"] or usual))
    fold = row["fold"] or "0"
    try:
        parse_votes(row["votes"])
        fps = read_rate(row["fps"])
    except InputError as error:
        listing.drop_line(where, str(error))
        return
    if subset is None or not re.fullmatch("[0-9]{1,9}", fold) or not row["path"]:
        given = f"path {row['path']!r}, subset {row['subset']!r}, fold {row['fold']!r}"
        needed = "a path, a subset (train, validation or test) and a number"
        listing.drop_line(where, f"{given}; give {needed}; subset and fold may be empty")
        return
    path = _source(base, row["path"])
    clip_id, votes = row["clip_id"] or _id_of(row["path"], path), row["votes"]
    if not clip_id:
        listing.drop_line(where, f"path {row['path']!r} names no clip; give the path of a video or folder of images")
        return
    add(listing, Entry(clip_id, row["label"], subset, int(fold), where, path, row["subject"], votes, attributes, fps))


def _id_of(path: str, source: Path) -> str:
    """Return a clip id for a path: without a file's suffix, and without parts that lead out of the folder."""
    parts = [part for part in PurePosixPath(path.replace("\\", "/")).parts if part not in ("/", ".", "..")]
    if parts and not os.path.isdir(source):  # noqa: PTH112 (Path.is_dir fails for names that no disk takes)
        parts[-1] = PurePosixPath(parts[-1]).stem
    return "/".join(parts)
