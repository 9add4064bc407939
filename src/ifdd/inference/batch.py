"""Many videos: found, named, and never read twice.

A ledger beside the results (``recognize.jsonl``) has one line for each attempt. A video is done if the ledger says so,
the settings and the video are still the same, and its results are there.
"""

import json
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from ifdd.errors import InputError
from ifdd.processes import KILLED
from ifdd.video.fingerprint import source_stamp
from ifdd.video.sources import CAMERA, STDIN, hide_password, is_address
from ifdd.video.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES

LEDGER = "recognize.jsonl"
"""Name of the ledger in the folder of the results."""


@dataclass(frozen=True)
class Job:
    """A video to be read."""

    video: str
    """A path, an address, ``-`` or a camera."""
    name: str
    """Of its results, without an ending; a folder may stand before it."""

    @property
    def shown(self) -> str:
        """The video as messages call it: without a password."""
        return hide_password(self.video)

    def ending(self, result: Path) -> str:
        """Return what follows the name in a result's file name, such as ``.json`` or ``.statistics.csv``."""
        return result.name.removeprefix(Path(self.name).name)


@dataclass(frozen=True)
class Outcome:
    """What came of a job."""

    job: Job
    """The job."""
    text: str = ""
    """What to tell of it, if all went well."""
    error: str | None = None
    """What was wrong with the video."""
    fatal: str | None = None
    """What was wrong with the place of the results, so that going on makes no sense."""

    @classmethod
    def killed(cls, job: Job) -> "Outcome":
        """Return what came of a job whose process was killed."""
        return cls(job, error=f"{job.shown}: {KILLED}")


def is_live_or_piped(video: str) -> bool:
    """Say whether a source has no file, whose change could be noticed."""
    return video == STDIN or video.startswith(CAMERA) or is_address(video)


def find_videos(words: Sequence[str], out: Path) -> dict[str, str]:
    """Return the videos that words of a person mean -> how their results would be named.

    Args:
        words: videos, folders of images, directories that are searched for both, patterns with ``*``, addresses, ``-``.
        out: the folder of the results, which is not searched.

    Raises:
        InputError: a pattern fits nothing.
    """
    found: dict[str, str] = {}
    for word in words:
        if is_live_or_piped(word):
            found.setdefault(word, _source_name(word))
            continue
        for path in _expand(word):
            for video, name in _look_into(Path(path), out):
                found.setdefault(video, name)
    return found


def refuse_unwritable(out: Path) -> None:
    """Find out before anything is read whether results can be written to a folder; it is left as it was.

    Raises:
        InputError: they cannot.
    """
    made: list[Path] = []
    try:
        made = [folder for folder in (out, *out.parents) if not folder.exists()]
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(
            f"cannot write results to the folder {out}: {error.strerror}; choose another one with --out"
        ) from error
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def name_results(found: dict[str, str], earlier: dict[str, str] | None = None, kept: Collection[str] = ()) -> list[Job]:
    """Give every video a name for its results; none occurs twice, and a video keeps the one it had.

    What is live or piped has a new name each time, as it is another video each time.

    Args:
        found: as ``find_videos`` gives it.
        earlier: the names that were given before, by the key of the video.
        kept: names of results that are there.
    """
    earlier = {key: name for key, name in (earlier or {}).items() if not is_live_or_piped(key)}
    names: dict[str, str] = {}
    taken = {*earlier.values(), *kept}
    for video, base in found.items():
        name, number = earlier.get(video_key(video), base), 1
        while video_key(video) not in earlier and name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        names[video] = name
    return [Job(video, name) for video, name in names.items()]


def video_key(video: str) -> str:
    """Return what tells a video from others, wherever the command is run; passwords are left out."""
    return hide_password(video) if is_live_or_piped(video) else str(Path(video).absolute())


