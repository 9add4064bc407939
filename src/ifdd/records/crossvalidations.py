"""What a cross-validation says of itself: ``crossval.json``."""

from dataclasses import dataclass
from typing import Any, ClassVar

from ifdd.records.datasets import DatasetRecord
from ifdd.records.evaluations import ManifestRecord, SamplingRecord, ScoresRecord
from ifdd.records.record import FileRecord, Record
from ifdd.records.trainings import SoftwareRecord


@dataclass(frozen=True)
class SpreadRecord(Record):
    """A score over the folds, 0 to 1."""

    mean: float
    deviation: float | None
    """Sample standard deviation (n - 1); None of a single fold."""
    interval: tuple[float, float]
    """Confidence interval of the mean."""


@dataclass(frozen=True)
class FoldsScores(Record):
    """Scores as means over the folds."""

    war: SpreadRecord
    """Accuracy."""
    uar: SpreadRecord
    """Mean of the recalls."""
    recalls: dict[str, float | None]
    """Class -> mean of the recalls of the folds in which it has clips; None where it has none at all."""


@dataclass(frozen=True)
class PooledScores(ScoresRecord):
    """Scores with their confidence intervals."""

    war_interval: tuple[float, float]
    """Confidence interval of the accuracy."""
    uar_interval: tuple[float, float]
    """Confidence interval of the mean of the recalls."""


@dataclass(frozen=True)
class CheckpointFile(Record):
    """The checkpoint of a fold."""

    path: str
    """As the evaluation was given it."""
    sha256: str
    """Hash of the file."""


@dataclass(frozen=True)
class FoldRecord(PooledScores):
    """One fold of a cross-validation."""

    fold: int | None
    """Number of the fold; None where the dataset has no folds."""
    clips: int
    """Number of test clips."""
    epoch: int | None
    """The chosen epoch; None if not recorded."""
    checkpoint: CheckpointFile
    """The checkpoint that was tested."""


@dataclass(frozen=True)
class RunName(Record):
    """What was trained on what."""

    model: str
    """Preset and ablation."""
    data: str
    """Name of the dataset."""


@dataclass(frozen=True, kw_only=True)
class CrossvalProtocol(Record):
    """What the folds of a cross-validation have in common."""

    name: RunName
    """Names of model and dataset."""
    synthetic: bool
    """Whether the faces are computer-generated."""
    chosen_on: str
    """Clips that chose the checkpoints."""
    selection: str
    """How the checkpoints were chosen, in words."""
    dataset: DatasetRecord
    """The dataset that the clips are of."""
    classes: tuple[str, ...]
    """Class names in the order of the logits."""
    label_order: str
    """Name of the label set that has the classes in this order, or "its own"."""
    subset: str
    """Part of the manifest that was tested on."""
    manifest: ManifestRecord
    """The table of clips."""
    clips: int
    """Number of clips of all folds."""
    sampling: SamplingRecord
    """Frames that the models saw; the numbers of views are those of all folds together."""
    seed: int | None
    """Seed of the trainings."""
    training: SoftwareRecord
    """Software of the trainings; where they differ, the versions are joined with "and"."""
    versions: dict[str, str]
    """Package -> version in the evaluations, joined in the same way."""
    commit: str | None
    """Commit of ifdd's checkout in the evaluations, joined in the same way; None where there is none."""
    recipe: dict[str, Any]
    """Recipe of the trainings, with the fold null."""
    deviation: str
    """How the deviations are computed."""
    interval: str
    """How the intervals are computed."""

    @property
    def software(self) -> SoftwareRecord:
        """Versions and commits of the evaluations."""
        return SoftwareRecord(self.versions, self.commit)


@dataclass(frozen=True)
class CrossvalRecord(FileRecord):
    """``crossval.json``: the result of a cross-validation."""

    FILE: ClassVar[str] = "crossval.json"
    SCHEMA_VERSION: ClassVar[int] = 1

    complete: bool
    """Whether all folds are done."""
    missing: tuple[int, ...]
    """Numbers of the folds that are not done."""
    scores: FoldsScores
    """Means over the folds."""
    pooled: PooledScores
    """Of the clips of all folds together."""
    folds: tuple[FoldRecord, ...]
    """The folds that are done."""
    protocol: CrossvalProtocol
    """How the result was obtained."""
