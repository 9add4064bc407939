"""The factors that probes look for: emotion and action units, and the context that should not matter.

From SynthDFER's truth where clips have it, otherwise from the manifest's columns: label, subject, ``au01``, ...
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from ifdd.data.action_units import action_unit_targets
from ifdd.data.labels import natural_order
from ifdd.data.manifest import Sample
from ifdd.explanation.disentanglement.truth import UNITS, ClipTruth

SPOKEN = 0.1
"""Strength of speech from which a clip counts as spoken in."""

LEAST_UNIT_DEVIATION = 0.03
"""Standard deviation over the clips from which an action unit is probed; the others hardly occur."""

FEWEST = 6
"""Fewest clips of a class."""


@dataclass(frozen=True)
class Factor:
    """One cause of the clips' pixels."""

    name: str
    group: Literal["emotion", "context"]
    outputs: tuple[str, ...]
    """Names of the classes, or of the quantities."""
    values: Int[np.ndarray, " clips"] | Float[np.ndarray, "clips outputs"]
    """Class of each clip, or its quantities."""
    rows: Int[np.ndarray, " clips"]
    """Positions of these clips among all clips."""
    people: Int[np.ndarray, " clips"]
    """Number of each clip's person."""
    number_of_people: int
    """Number of people of all clips together, also of those without clips here."""

    @property
    def is_identity(self) -> bool:
        """Whether the classes are the people, so that they cannot be disjoint."""
        return self.name == "identity"

    @property
    def chance(self) -> float:
        """Expected score without information: of balanced accuracy one over the classes, of R2 nothing."""
        return 1 / len(self.outputs) if self.values.ndim == 1 else 0.0


def number_people(samples: Sequence[Sample]) -> tuple[Int[np.ndarray, " clips"], int]:
    """Return the number of each clip's person, and of people; without subjects every clip is a person of its own."""
    names = [sample.subject or f"\0{place}" for place, sample in enumerate(samples)]
    numbers = np.unique(names, return_inverse=True)[1]
    return numbers, int(numbers.max()) + 1


def find_factors(
    samples: Sequence[Sample], truths: Sequence[ClipTruth] | None, manifest: Path, folds: int
) -> tuple[list[Factor], list[str]]:
    """Return the factors that vary among the clips, and why others are missing.

    Args:
        samples: the clips.
        truths: their truth, or None.
        manifest: path for messages.
        folds: number of folds; a person needs so many clips to be recognised, or at least two if most have fewer.

    Raises:
        InputError: an intensity in the manifest is not a number from 0 to 1.
    """
    people, count = number_people(samples)
    builder = _Builder(people, count, folds)
    builder.add_classes("emotion", "emotion", [sample.label for sample in samples])
    if truths is None:
        columns = {
            int(found[1]) for name in samples[0].attributes if (found := re.fullmatch(r"au(\d+)", name)) is not None
        } - {45}
        known = sorted(columns)
        units = action_unit_targets(samples, known, manifest).astype(float)
    else:
        known, units = list(UNITS), np.array([truth.units.mean(0) for truth in truths])
    builder.add_units(known, units)
    builder.add_identity([sample.subject for sample in samples], folds)
    if truths is None:
        builder.notes.append("pose, light, background and speech: the clips have no truth of SynthDFER")
        return builder.factors, builder.notes
    builder.add_values("pose", ("yaw", "pitch"), np.array([truth.pose.mean(0) for truth in truths]))
    lights = [truth.light for truth in truths if truth.light is not None]
    kinds = [truth.background for truth in truths if truth.background is not None]
    if len(lights) == len(truths) == len(kinds):
        names = ("from the side", "from above", "contrast", "brightness")
        builder.add_values("light", names, np.array([light.mean(0) for light in lights]))
        builder.add_classes("background", "context", kinds)
    else:
        builder.notes.append(
            "light and background: an earlier version wrote this set without them; write it again to a new folder"
        )
    spoken = ["speech" if truth.speech.max() > SPOKEN else "silence" for truth in truths]
    builder.add_classes("speech", "context", spoken)
    return builder.factors, builder.notes


class _Builder:
    """Collects factors, and notes about those that cannot be probed."""

    def __init__(self, people: Int[np.ndarray, " clips"], count: int, folds: int) -> None:
        self.people, self.count, self.folds = people, count, folds
        self.factors: list[Factor] = []
        self.notes: list[str] = []

    def add_classes(self, name: str, group: Literal["emotion", "context"], labels: Sequence[str]) -> None:
        classes = natural_order(labels)
        frequent = [each for each in classes if list(labels).count(each) >= FEWEST]
        if len(frequent) < 2:
            self.notes.append(f"{name}: fewer than two classes have {FEWEST} clips")
            return
        kept = [place for place, label in enumerate(labels) if label in frequent]
        values, rows = np.array([frequent.index(labels[place]) for place in kept]), np.array(kept)
        self._add(name, group, tuple(frequent), values, rows)

    def add_values(self, name: str, outputs: tuple[str, ...], values: Float[np.ndarray, "clips outputs"]) -> None:
        varied = np.flatnonzero(values.std(0) > 1e-6)
        if not len(varied):
            self.notes.append(f"{name}: the same in all clips")
            return
        kept = tuple(outputs[column] for column in varied)
        self._add(name, "context", kept, values[:, varied], np.arange(len(values)))

    def add_units(self, numbers: Sequence[int], values: Float[np.ndarray, "clips units"]) -> None:
        rows = np.flatnonzero(np.isfinite(values).all(1))
        varied = [
            column
            for column in range(len(numbers))
            if len(rows) > 1 and values[rows, column].std() >= LEAST_UNIT_DEVIATION
        ]
        if not varied:
            self.notes.append("action units: no intensities that vary")
            return
        names = tuple(f"AU{numbers[column]}" for column in varied)
        self._add("action units", "emotion", names, values[rows][:, varied], rows)

    def add_identity(self, subjects: Sequence[str], folds: int) -> None:
        """Add the identity of the people with enough clips."""
        counts = np.bincount(self.people)
        needed = max(2, min(folds, int(np.median(counts))))
        enough = np.flatnonzero(counts >= needed)
        rows = np.flatnonzero(np.isin(self.people, enough))
        if not all(subjects) or len(enough) < 2:
            self.notes.append("identity: the subjects are unknown, or fewer than two people have two clips")
            return
        names = dict(zip(map(int, self.people), subjects, strict=True))
        values = np.searchsorted(enough, self.people[rows])
        self._add("identity", "context", tuple(names[int(person)] for person in enough), values, rows)

    def _add(
        self,
        name: str,
        group: Literal["emotion", "context"],
        outputs: tuple[str, ...],
        values: np.ndarray,
        rows: Int[np.ndarray, " clips"],
    ) -> None:
        known = len(np.unique(self.people[rows]))
        if name != "identity" and known < 2 * self.folds:
            self.notes.append(
                f"{name}: known of {known} people only; probes of {self.folds} folds need {2 * self.folds}"
            )
            return
        self.factors.append(Factor(name, group, outputs, values, rows, self.people[rows], self.count))
