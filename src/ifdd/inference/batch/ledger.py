"""The ledger of the videos done, so that none is recognised twice.

The file ``recognize.jsonl`` in the folder of the results has one line per attempt, after one that reserves the names of
its files: several processes may write to one folder. A video is done if the ledger lists its results, settings and
video are unchanged, and the results exist.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ifdd.errors import InputError
from ifdd.files import escape_bytes, exists
from ifdd.inference.batch.jobs import Job, is_live_or_piped, name_results, video_key
from ifdd.inference.batch.search import LEDGER, parse_attempts
from ifdd.inference.outputs.bids import ENDING, SIDECAR
from ifdd.inference.outputs.write import file_names
from ifdd.names import Disk, listed
from ifdd.remote.storage import is_stored, stored_stamp
from ifdd.video.fingerprint import source_stamp


class Ledger:
    """The attempts so far.

    Args:
        out: the folder of the results.
        settings: a hash of the current settings.
    """

    def __init__(self, out: Path, settings: str) -> None:
        self.path = out / LEDGER
        self.settings = settings
        self.kept: dict[str, set[str]] = {}
        """Name of results -> the endings of all files ever written, or reserved, for it."""
        self._attempts: dict[str, dict[str, object]] = {}
        self._names: dict[str, str] = {}
        self._holders: dict[str, str] = {}
        self._stamps: dict[str, str] = {}
        self._read_bytes = 0
        with suppress(OSError), self.path.open("rb") as file:
            self._read(file)

    @property
    def names(self) -> dict[str, str]:
        """Key of a video -> name of its results, which no other video has."""
        return dict(self._names)

    def assign(
        self,
        found: Mapping[str, str],
        forms: Sequence[str],
        disk: Disk,
        notify: Callable[[str], object] = lambda line: None,
    ) -> list[Job]:
        """Name the results of videos in some formats, as ``reserve`` does."""
        return self.reserve(found, {ending for form in forms for ending in file_names("", form)}, disk, notify)

    def reserve(
        self,
        found: Mapping[str, str],
        endings: Set[str],
        disk: Disk,
        notify: Callable[[str], object] = lambda line: None,
    ) -> list[Job]:
        """Name the results of videos, and reserve the names of their files against other processes.

        A file that is there and that no attempt wrote is never replaced: the results get another name.

        Args:
            found: video, or whatever else gives results -> name for them, if nothing else has it.
            endings: the endings of their files after the name.
            disk: the names that the disk of the results takes.
            notify: called with a line that says which files were in the way.

        Raises:
            InputError: the folder cannot be written to.
        """
        others: list[str] = []

        def blocked(name: str) -> bool:
            files = [self.path.parent / f"{name}{ending}" for ending in endings - self.kept.get(name, set())]
            others.extend(there := sorted(str(file) for file in files if exists(file)))
            return bool(there)

        with self._locked() as file:
            jobs = name_results(dict(found), self.names, self.kept, disk, blocked)
            for job in jobs:
                self._stamps.pop(job.video, None)
                if self._names.get(video_key(job.video)) != job.name or endings - self.kept.get(job.name, set()):
                    self._append(file, {"video": video_key(job.video), "name": job.name, "reserved": sorted(endings)})
        if others:
            files = listed(list(dict.fromkeys(others)), 3)
            notify(f"not replaced, because no run in this folder wrote it: {files}; the results get another name")
        return jobs

    def is_done(self, job: Job, results: Iterable[Path]) -> bool:
        """Whether a video was recognised with the same settings and these results exist."""
        attempt = self._same_attempt(job) or {}
        return all(job.ending(path) in _endings(attempt) and path.is_file() for path in results)

    def error(self, job: Job, results: Iterable[Path]) -> str | None:
        """Return why a video, or one of these results, failed with the same settings; None if it did not."""
        attempt = self._same_attempt(job) or {}
        failed = _endings(attempt, "failed")
        if attempt.get("error") is None or (failed and failed.isdisjoint(map(job.ending, results))):
            return None
        return str(attempt["error"])

    def stale(self, job: Job) -> list[str]:
        """Return the endings of earlier results of a job that its newest attempt did not write."""
        newest = self._attempts.get(video_key(job.video), {})
        return sorted(self.kept.get(job.name, set()) - _endings(newest))

    def begin(self, job: Job) -> None:
        """Record, just before results are written, that those of an attempt with other settings are no longer whole.

        Raises:
            InputError: the folder cannot be written to or the disk is full.
        """
        if not exists(self.path):
            return  # no attempt was made in this folder
        key = video_key(job.video)
        with self._locked() as file:
            if key in self._attempts and self._same_attempt(job) is None:
                self._append(file, {"video": key, "name": job.name, "reserved": [], "settings": self.settings})

    def add(self, job: Job, error: str | None, results: Iterable[Path] = (), failed: Iterable[Path] = ()) -> None:
        """Record an attempt.

        Args:
            job: the video.
            error: why it failed, or None.
            results: the files written; those of earlier attempts with the same settings stay valid.
            failed: the files that could not be written although the video was read.

        Raises:
            InputError: the folder cannot be written to or the disk is full.
        """
        with self._locked() as file:
            attempt: dict[str, object] = {
                "video": video_key(job.video),
                "name": job.name,
                "settings": self.settings,
                "stamp": self.stamp(job),
                "error": error,
                "endings": sorted({job.ending(path) for path in results} | _endings(self._same_attempt(job) or {})),
                "failed": sorted(map(job.ending, failed)),
            }
            self._append(file, attempt)

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        """Open the ledger to append to it, while no other process does, and read what others have added.

        Raises:
            InputError: the folder cannot be written to or the disk is full.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                with suppress(OSError):  # some network disks lock nothing
                    fcntl.flock(file, fcntl.LOCK_EX)
                self._read(file)
                yield file
                file.flush()
                with suppress(OSError):  # processes that were forked meanwhile have the file open, too
                    fcntl.flock(file, fcntl.LOCK_UN)
        except OSError as error:
            raise InputError(
                f"cannot write {self.path}: {error.strerror}; free space or choose another folder"
            ) from error

    def _append(self, file: BinaryIO, line: dict[str, object]) -> None:
        """Write and remember a line; the one before may be incomplete."""
        text = escape_bytes(json.dumps(line, ensure_ascii=False)) + "\n"
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            text = text if file.read(1) == b"\n" else "\n" + text
        file.write(text.encode())
        self._read(file)

    def _read(self, file: BinaryIO) -> None:
        """Read what was added to the file; all of it if somebody has replaced it by a shorter one."""
        if file.seek(0, os.SEEK_END) < self._read_bytes:
            self.kept, self._attempts, self._names, self._holders = {}, {}, {}, {}
            self._read_bytes = 0
        file.seek(self._read_bytes)
        text = file.read()
        for line in parse_attempts(text):
            self._remember(line)
        self._read_bytes += text.rfind(b"\n") + 1  # an incomplete line is read again

    def _remember(self, line: dict[str, object]) -> None:
        """Include an attempt or a reservation."""
        video, reserved = video_key(str(line["video"])), line.get("reserved")
        if "name" in line:
            name = str(line["name"])
            self._holders.pop(self._names.get(video, ""), None)
            self._names.pop(self._holders.get(name, ""), None)  # of two videos with one name, the newest has it
            self._names[video], self._holders[name] = name, video
            if line.get("error") is None:
                more = set(map(str, reserved)) if isinstance(reserved, list) else _endings(line)
                more |= {SIDECAR} if ENDING in more else set()  # earlier versions named only one of the two
                self.kept.setdefault(name, set()).update(more)
            elif is_live_or_piped(video) and not _endings(line):
                self.kept.pop(name, None)  # reserved for an attempt that wrote nothing; the next one may have the name
        if reserved is None:
            self._attempts[video] = line
        elif "settings" in line:
            self._attempts.pop(video, None)

    def _same_attempt(self, job: Job) -> dict[str, object] | None:
        stamp = self.stamp(job)
        attempt = self._attempts.get(video_key(job.video))
        if attempt is None or not stamp or attempt.get("settings") != self.settings:
            return None
        return attempt if attempt.get("stamp") == stamp and attempt.get("name") == job.name else None

    def stamp(self, job: Job) -> str:
        """Return the stamp of a video at the first call, before it is read; "" for a source without a file."""
        if job.video not in self._stamps:
            self._stamps[job.video] = _stamp_of(job.video)
        return self._stamps[job.video]


def _stamp_of(video: str) -> str:
    if is_live_or_piped(video):
        return ""
    return stored_stamp(video) if is_stored(video) else source_stamp(Path(video))


def _endings(attempt: dict[str, object], which: str = "endings") -> set[str]:
    """Return the endings of the results that an attempt wrote, or that ``failed``, which earlier versions lack."""
    endings = attempt.get(which)
    return set(map(str, endings)) if isinstance(endings, list) else set()
