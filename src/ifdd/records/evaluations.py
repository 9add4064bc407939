"""What an evaluation says of itself: ``evaluation.json``, the scores and the protocol."""

from dataclasses import dataclass
from typing import ClassVar

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
    """Numbers of clips: rows are the true classes, columns the predictions, in the order of the classes."""


@dataclass(frozen=True)
class EvaluatedCheckpoint(Record):
    """The checkpoint that was evaluated."""

    path: str
    """As it was given, or the name of one that ships with the package."""
    sha256: str
    """Hash of the file."""
    clip_seconds: float
    """Time that a clip spans in seconds."""
    chosen_on: str
    """Clips that chose the epoch: validation, test, none (the last epoch) or "not recorded"."""
    seed: int | None
    """Seed of the training; None if not recorded."""
    description: CheckpointRecord
    """What the checkpoint says of itself."""


@dataclass(frozen=True)
class ManifestRecord(Record):
    """The manifest of an evaluation."""

    path: str
    """As it was given."""
    sha256: str
    """Hash of the file."""


@dataclass(frozen=True)
class SamplingOptions(Record):
    """Which frames of a video a test sees, as the user chose them."""

    name: str
    """Name of the sampling."""
    stride: int | None
    """Step in frames within a clip; None where the sampling has none."""
    temporal_views: int | None
    """Clips of a video; None where the sampling does not choose their number."""
    crops: int
    """Squares cut out of each frame."""


@dataclass(frozen=True)
class SamplingRecord(SamplingOptions):
    """Which frames of each video the model saw."""

    meaning: str
    """The sampling in words."""
    frames: int
    """Frames of a clip."""
    size: int
    """Side of a clip in pixels."""
    views: int
    """Views of all clips together."""
    views_per_clip: tuple[int, int]
    """Least and most views of a clip."""
    average: str
    """What is averaged over the views of a clip."""

    @property
    def options(self) -> SamplingOptions:
        """The part that the user chose."""
        return SamplingOptions(self.name, self.stride, self.temporal_views, self.crops)


@dataclass(frozen=True, kw_only=True)
class Protocol(Record):
    """Everything that another person needs to repeat an evaluation, or to judge it."""

    checkpoint: EvaluatedCheckpoint
    """The model."""
    manifest: ManifestRecord
    """The table of clips."""
    dataset: DatasetRecord
    """The dataset that the clips are of."""
    classes: tuple[str, ...]
    """Class names in the order of the logits."""
    label_order: str
    """Name of the label set that has the classes in this order, or "its own"."""
    subset: str
    """train, validation or test."""
    fold: int | None
    """Number of the fold that was asked for."""
    clips: int
    """Number of clips."""
    clips_used_for: str
    """What the training did with these clips: see ``ifdd.evaluation.protocol.clips_used_for``."""
    sampling: SamplingRecord
    """Frames that the model saw."""
    seed: int | None
    """None: a test draws nothing at random."""
    versions: dict[str, str]
    """Package -> version."""
    commit: str | None
    """Commit of ifdd's checkout; None where ifdd is installed without one."""

    @property
    def software(self) -> SoftwareRecord:
        """Versions and commit of the evaluation."""
        return SoftwareRecord(self.versions, self.commit)


@dataclass(frozen=True)
class EvaluationRecord(FileRecord):
    """``evaluation.json``: the result of an evaluation."""

    FILE: ClassVar[str] = "evaluation.json"
    SCHEMA_VERSION: ClassVar[int] = 2

    scores: ScoresRecord
    """The result."""
    protocol: Protocol
    """How it was obtained."""
