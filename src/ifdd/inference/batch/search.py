"""The search for videos in files, folders and patterns: each once, and none that is a result."""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from glob import glob, has_magic
from pathlib import Path, PurePosixPath

from ifdd.errors import InputError
from ifdd.files import absolute, exists, expand, is_file, is_folder, parse_json
from ifdd.folders import Walk, is_system, some
from ifdd.inference.outputs.bids import ENDING, SIDECAR
from ifdd.remote.addresses import hide_password
from ifdd.remote.storage import stored_files
from ifdd.video.mark import is_annotated
from ifdd.video.paths import is_video_file
from ifdd.video.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES

LEDGER = "recognize.jsonl"
"""Name of the ledger in a folder of results."""

CORRECTIONS = ".corrections.json"
"""Ending of the corrections that ``ifdd app`` writes next to results."""


@dataclass
class VideoSearch:
    """A search, and what it skipped.

    Args:
        out: the folder of the results, which is not searched.
    """

    out: Path
    _walk: Walk = field(default_factory=Walk)
    _seen: dict[str, Path] = field(default_factory=dict)
    """Real path of a video -> the path under which it was found first."""
    _links: list[str] = field(default_factory=list)
    _repeated: list[str] = field(default_factory=list)
    _results: list[str] = field(default_factory=list)
    _pictures: list[str] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)
    """Real paths of the results that the ledgers in ``_learned`` list."""
    _learned: set[Path] = field(default_factory=set)
    """Folders whose ledgers were read."""

    def __post_init__(self) -> None:
        """Read the ledger of the results."""
        self._learn(self.out)

    def find(self, word: str, alone: bool = True) -> Iterator[tuple[str, str]]:
        """Yield videos that were not found before and names for their results.

        Args:
            word: a video, a folder of images, a directory to search for both, or a pattern with ``*``.
            alone: whether it is the only word. A result is then read; among several words, which a shell makes of
                ``*``, it is skipped.

        Raises:
            InputError: nothing matches a pattern.
        """
        word = str(expand(word))
        for path in self._matches(word, alone):
            for video, name in self._videos_in(path, alone and path == Path(word)):
                real, place = os.path.realpath(video), absolute(video)
                if real not in self._seen:
                    self._seen[real] = place
                    yield str(video), name
                elif place != self._seen[real]:
                    (self._links if _is_link(video) else self._repeated).append(str(video))

    def find_stored(self, address: str) -> Iterator[tuple[str, str]]:
        """Yield videos in object storage and names for their results.

        Args:
            address: a video, a folder of videos, or a pattern.

        Raises:
            InputError: the storage cannot be read, or nothing is there.
        """
        files = stored_files(address)
        several = [file for file, _ in files] != [address]
        videos = []
        for video, place in files:
            if several and any(map(is_system, PurePosixPath(place).parts)):
                self._walk.system_folders.append(place)
            elif not several or place.lower().endswith(VIDEO_SUFFIXES):
                videos.append((video, PurePosixPath(place).with_suffix("").as_posix()))
        if not videos:
            raise InputError(f"no video at {hide_password(address)}; check the address")
        yield from videos

    def report(self, notify: Callable[[str], object]) -> None:
        """Pass on what was skipped, a line for each reason."""
        hidden = [name for name in self._walk.system_files if name.lower().endswith(VIDEO_SUFFIXES)]
        for names, what in (
            ([*self._walk.system_folders, *hidden], "hidden or a system's"),
            ([*self._walk.repeated, *self._links], "links to what is read already"),
            (self._repeated, "read already under another name"),
            (self._results, "results of an earlier run"),
            (self._pictures, "pictures in folders with videos below"),
        ):
            if names:
                notify(f"skipped, {what}: {len(names)} ({some(names)})")

    def _matches(self, word: str, alone: bool) -> Iterator[Path]:
        """Yield the path itself, or what matches a pattern and is not hidden, a system's or a result."""
        if not has_magic(word) or exists(Path(word)):
            if alone or not self._skips(Path(word)):
                yield Path(word)
            return
        paths = list(map(Path, sorted(glob(word, recursive=True))))  # noqa: PTH207 (a pattern may be absolute)
        if not paths:
            raise InputError(f"no video matches {word}; check the pattern")
        asked = Path(word).parts
        for path in sorted(paths, key=_is_link):  # what has a name of its own keeps it
            systems = [part for part in path.parts if is_system(part) and part not in (*asked, "..")]
            if systems:
                self._walk.system_folders.append(systems[0])
            elif not self._skips(path):
                yield path

    def _videos_in(self, path: Path, alone: bool) -> Iterator[tuple[Path, str]]:
        """Yield videos and names: the path itself, or the videos in the directory.

        Args:
            path: a video, a folder of images, or a directory.
            alone: whether nothing else is named: the folder of the results is then refused if it is empty.
        """
        if not is_folder(path):
            yield path, path.stem
            return
        own_name = Path(os.path.realpath(path)).name
        if self._is_folder_of_images(path) and not self._has_videos_below(path):
            yield path, own_name
            return
        found = list(self._search(path))
        if not found and (self._holds_results(path) or not (alone or self._is_walked(path))):
            self._results.append(str(path))
            return
        for video in found or [path]:  # an empty folder is refused later
            place = Path(own_name) if video == path else video.relative_to(path)
            yield video, (place if is_folder(video) else place.with_suffix("")).as_posix()

    def _search(self, directory: Path) -> Iterator[Path]:
        """Yield the videos and the folders of images in a directory, in order; files that are links come last."""
        out = os.path.realpath(self.out)
        links: list[Path] = []
        for found in self._walk.through(directory):
            found.folders[:] = [name for name in found.folders if os.path.realpath(found.path / name) != out]
            paths = [path for name in found.files if is_video_file(path := found.path / name)]
            videos = [path for path in paths if not self._skips(path)]
            yield from (video for video in videos if not _is_link(video))
            links += filter(_is_link, videos)
            if self._is_folder_of_images(found.path):
                if self._has_videos_below(found.path):
                    self._pictures.append(str(found.path))
                elif found.path != directory:
                    found.folders.clear()
                    yield found.path
        yield from links
        yield from sorted(self._walk.unreadable)  # each is refused later
        self._walk.unreadable.clear()

    def _has_videos_below(self, folder: Path) -> bool:
        """Whether there are videos in the folders below a folder, and not only results."""
        out = os.path.realpath(self.out)
        for found in Walk().through(folder):
            found.folders[:] = [name for name in found.folders if os.path.realpath(found.path / name) != out]
            videos = [path for name in found.files if is_video_file(path := found.path / name)]
            if not all(map(self._is_result, videos)):
                return True
        return False

    def _skips(self, path: Path) -> bool:
        """Whether a file is a result; it is then noted."""
        if self._is_result(path):
            self._results.append(str(path))
            return True
        return False

    def _is_result(self, path: Path) -> bool:
        """Whether a file was written by an earlier run, or is an annotated video."""
        self._learn(path.parent)
        if path.name == LEDGER or _is_listed(path, self._known):
            return True
        return is_file(path) and is_annotated(path)

    def _holds_results(self, folder: Path) -> bool:
        """Whether a folder holds results of an earlier run, at any depth."""
        start = os.path.join(os.path.realpath(folder), "")  # noqa: PTH118 (a Path drops the last slash)
        return any(path.startswith(start) and exists(Path(path)) for path in self._known)

    def _is_walked(self, folder: Path) -> bool:
        """Whether a folder is searched: neither the folder of the results nor in it."""
        return not Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(self.out))

    def _is_folder_of_images(self, folder: Path) -> bool:
        self._learn(folder)
        return _is_folder_of_images(folder, self._known)

    def _learn(self, folder: Path) -> None:
        """Read the ledgers in a folder and in those above it, whose results may lie deeper; each once."""
        if folder not in self._learned:
            self._learned.add(folder)
            real = Path(os.path.realpath(folder))
            if folder == real:
                self._known |= _results_in(folder)
            self._learn(real)
            self._learn(folder.parent)


