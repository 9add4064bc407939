"""Records of an evaluation: ``evaluation.json`` with scores and protocol."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ifdd.records.calibrations import CalibrationRecord
from ifdd.records.datasets import DatasetRecord
from ifdd.records.dynamics import PairsRecord, StressRecord
from ifdd.records.estimates import Estimate
from ifdd.records.exports import ExportRecord
from ifdd.records.record import FileRecord, Record
from ifdd.records.samplings import SamplingOptions
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
class ReliabilityBin(Record):
    """The clips whose confidence is greater than ``low`` and at most ``high``."""

    low: float
    high: float
    clips: int
    """Number of clips."""
    confidence: float | None
    """Their mean confidence; None without clips."""
    accuracy: float | None
    """Share of them that is recognised; None without clips."""


@dataclass(frozen=True)
class ReliabilityRecord(Record):
    """How well probabilities agree with outcomes. The confidence of a clip is the probability of its prediction."""

    confidence: float
    """Mean confidence, 0 to 1."""
    overconfidence: float
    """Mean confidence minus accuracy, -1 to 1."""
    ece: float
    """Expected calibration error: mean absolute difference of confidence and accuracy over the bins, weighted by their
    numbers of clips, 0 to 1."""
    brier: float
    """Brier score: mean over the clips of the squared distance of the probabilities from the truth, 0 to 2."""
    bins: tuple[ReliabilityBin, ...]
    """Bins of equal width over the confidences from 0 to 1."""


@dataclass(frozen=True)
class GroupRecord(Record):
    """The results of one group of clips."""

    group: str
    """Value in the column or band of values; empty for the clips without a value."""
    clips: int
    """Number of clips."""
    subjects: int | None
    """Number of subjects; None if subjects are unknown."""
    counted: bool
    """Whether the group is large enough to count toward the gaps."""
    war: Estimate
    uar: Estimate
    """Mean of the recalls over the classes that occur in the group."""
    recalls: dict[str, Estimate | None]
    """Class -> recall; None for a class without clips in the group."""
    support: dict[str, int]
    """Class -> number of clips."""
    confidence: float
    """Mean probability of the predictions."""
    overconfidence: Estimate
    """Mean confidence minus accuracy."""
    ece: Estimate
    """Expected calibration error, without an interval (those in files of earlier versions are wrong); its expectation
    rises as groups get smaller, also for a calibrated model."""


@dataclass(frozen=True)
class GapRecord(Record):
    """The largest difference of a score between two counted groups."""

    score: Literal["war", "uar", "overconfidence"]
    highest: str
    """Group with the highest score."""
    lowest: str
    """Group with the lowest score."""
    gap: Estimate
    """Difference. Its interval holds for all pairs of counted groups at once, because the largest was selected; it is
    below 0 where the opposite difference is compatible with the clips."""


@dataclass(frozen=True, kw_only=True)
class GroupsRecord(Record):
    """The results by the groups of one column of the manifest."""

    column: str
    band: float | None
    """Width of the bands that numbers are cut into; None if each value is a group."""
    groups: tuple[GroupRecord, ...]
    """The groups in the order of their values."""
    overall: GroupRecord
    """All clips together."""
    gaps: tuple[GapRecord, ...]
    """Gaps of the scores for which at least two groups can be compared."""
    minimum_clips: int
    """Number of clips from which a group counts toward the gaps."""
    minimum_subjects: int | None
    """Number of subjects from which a group counts toward the gaps; None if clips are resampled."""
    bins: int
    """Number of bins of the expected calibration error."""
    level: float
    """Level of the intervals."""
    resampled: Literal["subjects", "clips"]
    """What the bootstrap draws."""
    resamples: int
    seed: int


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
    export: ExportRecord | None = None
    """How the file was exported; None for a checkpoint."""


@dataclass(frozen=True)
class ManifestRecord(Record):
    """The manifest of an evaluation."""

    path: str
    """Path as given."""
    sha256: str
    """SHA-256 of the file."""


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
    clock_fps: float | None = None
    """Ticks a second that the stride counts; None if it counts the frames of each clip."""

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
    precision: str | None = None
    """Floating-point precision of the model; None in files of earlier versions, which is 32-true."""

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
    reliability: ReliabilityRecord | None = None
    """How well the probabilities agree with the outcomes; None in files of earlier versions."""
    groups: tuple[GroupsRecord, ...] | None = None
    """Results by group, one per requested column; None if none was requested."""
    stress: StressRecord | None = None
    """Scores on changed clips; None if none were requested."""
    pairs: PairsRecord | None = None
    """Results on minimal pairs; None if they were not requested."""
