"""The videos and the results in the chosen folders, by ids: no path comes from the page."""

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ifdd.analysis.reading import find_results
from ifdd.app.places import Places
from ifdd.errors import InputError
from ifdd.files import atomic_path, exists, file_sha256, is_file, is_folder
from ifdd.inference.batch.ledger import Ledger
from ifdd.inference.batch.search import CORRECTIONS, VideoSearch, is_folder_of_images
from ifdd.inference.recognition import Recognition
from ifdd.names import Disk
from ifdd.video.paths import is_video_file


@dataclass(frozen=True)
class Entry:
    """A video or a file of results."""

    id: str
    name: str
    """Path within its folder, without suffix for results."""
    path: Path


class Library:
    """Finds videos and results, and gives them ids that stay the same.

    Args:
        places: the folders.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._found: dict[str, Entry] = {}
        self._videos: dict[str, Path] = {}  # id of results -> the dropped video
        self._newest: tuple[tuple[str, int, int], Recognition] | None = None
        self._lock = threading.Lock()
        self._opening = threading.Lock()

    def videos(self) -> list[Entry]:
        """Search the user's folder for videos; links that lead out of it are left out.

        Raises:
            InputError: the folder can no longer be read.
        """
        folder = self._places.folder
        if folder is None:
            return []
        found = VideoSearch(self._places.results).find(str(folder))
        paths = [(Path(video), name) for video, name in found]
        if not is_folder_of_images(folder):  # the search gives back a folder without videos, too
            paths = [(path, name) for path, name in paths if path != folder]
        return [self._keep(path, name) for path, name in paths if self._places.confine(path) is not None]

    def results(self) -> list[Entry]:
        """Return the results of the session and those in the chosen folders, newest first."""
        entries: dict[str, Entry] = {}
        places = self._places
        folders = (places.results, places.opened, *([] if places.folder is None else [places.folder]))
        for folder in dict.fromkeys(folders):
            entries |= {entry.id: entry for entry in self._results_in(folder)}
        return sorted(entries.values(), key=lambda entry: (-_stamp(entry.path)[0], entry.name))

    def open(self, path: Path, name: str) -> Entry:
        """Take in results that were dropped on the page, unless they are there already; delete the dropped file.

        Raises:
            InputError: the file does not hold results, or cannot be stored.
        """
        try:
            Recognition.load(path)
            with self._opening:
                return self._same_as(path) or self._store(path, Path(name).stem)
        except InputError as error:
            raise InputError(str(error).replace(str(path), name)) from error
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)

    def _same_as(self, result: Path) -> Entry | None:
        """Return the results in the folder of dropped ones that are the same as these."""
        size, content = _stamp(result)[1], file_sha256(result)
        alike = (entry for entry in self._results_in(self._places.opened) if _stamp(entry.path)[1] == size)
        return next((entry for entry in alike if file_sha256(entry.path) == content), None)

    def _store(self, result: Path, name: str) -> Entry:
        """Copy dropped results to a name that no video has, nor will get; so their corrections are theirs alone."""
        folder = self._places.opened
        found = {str(result): name.replace(CORRECTIONS.removesuffix(".json"), "")}  # which names corrections
        (job,) = Ledger(folder, "").reserve(found, {".json", CORRECTIONS}, Disk.of(folder))
        target = folder / f"{job.name}.json"
        with atomic_path(target, private=True) as temporary:
            shutil.copyfile(result, temporary)
        return self._keep(target, job.name)

    def remember(self, result: Path, video: Path | None) -> Entry:
        """Take in new results.

        Args:
            result: their file.
            video: the dropped video that they belong to; None if the results name it.
        """
        entry = self._keep(result, result.relative_to(self._places.results).with_suffix("").as_posix())
        if video is not None:
            self._videos[entry.id] = video
        return entry

    def video(self, id: str) -> Entry:
        """Return a video that ``videos`` found.

        Raises:
            InputError: it was not found, or a link now leads it elsewhere.
        """
        return self._entry(id, "video")

    def result(self, id: str) -> Entry:
        """Return results that ``results``, ``open`` or ``remember`` took in.

        Raises:
            InputError: they were not, or are gone.
        """
        if id not in self._found:
            self.results()  # after a restart, a page may ask for results that it knows
        return self._entry(id, "result")

    def load(self, id: str) -> Recognition:
        """Read results; the newest ones are kept, because a player asks for a video piece by piece.

        Raises:
            InputError: they are gone or damaged.
        """
        entry = self.result(id)
        key = (id, *_stamp(entry.path))
        newest = self._newest
        if newest is None or newest[0] != key:
            try:
                newest = key, Recognition.load(entry.path)
            except InputError as error:
                raise InputError(str(error).replace(str(entry.path), entry.path.name)) from error
            self._newest = newest
        return newest[1]

    def video_of(self, id: str, recognition: Recognition) -> Path | None:
        """Return the video of results, if it is there and in a chosen folder; results may name any file."""
        named = Path(recognition.video.path)
        beside = self.result(id).path.parent / named.name
        for path in (self._videos.get(id), named, beside):
            real = None if path is None else self._places.confine(path)
            if real is not None and (is_folder(real) or (is_file(real) and is_video_file(real))):
                return real
        return None

    def _entry(self, id: str, what: str) -> Entry:
        entry = self._found.get(id)
        if entry is None or self._places.confine(entry.path) is None or not exists(entry.path):
            raise InputError(f"this {what} is not in the chosen folders, or no longer; go back to the list")
        return entry

    def _keep(self, path: Path, name: str) -> Entry:
        id = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:16]
        with self._lock:
            return self._found.setdefault(id, Entry(id, name, path))

    def _results_in(self, folder: Path) -> Iterator[Entry]:
        """Yield the results in a folder; links that lead out of the chosen folders are left out."""
        try:
            paths = find_results(folder).paths
        except InputError:  # none yet
            return
        for path in paths:
            if not path.name.endswith(CORRECTIONS) and self._places.confine(path) is not None:
                yield self._keep(path, path.relative_to(folder).with_suffix("").as_posix())


def _stamp(path: Path) -> tuple[int, int]:
    """Return when a file was changed, in nanoseconds, and its size; zeros if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
