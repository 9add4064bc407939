"""Records of what predictions depend on: scores on changed clips, and on minimal pairs of clips."""

from dataclasses import dataclass
from typing import Literal

from ifdd.records.estimates import Estimate
from ifdd.records.record import Record

Resampled = Literal["subjects", "clips", "pairs"]


@dataclass(frozen=True)
class ChangeRecord(Record):
    """Scores of clips under one condition, and how the predictions differ from those for the same clips as they are."""

    war: Estimate
    uar: Estimate
    war_difference: Estimate
    """WAR minus that of the unchanged clips, from the same resamples."""
    uar_difference: Estimate
    """UAR minus that of the unchanged clips, from the same resamples."""
    changed: Estimate
    """Share of the clips whose prediction is another class than that of the unchanged clip."""
    distance: Estimate
    """Mean total variation distance between the probabilities of a clip and of its unchanged version, 0 to 1: half the
    sum of the absolute differences."""


@dataclass(frozen=True)
class StressPoint(Record):
    """The result of a change at one strength."""

    strength: float
    result: ChangeRecord


@dataclass(frozen=True)
class StressCurve(Record):
    """The results of one change, from the weakest to the strongest on its axis."""

    name: str
    """Name in ``ifdd.evaluation.stress.transforms.STRESSES``."""
    meaning: str
    """The change in words."""
    unit: str
    """What a strength measures."""
    neutral: float
    """Strength of an unchanged clip."""
    points: tuple[StressPoint, ...]


@dataclass(frozen=True, kw_only=True)
class StressRecord(Record):
    """Scores on changed clips."""

    war: Estimate
    """WAR of the unchanged clips."""
    uar: Estimate
    """UAR of the unchanged clips."""
    curves: tuple[StressCurve, ...]
    clips: int
    """Number of clips."""
    seed: int
    """Seed of the random changes and of the resamples."""
    level: float
    """Level of the intervals."""
    resampled: Resampled
    """What the bootstrap draws."""
    resamples: int


@dataclass(frozen=True)
class PairCondition(Record):
    """The clips of one condition, compared with those of the reference in the same pairs."""

    condition: str
    clips: int
    """Number of pairs that have both clips."""
    result: ChangeRecord


@dataclass(frozen=True, kw_only=True)
class PairsRecord(Record):
    """The results on minimal pairs: clips that differ in one known way."""

    reference: str
    """Condition that the others are compared with: the first in the manifest."""
    pairs: int
    """Number of pairs."""
    conditions: tuple[PairCondition, ...]
    """The conditions in the order of the manifest, the reference first."""
    seed: int
    """Seed of the resamples."""
    level: float
    """Level of the intervals."""
    resampled: Resampled
    """What the bootstrap draws."""
    resamples: int
