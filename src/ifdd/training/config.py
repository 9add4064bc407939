"""The recipe of a training: frozen dataclasses whose field docstrings become the options of ``ifdd train``."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ifdd.errors import InputError


@dataclass(frozen=True)
class ModelConfig:
    """Which model is trained."""

    preset: str = "ifdd_tiny"
    """Name of a model: ifdd_mvit_xs, ifdd_mvit_s, ifdd_s3d or ifdd_tiny."""
    ablation: str = "full"
    """Row of the paper's ablations: full, backbone_only, issm_only, even_odd, predictor_first, no_lifting_loss, ..."""
    weights: str | None = None
    """Initial weights of the backbone: kinetics400 (fetched once) or the path of that file; random when null."""
    overrides: dict[str, Any] = field(default_factory=dict)
    """Further fields of the model's configuration that differ from the preset, e.g. {size: 112, dropout: 0.2}."""

    def __post_init__(self) -> None:
        """Check what the data decide."""
        if "num_classes" in self.overrides:
            raise InputError("model.overrides cannot set num_classes: data.classes decides")


@dataclass(frozen=True)
class DataConfig:
    """Which clips, and how they become batches."""

    manifest: Path
    """Manifest of the dataset, CSV or Parquet, as 'ifdd prepare' or 'ifdd synth' writes it."""
    name: str = "unnamed"
    """Name of the dataset, stored in the checkpoint."""
    synthetic: bool = False
    """Whether the faces are computer-generated, stored in the checkpoint and repeated by every use of it."""
    classes: str = "dfew"
    """Label set, which gives the class order: dfew, ferv39k, mafw or mafw_compound."""
    fold: int | None = None
    """Fold of a cross-validation; needed where the manifest has several."""
    fps: float = 25.0
    """Frame rate of the dataset in frames per second."""
    stride: int = 1
    """Step between the frames of a training clip in frames (random_clip only)."""
    train_sampling: Literal["random_clip", "uniform_segments"] = "random_clip"
    """How a training clip is drawn from a video."""
    validation_sampling: Literal["uniform_segments", "random_clip"] = "uniform_segments"
    """How the clip of a validation video is chosen: the segments' centres, or the middle of the video."""
    validation_fraction: float = 0.1
    """Share of the training subset held out, by subject, where the manifest has no validation subset."""
    class_balance: float = 0.0
    """How far the training draws rare classes more often: 0 takes every clip once an epoch, 1 all classes equally
    often, 0.5 in proportion to the square root of their size."""
    soft_labels: bool = False
    """Train towards the shares of the annotators' votes where the manifest has them (DFEW), not towards the label."""
    batch_size: int = 16
    """Clips in a batch of one device."""
    workers: int = 2
    """Processes that load clips (0: load in the main process)."""
    cache: bool = False
    """Keep decoded frames in memory; for small datasets, together with workers 0."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check_positive(self, "fps", "stride", "batch_size")
        if self.workers < 0:
            raise InputError(f"data.workers must not be negative, given {self.workers}")
        if not 0 < self.validation_fraction <= 0.5:
            raise InputError(f"data.validation_fraction must be in (0, 0.5], given {self.validation_fraction}")
        if not 0 <= self.class_balance <= 1:
            raise InputError(f"data.class_balance must be in [0, 1], given {self.class_balance}")


@dataclass(frozen=True)
class OptimizationConfig:
    """AdamW with warm-up and cosine decay, per step."""

    epochs: int = 100
    """Passes over the training clips."""
    learning_rate: float = 1e-4
    """Peak learning rate for 32 clips in a step; scaled in proportion to the clips of all devices together."""
    backbone_factor: float = 1.0
    """Learning rate of the backbone relative to the rest's: above 1 where it starts from scratch."""
    warmup_epochs: float = 10.0
    """Epochs of linear warm-up from 0."""
    final_fraction: float = 0.01
    """Learning rate at the end, as a fraction of the peak."""
    weight_decay: float = 1e-3
    """Decoupled weight decay; not applied to biases, norms and position tables."""
    gradient_clip: float | None = None
    """Largest norm of the gradient; no clipping when null."""
    ema_decay: float | None = None
    """Decay per step of the averaged weights that are validated and saved; no averaging when null."""
    logit_adjustment: float = 0.0
    """tau: in training, tau * log(share of the class among the clips drawn) is added to each logit, which favours rare
    classes in the test (Menon et al., ICLR 2021); 1 is the choice for UAR, 0 is off."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Arithmetic: bf16-mixed is the choice on recent GPUs."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check_positive(self, "epochs", "learning_rate", "backbone_factor")
        if self.warmup_epochs < 0 or self.warmup_epochs >= self.epochs:
            raise InputError(
                f"optimization.warmup_epochs must be in [0, epochs = {self.epochs}), given {self.warmup_epochs}"
            )
        for name, low in (("weight_decay", 0.0), ("final_fraction", 0.0), ("logit_adjustment", 0.0)):
            if getattr(self, name) < low:
                raise InputError(f"optimization.{name} must be at least {low}, given {getattr(self, name)}")
        if self.gradient_clip is not None and self.gradient_clip <= 0:
            raise InputError(f"optimization.gradient_clip must be positive or null, given {self.gradient_clip}")
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise InputError(f"optimization.ema_decay must be in (0, 1) or null, given {self.ema_decay}")


@dataclass(frozen=True)
class RunConfig:
    """Seeds and hardware."""

    seed: int = 0
    """Seed of weights, sampling and augmentation."""
    selection: Literal["validation", "test"] = "validation"
    """Clips that choose the best checkpoint: the manifest's validation subset, or a part held out of training where it
    has none; or the test clips themselves, as most published code does, which flatters the result and is said in it."""
    select: Literal["war", "uar"] = "war"
    """Score on these clips that chooses the best checkpoint."""
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    """Hardware."""
    devices: int = 1
    """Number of devices; more than one trains data-parallel."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.seed < 0:
            raise InputError(f"run.seed must not be negative, given {self.seed}")
        _check_positive(self, "devices")


def _check_positive(config: object, *names: str) -> None:
    for name in names:
        if getattr(config, name) <= 0:
            raise InputError(f"{name} must be positive, given {getattr(config, name)}")
