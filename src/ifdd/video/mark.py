"""The mark of annotated videos, by which they are recognised as results wherever they lie."""

import os
from pathlib import Path

ANNOTATED = "annotated by ifdd"
"""Comment in the metadata of annotated videos; converting them to other containers usually keeps it."""

_ENDS_BYTES = 65536
"""Bytes that are searched at the beginning and at the end of a file, where containers keep metadata."""


def is_annotated(path: Path) -> bool:
    """Whether a file is a video that ``ifdd recognize`` annotated; it is not decoded.

    Example:
        >>> from pathlib import Path
        >>> from ifdd.video.mark import is_annotated
        >>> Path("plain.mp4").write_bytes(b"a video")
        7
        >>> is_annotated(Path("plain.mp4"))
        False
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(_ENDS_BYTES)
            file.seek(max(0, os.fstat(file.fileno()).st_size - _ENDS_BYTES))
            return ANNOTATED.encode() in beginning or ANNOTATED.encode() in file.read()
    except OSError:
        return False
