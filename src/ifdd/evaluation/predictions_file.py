"""``predictions.csv``: what an evaluation predicted for each clip, read back."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64

from ifdd.errors import InputError
from ifdd.evaluation.bootstrap import units_of

PREDICTIONS = "predictions.csv"

FIRST_COLUMNS = ("clip_id", "target", "prediction")
"""Columns before those of the classes."""

LAST_COLUMNS = ("subject", "checkpoint_chosen_on", "clips_used_for")
"""Columns after those of the classes; files of earlier versions have no subject."""


@dataclass(frozen=True, eq=False)
class ClipPredictions:
    """The content of ``predictions.csv``."""

    clip_ids: tuple[str, ...]
    targets: Int64[np.ndarray, " clips"]
    """Index of each clip's class."""
    predictions: Int64[np.ndarray, " clips"]
    """Index of the class that was predicted for each clip."""
    probabilities: Float64[np.ndarray, "clips classes"]
    subjects: tuple[str, ...] | None = None
    """Subject of each clip, empty where it is unknown; None in files of earlier versions."""

    @property
    def right(self) -> Bool[np.ndarray, " clips"]:
        """Whether each clip was recognised."""
        return self.predictions == self.targets

    @property
    def by_subject(self) -> Int64[np.ndarray, "subjects targets predictions"] | None:
        """Confusion matrix of each subject, which the bootstrap draws from; None for fewer than two subjects."""
        if not any(self.subjects or ()):
            return None
        units = units_of(self.clip_ids, self.subjects or ())
        classes = self.probabilities.shape[1]
        confusions = np.zeros((units.number, classes, classes), np.int64)
        np.add.at(confusions, (units.of_clip, self.targets, self.predictions), 1)
        return confusions if units.number > 1 else None


def column_names(classes: Sequence[str]) -> list[str]:
    """Return the names of the columns; a class with the name of another column is marked."""
    named = [f"{name} (class)" if name in (*FIRST_COLUMNS, *LAST_COLUMNS) else name for name in classes]
    return [*FIRST_COLUMNS, *named, *LAST_COLUMNS]


def read_predictions(file: Path, classes: Sequence[str]) -> ClipPredictions:
    """Read ``predictions.csv``, also of earlier versions.

    Args:
        file: its path.
        classes: class names in the order of the probabilities.

    Raises:
        InputError: it is damaged or has other classes.
    """
    ids, targets, predictions, shares, subjects = [], [], [], [], []
    first, last = len(FIRST_COLUMNS), len(FIRST_COLUMNS) + len(classes)
    try:
        with file.open(encoding="utf-8", errors="surrogateescape", newline="") as opened:
            lines = csv.reader(opened)
            header = next(lines, [])
            found = header[first:last]
            if [name.removesuffix(" (class)") for name in found] != [name.removesuffix(" (class)") for name in classes]:
                raise ValueError(f"its columns of probabilities are {', '.join(found) or 'missing'}")
            subject = header.index("subject", last) if "subject" in header[last:] else None
            for line in lines:
                ids.append(line[0])
                targets.append(classes.index(line[1]))
                predictions.append(classes.index(line[2]))
                shares.append([float(cell) for cell in line[first:last]])
                if len(shares[-1]) != len(classes) or not all(0 <= share <= 1 + 1e-6 for share in shares[-1]):
                    raise ValueError(f"clip {line[0]!r} does not have a probability from 0 to 1 for each class")
                if subject is not None:
                    subjects.append(line[subject])
        if not ids:
            raise ValueError("it has no clips")
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise InputError(f"{file} is damaged ({error}); evaluate again") from error
    return ClipPredictions(
        tuple(ids),
        np.array(targets, np.int64),
        np.array(predictions, np.int64),
        np.array(shares, np.float64),
        None if subject is None else tuple(subjects),
    )