class Ledger:
    """The attempts so far, in the folder of the results.

    Args:
        out: the folder.
        settings: what tells these settings from others.
    """

    def __init__(self, out: Path, settings: str) -> None:
        self.path = out / LEDGER
        self.settings = settings
        self._attempts: dict[str, dict[str, object]] = {}
        self.kept: dict[str, set[str]] = {}
        """The names of all results that were ever written, and the endings that each of them has."""
        self._stamps: dict[str, str] = {}
        for line in self._lines():
            try:
                self._remember(json.loads(line))
            except (ValueError, TypeError, KeyError):
                continue  # half a line, where an earlier run was cut off

    @property
    def names(self) -> dict[str, str]:
        """The names of the results, by the key of the video."""
        return {key: str(attempt["name"]) for key, attempt in self._attempts.items() if "name" in attempt}

    def is_done(self, job: Job, results: Iterable[Path]) -> bool:
        """Say whether a video was read with the same settings, and its results are there."""
        attempt = self._same(job)
        if attempt is None or attempt.get("error") is not None:
            return False
        return all(job.ending(path) in _endings(attempt) and path.is_file() for path in results)

    def error(self, job: Job) -> str | None:
        """Return why a video could not be read with the same settings, if it could not."""
        attempt = self._same(job)
        return None if attempt is None or attempt.get("error") is None else str(attempt["error"])

    def stale(self, job: Job) -> list[str]:
        """Return the endings of results that were once written for a job, but not with the newest settings."""
        newest = self._attempts.get(video_key(job.video), {})
        return sorted(self.kept.get(job.name, set()) - _endings(newest))

    def add(self, job: Job, error: str | None, results: Iterable[Path] = ()) -> None:
        """Note an attempt.

        Args:
            job: the video.
            error: why it could not be read, if it could not.
            results: what was written. What was written before with the same settings is as good.

        Raises:
            InputError: the folder cannot be written to or the disk is full.
        """
        attempt: dict[str, object] = {
            "video": video_key(job.video),
            "name": job.name,
            "settings": self.settings,
            "stamp": self._stamp(job),
            "error": error,
            "endings": sorted({job.ending(path) for path in results} | _endings(self._same(job) or {})),
        }
        self._remember(attempt)
        line = json.dumps(attempt, ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else "\n" + line
                file.write(line.encode())
        except OSError as error_:
            raise InputError(
                f"cannot write {self.path}: {error_.strerror}; free space or choose another folder"
            ) from error_

    def _remember(self, attempt: dict[str, object]) -> None:
        """Take an attempt into account."""
        self._attempts[str(attempt["video"])] = attempt
        if "name" in attempt and attempt.get("error") is None:
            self.kept.setdefault(str(attempt["name"]), set()).update(_endings(attempt))

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []

    def _same(self, job: Job) -> dict[str, object] | None:
        stamp = self._stamp(job)
        attempt = self._attempts.get(video_key(job.video))
        if attempt is None or not stamp or attempt.get("settings") != self.settings:
            return None
        return attempt if attempt.get("stamp") == stamp else None

    def _stamp(self, job: Job) -> str:
        """Return what changes with the video, as it was when first asked for: before it was read; "" without a file."""
        if job.video not in self._stamps:
            self._stamps[job.video] = "" if is_live_or_piped(job.video) else source_stamp(Path(job.video))
        return self._stamps[job.video]


def _endings(attempt: dict[str, object]) -> set[str]:
    """Return the endings of the results that an attempt wrote."""
    endings = attempt.get("endings")
    return set(map(str, endings)) if isinstance(endings, list) else set()


def _source_name(source: str) -> str:
    """Return a name for the results of what has no file."""
    if source == STDIN:
        return "stdin"
    address = re.split(r"[?#]", hide_password(source))[0].partition("://")
    last = (address[2] or address[0]).replace("***@", "").rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^\w.-]+", "-", Path(last).stem if address[2] else last) or "stream"


def _expand(word: str) -> list[str]:
    if Path(word).exists() or not has_magic(word):
        return [word]
    paths = sorted(glob(word, recursive=True))  # noqa: PTH207 (a pattern may be absolute)
    if not paths:
        raise InputError(f"no video fits the pattern {word}; check it")
    return paths


def _look_into(path: Path, out: Path) -> Iterator[tuple[str, str]]:
    """Yield videos and names: the path itself, or what is in the directory."""
    if not path.is_dir():
        yield str(path), path.stem
        return
    if _is_folder_of_images(path):
        yield str(path), path.resolve().name
        return
    for video in list(_search(path, out.resolve())) or [path]:  # an empty folder is to be refused
        place = Path(path.resolve().name) if video == path else video.relative_to(path)
        yield str(video), (place if video.is_dir() else place.with_suffix("")).as_posix()


def _search(directory: Path, out: Path) -> Iterator[Path]:
    """Yield the videos and the folders of images in a directory, in order."""
    unreadable: list[Path] = []
    for place, folders, files in os.walk(directory, onerror=lambda error: unreadable.append(Path(error.filename))):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (Path(place) / name).resolve() != out
        )
        videos = [name for name in files if name.lower().endswith(VIDEO_SUFFIXES) and not name.startswith(".")]
        yield from (Path(place) / name for name in sorted(videos))
        if Path(place) != directory and _is_folder_of_images(Path(place)):
            folders.clear()
            yield Path(place)
    yield from sorted(unreadable)  # to be refused one by one


def _is_folder_of_images(folder: Path) -> bool:
    """Say whether a folder holds images and no videos."""
    try:
        names = [entry.name.lower() for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError:
        return False
    return any(name.endswith(IMAGE_SUFFIXES) for name in names) and not any(
        name.endswith(VIDEO_SUFFIXES) for name in names
    )
