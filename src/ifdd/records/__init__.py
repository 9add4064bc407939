"""Typed records that describe checkpoints, datasets, evaluations, cross-validations and training runs.

A record is a frozen dataclass with a JSON form, see ``ifdd.records.record``. Every room may import this one.
"""

from ifdd.records.calibrations import CalibrationRecord, ThresholdRecord
from ifdd.records.crossvalidations import (
    CheckpointFile,
    CrossvalProtocol,
    CrossvalRecord,
    FoldRecord,
    FoldsScores,
    PooledScores,
    RunName,
    SpreadRecord,
)
from ifdd.records.datasets import (
    CheckRecord,
    DatasetRecord,
    ExcludedRecord,
    FacesRecord,
    FindingRecord,
    LengthRecord,
    PackRecord,
    PreparedRecord,
    PrepareRecord,
)
from ifdd.records.evaluations import (
    Estimate,
    EvaluatedCheckpoint,
    EvaluationRecord,
    GapRecord,
    GroupRecord,
    GroupsRecord,
    ManifestRecord,
    Protocol,
    ReliabilityBin,
    ReliabilityRecord,
    SamplingOptions,
    SamplingRecord,
    ScoresRecord,
)
from ifdd.records.licences import LicenceRecord
from ifdd.records.record import FileRecord, Record
from ifdd.records.trainings import (
    NOT_RECORDED,
    BestEpoch,
    CheckpointRecord,
    SoftwareRecord,
    SubsetScores,
    TrainingClips,
    TrainingRecord,
)

__all__ = [
    "NOT_RECORDED",
    "BestEpoch",
    "CalibrationRecord",
    "CheckRecord",
    "CheckpointFile",
    "CheckpointRecord",
    "CrossvalProtocol",
    "CrossvalRecord",
    "DatasetRecord",
    "Estimate",
    "EvaluatedCheckpoint",
    "EvaluationRecord",
    "ExcludedRecord",
    "FacesRecord",
    "FileRecord",
    "FindingRecord",
    "FoldRecord",
    "FoldsScores",
    "GapRecord",
    "GroupRecord",
    "GroupsRecord",
    "LengthRecord",
    "LicenceRecord",
    "ManifestRecord",
    "PackRecord",
    "PooledScores",
    "PrepareRecord",
    "PreparedRecord",
    "Protocol",
    "Record",
    "ReliabilityBin",
    "ReliabilityRecord",
    "RunName",
    "SamplingOptions",
    "SamplingRecord",
    "ScoresRecord",
    "SoftwareRecord",
    "SpreadRecord",
    "SubsetScores",
    "ThresholdRecord",
    "TrainingClips",
    "TrainingRecord",
]
