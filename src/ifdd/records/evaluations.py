"""Records of an evaluation: ``evaluation.json`` with scores and protocol."""

from dataclasses import dataclass
from typing import ClassVar

from ifdd.records.calibrations import CalibrationRecord
from ifdd.records.datasets import DatasetRecord
from ifdd.records.record import FileRecord, Record
from ifdd.records.trainings import CheckpointRecord, SoftwareRecord


@dataclass(frozen=True)
class ScoresRecord(Record):
    """The scores of an evaluation."""

    war: float
    """Accuracy, 0 to 1."""
    uar: float
    """Mean of the recalls, 0 to 1."""
    recalls: dict[str, float | None]
    """Class -> recall, 0 to 1; None for a class without clips."""
    support: dict[str, int]
    """Class -> number of clips."""
    confusion: tuple[tuple[int, ...], ...]
    """Number of clips of each true class (row) and prediction (column), in the order of the classes."""


@dataclass(frozen=True)
class EvaluatedCheckpoint(Record):
    """The evaluated checkpoint."""

    path: str
    """Path as given, or the name of a bundled checkpoint."""
    sha256: str
    """SHA-256 of the file."""
    clip_seconds: float
    """Duration of a clip in seconds."""
    chosen_on: str
    """Clips that selected the epoch: validation, test, none (the last epoch) or "not recorded"."""
    seed: int | None
    """Seed of the training run; None if not recorded."""
    description: CheckpointRecord
    """The description in the checkpoint."""
    calibration: CalibrationRecord | None = None
    """The calibration in the checkpoint; None if it has none."""


@dataclass(frozen=True)
class ManifestRecord(Record):
    """The manifest of an evaluation."""

    path: str
    """Path as given."""
    sha256: str
    """SHA-256 of the file."""


@dataclass(frozen=True)
class SamplingOptions(Record):
    """The sampling of frames in a test, as the user chose it."""

    name: str
    """Name of the sampling."""
    stride: int | None
    """Step between the frames of a clip, in frames; None if the sampling does not use it."""
    temporal_views: int | None
    """Clips per video; None if the sampling does not use it."""
    crops: int
    """Square crops per frame."""


@dataclass(frozen=True)
class SamplingRecord(SamplingOptions):
    """The sampling of frames in a test, in full."""

    meaning: str
    """The sampling in words."""
    frames: int
    """Frames per clip."""
    size: int
    """Height and width of a clip in pixels."""
    views: int
    """Total number of views."""
    views_per_clip: tuple[int, int]
    """Minimum and maximum number of views of a clip."""
    average: str
    """Quantity that is averaged over the views of a clip."""

    @property
    def options(self) -> SamplingOptions:
        """The options that the user chose."""
        return SamplingOptions(self.name, self.stride, self.temporal_views, self.crops)


@dataclass(frozen=True, kw_only=True)
class Protocol(Record):
    """The protocol of an evaluation: everything needed to repeat and to judge it."""

    checkpoint: EvaluatedCheckpoint
    """The evaluated checkpoint."""
    manifest: ManifestRecord
    """The table of clips."""
    dataset: DatasetRecord
    """The dataset of the clips."""
    classes: tuple[str, ...]
    """Class names in the order of the logits."""
    label_order: str
    """Name of the label set with the classes in this order, or "its own"."""
    subset: str
    """train, validation or test."""
    fold: int | None
    """Number of the requested fold, or None."""
    clips: int
    """Number of clips."""
    clips_used_for: str
    """Use of these clips in training, see ``ifdd.evaluation.protocol.clips_used_for``."""
    sampling: SamplingRecord
    """Sampled frames."""
    seed: int | None
    """Always None, because a test is deterministic."""
    versions: dict[str, str]
    """Package -> version."""
    commit: str | None
    """Commit of ifdd's checkout; None if ifdd does not run from one."""

    @property
    def software(self) -> SoftwareRecord:
        """Software of the evaluation."""
        return SoftwareRecord(self.versions, self.commit)


@dataclass(frozen=True)
class EvaluationRecord(FileRecord):
    """``evaluation.json``: the result of an evaluation."""

    FILE: ClassVar[str] = "evaluation.json"
    SCHEMA_VERSION: ClassVar[int] = 2

    scores: ScoresRecord
    """The result."""
    protocol: Protocol
    """How the result was obtained."""
