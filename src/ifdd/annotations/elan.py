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

    Raises:
        InputError: pympi is not installed, or the file is not ELAN's or damaged.
    """
    library = pympi()
    try:
        file = library.Eaf(str(path), suppress_version_warning=True)
        tiers = {name: file.get_annotation_data_for_tier(name) for name in file.get_tier_names()}
    except (Exception, SystemExit) as error:  # whatever a damaged file makes of the parser
        raise InputError(f"{path} is not a file of ELAN, or damaged ({_first_line(error)}); save it again") from error
    for name, rows in tiers.items():
        for start, end, label, *_ in rows:
            if start is None or end is None:
                raise InputError(f"{path}: an annotation in the tier {name!r} has no times; align it in ELAN")
            yield Annotation(name, start / 1000, end / 1000, label or "")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:80]
