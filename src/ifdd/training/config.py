"""The recipe of a training run: frozen dataclasses whose field docstrings become the options of ``ifdd train``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ifdd.data.labels import LABEL_SETS, class_names
from ifdd.errors import InputError, check_range
from ifdd.model.device import check_device_name

OF_MANIFEST = "manifest"
"""Value of ``data.classes`` that takes the names in the manifest."""


NOT_OVERRIDES = {
    "num_classes": "choose the classes with data.classes",
    "preset": "give it as model.preset",
    "ablation": "give it as model.ablation",
    "weights": "give them as model.weights",
}
"""What ``model.overrides`` cannot set -> what to do instead."""


@dataclass(frozen=True)
class ModelConfig:
    """The model to train."""

    preset: str = "ifdd_tiny"
    """Name of the model: ifdd_mvit_xs, ifdd_mvit_s, ifdd_s3d, ifdd_vit_b, ifdd_mae_dfer, ifdd_small or
    ifdd_tiny."""
    ablation: str = "full"
    """Row of the paper's ablations: full, backbone_only, issm_only, even_odd, predictor_first, no_lifting_loss, ..."""
    weights: str | None = None
    """Initial weights. kinetics400, for ifdd_vit_b videomae_kinetics or videomae_kinetics_finetuned (downloaded once),
    for ifdd_mae_dfer mae_dfer, or the path of such a file: the backbone's. A .safetensors checkpoint of ifdd, the name
    of a bundled one or hf://USER/MODEL: all but the classifier, which is kept only if the classes are the same in the
    same order. A checkpoint of the ablation backbone_only starts every ablation. Default: random."""
    overrides: dict[str, Any] = field(default_factory=dict)
    """Other fields of the model's configuration to change, e.g. {size: 112, dropout: 0.2}."""

    def __post_init__(self) -> None:
        """Check that the overrides are fields of the configuration that no other option sets."""
        for name, remedy in NOT_OVERRIDES.items():
            if name in self.overrides:
                raise InputError(f"model.overrides cannot set {name}; {remedy}")


