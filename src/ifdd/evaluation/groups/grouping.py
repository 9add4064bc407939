"""Groups of clips by a column of the manifest: which clip belongs to which group."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from ifdd.data.manifest import Manifest, Sample
from ifdd.errors import InputError

FIELDS = ("subject", "label")
"""Known columns that clips can be grouped by, besides the further columns of the manifest."""

MOST_NUMBERS = 12
"""A further column of more different numbers is cut into bands."""

MOST_BANDS = 8
MOST_GROUPS = 200


class Grouping(NamedTuple):
    """Clips divided into groups."""

    column: str
    names: tuple[str, ...]
    """Names of the groups in their order; the last is empty if clips have no value."""
    of_clip: Int64[np.ndarray, " clips"]
    """Index of each clip's group."""
    band: float | None
    """Width of the bands that numbers were cut into; None if each value is a group."""


def columns_of(text: str) -> list[str]:
    """Return the names in a list separated by commas, each once.

    Raises:
        InputError: the list is not empty, but names nothing.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if text and not names:
        raise InputError("--by names nothing; give columns of the manifest, separated by commas, such as age,sex")
    return names


def group_clips(manifest: Manifest, samples: Sequence[Sample], column: str) -> Grouping:
    """Group clips by a column of their manifest.

    Each value is a group. A further column of more than ``MOST_NUMBERS`` different numbers is cut into bands from
    multiples of the same round width: the smallest of 1, 2 or 5 times a power of ten that gives at most ``MOST_BANDS``
    bands for the whole manifest, so that all folds and subsets have the same bands. Subjects and labels are names, also
    where they are numbers.

    Args:
        manifest: the table of clips.
        samples: the clips to group, some of the manifest's.
        column: "subject", "label" or a further column of the manifest.

    Raises:
        InputError: there is no such column, it has no values for these clips, or it has too many.
    """
    known = (*manifest.attributes, *FIELDS)
    if column not in known:
        raise InputError(f"{manifest.path} has no column {column!r} to group by; use one of {', '.join(known)}")
    texts = [_value(sample, column) for sample in samples]
    if not any(texts):
        raise InputError(f"{manifest.path}: the column {column} is empty for all evaluated clips; fill it in")
    numbers = _numbers({_value(sample, column) for sample in manifest.samples} - {""})
    cut = column not in FIELDS and len(set(numbers.values())) > MOST_NUMBERS
    band = _round_width(sorted(numbers.values())) if cut else None
    if band is not None:
        whole = all(number.is_integer() for number in numbers.values())
        texts = [_band_name(numbers[text], band, whole) if text else "" for text in texts]
        numbers = {_band_name(number, band, whole): number for number in sorted(numbers.values(), reverse=True)}
    names = sorted(set(texts), key=lambda name: (not name, numbers.get(name, 0.0), name))
    if len(names) > MOST_GROUPS:
        raise InputError(
            f"{manifest.path}: the column {column} has {len(names)} different values; group by a column with at most "
            f"{MOST_GROUPS}"
        )
    places = {name: place for place, name in enumerate(names)}
    return Grouping(column, tuple(names), np.array([places[text] for text in texts], np.int64), band)


def _value(sample: Sample, column: str) -> str:
    if column in FIELDS:
        return str(getattr(sample, column))
    return sample.attributes.get(column, "").strip()


def _numbers(texts: set[str]) -> dict[str, float]:
    """Return text -> number; empty if any text is not a finite number."""
    try:
        numbers = {text: float(text) for text in texts}
    except ValueError:
        return {}
    return numbers if all(map(math.isfinite, numbers.values())) else {}


def _round_width(numbers: Sequence[float]) -> float:
    """Return the width of the bands for numbers in ascending order that are not all the same."""
    power = math.floor(math.log10((numbers[-1] - numbers[0]) / MOST_BANDS))
    widths = [float(f"{step}e{power + more}") for more in (0, 1) for step in (1, 2, 5)]
    return next(width for width in widths if _band(numbers[-1], width) - _band(numbers[0], width) < MOST_BANDS)


def _band(number: float, width: float) -> int:
    return math.floor(round(number / width, 9))  # 0.6 / 0.2 is slightly less than 3


def _band_name(number: float, width: float, whole: bool) -> str:
    low = _band(number, width) * width
    return f"{low:.12g} to {low + width - 1:.12g}" if whole else f"{low:.12g} up to {low + width:.12g}"
