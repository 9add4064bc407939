"""Record of a checkpoint's calibration, in the metadata of its file."""

import math
from dataclasses import dataclass
from typing import Literal

from ifdd.errors import check_range
from ifdd.records.record import Record
from ifdd.records.samplings import SamplingOptions


@dataclass(frozen=True, kw_only=True)
class ThresholdRecord(Record):
    """How the threshold for abstaining was chosen, and what it keeps of the clips that it was chosen on."""

    target: Literal["accuracy", "coverage"]
    """Quantity that was asked for."""
    value: float
    """Accuracy of the kept clips, or share of clips to keep, 0 to 1."""
    minimum_coverage: float
    """Smallest share of clips to keep, 0 to 1."""
    reached: bool
    """Whether the target was reached; if not, the threshold is that of the highest accuracy."""
    coverage: float
    """Share of clips kept."""
    coverage_interval: tuple[float, float]
    """Its 95 % interval."""
    accuracy: float
    """Share of the kept clips that were recognised."""
    accuracy_interval: tuple[float, float]
    """Its 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class CalibrationRecord(Record):
    """Temperature and threshold for abstaining, and what they were fitted on.

    Raises:
        InputError: the temperature is not positive, or the threshold is outside 0 to 1.
    """

    temperature: float
    """Divides the logits before the softmax."""
    abstain_below: float
    """Predictions of a lower probability are withheld; 0 withholds none."""
    dataset: str
    """Hash of the dataset."""
    synthetic: bool | None
    """Whether its faces are computer-generated; None if not known."""
    subset: str
    """Subset of the clips."""
    fold: int | None
    """Number of the fold, or None."""
    clips: int
    """Number of clips."""
    clips_used_for: str
    """Use of these clips in training, see ``ifdd.evaluation.protocol.clips_used_for``."""
    nll: tuple[float, float]
    """Negative log-likelihood in nats at temperature 1, and at this temperature."""
    ece: tuple[float, float]
    """Expected calibration error at temperature 1, and at this temperature."""
    threshold: ThresholdRecord
    """How the threshold was chosen."""
    sampling: SamplingOptions | None = None
    """Which frames of the clips; None in earlier checkpoints, which spread them over the clips."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range("temperature", self.temperature, above=0, below=math.inf)
        check_range("abstain_below", self.abstain_below, at_least=0, at_most=1)
