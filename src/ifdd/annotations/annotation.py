"""What one file of annotations holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Annotation(NamedTuple):
    """A label that holds for some time. Times are those of a player."""

    tier: str
    """Name of the tier, the subject or the person; "" if the file has none."""
    start_seconds: float
    end_seconds: float
    label: str


@dataclass(frozen=True)
class Annotations:
    """The annotations of one file, by tier, then by time."""

    path: Path
    annotations: tuple[Annotation, ...]
    notes: tuple[str, ...] = ()
    """What was left out, in a few words each."""

    @property
    def tiers(self) -> tuple[str, ...]:
        """Names of the tiers, in the order of the file."""
        return tuple(dict.fromkeys(each.tier for each in self.annotations))

    def of(self, tier: str) -> tuple[Annotation, ...]:
        """Return the annotations of one tier."""
        return tuple(each for each in self.annotations if each.tier == tier)
