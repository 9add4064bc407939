"""Lists of clips as datasets hand them out: finding them, reading their text, and what was found wrong on the way.

The readers ``dfew``, ``ferv39k``, ``mafw`` and ``folder`` turn a tree on disk into a ``Listing``; ``checks`` judges
it and ``prepare`` makes the manifest of it.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from ifdd.data.labels import SPELLINGS, canonical_label
from ifdd.errors import InputError
from ifdd.video.frames import VIDEO_SUFFIXES

Key = TypeVar("Key")
Severity = Literal["note", "wrong", "refused"]
"""note: harmless, but said; wrong: makes numbers wrong; refused: labels would be wrong, so nothing may go on."""


class Finding(NamedTuple):
    """One thing that a check found."""

    check: str
    """Name of the check, a key of ``checks.CHECKS``."""
    severity: Severity
    message: str
    """One line: what, where, remedy."""
    clip_id: str = ""


class Entry(NamedTuple):
    """One line of a list that names a clip and a known label."""

    clip_id: str
    label: str
    """Canonical name."""
    subset: str
    fold: int
    where: str
    """List and line, relative to the dataset's folder."""
    source: Path
    """Where the frames are or should be: a folder of images or a video."""
    subject: str = ""
    votes: str = ""


class Excluded(NamedTuple):
    """A line whose clip is not in the manifest."""

    clip_id: str
    """Empty, as the two below, for a line that cannot be understood."""
    subset: str
    fold: int
    where: str
    reason: str


@dataclass
class Listing:
    """What a reader found: the clips that the lists name, and the clips on disk."""

    dataset: str
    label_set: str
    """Name in ``labels.LABEL_SETS``, or "own"."""
    classes: tuple[str, ...]
    """Class names in the order of the label set; empty while every known emotion may come."""
    variant: str
    """Which kind of frames: a name of the reader's table."""
    expected: tuple[tuple[int, str], ...]
    """The (fold, subset) pairs that the dataset has."""
    entries: list[Entry] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    """The files that were read, relative to the dataset's folder."""
    published: dict[tuple[int, str], tuple[int, ...]] = field(default_factory=dict)
    """(fold, subset) -> published number of clips of each class; empty if none are published."""
    on_disk: dict[str, Path] = field(default_factory=dict)
    """Clip id -> folder or file, of everything in the tree that looks like a clip."""

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Canonical names of the classes."""
        return tuple(canonical_label(name) for name in self.classes)

    def put_on_disk(self, clips: Iterable[tuple[str, Path]]) -> None:
        """Note which clips are on disk; two for one id are a finding."""
        for clip_id, path in clips:
            other = self.on_disk.setdefault(clip_id, path)
            if other != path:
                message = f"clip {clip_id} is there twice, as {other.name} and {path.name}; keep one"
                self.report("frames", "wrong", message, clip_id)

    def report(self, check: str, severity: Severity, message: str, clip_id: str = "") -> None:
        """Note something found."""
        self.findings.append(Finding(check, severity, message, clip_id))

    def exclude(self, entry: Entry, reason: str) -> None:
        """Note that a line is left out."""
        self.excluded.append(Excluded(entry.clip_id, entry.subset, entry.fold, entry.where, reason))

    def drop_line(self, where: str, problem: str) -> None:
        """Note that a line is left out because it cannot be understood."""
        self.report("lines", "wrong", f"{where}: {problem}")
        self.excluded.append(Excluded("", "", 0, where, "not understood"))


class Options(NamedTuple):
    """What a person chose about the tree."""

    frames: str = "auto"
    """Kind of frames, a name of the reader's table."""
    label_set: str = "single"
    captioned: bool = False
    """MAFW: use the lists with captions, which lack the neutral clips."""
    scene: str = ""
    """FERV39k: one of the 22 scenes, all when empty."""
    subset: str = "test"
    """Clips of one's own whose folder says no subset belong to this one."""


class Folder(NamedTuple):
    """A folder of a tree."""

    path: Path
    relative: str
    """To the root, with ``/``; empty for the root."""
    folders: list[str]
    files: list[str]


