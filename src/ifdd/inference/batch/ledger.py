"""The ledger of the videos done, so that none is recognised twice.

The file ``recognize.jsonl`` in the folder of the results has one line per attempt. A video is done if the ledger lists
it as done, settings and video are unchanged, and its results exist.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from ifdd.errors import InputError
from ifdd.inference.batch.jobs import Job, is_live_or_piped, video_key
from ifdd.inference.batch.search import LEDGER, attempts_in
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
        self._attempts: dict[str, dict[str, object]] = {}
        self.kept: dict[str, set[str]] = {}
        """Name of results -> the endings of all files ever written for it."""
        self._stamps: dict[str, str] = {}
        for attempt in attempts_in(out):
            self._remember(attempt)

    @property
    def names(self) -> dict[str, str]:
        """Key of a video -> name of its results."""
        return {key: str(attempt["name"]) for key, attempt in self._attempts.items() if "name" in attempt}

    def is_done(self, job: Job, results: Iterable[Path]) -> bool:
        """Whether a video was recognised with the same settings and its results exist."""
        attempt = self._same_attempt(job)
        if attempt is None or attempt.get("error") is not None:
            return False
        return all(job.ending(path) in _endings(attempt) and path.is_file() for path in results)

    def error(self, job: Job) -> str | None:
        """Return why a video failed with the same settings; None if it did not."""
        attempt = self._same_attempt(job)
        return None if attempt is None or attempt.get("error") is None else str(attempt["error"])

    def stale(self, job: Job) -> list[str]:
        """Return the endings of earlier results of a job that its newest attempt did not write."""
        newest = self._attempts.get(video_key(job.video), {})
        return sorted(self.kept.get(job.name, set()) - _endings(newest))

    def add(self, job: Job, error: str | None, results: Iterable[Path] = ()) -> None:
        """Record an attempt.

        Args:
            job: the video.
            error: why it failed, or None.
            results: the files written; those of earlier attempts with the same settings stay valid.

        Raises:
            InputError: the folder cannot be written to or the disk is full.
        """
        attempt: dict[str, object] = {
            "video": video_key(job.video),
            "name": job.name,
            "settings": self.settings,
            "stamp": self.stamp(job),
            "error": error,
            "endings": sorted({job.ending(path) for path in results} | _endings(self._same_attempt(job) or {})),
        }
        self._remember(attempt)
        line = json.dumps(attempt, ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else "\n" + line
                # bytes of a name that are not UTF-8 are lone surrogates, which JSON can only hold escaped
                file.write(line.encode("utf-8", "backslashreplace"))
        except OSError as error_:
            raise InputError(
                f"cannot write {self.path}: {error_.strerror}; free space or choose another folder"
            ) from error_

    def _remember(self, attempt: dict[str, object]) -> None:
        """Include an attempt."""
        self._attempts[str(attempt["video"])] = attempt
        if "name" in attempt and attempt.get("error") is None:
            self.kept.setdefault(str(attempt["name"]), set()).update(_endings(attempt))

    def _same_attempt(self, job: Job) -> dict[str, object] | None:
        stamp = self.stamp(job)
        attempt = self._attempts.get(video_key(job.video))
        if attempt is None or not stamp or attempt.get("settings") != self.settings:
            return None
        return attempt if attempt.get("stamp") == stamp else None

    def stamp(self, job: Job) -> str:
        """Return the stamp of a video at the first call, before it is read; "" for a source without a file."""
        if job.video not in self._stamps:
            self._stamps[job.video] = _stamp_of(job.video)
        return self._stamps[job.video]


def _stamp_of(video: str) -> str:
    if is_live_or_piped(video):
        return ""
    return stored_stamp(video) if is_stored(video) else source_stamp(Path(video))


def _endings(attempt: dict[str, object]) -> set[str]:
    """Return the endings of the results that an attempt wrote."""
    endings = attempt.get("endings")
    return set(map(str, endings)) if isinstance(endings, list) else set()
