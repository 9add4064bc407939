"""A score with its confidence interval."""

from dataclasses import dataclass

from ifdd.records.record import Record


@dataclass(frozen=True)
class Estimate(Record):
    """A score and its confidence interval."""

    value: float
    low: float | None
    """Lower end of the interval; None if the bootstrap gives none: there are fewer than two subjects (or clips), or all
    have the same outcome."""
    high: float | None
