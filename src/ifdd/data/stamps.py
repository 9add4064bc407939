"""Whether a clip is still the one that something was made of, without reading it."""

import hashlib
import json
import os
from pathlib import Path


def source_stamp(path: Path) -> str:
    """Return a hash of a clip's absolute path and of the name, size and time of change of its file, or of its frames.

    Args:
        path: a video or a folder of frames; one that does not exist has a stamp too.
    """
    path = path.absolute()
    files = []
    if path.is_dir():
        with os.scandir(path) as entries:
            files = sorted((entry.name, _state(entry.stat())) for entry in entries if entry.is_file())
    elif path.exists():
        files = [(path.name, _state(path.stat()))]
    return hashlib.sha256(json.dumps([str(path), files]).encode()).hexdigest()


def _state(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_size, stat.st_mtime_ns
