"""Which videos to recognise, and the names of their results."""

import re
from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ifdd.errors import InputError
from ifdd.files import absolute, try_writing
from ifdd.inference.batch.search import LEDGER, VideoSearch
from ifdd.names import Disk, printable, same_file
from ifdd.remote.addresses import hide_password, is_address
from ifdd.remote.storage import is_stored
from ifdd.video.fitting import Size
from ifdd.video.sources import CAMERA, STDIN, Cut

FURTHER = (".statistics", ".frames", "_events", ".corrections")
"""What names of results, and of their corrections, have besides the video's name and the suffix."""


@dataclass(frozen=True)
class PartJob:
    """A part of a video."""

    number: int
    """Its number, from 1."""
    count: int
    """Number of parts."""
    start_seconds: float
    """Where it begins, on the clock of a player."""
    cut: Cut
    """Where the next one begins, and where this one ends."""
    canvas: Size
    """Width and height of the first frame of the video."""
    folder: Path
    """Folder of the parts."""

    @property
    def file(self) -> Path:
        """The file of its results."""
        return self.folder / f"{self.number:04d}.safetensors"


@dataclass(frozen=True)
class Job:
    """A video to recognise, or a part of one."""

    video: str
    """A path, a URL, ``-`` or a camera."""
    name: str
    """Name of its results without suffix; may include a folder."""
    part: PartJob | None = None
    """The part of it; None for the whole."""

    @property
    def shown(self) -> str:
        """The video as named in messages, on one line and without a password."""
        part = "" if self.part is None else f", part {self.part.number} of {self.part.count}"
        return printable(hide_password(self.video)) + part

    def ending(self, result: Path) -> str:
        """Return the part of a result's file name after ``name``, such as ``.json`` or ``.statistics.csv``."""
        return result.name.removeprefix(Path(self.name).name)


def is_live_or_piped(video: str) -> bool:
    """Whether a source has no file, so that a change of it cannot be detected."""
    return video == STDIN or video.startswith(CAMERA) or (is_address(video) and not is_stored(video))


def find_videos(words: Sequence[str], out: Path, notify: Callable[[str], object] = lambda line: None) -> dict[str, str]:
    """Return the videos named on the command line -> names for their results.

    Args:
        words: videos, folders of images, directories to search for both, patterns with ``*``, URLs, ``-``; videos,
            folders of videos and patterns in object storage.
        out: the folder of the results, which is not searched.
        notify: called with a line for each kind of file that is skipped.

    Raises:
        InputError: nothing matches a pattern.
    """
    found: dict[str, str] = {}
    search = VideoSearch(out)
    for word in words:
        if is_live_or_piped(word):
            found.setdefault(word, _source_name(word))
        elif is_stored(word):
            found |= {video: name for video, name in search.find_stored(word) if video not in found}
        else:
            found.update(search.find(word, alone=len(words) == 1))
    search.report(notify)
    return found


def refuse_unwritable(out: Path) -> None:
    """Check up front that results can be written to a folder, without changing it.

    Raises:
        InputError: they cannot.
    """
    try:
        try_writing(out)
        ledger = out / LEDGER
        if ledger.exists():
            ledger.open("ab").close()
    except OSError as error:
        raise InputError(
            f"cannot write results to the folder {out}: {error.strerror or error}; choose another one with --out"
        ) from error


def name_results(
    found: dict[str, str],
    earlier: dict[str, str] | None = None,
    kept: Collection[str] = (),
    disk: Disk = Disk(),  # noqa: B008 (frozen)
    blocked: Callable[[str], bool] = lambda name: False,
) -> list[Job]:
    """Give every video a unique name for its results; a video keeps its earlier name, unless that is blocked.

    Names that differ only by case or by the form of their accents count as equal, because on many disks they are one
    file. A live or piped source gets a new name each time, because it is a different video each time.

    Args:
        found: the result of ``find_videos``.
        earlier: key of a video -> name given in an earlier run.
        kept: names of existing results.
        disk: the names that the disk of the results takes.
        blocked: whether results of a name would replace a file that is not a result.
    """
    earlier = {
        key: name for key, name in (earlier or {}).items() if not is_live_or_piped(key) and disk.fit(name) == name
    }
    taken = {same_file(name) for name in (*earlier.values(), *kept)}
    tried: dict[str, int] = {}  # base of names -> the last number that was tried
    jobs = []
    for video, base in found.items():
        name = earlier.get(video_key(video))
        if name is None or blocked(name):
            numbers = count(tried.get(base, 0) + 1)
            names = ((number, disk.fit(base if number == 1 else f"{base}-{number}")) for number in numbers)
            tried[base], name = next(
                (number, name) for number, name in names if not (_is_taken(same_file(name), taken) or blocked(name))
            )
        taken.add(same_file(name))
        jobs.append(Job(video, name))
    return jobs


def _is_taken(name: str, taken: Set[str]) -> bool:
    """Whether results of this name could be those of another: ``a.statistics`` + ``.csv`` are those of ``a`` too."""
    alike = {name, *(name + more for more in FURTHER), *(name.removesuffix(more) for more in FURTHER)}
    return not alike.isdisjoint(taken)


def video_key(video: str) -> str:
    """Return what identifies a video, whatever the working directory; without a password."""
    if is_live_or_piped(video) or is_stored(video):
        return hide_password(video)
    return str(absolute(Path(video)))


def _source_name(source: str) -> str:
    """Return a name for the results of a source without a file."""
    if source == STDIN:
        return "stdin"
    address = re.split(r"[?#]", hide_password(source))[0].partition("://")
    last = (address[2] or address[0]).replace("***@", "").rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^\w.-]+", "-", Path(last).stem if address[2] else last) or "stream"