def plain(name: str) -> str:
    """Return a name without case, spaces and punctuation: folders of one meaning are spelt in many ways."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def walk(root: Path, depth: int = 6) -> list[Folder]:
    """Return the folders of a tree, shallow ones first, without those of single clips (all digits) and hidden ones.

    Raises:
        InputError: there is no such folder or it cannot be read.
    """
    found: list[Folder] = []
    waiting = [(root, "", 0)]
    for path, relative, level in waiting:
        folders, files = _scan(path)
        found.append(Folder(path, relative, folders, files))
        if level < depth:
            inner = [name for name in folders if not name.isdigit() and not name.startswith(".")]
            waiting += [(path / name, f"{relative}/{name}" if relative else name, level + 1) for name in inner]
    return found


def _scan(path: Path) -> tuple[list[str], list[str]]:
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                (folders if entry.is_dir() else files).append(entry.name)
    except OSError as error:
        raise InputError(f"cannot read the folder {path}: {error.strerror}; check the path") from error
    return sorted(folders), sorted(files)


def find_folder(tree: Iterable[Folder], names: Iterable[str]) -> Folder | None:
    """Return the folder that bears one of the names, however spelt; of several the shallowest that is not empty.

    A folder that holds nothing but a folder of the same name, as archives unpack, gives way to that one.
    """
    wanted = {plain(name) for name in names}
    fitting = [folder for folder in tree if plain(folder.path.name) in wanted and (folder.folders or folder.files)]
    doubled = [folder for folder in fitting if any(plain(name) in wanted for name in folder.folders)]
    return next((folder for folder in fitting if folder not in doubled), None)


def clips_in(folder: Folder) -> list[tuple[str, Path]]:
    """Return (name, path) of the clips of a folder: its folders, and its videos without their endings."""
    videos = [name for name in folder.files if name.lower().endswith(VIDEO_SUFFIXES)]
    return [(name, folder.path / name) for name in folder.folders] + [
        (name.rpartition(".")[0], folder.path / name) for name in videos
    ]


def choose_variant(
    tree: list[Folder], variants: dict[str, tuple[str, ...]], chosen: str, root: Path
) -> tuple[str, Folder]:
    """Return the kind of frames to use and its folder: the chosen one, or the first in the table that is there.

    Raises:
        InputError: there is no such kind, or none of them in the tree.
    """
    if chosen != "auto" and chosen not in variants:
        raise InputError(f"unknown frames {chosen!r}; choose auto, {', '.join(variants)}")
    for name in variants if chosen == "auto" else (chosen,):
        folder = find_folder(tree, variants[name])
        if folder is not None:
            return name, folder
    wanted = ", ".join(variants) if chosen == "auto" else chosen
    raise InputError(
        f"{root} holds no folder {wanted} with clips in it; give the folder that the dataset was unpacked to"
    )


def claim(listing: Listing, found: dict[Key, tuple[Folder, str]], key: Key, folder: Folder, name: str) -> None:
    """Remember a list as the one of a part of the dataset; a second one for the same part is not used, and noted."""
    if key in found:
        other = f"{found[key][0].relative}/{found[key][1]}"
        listing.report("lists", "note", f"{folder.relative}/{name} is not used; {other} is for the same part")
    else:
        found[key] = (folder, name)


def add(listing: Listing, entry: Entry) -> bool:
    """Take a line into the listing under its label's canonical name; a label that is no class is a finding.

    Returns:
        whether it was taken.
    """
    try:
        label = canonical_label(entry.label)
        known = not listing.classes or label in listing.labels
    except InputError:
        known = False
    if known:
        listing.entries.append(entry._replace(label=label))
    else:
        classes = ", ".join(listing.classes or SPELLINGS)
        message = f"{entry.where}: clip {entry.clip_id} has the label {entry.label!r}; the classes are {classes}"
        listing.report("names", "wrong", message, entry.clip_id)
        listing.exclude(entry, f"unknown label {entry.label}")
    return known


def read_lines(listing: Listing, folder: Folder, name: str) -> list[tuple[int, str]]:
    """Return (line number, text) of the lines of a list that are not empty; note how the file is written.

    UTF-8 with or without a byte order mark, UTF-16 with one, and GBK are read; line ends may be those of any system.
    A file that is none of these is a finding, and has no lines.
    """
    where = f"{folder.relative}/{name}" if folder.relative else name
    listing.lists.append(where)
    try:
        data = (folder.path / name).read_bytes()
    except OSError as error:
        listing.report("encoding", "wrong", f"{where}: cannot be read ({error.strerror}); check its permissions")
        return []
    encoding, text = _decoded(data)
    if not encoding:
        listing.report("encoding", "wrong", f"{where}: neither UTF-8 nor GBK text; take the file from the dataset anew")
    remarks = [encoding.upper()] if encoding not in ("", "utf-8") else []
    pairs = text.count("\r\n")
    ends = {"CRLF": pairs, "CR": text.count("\r") - pairs, "LF": text.count("\n") - pairs}
    used = [name for name, count in ends.items() if count]
    if used not in ([], ["LF"]):
        remarks.append(f"line ends {' and '.join(used)}")
    if text and not text.endswith(("\n", "\r")):
        remarks.append("no line end behind the last line")
    if remarks:
        listing.report("encoding", "note", f"{where}: {', '.join(remarks)}; read all the same")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]


def _decoded(data: bytes) -> tuple[str, str]:
    """Return (encoding, text) of a file; both empty if it is no text."""
    marked = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
    mark = next((mark for mark in marked if data.startswith(mark)), None)
    for encoding in ("utf-8", "gbk") if mark is None else (marked[mark],):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return encoding, text
    return "", ""
