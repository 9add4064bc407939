"""The training module: model, augmentation, losses, optimiser and schedule."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics import SumMetric
from torchmetrics.classification import MulticlassConfusionMatrix

from ifdd.data.transforms import AugmentationConfig, ClipAugmentation, Mixup, MixupConfig, mix_with_neighbours
from ifdd.model import IFDD, IFDDLoss
from ifdd.training.action_units import ActionUnitErrors
from ifdd.training.clips import REPEATED
from ifdd.training.config import OptimizationConfig

Batch = Sequence[UInt8[Tensor, "batch 3 time height width"] | Int64[Tensor, " batch"] | Float[Tensor, "batch classes"]]
"""A batch of the loader: clips; targets, which are class indices or, in training, soft labels; and, for a model with
action units, their intensities, NaN where unknown."""


def learning_rate_factor(step: int, steps: int, warmup_steps: int, final_fraction: float) -> float:
    """Return the learning rate of a step as a fraction of the peak: linear warm-up, then cosine decay.

    Args:
        step: number of finished optimiser steps.
        steps: number of steps of the run.
        warmup_steps: number of warm-up steps.
        final_fraction: fraction at the last step.

    Example:
        >>> from ifdd.training.module import learning_rate_factor
        >>> [round(learning_rate_factor(step, 7, 2, 0.0), 2) for step in range(7)]
        [0.5, 1.0, 1.0, 0.85, 0.5, 0.15, 0.0]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = min((step - warmup_steps) / max(steps - 1 - warmup_steps, 1), 1.0)
    return final_fraction + (1 - final_fraction) * (1 + math.cos(math.pi * progress)) / 2


class ClipClassifier(LightningModule):
    """Train a model on batches of (uint8 clips, targets).

    Batches are augmented on the training device. Validation counts a confusion matrix, the clips without finite logits
    and, if the model predicts action units, their errors. Mixing treats intensities as labels, but does not smooth
    them. Every epoch has a separate seed, so that a resumed run draws the same random numbers as an uninterrupted one.

    Args:
        model: model to train.
        optimization: optimiser and schedule.
        augmentation: augmentation of a clip.
        mixup: mixing of the clips of a batch.
        batch_size: clips per batch and process; the learning rate scales with it.
        seed: seed of augmentation and dropout.
        set_data_epoch: called with the number of each epoch.
        adjustment: offset of each class's logit in training only, see ``balance.logit_adjustment``.
    """

    def __init__(
        self,
        model: IFDD,
        optimization: OptimizationConfig,
        augmentation: AugmentationConfig,
        mixup: MixupConfig,
        batch_size: int,
        seed: int,
        set_data_epoch: Callable[[int], None],
        adjustment: Float[Tensor, " classes"] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.optimization = optimization
        self.augment = ClipAugmentation(augmentation)
        self.mixup = Mixup(mixup, model.config.num_classes)
        self.loss = IFDDLoss(model.config)
        self.batch_size = batch_size
        self.seed = seed
        self.set_data_epoch = set_data_epoch
        self.confusion = MulticlassConfusionMatrix(model.config.num_classes, ignore_index=REPEATED)
        self.not_finite = SumMetric()
        units = len(model.config.action_units)
        self.unit_errors = ActionUnitErrors(units) if units else None
        self.adjustment: Tensor
        adjustment = torch.zeros(model.config.num_classes) if adjustment is None else adjustment
        self.register_buffer("adjustment", adjustment, persistent=False)

    def on_train_epoch_start(self) -> None:
        """Set the epoch of the dataset, which decides the frames of its clips."""
        self.set_data_epoch(self.trainer.current_epoch)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed augmentation and dropout at the first batch, because starting the loader draws random numbers too."""
        if batch_idx == 0:
            torch.manual_seed(hash((self.seed, self.trainer.current_epoch, self.global_rank)))

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss of a batch."""
        clip, target, *units = batch
        clip, share = self.mixup.mix_clips(self.augment(clip))
        soft, *intensities = (mix_with_neighbours(each, share) for each in (self.mixup.soften(target), *units))
        output = self.model(clip)
        losses = self.loss(output._replace(logits=output.logits + self.adjustment), soft, *intensities)
        values = {f"train/{name}": value for name, value in losses._asdict().items() if value is not None}
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(target), sync_dist=True)
        return losses.total

    def validation_step(self, batch: Batch, index: int) -> None:
        """Count the predictions of a batch."""
        clip, target, *units = batch
        output = self.model(clip.float() / 255)
        self.confusion.update(output.logits, target)
        self.not_finite.update((~output.logits.isfinite()).any(-1).sum())  # their argmax is a class all the same
        if self.unit_errors is not None:
            self.unit_errors.update(output.action_units, *units)

    def configure_optimizers(self) -> Any:
        """Return AdamW and its learning-rate schedule, updated every step."""
        config = self.optimization
        peak = config.learning_rate * self.batch_size * self.trainer.world_size / 32
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            rate = peak * (config.backbone_factor if name.startswith("backbone.") else 1.0)
            decay = config.weight_decay if parameter.ndim > 1 and "rel_pos" not in name else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
        optimizer = torch.optim.AdamW(
            {"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()
        )
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = round(steps * config.warmup_epochs / config.epochs)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, steps, warmup, config.final_fraction)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
