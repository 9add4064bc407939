"""Records of ``ifdd disentangle``: what the two halves of a model know."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ifdd.records.estimates import Estimate
from ifdd.records.evaluations import ManifestRecord
from ifdd.records.record import FileRecord, Record
from ifdd.records.trainings import SoftwareRecord


@dataclass(frozen=True, kw_only=True)
class ProbeRecord(Record):
    """What one kind of probe reads from one kind of features about one factor."""

    features: str
    """backbone (X), context (Y_S) or emotion (Y_D)."""
    probe: Literal["linear", "mlp"]
    score: Estimate
    """Balanced accuracy, or R2 averaged over the outputs."""
    knowledge: Estimate
    """(score - chance) / (1 - chance): 0 at chance, 1 if perfect, below 0 if worse than chance."""
    shuffled: Estimate
    """Control: the score with the factor permuted over the clips."""
    outputs: dict[str, float | None]
    """Class -> recall, or quantity -> R2; empty for identity."""


@dataclass(frozen=True, kw_only=True)
class FactorRecord(Record):
    """One factor, and what each kind of features knows of it."""

    name: str
    group: Literal["emotion", "context"]
    metric: Literal["balanced accuracy", "R2"]
    chance: float
    """Expected score without information."""
    outputs: int
    """Number of classes or quantities."""
    clips: int
    people_disjoint: bool
    """Whether no person is in both parts of a fold; not for identity."""
    probes: tuple[ProbeRecord, ...]


@dataclass(frozen=True, kw_only=True)
class KnowledgeRecord(Record):
    """What one kind of features knows of emotion and of context, by one kind of probe; below 0 counts as 0."""

    features: str
    probe: Literal["linear", "mlp"]
    emotion: Estimate
    """Mean knowledge of the factors of emotion."""
    context: Estimate
    """Mean knowledge of the factors of context."""
    contrast: Estimate
    """emotion - context."""


@dataclass(frozen=True, kw_only=True)
class SeparationRecord(Record):
    """The scores of the separation, by one kind of probe, each from -1 to 1."""

    probe: Literal["linear", "mlp"]
    emotion: Estimate
    """Of Y_D: what it knows of emotion less what it knows of context."""
    context: Estimate
    """Of Y_S: what it knows of context less what it knows of emotion."""
    total: Estimate
    """Sum of both: 0 if both halves know the same."""


@dataclass(frozen=True, kw_only=True)
class LeakageRecord(Record):
    """How well one kind of features is predicted from another by ridge regression."""

    source: str
    target: str
    r2: Estimate
    """Mean over the dimensions of the target."""
    shuffled: Estimate
    """Control: the target permuted over the clips."""


@dataclass(frozen=True, kw_only=True)
class SelectionRecord(Record):
    """How well one way of splitting frames puts emotional frames into the dynamic group."""

    split: Literal["model", "even/odd", "random"]
    intensity: Estimate
    """Mean over the clips of the rank correlation of a frame's selection with the intensity of the emotion."""
    change: Estimate
    """The same with the absolute change of the intensity."""
    gain: Estimate
    """Mean intensity of the dynamic group less that of the static group."""


@dataclass(frozen=True, kw_only=True)
class DynamicIndexRecord(Record):
    """Whether the dynamic index lands on emotional frames."""

    clips: int
    """Clips whose intensity varies; the others do not count."""
    frames: int
    """Frames of the features."""
    selections: tuple[SelectionRecord, ...]
    static_shift: float
    """Mean distance of the static positions from the even frames, in frames of the features."""
    dynamic_shift: float
    """Mean distance of the dynamic positions from the odd frames."""
    static_spread: float
    """Standard deviation of a static position over the clips: 0 if the selection ignores the content."""
    dynamic_spread: float
    """The same of the dynamic positions."""


@dataclass(frozen=True, kw_only=True)
class PlaceRecord(Record):
    """The share of a heat map's energy in one place."""

    place: str
    area: Estimate
    """Share of the place in the pixels, or in the frames: that of a map without preference."""
    emotion: Estimate
    """Share of the energy of Y_D's map."""
    context: Estimate | None
    """Share of the energy of Y_S's map; None if no map has any."""
    emotion_less_area: Estimate
    context_less_area: Estimate | None
    emotion_less_context: Estimate | None


@dataclass(frozen=True, kw_only=True)
class HeatMapsRecord(Record):
    """Where the heat maps lie."""

    clips: int
    """Clips with an emotion."""
    grid: tuple[int, int]
    """Rows and columns of the features that the maps are enlarged from: their true resolution."""
    places: tuple[PlaceRecord, ...]


@dataclass(frozen=True, kw_only=True)
class ProbedCheckpoint(Record):
    """The measured model."""

    path: str
    """Path as given, or the name of a bundled checkpoint."""
    sha256: str
    backbone: str
    split: str
    lifting: str
    data: str
    """Training data, as the checkpoint records it."""
    accuracy: float | None
    """Share of the clips that it recognises; None if the labels of the clips are not its classes."""


@dataclass(frozen=True, kw_only=True)
class DisentanglementRecord(FileRecord):
    """``disentanglement.json``: what the two halves of a model know."""

    FILE: ClassVar[str] = "disentanglement.json"
    SCHEMA_VERSION: ClassVar[int] = 1

    command: str
    """The command that wrote the file."""
    checkpoint: ProbedCheckpoint
    manifest: ManifestRecord
    dataset: str
    """Hash of the dataset."""
    synthetic: bool | None
    subset: str
    fold: int | None
    clips: int
    people: int
    frames: int
    size: int
    pooling: str
    width: int
    """Numbers per clip that a probe gets."""
    folds: int
    seed: int
    resamples: int
    level: float
    """Level of the intervals."""
    factors: tuple[FactorRecord, ...]
    knowledge: tuple[KnowledgeRecord, ...]
    separation: tuple[SeparationRecord, ...]
    """Empty for a model without two halves, or without factors of both groups."""
    leakage: tuple[LeakageRecord, ...]
    dynamic_index: DynamicIndexRecord | None
    """None without truth or without a split by content or parity."""
    heat_maps: HeatMapsRecord | None
    """None without truth, without two halves, or if not requested."""
    notes: tuple[str, ...]
    """What could not be measured, and why."""
    device: str
    """Device that ran the model; the probes run on the processor."""
    processor: str
    seconds: float
    software: SoftwareRecord
    clips_used_for: str | None = None
    """Use of these clips in training, see ``ifdd.evaluation.protocol.clips_used_for``; None in files of earlier
    versions."""
