"""The readers by file suffix, and the checks that all of them share."""

import math
from collections.abc import Callable
from itertools import accumulate, pairwise
from pathlib import Path

from ifdd.annotations.annotation import Annotation, Annotations
from ifdd.annotations.elan import read_eaf
from ifdd.annotations.praat import read_textgrid
from ifdd.annotations.tabular import read_tabular
from ifdd.errors import InputError

READERS: dict[str, Callable[[Path], Annotations]] = {
    ".eaf": read_eaf,
    ".textgrid": read_textgrid,
    ".csv": read_tabular,
    ".tsv": read_tabular,
}
"""Suffix -> its reader."""

TOLERANCE = 0.05
"""Seconds by which annotations of a tier may overlap, for rounding and for hands that are not steady."""


def read_annotations(path: Path) -> Annotations:
    """Read what people coded, from ELAN (.eaf), Praat (.TextGrid), BORIS or another table (.csv, .tsv).

    Empty labels and annotations without duration are left out. Where annotations of a tier overlap by up to
    ``TOLERANCE``, the later one begins where the earlier one ends.

    Raises:
        InputError: the file cannot be read, or holds no annotations; a time is not valid; or annotations of a tier
            overlap.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: unknown kind of annotations '{path.suffix}'; use one of {', '.join(READERS)}")
    if not path.is_file():
        raise InputError(f"{path} does not exist; give a file of annotations ({', '.join(READERS)})")
    found = reader(path)
    for each in found.annotations:
        _check_times(path, each)
    named = [each for each in found.annotations if each.label.strip()]
    lasting = [each for each in named if each.end_seconds > each.start_seconds]
    if not lasting:
        raise InputError(f"{path} has no annotations that last; give intervals with labels")
    notes = list(found.notes)
    if points := len(named) - len(lasting):
        notes.append(f"{points} points in time were left out")
    tiers = dict.fromkeys(each.tier for each in lasting)
    ordered = [each for tier in tiers for each in _apart(path, [one for one in lasting if one.tier == tier])]
    if hidden := len(lasting) - len(ordered):
        notes.append(f"annotations within the end of another one of their tier were left out: {hidden}")
    return Annotations(path, tuple(ordered), tuple(notes))


def _check_times(path: Path, each: Annotation) -> None:
    start, end = each.start_seconds, each.end_seconds
    if not (math.isfinite(start) and math.isfinite(end)) or start < 0 or end < start:
        raise InputError(f"{path}: the annotation {each.label!r} lasts from {start:g} to {end:g} s; correct its times")


def _apart(path: Path, tier: list[Annotation]) -> list[Annotation]:
    """Return the annotations of a tier by time, without small overlaps.

    Raises:
        InputError: two of them overlap by more.
    """
    ordered = sorted(tier, key=lambda each: (each.start_seconds, each.end_seconds))
    for before, after in pairwise(ordered):
        if before.end_seconds - after.start_seconds > TOLERANCE:
            raise InputError(
                f"{path}: {before.label!r} and {after.label!r} overlap at {after.start_seconds:g} s"
                + (f" in the tier {before.tier!r}" if before.tier else "")
                + "; a person can have one label at a time: give each person a tier, or correct the times"
            )
    ends = accumulate((each.end_seconds for each in ordered), max, initial=0.0)
    moved = (
        each._replace(start_seconds=max(each.start_seconds, end)) for each, end in zip(ordered, ends, strict=False)
    )
    return [each for each in moved if each.end_seconds > each.start_seconds]