@dataclass(frozen=True)
class DataConfig:
    """The clips, and how they are batched."""

    manifest: Path
    """Manifest of the dataset, CSV or Parquet, as 'ifdd prepare' or 'ifdd synth' writes it."""
    name: str = "unnamed"
    """Name of the dataset, stored in the checkpoint."""
    synthetic: bool = False
    """The faces are computer-generated. Stored in the checkpoint and reported whenever it is used."""
    classes: Sequence[str | int | float | bool] | str | None = None
    """Label set, which gives names and order of the classes (dfew, ferv39k, mafw, cremad, ravdess or mafw_compound);
    a list of names of your own, such as [low, high], in the order of the model's outputs; or manifest, the names in the
    manifest. Default: what the manifest was prepared with."""
    synonyms: bool = False
    """Read other spellings of an emotion as its class, joy and happiness as happy; with a label set, this is so for
    spellings that merge no two labels."""
    fold: int | None = None
    """Fold of a cross-validation, from 1; required if the manifest has several."""
    fps: float | None = None
    """Frame rate at which clips are sampled in frames per second: clips of other rates are looked at in time. Default:
    the median rate in the manifest; 25 if it has none, which is reported."""
    stride: int = 1
    """Step between the frames of a clip, in ticks of data.fps; used by random_clip. Where all clips have that rate, a
    tick is a frame."""
    train_sampling: Literal["random_clip", "uniform_segments"] = "random_clip"
    """Frames of a training clip: random_clip takes consecutive frames from a random position; uniform_segments takes a
    random frame of each of equal segments of the video."""
    validation_sampling: Literal["uniform_segments", "random_clip"] = "uniform_segments"
    """Frames of a validation clip: uniform_segments takes the centre frame of each of equal segments of the video;
    random_clip takes the middle clip."""
    validation_fraction: float = 0.1
    """Share of the training subset to hold out, by subject, if the manifest has no validation subset: one of n equal
    parts, where n is 1 / validation_fraction rounded. So 0.3 holds out a third, 0.4 half of the clips."""
    class_balance: float = 0.0
    """Strength of class-balanced sampling: 0 draws every clip once per epoch, 1 draws all classes equally often, 0.5
    draws in proportion to the square root of the class sizes."""
    class_weights: dict[str, float] | None = None
    """Class -> how many times as often to draw its clips as those of others, such as {sad: 2}. An epoch stays as long
    as it is. The model will expect the class more often, too."""
    train_where: dict[str, str | int | float] | None = None
    """Further column of the manifest -> value that training clips must have, such as {age: young}; clips with another
    value are left out. Validation clips stay."""
    soft_labels: bool = False
    """Train on the distribution of the annotators' votes where the manifest has votes (DFEW, CREMA-D), not on the
    label."""
    batch_size: int = 16
    """Clips per batch and device, at most: an epoch is divided into batches of nearly equal size."""
    workers: int = 2
    """Worker processes that load clips; 0 loads in the main process."""
    cache: bool = False
    """Keep decoded frames in memory. For small datasets, with workers 0."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        object.__setattr__(self, "classes", _checked_classes(self.classes))
        check_range("data.fold", self.fold, at_least=1)
        check_range("data.fps", self.fps, above=0, below=math.inf)
        check_range("data.stride", self.stride, at_least=1)
        check_range("data.validation_fraction", self.validation_fraction, above=0, at_most=0.5)
        check_range("data.class_balance", self.class_balance, at_least=0, at_most=1)
        for name, weight in (self.class_weights or {}).items():
            check_range(f"data.class_weights {name}", weight, above=0, below=math.inf)
        check_range("data.batch_size", self.batch_size, at_least=1)
        check_range("data.workers", self.workers, at_least=0)


def _checked_classes(classes: Sequence[str | int | float | bool] | str | None) -> tuple[str, ...] | str | None:
    """Return the classes as text; YAML reads names such as 0 as numbers, and unquoted words such as yes as truth."""
    if classes is None:
        return None
    if isinstance(classes, str):
        if classes != OF_MANIFEST and classes not in LABEL_SETS:
            raise InputError(
                f"data.classes is {classes!r}; use one of {', '.join(LABEL_SETS)}, {OF_MANIFEST} for the names in the "
                "manifest, or a list of names such as [low, high]"
            )
        return classes
    for name in classes:
        if isinstance(name, bool) or name is None:
            raise InputError(f"data.classes has the value {name}; write names such as yes, no, on and null in quotes")
    names = class_names([str(name) for name in classes])
    if len(names) < 2:
        raise InputError(f"data.classes has only the class {names[0]}; name at least two")
    return names


@dataclass(frozen=True)
class OptimizationConfig:
    """AdamW with linear warm-up and cosine decay, updated every step."""

    epochs: int = 100
    """Passes over the training clips."""
    learning_rate: float = 1e-4
    """Peak learning rate for 32 clips per step; scaled linearly with the clips per step: data.batch_size times
    optimization.accumulate times the devices."""
    backbone_factor: float = 1.0
    """Learning rate of the backbone relative to the rest; above 1 if it starts from random weights."""
    layer_decay: float = 1.0
    """Learning rate of each block of the backbone relative to the next one, for a pre-trained transformer: 0.75 lets
    the blocks near the input change less. 1 is off."""
    warmup_epochs: float = 10.0
    """Epochs of linear warm-up from 0."""
    final_fraction: float = 0.01
    """Final learning rate as a fraction of the peak."""
    weight_decay: float = 1e-3
    """Decoupled weight decay; not applied to biases, norms and position tables."""
    gradient_clip: float | None = None
    """Maximum norm of the gradient. Default: no clipping."""
    ema_decay: float | None = None
    """Decay per step of the averaged weights, which are validated and saved. Default: no averaging."""
    logit_adjustment: float = 0.0
    """Strength tau of logit adjustment (Menon et al., ICLR 2021): training adds tau * log(share of the class among the
    clips drawn) to each logit, which favours rare classes at test time. 0 is off, 1 is recommended for UAR."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Floating-point precision; bf16-mixed is recommended on recent GPUs."""
    accumulate: int = 1
    """Batches per device and step, whose gradients are added up: a large step in the memory of a small one."""
    activation_checkpointing: bool = False
    """Compute the blocks of a transformer again in the backward pass, which keeps less in memory and takes longer."""
    compile: bool = False
    """Compile the model with torch.compile: slower to start, then faster on most GPUs."""
    channels_last: bool = False
    """Keep clips and kernels with their channels last, which GPUs prefer for convolutions in 16 bits."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_range("optimization.epochs", self.epochs, at_least=1)
        check_range("optimization.learning_rate", self.learning_rate, above=0, below=math.inf)
        check_range("optimization.backbone_factor", self.backbone_factor, above=0, below=math.inf)
        check_range("optimization.layer_decay", self.layer_decay, above=0, at_most=1)
        check_range("optimization.warmup_epochs", self.warmup_epochs, at_least=0, below=self.epochs)
        check_range("optimization.final_fraction", self.final_fraction, at_least=0, below=math.inf)
        check_range("optimization.weight_decay", self.weight_decay, at_least=0, below=math.inf)
        check_range("optimization.gradient_clip", self.gradient_clip, above=0, below=math.inf)
        check_range("optimization.ema_decay", self.ema_decay, above=0, below=1)
        check_range("optimization.logit_adjustment", self.logit_adjustment, at_least=0, below=math.inf)
        check_range("optimization.accumulate", self.accumulate, at_least=1)


@dataclass(frozen=True)
class RunConfig:
    """Seed, selection of the checkpoint, and hardware."""

    seed: int = 0
    """Random seed of weights, sampling and augmentation."""
    selection: Literal["validation", "test"] = "validation"
    """Clips that select the best checkpoint: validation takes the manifest's validation subset or, if it has none,
    clips held out of training; test takes the test clips themselves, as most published code does, which inflates the
    result and is reported in it."""
    select: Literal["war", "uar"] = "war"
    """Score on these clips that selects the best checkpoint."""
    device: str = "auto"
    """Device to run the model on: auto (a CUDA GPU if there is one, otherwise the CPU), cpu, cuda, cuda:1 (the second
    GPU) or mps (the GPU of a Mac)."""
    devices: int = 1
    """Number of devices; more than one trains data-parallel, on the first ones. Under torchrun or srun, every process
    has one."""
    checkpoint_every: float | None = 30.0
    """Minutes of training between two states for --resume within an epoch; there is one after every epoch and after
    Ctrl-C, SIGTERM or a closed terminal anyway."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_device_name(self.device, "run.device")
        check_range("run.seed", self.seed, at_least=0, below=2**32)
        check_range("run.devices", self.devices, at_least=1)
        check_range("run.checkpoint_every", self.checkpoint_every, above=0, below=math.inf)
