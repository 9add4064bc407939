"""The lists of clips that datasets ship: locate them, read them, and collect what is wrong with them.

The readers ``dfew``, ``ferv39k``, ``mafw``, ``cremad``, ``ravdess`` and ``folder`` turn a tree on disk into a
``Listing``; ``checks`` checks it, and ``prepare`` writes the manifest from it.
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from ifdd.data.labels import canonical_label, clean_label, known_label
from ifdd.errors import InputError
from ifdd.folders import is_folder, is_system, leads_back, some
from ifdd.records import PrepareRecord
from ifdd.tables import Table, read_table
from ifdd.video.paths import is_video_file
from ifdd.video.suffixes import VIDEO_SUFFIXES

Key = TypeVar("Key")
Severity = Literal["note", "wrong", "refused"]
"""note: harmless; reported only. wrong: scores would be wrong. refused: labels or folds would be wrong; always
stops."""


class Finding(NamedTuple):
    """One finding of a check."""

    check: str
    """Name of the check, a key of ``checks.CHECKS``."""
    severity: Severity
    message: str
    """One line: what is wrong, where, and what to do."""
    clip_id: str = ""


class Entry(NamedTuple):
    """One line of a list that names a clip and a known label."""

    clip_id: str
    label: str
    """Canonical name of an emotion; of clips of your own, the name as written."""
    subset: str
    fold: int
    where: str
    """List and line, relative to the dataset's folder."""
    source: Path
    """The expected path of the frames: a folder of images or a video."""
    subject: str = ""
    votes: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    """(column, text) pairs for further columns of the manifest, such as the age of the subject."""
    fps: float | None = None
    """Frames a second, if the list states them."""
    durations: str = ""
    """How long each frame is shown, as in a manifest; empty if evenly spaced or unknown."""


class Excluded(NamedTuple):
    """A line whose clip is excluded from the manifest."""

    clip_id: str
    """Empty, like subset and fold, for a malformed line."""
    subset: str
    fold: int
    where: str
    reason: str


@dataclass
class Listing:
    """The output of a reader: the clips in the lists, and the clips on disk."""

    dataset: str
    label_set: str
    """Name in ``labels.LABEL_SETS``, or "own"."""
    classes: tuple[str, ...]
    """Class names in the order of the label set; empty if every name is allowed."""
    variant: str
    """Kind of frames: a name in the reader's table."""
    expected: tuple[tuple[int, str], ...]
    """The (fold, subset) pairs that the dataset has."""
    entries: list[Entry] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    """The files that were read, relative to the dataset's folder."""
    published: dict[tuple[int, str], tuple[int, ...]] = field(default_factory=dict)
    """(fold, subset) -> published number of clips per class; empty if none are published."""
    on_disk: dict[str, Path] = field(default_factory=dict)
    """Clip id -> folder or file, for everything in the tree that looks like a clip."""
    earlier: PrepareRecord | None = None
    """Record of the preparation that these clips come from, if they come from one."""
    synonyms: bool = False
    """Whether other spellings of an emotion are read as its canonical name, where every name is allowed."""
    rate_reason: str = "images have no times"
    """Why the frame rate of folders of images has to be assumed."""

    @property
    def is_own(self) -> bool:
        """Whether the clips are the user's own, with lists and classes that nobody has published."""
        return self.label_set == "own"

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes as the entries have them."""
        return self.classes if self.label_set == "own" else tuple(canonical_label(name) for name in self.classes)

    def put_on_disk(self, clips: Iterable[tuple[str, Path]]) -> None:
        """Record the clips on disk; two with the same id are a finding."""
        for clip_id, path in clips:
            other = self.on_disk.setdefault(clip_id, path)
            if os.path.realpath(other) != os.path.realpath(path):
                message = f"clip {clip_id} exists twice, as {other.name} and {path.name}; keep one"
                self.report("frames", "wrong", message, clip_id)

    def report(self, check: str, severity: Severity, message: str, clip_id: str = "") -> None:
        """Add a finding."""
        self.findings.append(Finding(check, severity, message, clip_id))

    def exclude(self, entry: Entry, reason: str) -> None:
        """Exclude a line."""
        self.excluded.append(Excluded(entry.clip_id, entry.subset, entry.fold, entry.where, reason))

    def drop_line(self, where: str, problem: str) -> None:
        """Exclude a malformed line."""
        self.report("lines", "wrong", f"{where}: {problem}")
        self.excluded.append(Excluded("", "", 0, where, "malformed"))


class Options(NamedTuple):
    """The user's choices about a tree."""

    frames: str = "auto"
    """Kind of frames, a name of the reader's table."""
    label_set: str = "single"
    captioned: bool = False
    """MAFW: use the lists with captions, which lack the neutral clips."""
    scene: str = ""
    """FERV39k: one of the 22 scenes; empty for all."""
    subset: str = "test"
    """Folder: the subset of clips for which no folder or column names one."""
    labels: str = "intended"
    """CREMA-D: the emotion that the actor meant, or "votes" for what the crowd saw in the face."""
    channel: str = "speech"
    """RAVDESS: speech, song or both."""
    calm: str = "keep"
    """RAVDESS: keep calm as a class, count it as "neutral", or "drop" its clips."""
    tier: str = ""
    """Annotations: the tier with the labels; empty for the only one."""
    rename: str = ""
    """Annotations: labels that stand for a class, such as "smile=happy,other="."""
    clip_seconds: float = 4.0
    """Annotations: longest clip."""
    synonyms: bool = False
    """Folder, annotations and manifest: read other spellings of an emotion as its canonical name."""


