"""How far a result agrees with a person's coding."""

from dataclasses import dataclass
from typing import ClassVar

from ifdd.records.estimates import Estimate
from ifdd.records.record import FileRecord, Record


@dataclass(frozen=True)
class AgreementPair(Record):
    """A coded video."""

    video: str
    result: str
    annotation: str
    people: dict[str, tuple[int, ...]]
    """Tier -> the tracks that it was compared with."""
    notes: tuple[str, ...]


@dataclass(frozen=True)
class SegmentAgreement(Record):
    """Segments that agree in person and label and overlap enough in time."""

    overlap: float
    """Minimum intersection over union of the times."""
    f1: float
    precision: float
    recall: float


@dataclass(frozen=True)
class OnsetAgreement(Record):
    """Start of the result's segment minus start of the coder's, in seconds, of segments that overlap by a quarter."""

    count: int
    median: float
    low: float
    """First quartile."""
    high: float
    """Third quartile."""


@dataclass(frozen=True)
class AgreementRecord(FileRecord):
    """How far results agree with a person's coding."""

    FILE: ClassVar[str] = "agreement.json"
    SCHEMA_VERSION: ClassVar[int] = 1

    command: str
    pairs: tuple[AgreementPair, ...]
    classes: tuple[str, ...]
    bin_seconds: float
    """Length of the bins of time that are compared."""
    coded_seconds: float
    """Time that the coder labelled."""
    covered: float
    """Share of it in which the person has a result."""
    answered: float
    """Share of it in which the result names a class, and is not uncertain."""
    kappa: Estimate | None
    """Cohen's kappa over the answered time; None if it is not defined."""
    kappa_uncertain: Estimate | None
    """The same over the covered time, with uncertain as a label of its own."""
    agreement: Estimate | None
    """Share of the answered time with equal labels; None if nothing was answered."""
    confusion: tuple[tuple[int, ...], ...]
    """Bins by label of the coder (rows) and of the result (columns: the classes, then uncertain)."""
    segments: tuple[SegmentAgreement, ...]
    onsets: OnsetAgreement | None
    """None without matching segments after a person's first."""
