"""Open a media file with PyAV, whatever its metadata are like."""

from typing import Any

import av
from av.container import InputContainer

from ifdd.limits import decoder_limit

LENIENT: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
"""Odd metadata are no reason to refuse a video: PyAV 19 replaces what it cannot decode, earlier versions need this."""


def open_input(file: Any, **settings: Any) -> InputContainer:
    """Open a path or a file object for reading; ``settings`` are those of ``av.open``.

    Decoders refuse frames larger than ``ifdd.limits`` allows, also those that look into the file now.

    Raises:
        av.error.FFmpegError: the file cannot be opened.
    """
    options = {"max_pixels": str(decoder_limit()), **settings.pop("options", {})}
    return av.open(file, "r", options=options, **LENIENT, **settings)
