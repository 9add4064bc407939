"""Whether a video has changed since results were made from it, without reading it."""

import hashlib
import json
import os
from pathlib import Path

from ifdd.files import absolute
from ifdd.video.suffixes import IMAGE_SUFFIXES


def source_stamp(path: Path) -> str:
    """Return a hash of a video's absolute path and of the name, size and modification time of its file or images.

    Args:
        path: a video or a folder of images; a path that does not exist or cannot be read has a stamp too.
    """
    path = absolute(path)
    return hashlib.sha256(json.dumps([str(path), _states(path)]).encode()).hexdigest()


def _states(path: Path) -> list[tuple[str, int, int]]:
    try:
        if not path.is_dir():
            return [_state(path)]
        with os.scandir(path) as entries:
            images = [entry for entry in entries if entry.name.lower().endswith(IMAGE_SUFFIXES)]
            return sorted(map(_state, images))
    except OSError:
        return []


def _state(entry: Path | os.DirEntry[str]) -> tuple[str, int, int]:
    """Return name, size and modification time of a file; -1 where it cannot be read, such as a link to nothing."""
    try:
        stat = entry.stat()
    except OSError:
        return entry.name, -1, -1
    return entry.name, stat.st_size, stat.st_mtime_ns
