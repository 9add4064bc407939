"""Whether a video is still the one that something was made of, without reading it."""

import hashlib
import json
import os
from pathlib import Path

from ifdd.video.frames import IMAGE_SUFFIXES


def source_stamp(path: Path) -> str:
    """Return a hash of a video's absolute path and of the name, size and time of change of its file, or of its images.

    Args:
        path: a video or a folder of images; one that does not exist or cannot be read has a stamp too.
    """
    path = path.absolute()
    return hashlib.sha256(json.dumps([str(path), _states(path)]).encode()).hexdigest()


def _states(path: Path) -> list[tuple[str, int, int]]:
    try:
        if not path.is_dir():
            return [_state(path.name, path.stat())]
        with os.scandir(path) as entries:
            images = [entry for entry in entries if entry.name.lower().endswith(IMAGE_SUFFIXES)]
            return sorted(_state(entry.name, entry.stat()) for entry in images)
    except OSError:
        return []


def _state(name: str, stat: os.stat_result) -> tuple[str, int, int]:
    return name, stat.st_size, stat.st_mtime_ns
