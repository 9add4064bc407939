"""Records of a cross-validation: ``crossval.json``."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ifdd.records.datasets import DatasetRecord
from ifdd.records.evaluations import ManifestRecord, SamplingRecord, ScoresRecord
from ifdd.records.licences import LicenceRecord
from ifdd.records.record import FileRecord, Record
from ifdd.records.trainings import SoftwareRecord


@dataclass(frozen=True)
class SpreadRecord(Record):
    """Mean and spread of a score over the folds, 0 to 1."""

    mean: float
    deviation: float | None
    """Sample standard deviation (n - 1); None for a single fold."""
    interval: tuple[float, float] | None
    """Confidence interval of the mean; None if resampling does not change it."""


@dataclass(frozen=True)
class FoldsScores(Record):
    """Mean scores over the folds."""

    war: SpreadRecord
    """Accuracy."""
    uar: SpreadRecord
    """Mean of the recalls."""
    recalls: dict[str, float | None]
    """Class -> mean recall over the folds in which it has clips; None for a class without clips."""


@dataclass(frozen=True)
class PooledScores(ScoresRecord):
    """Scores with their confidence intervals."""

    war_interval: tuple[float, float] | None
    """Confidence interval of the accuracy; None if resampling does not change it."""
    uar_interval: tuple[float, float] | None
    """Confidence interval of the mean of the recalls, likewise."""


@dataclass(frozen=True)
class CheckpointFile(Record):
    """The checkpoint of a fold."""

    path: str
    """Path as given to the evaluation."""
    sha256: str
    """SHA-256 of the file."""


@dataclass(frozen=True)
class FoldRecord(PooledScores):
    """One fold of a cross-validation."""

    fold: int | None
    """Number of the fold; None if the dataset has no folds."""
    clips: int
    """Number of test clips."""
    epoch: int | None
    """The selected epoch, from 1; None if not recorded."""
    checkpoint: CheckpointFile
    """The tested checkpoint."""


@dataclass(frozen=True)
class RunName(Record):
    """Names of model and dataset."""

    model: str
    """Preset and ablation."""
    data: str
    """Name of the dataset."""


@dataclass(frozen=True, kw_only=True)
class CrossvalProtocol(Record):
    """The common protocol of the folds of a cross-validation."""

    name: RunName
    """The model and the dataset that it was trained on."""
    synthetic: bool
    """Whether the faces are computer-generated."""
    chosen_on: str
    """Clips that selected the checkpoints: validation, test, none or "not recorded", joined with "and"."""
    selection: str
    """How the checkpoints were selected, in words."""
    dataset: DatasetRecord
    """The dataset of the clips."""
    classes: tuple[str, ...]
    """Class names in the order of the logits."""
    label_order: str
    """Name of the label set with the classes in this order, or "its own"."""
    subset: str
    """Subset of the tested clips."""
    manifest: ManifestRecord
    """The table of clips."""
    clips: int
    """Number of clips of all folds."""
    sampling: SamplingRecord
    """Sampled frames; the numbers of views cover all folds together."""
    seed: int | None
    """Seed of the training runs."""
    training: SoftwareRecord
    """Software of the training runs; different versions are joined with "and"."""
    versions: dict[str, str]
    """Package -> version in the evaluations, joined in the same way."""
    commit: str | None
    """Commit of ifdd's checkout in the evaluations, joined in the same way; None if there is none."""
    recipe: dict[str, Any]
    """Recipe of the training runs, with the fold null."""
    deviation: str
    """How the deviations are computed."""
    interval: str
    """How the intervals are computed."""
    licences: tuple[LicenceRecord, ...] | None = None
    """Licences of the data that the models were trained on; None in files of earlier versions."""
    resampled: Literal["subjects", "clips"] | None = None
    """What the bootstrap draws within each fold; None in files of earlier versions, which is clips."""

    @property
    def software(self) -> SoftwareRecord:
        """Software of the evaluations."""
        return SoftwareRecord(self.versions, self.commit)


@dataclass(frozen=True)
class CrossvalRecord(FileRecord):
    """``crossval.json``: the result of a cross-validation."""

    FILE: ClassVar[str] = "crossval.json"
    SCHEMA_VERSION: ClassVar[int] = 1

    complete: bool
    """Whether all folds are finished."""
    missing: tuple[int, ...]
    """Numbers of the unfinished folds."""
    scores: FoldsScores
    """Means over the folds."""
    pooled: PooledScores
    """Scores of the clips of all folds together."""
    folds: tuple[FoldRecord, ...]
    """The finished folds."""
    protocol: CrossvalProtocol
    """How the result was obtained."""
