"""Links to a video as ELAN writes them: an absolute one, one relative to the result, and the type of the container."""

import os
import re
from pathlib import Path

import av

from ifdd.remote.addresses import is_address
from ifdd.video.decoding.opening import open_input
from ifdd.video.suffixes import VIDEO_SUFFIXES

MIME_TYPES = {
    ".3g2": "video/3gpp2",
    ".3gp": "video/3gpp",
    ".asf": "video/x-ms-asf",
    ".avi": "video/x-msvideo",
    ".flv": "video/x-flv",
    ".m2ts": "video/mp2t",
    ".m4v": "video/mp4",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp4": "video/mp4",
    ".mpeg": "video/mpeg",
    ".mpg": "video/mpeg",
    ".mts": "video/mp2t",
    ".ogg": "video/ogg",
    ".ogv": "video/ogg",
    ".qt": "video/quicktime",
    ".ts": "video/mp2t",
    ".wav": "audio/x-wav",
    ".webm": "video/webm",
    ".wmv": "video/x-ms-wmv",
}
"""Suffix -> MIME type."""

_CONTAINERS = {
    "mov,mp4,m4a,3gp,3g2,mj2": (".mp4", ".mov", ".qt", ".m4v", ".3gp", ".3g2"),
    "matroska,webm": (".mkv", ".webm"),
    "avi": (".avi",),
    "mpeg": (".mpg", ".mpeg"),
    "mpegts": (".ts", ".mts", ".m2ts"),
    "asf": (".wmv", ".asf"),
    "flv": (".flv",),
    "ogg": (".ogv", ".ogg"),
    "wav": (".wav",),
}
"""FFmpeg's name of a container -> the suffixes that it may have, the usual one first."""

UNKNOWN = "unknown"
"""ELAN's type of media that are none of these."""

_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def media_links(video: str, result: Path) -> dict[str, str]:
    """Return the attributes of ELAN's MEDIA_DESCRIPTOR; empty for what ELAN cannot play, such as a stream.

    ELAN does not escape characters in links: a space, an umlaut, # and % stand as they are in the path.

    Args:
        video: path of the video, as results name it; a relative one that is not there is looked for next to the
            result, and taken to come there if it is nowhere.
        result: path of ELAN's file.
    """
    if is_address(video) or _NOT_XML.search(video):  # XML cannot hold such names
        return {}
    if _DRIVE.match(video) and os.name != "nt":  # results that were made on Windows
        slashed = video.replace("\\", "/").lstrip("/")
        address = f"file:///{slashed}" if _DRIVE.match(slashed) else f"file:////{slashed}"
        return {"MEDIA_URL": address, "MIME_TYPE": MIME_TYPES.get(Path(slashed).suffix.lower(), UNKNOWN)}
    path, folder = Path(video), result.absolute().parent
    if not path.exists() and (folder / path).exists():
        path = folder / path
    if path.is_dir() or (not path.is_file() and path.suffix.lower() not in VIDEO_SUFFIXES):
        return {}
    if not path.is_absolute() and not path.exists():
        link = f"./{path.name}"  # where ELAN looks for it, too
        return {"MEDIA_URL": link, "MIME_TYPE": _mime_type(path), "RELATIVE_MEDIA_URL": link}
    place = os.path.normpath(path.absolute())
    links = {"MEDIA_URL": f"file:///{Path(place).as_posix().lstrip('/')}", "MIME_TYPE": _mime_type(Path(place))}
    if place.startswith("\\\\"):
        links["MEDIA_URL"] = f"file:///{Path(place).as_posix()}"
    try:
        relative = Path(os.path.relpath(place, folder)).as_posix()
    except ValueError:  # on another drive
        return links
    return links | {"RELATIVE_MEDIA_URL": relative if relative.startswith("../") else f"./{relative}"}


def _mime_type(video: Path) -> str:
    """Return the type of the container, whatever the suffix says."""
    suffix = video.suffix.lower()
    try:
        with open_input(str(video)) as container:
            kind, brand = container.format.name, container.metadata.get("major_brand", "")
    except (av.error.FFmpegError, OSError, UnicodeError):
        return MIME_TYPES.get(suffix, UNKNOWN)
    possible = _CONTAINERS.get(kind, ())
    if kind.startswith("mov"):
        return MIME_TYPES[".mov"] if brand.strip() == "qt" else MIME_TYPES[suffix if suffix[:3] == ".3g" else ".mp4"]
    if suffix in possible or not possible:
        return MIME_TYPES.get(suffix, UNKNOWN)
    return MIME_TYPES[possible[0]]
