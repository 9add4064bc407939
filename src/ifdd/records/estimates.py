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

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)
