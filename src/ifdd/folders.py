"""Walks through folders: each once, whatever links lead to it, and without what systems and servers put there."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ifdd.names import listed

SYSTEM_NAMES = frozenset(
    name.lower()
    for name in (
        "#recycle",
        "#snapshot",
        "$RECYCLE.BIN",
        "@eaDir",
        "@Recently-Snapshot",
        "@Recycle",
        "@sharesnap",
        "@tmp",
        "__MACOSX",
        "lost+found",
        "Network Trash Folder",
        "RECYCLER",
        "System Volume Information",
        "Temporary Items",
        "~snapshot",
    )
)
"""Folders of network disks, Windows and macOS, in lower case; they hold thumbnails, copies and deleted files."""

LISTED_NAMES = 5
"""Names that a report lists."""


def is_system(name: str) -> bool:
    """Whether a file or folder is hidden or a system's: ``._a.mp4``, ``.Trash-1000``, ``@eaDir``, ``$RECYCLE.BIN``.

    Example:
        >>> from ifdd.folders import is_system
        >>> [name for name in ("a.mp4", "._a.mp4", "@eaDir", "$recycle.bin") if not is_system(name)]
        ['a.mp4']
    """
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


@dataclass
class FoundFolder:
    """A folder on the way; removing one of ``folders`` keeps the walk out of it."""

    path: Path
    folders: list[str]
    files: list[str]


@dataclass
class Walk:
    """A walk, and what it skipped.

    Folders that are links come last, so that what lies in the tree and is linked to from it keeps its own place.
    """

    system_folders: list[str] = field(default_factory=list)
    """Names of hidden folders and of those of systems."""
    system_files: list[str] = field(default_factory=list)
    """Names of hidden files."""
    repeated: list[str] = field(default_factory=list)
    """Paths of links to folders that were walked through already."""
    unreadable: list[Path] = field(default_factory=list)
    """Folders that cannot be read."""

    def through(self, root: Path) -> Iterator[FoundFolder]:
        """Yield the root and all folders below it, with the sorted names in them."""
        walked: set[str] = set()
        waiting, links = [root], list[Path]()
        while waiting or links:
            path = waiting.pop() if waiting else links.pop(0)
            real = os.path.realpath(path)
            if real in walked:
                self.repeated.append(str(path))
                continue
            walked.add(real)
            try:
                with os.scandir(path) as entries:
                    kinds = {entry.name: (is_folder(entry), entry.is_symlink()) for entry in entries}
            except OSError:
                self.unreadable.append(path)
                continue
            for name in filter(is_system, kinds):
                (self.system_folders if kinds[name][0] else self.system_files).append(name)
            names = sorted(name for name in kinds if not is_system(name))
            found = FoundFolder(path, [n for n in names if kinds[n][0]], [n for n in names if not kinds[n][0]])
            yield found
            links += [path / name for name in found.folders if kinds[name][1]]
            waiting += [path / name for name in reversed(found.folders) if not kinds[name][1]]


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link to itself is neither."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def leads_back(path: Path) -> bool:
    """Whether a path is a link to a folder on the way to it, so that following it would not end."""
    return path.is_symlink() and Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(path))


def some(names: Iterable[str]) -> str:
    """Return distinct names in order, or the first of many, for a report.

    Example:
        >>> from ifdd.folders import some
        >>> some("gfedcba")
        'a, b, c, d, e and 2 more'
    """
    return listed(sorted(set(names)), LISTED_NAMES)
