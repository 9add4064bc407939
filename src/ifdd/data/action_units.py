"""Intensities of facial action units, as further columns of a manifest: ``au01``, ``au12``, ..., from 0 to 1."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from ifdd.data.manifest import Sample
from ifdd.errors import InputError


def action_unit_column(number: int) -> str:
    """Return the manifest's column of an action unit.

    Example:
        >>> from ifdd.data.action_units import action_unit_column
        >>> action_unit_column(4), action_unit_column(12)
        ('au04', 'au12')
    """
    return f"au{number:02d}"


def check_action_units(samples: Sequence[Sample], units: Sequence[int], manifest: Path) -> None:
    """Check that each unit has a value in at least one clip.

    Args:
        samples: the clips.
        units: FACS numbers.
        manifest: path for the message.

    Raises:
        InputError: a unit has none.
    """
    columns = [action_unit_column(number) for number in units]
    absent = [column for column in columns if not any(sample.attributes.get(column) for sample in samples)]
    if absent:
        raise InputError(
            f"{manifest} has no intensities of action units in the columns {', '.join(absent)}; 'ifdd synth' writes "
            "them, for an existing set if it runs again; or leave these units out of model.overrides.action_units"
        )


def action_unit_targets(
    samples: Sequence[Sample], units: Sequence[int], manifest: Path
) -> Float32[np.ndarray, "samples units"]:
    """Return the intensity of each unit in each clip; NaN where a clip has no value.

    Args:
        samples: the clips.
        units: FACS numbers.
        manifest: path for the message.

    Raises:
        InputError: a value is not a number from 0 to 1.
    """
    columns = [action_unit_column(number) for number in units]
    rows = [[_intensity(sample, column, manifest) for column in columns] for sample in samples]
    return np.array(rows, np.float32).reshape(len(samples), len(units))


def _intensity(sample: Sample, column: str, manifest: Path) -> float:
    """Return the number in a cell, NaN for an empty or absent one."""
    text = sample.attributes.get(column, "")
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise InputError(
            f"{manifest}, clip {sample.clip_id!r}: {column} is {text!r}; it must be a number from 0 to 1, or empty if "
            "it is unknown"
        )
    return value