def _results_in(folder: Path) -> set[str]:
    """Return the places of the results that earlier runs wrote to a folder, or reserved, and of their corrections.

    Their folders are real paths; the results themselves may be links.
    """
    files: set[str] = set()
    for attempt in attempts_in(folder):
        lists = (attempt.get("endings"), attempt.get("reserved"))  # reserved: written by a run that was killed
        endings = {CORRECTIONS, *(str(ending) for each in lists if isinstance(each, list) for ending in each)}
        endings |= {SIDECAR} if ENDING in endings else set()  # earlier versions named only one of the two
        files |= {f"{attempt.get('name')}{ending}" for ending in endings}
    real = cache(lambda parent: os.path.realpath(folder / parent))
    results: set[str] = set()
    for parent, name in map(os.path.split, files):
        with suppress(ValueError):  # no disk takes the name
            results.add(f"{real(parent).rstrip('/')}/{name}")
    return results


def _is_listed(path: Path, results: Collection[str]) -> bool:
    """Whether a file, or what it links to, is among results."""
    return bool(results) and (
        os.path.realpath(path) in results
        or (_is_link(path) and str(Path(os.path.realpath(path.parent)) / path.name) in results)
    )


def _is_link(path: Path) -> bool:
    """Whether a path is a link; False in a folder that may not be entered."""
    return os.path.islink(path)  # noqa: PTH114 (Path.is_symlink fails there)


def attempts_in(folder: Path) -> Iterator[dict[str, object]]:
    """Yield the attempts in the ledger of a folder; nothing if it has none."""
    try:
        yield from parse_attempts((folder / LEDGER).read_bytes())
    except OSError:
        return


def parse_attempts(text: bytes) -> Iterator[dict[str, object]]:
    """Yield the attempts in the text of a ledger, or of its end."""
    for line in text.decode(errors="replace").split("\n"):  # not splitlines: names may hold its other line ends
        try:
            attempt = parse_json(line)
        except ValueError:
            continue  # an incomplete line of an interrupted run
        if isinstance(attempt, dict) and "video" in attempt:
            yield attempt


def is_folder_of_images(folder: Path) -> bool:
    """Whether a folder contains images that are not results of earlier runs, and no videos."""
    return _is_folder_of_images(folder, _results_in(folder))


def _is_folder_of_images(folder: Path, results: Collection[str] = ()) -> bool:
    """Whether a folder contains images that are not results, and no videos."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not is_system(entry.name)]
    except OSError:
        return False
    paths = [path for name in names if not _is_listed(path := folder / name, results)]
    return any(path.name.lower().endswith(IMAGE_SUFFIXES) for path in paths) and not any(map(is_video_file, paths))
