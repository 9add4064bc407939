"""Praat's .TextGrid files, parsed by pympi."""

from pathlib import Path

from ifdd.annotations.annotation import Annotation, Annotations
from ifdd.annotations.elan import pympi
from ifdd.errors import InputError

ENCODINGS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
"""First bytes -> encoding; Praat writes UTF-16 where a label is not ASCII, unless told otherwise."""


def read_textgrid(path: Path) -> Annotations:
    """Return the intervals of every interval tier, in the long, short or binary form.

    Raises:
        InputError: pympi is not installed, or the file is not Praat's or damaged.
    """
    library = pympi()
    try:
        with path.open("rb") as file:
            head = file.read(3)
        encoding = next((name for mark, name in ENCODINGS.items() if head.startswith(mark)), "utf-8")
        grid = library.TextGrid(str(path), codec=encoding)
        tiers = [
            (tier.name, list(tier.get_intervals())) for tier in grid.get_tiers() if tier.tier_type == "IntervalTier"
        ]
    except (Exception, SystemExit) as error:  # whatever a damaged file makes of the parser
        raise InputError(f"{path} is not a TextGrid of Praat, or damaged; save it again as a text file") from error
    found = [Annotation(name, float(start), float(end), label) for name, rows in tiers for start, end, label in rows]
    return Annotations(path, tuple(found))
