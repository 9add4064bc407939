"""Which videos to recognise, and the names of their results."""

import os
import re
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from ifdd.errors import InputError
from ifdd.video.sources import CAMERA, STDIN, hide_password, is_address
from ifdd.video.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES


@dataclass(frozen=True)
class Job:
    """A video to recognise."""

    video: str
    """A path, a URL, ``-`` or a camera."""
    name: str
    """Name of its results without suffix; may include a folder."""

    @property
    def shown(self) -> str:
        """The video as named in messages, without a password."""
        return hide_password(self.video)

    def ending(self, result: Path) -> str:
        """Return the part of a result's file name after ``name``, such as ``.json`` or ``.statistics.csv``."""
        return result.name.removeprefix(Path(self.name).name)


def is_live_or_piped(video: str) -> bool:
    """Whether a source has no file, so that a change of it cannot be detected."""
    return video == STDIN or video.startswith(CAMERA) or is_address(video)


def find_videos(words: Sequence[str], out: Path) -> dict[str, str]:
    """Return the videos named on the command line -> names for their results.

    Args:
        words: videos, folders of images, directories to search for both, patterns with ``*``, URLs, ``-``.
        out: the folder of the results, which is not searched.

    Raises:
        InputError: nothing matches a pattern.
    """
    found: dict[str, str] = {}
    for word in words:
        if is_live_or_piped(word):
            found.setdefault(word, _source_name(word))
            continue
        for path in _expand(word):
            for video, name in _videos_in(Path(path), out):
                found.setdefault(video, name)
    return found


def refuse_unwritable(out: Path) -> None:
    """Check up front that results can be written to a folder, without changing it.

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
    """Give every video a unique name for its results; a video keeps its earlier name.

    A live or piped source gets a new name each time, because it is a different video each time.

    Args:
        found: the result of ``find_videos``.
        earlier: key of a video -> name given in an earlier run.
        kept: names of existing results.
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
    """Return what identifies a video, whatever the working directory; without a password."""
    return hide_password(video) if is_live_or_piped(video) else str(Path(video).absolute())


def _source_name(source: str) -> str:
    """Return a name for the results of a source without a file."""
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
        raise InputError(f"no video matches {word}; check the pattern")
    return paths


def _videos_in(path: Path, out: Path) -> Iterator[tuple[str, str]]:
    """Yield videos and names: the path itself, or the videos in the directory."""
    if not path.is_dir():
        yield str(path), path.stem
        return
    if _is_folder_of_images(path):
        yield str(path), path.resolve().name
        return
    for video in list(_search(path, out.resolve())) or [path]:  # an empty folder is refused later
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
    yield from sorted(unreadable)  # each is refused later


def _is_folder_of_images(folder: Path) -> bool:
    """Whether a folder contains images and no videos."""
    try:
        names = [entry.name.lower() for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError:
        return False
    return any(name.endswith(IMAGE_SUFFIXES) for name in names) and not any(
        name.endswith(VIDEO_SUFFIXES) for name in names
    )
