"""Record of an exported model, in the metadata of its file."""

from dataclasses import dataclass
from typing import Literal

from ifdd.records.record import Record


@dataclass(frozen=True, kw_only=True)
class ParityRecord(Record):
    """How far the exported model's outputs lie from PyTorch's."""

    clips: int
    """Number of clips that both read, in batches of several sizes."""
    dataset: str | None
    """Hash of the dataset of the clips; None if they were drawn for the comparison."""
    largest_difference: float
    """Largest absolute difference between any two outputs."""


@dataclass(frozen=True, kw_only=True)
class QuantizationRecord(Record):
    """How a model was quantised to 8-bit integers, and what that cost."""

    dataset: str
    """Hash of the dataset of the clips."""
    fold: int | None
    """Fold of the clips; None without folds."""
    calibration_clips: int
    """Number of training clips that gave the ranges of the activations."""
    subset: str
    """Subset on which the accuracy was compared."""
    clips: int
    """Number of its clips."""
    war_before: float
    """WAR of the checkpoint in PyTorch, 0 to 1."""
    war_after: float
    """WAR of the quantised model, 0 to 1."""
    changed: int
    """Number of clips whose prediction changed."""
    max_drop: float
    """Largest drop that was allowed, in points of WAR."""


@dataclass(frozen=True, kw_only=True)
class ExportRecord(Record):
    """How a checkpoint became the file of another engine."""

    form: Literal["onnx", "openvino", "pt2"]
    """Format of the file."""
    precision: Literal["float32", "int8"]
    """Number format of the weights and of most of the arithmetic."""
    checkpoint: str
    """Name of the checkpoint that was exported."""
    checkpoint_sha256: str
    """SHA-256 of its file."""
    versions: dict[str, str]
    """Package -> version at the export."""
    input: str
    """What the model takes, in words."""
    outputs: tuple[str, ...]
    """Names of the outputs, in their order."""
    parity: ParityRecord
    """Comparison with PyTorch, before any quantisation."""
    quantization: QuantizationRecord | None = None
    """How the model was quantised; None for float32."""
    weights_sha256: str | None = None
    """SHA-256 of the file of weights; None if the weights are in the same file."""
