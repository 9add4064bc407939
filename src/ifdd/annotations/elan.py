"""ELAN's .eaf files, parsed by pympi."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from ifdd.annotations.annotation import Annotation
from ifdd.errors import InputError


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


def read_eaf(path: Path) -> Iterator[Annotation]:
    """Yield the annotations of every tier; those of dependent tiers have the times of what they refer to.

    ELAN counts from where its media files are synchronised; the offset of the video is added, as in ELAN's exports.

    Raises:
        InputError: pympi is not installed, the file is not ELAN's or damaged, or its videos have different offsets.
    """
    library = pympi()
    try:
        file = library.Eaf(str(path), suppress_version_warning=True)
        tiers = {name: file.get_annotation_data_for_tier(name) for name in file.get_tier_names()}
        offsets = {int(each.get("TIME_ORIGIN") or 0) for each in _videos(file.media_descriptors)}
    except (Exception, SystemExit) as error:  # whatever a damaged file makes of the parser
        raise InputError(f"{path} is not a file of ELAN, or damaged ({_first_line(error)}); save it again") from error
    if len(offsets) > 1:
        listed = ", ".join(map(str, sorted(offsets)))
        raise InputError(
            f"{path}: its videos have different offsets ({listed} ms); keep the linked file of one video in ELAN"
        )
    offset = offsets.pop() if offsets else 0
    for name, rows in tiers.items():
        for start, end, label, *_ in rows:
            if start is None or end is None:
                raise InputError(f"{path}: an annotation in the tier {name!r} has no times; align it in ELAN")
            yield Annotation(name, (start + offset) / 1000, (end + offset) / 1000, label or "")


def _videos(media: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the linked videos; all files if they are sounds."""
    return [each for each in media if not each.get("MIME_TYPE", "").startswith("audio/")] or media


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:80]