class Folder(NamedTuple):
    """A folder in a dataset's tree."""

    path: Path
    relative: str
    """Path relative to the root, with ``/``; empty for the root."""
    folders: list[str]
    files: list[str]
    skipped: tuple[str, ...] = ()
    """Names of folders and clips in it that are hidden, a system's or a way back, and therefore in neither list."""


def plain(name: str) -> str:
    """Return a name in lower case without spaces and punctuation, because the same folder is spelt in many ways."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def walk(root: Path, depth: int = 6, digits: bool = False) -> list[Folder]:
    """Return the folders of a tree, shallow ones first, except systems' and, without ``digits``, those of clips.

    Folders of clips have names of digits in the benchmarks; in your own clips, such names may be classes. Links are
    followed, unless they lead back to a folder on the way.

    Raises:
        InputError: the folder does not exist or is unreadable.
    """
    found: list[Folder] = []
    waiting = [(root, "", 0)]
    for path, relative, level in waiting:
        folders, files, skipped = _scan(path)
        found.append(Folder(path, relative, folders, files, skipped))
        if level < depth:
            inner = [name for name in folders if digits or not name.isdigit()]
            waiting += [(path / name, f"{relative}/{name}" if relative else name, level + 1) for name in inner]
    return found


def _scan(path: Path) -> tuple[list[str], list[str], tuple[str, ...]]:
    """Return the names of the folders and the files in a folder, and those that are skipped."""
    folders: list[str] = []
    files: list[str] = []
    skipped: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                inner = is_folder(entry)
                if not is_system(entry.name) and not (inner and leads_back(Path(entry.path))):
                    (folders if inner else files).append(entry.name)
                elif inner or entry.name.lower().endswith(VIDEO_SUFFIXES):
                    skipped.append(entry.name)
    except OSError as error:
        raise InputError(f"cannot read the folder {path}: {error.strerror}; check the path") from error
    return sorted(folders), sorted(files), tuple(skipped)


def report_skipped(listing: Listing, tree: Iterable[Folder]) -> None:
    """Note the folders and clips of a tree that were skipped, in one line."""
    names = [name for folder in tree for name in folder.skipped]
    if names:
        message = f"skipped, hidden, a system's or a link that leads back: {len(names)} ({some(names)})"
        listing.report("unlisted", "note", message)


def find_folder(tree: Iterable[Folder], names: Iterable[str]) -> Folder | None:
    """Return the folder with one of the names in any spelling; of several, the shallowest that is not empty.

    A folder that contains a folder of the same name, as unpacked archives do, is skipped in favour of that one.
    """
    wanted = {plain(name) for name in names}
    fitting = [folder for folder in tree if plain(folder.path.name) in wanted and (folder.folders or folder.files)]
    doubled = [folder for folder in fitting if any(plain(name) in wanted for name in folder.folders)]
    return next((folder for folder in fitting if folder not in doubled), None)


def clips_in(folder: Folder) -> list[tuple[str, Path]]:
    """Return (name, path) of the clips in a folder: its folders, and its videos without their suffixes."""
    videos = [path for name in folder.files if is_video_file(path := folder.path / name)]
    return [(name, folder.path / name) for name in folder.folders] + [(path.stem, path) for path in videos]


def choose_variant(
    tree: list[Folder], variants: dict[str, tuple[str, ...]], chosen: str, root: Path
) -> tuple[str, Folder]:
    """Return the kind of frames to use and its folder: the chosen one, or the first in the table that exists.

    Raises:
        InputError: the kind is unknown, or the tree contains none.
    """
    if chosen != "auto" and chosen not in variants:
        raise InputError(f"unknown frames {chosen!r}; choose auto, {', '.join(variants)}")
    for name in variants if chosen == "auto" else (chosen,):
        folder = find_folder(tree, variants[name])
        if folder is not None:
            return name, folder
    wanted = ", ".join(variants) if chosen == "auto" else chosen
    raise InputError(f"{root} contains no folder {wanted} with clips; give the folder that the dataset was unpacked to")


def claim(listing: Listing, found: dict[Key, tuple[Folder, str]], key: Key, folder: Folder, name: str) -> None:
    """Record a list as that of a part of the dataset; a second one for the same part is noted and not used."""
    if key in found:
        other = f"{found[key][0].relative}/{found[key][1]}"
        listing.report("lists", "note", f"{folder.relative}/{name} is not used, because {other} is for the same part")
    else:
        found[key] = (folder, name)


def add(listing: Listing, entry: Entry) -> bool:
    """Add a line to the listing under its label's canonical name; a label that is not a class is a finding.

    Where every name is allowed, the label is kept as it is written, unless the listing asks for synonyms.

    Returns:
        Whether the line was added.
    """
    emotion = known_label(entry.label)
    if listing.label_set != "own" and emotion in listing.labels:
        listing.entries.append(entry._replace(label=emotion or ""))
        return True
    if listing.label_set != "own":
        problem, reason = f"the classes are {', '.join(listing.classes)}", f"unknown label {entry.label}"
    else:
        try:
            label = clean_label(entry.label)
            listing.entries.append(entry._replace(label=(emotion or label) if listing.synonyms else label))
            return True
        except InputError as error:
            problem, reason = str(error), "no valid label"
    message = f"{entry.where}: clip {entry.clip_id} has the label {entry.label!r}; {problem}"
    listing.report("names", "wrong", message, entry.clip_id)
    listing.exclude(entry, reason)
    return False


def read_columns(
    listing: Listing,
    folder: Folder,
    name: str,
    known: Sequence[str],
    exists: Callable[[Table], int] | None = None,
) -> Table:
    """Read a table with a line of names; note what is unusual about it.

    Args:
        listing: receives the name of the file, and notes.
        folder: the folder of the file.
        name: name of the file.
        known: names of the expected columns.
        exists: as for ``tables.read_table``.

    Raises:
        InputError: the file is unreadable or not a table.
    """
    where = f"{folder.relative}/{name}".lstrip("/")
    listing.lists.append(where)
    try:
        data = (folder.path / name).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {folder.path / name}: {error.strerror or error}; check the path") from error
    table = read_table(data, str(folder.path / name), known, exists)
    if table.notes:
        listing.report("encoding", "note", f"{where}: {', '.join(table.notes)}; read anyway")
    return table


def read_lines(listing: Listing, folder: Folder, name: str) -> list[tuple[int, str]]:
    """Return (line number, text) of the non-empty lines of a list; note an unusual encoding.

    Supported are UTF-8 with or without a byte order mark, UTF-16 with one, and GBK, with any kind of line ends. Any
    other file is a finding and yields no lines.
    """
    where = f"{folder.relative}/{name}" if folder.relative else name
    listing.lists.append(where)
    try:
        data = (folder.path / name).read_bytes()
    except OSError as error:
        listing.report("encoding", "wrong", f"{where}: unreadable ({error.strerror}); check its permissions")
        return []
    encoding, text = _decoded(data)
    if not encoding:
        listing.report(
            "encoding", "wrong", f"{where}: neither UTF-8 nor GBK text; copy the file from the dataset again"
        )
    remarks = [encoding.upper()] if encoding not in ("", "utf-8") else []
    pairs = text.count("\r\n")
    ends = {"CRLF": pairs, "CR": text.count("\r") - pairs, "LF": text.count("\n") - pairs}
    used = [name for name, count in ends.items() if count]
    if used not in ([], ["LF"]):
        remarks.append(f"line ends {' and '.join(used)}")
    if text and not text.endswith(("\n", "\r")):
        remarks.append("no line end after the last line")
    if remarks:
        listing.report("encoding", "note", f"{where}: {', '.join(remarks)}; read anyway")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]


def counts_of_folds(tests: dict[int, tuple[int, ...]]) -> dict[tuple[int, str], tuple[int, ...]]:
    """Return (fold, subset) -> clips per class, from test lists that partition all clips."""
    total = [sum(column) for column in zip(*tests.values(), strict=True)]
    counts: dict[tuple[int, str], tuple[int, ...]] = {}
    for fold, test in tests.items():
        counts[fold, "train"] = tuple(all_ - part for all_, part in zip(total, test, strict=True))
        counts[fold, "test"] = test
    return counts


def _decoded(data: bytes) -> tuple[str, str]:
    """Return (encoding, text) of a file; both empty if it is not text."""
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
