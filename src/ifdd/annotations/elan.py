"""ELAN's .eaf files, parsed by pympi."""

from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from ifdd.annotations.annotation import Annotation, Annotations
from ifdd.errors import InputError
from ifdd.names import listed


def pympi() -> Any:
    """Return the library that parses files of ELAN and Praat.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module("pympi")
    except ModuleNotFoundError as error:
        raise InputError(
            "files of ELAN and Praat need pympi, which is not installed: pip install 'ifdd[annotations]'"
        ) from error


def read_eaf(path: Path) -> Annotations:
    """Return the annotations of every tier; those of dependent tiers have the times of what they refer to.

    ELAN counts from where its media files are synchronised; the offset of the first video, its master, is added, as in
    ELAN's exports. A note says if others have other offsets.

    Raises:
        InputError: pympi is not installed, or the file is not ELAN's or damaged.
    """
    library = pympi()
    try:
        file = library.Eaf(str(path), suppress_version_warning=True)
        tiers = {name: file.get_annotation_data_for_tier(name) for name in file.get_tier_names()}
        media = [(_name(each), int(each.get("TIME_ORIGIN") or 0)) for each in _videos(file.media_descriptors)]
    except (Exception, SystemExit) as error:  # whatever a damaged file makes of the parser
        raise InputError(f"{path} is not a file of ELAN, or damaged ({_first_line(error)}); save it again") from error
    offset = media[0][1] if media else 0
    others = [name for name, other in media if other != offset]
    notes = (
        [f"times are those of {media[0][0]}; other videos have another offset: {listed(others, 3)}"] if others else []
    )
    found = []
    for name, rows in tiers.items():
        for start, end, label, *_ in rows:
            if start is None or end is None:
                raise InputError(f"{path}: an annotation in the tier {name!r} has no times; align it in ELAN")
            found.append(Annotation(name, (start + offset) / 1000, (end + offset) / 1000, label or ""))
    return Annotations(path, tuple(found), tuple(notes))


def _videos(media: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the linked videos; all files if they are sounds."""
    return [each for each in media if not each.get("MIME_TYPE", "").startswith("audio/")] or media


def _name(media: dict[str, str]) -> str:
    return PurePosixPath(media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL") or "").name


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:80]
