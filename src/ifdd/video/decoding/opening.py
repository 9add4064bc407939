"""Open a media file with PyAV, whatever its metadata are like."""

from typing import Any

import av
from av.container import InputContainer

LENIENT: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
"""Odd metadata are no reason to refuse a video: PyAV 19 replaces what it cannot decode, earlier versions need this."""


def open_input(file: Any, **settings: Any) -> InputContainer:
    """Open a path or a file object for reading; ``settings`` are those of ``av.open``.

    Raises:
        av.error.FFmpegError: the file cannot be opened.
    """
    return av.open(file, "r", **LENIENT, **settings)
