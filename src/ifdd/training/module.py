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
from ifdd.model.losses import Losses
from ifdd.training.action_units import ActionUnitErrors
from ifdd.training.clips import REPEATED
from ifdd.training.config import OptimizationConfig
from ifdd.training.layer_decay import block_count, layer_factor

Batch = Sequence[UInt8[Tensor, "batch 3 time height width"] | Int64[Tensor, " batch"] | Float[Tensor, "batch classes"]]
"""A batch of the loader: clips; targets, which are class indices or, in training, soft labels; and, for a model with
action units, their intensities, NaN where unknown."""


FUSED = ("cpu", "cuda")
"""Devices for which torch has a fused AdamW."""

LOSSES = "ifdd_losses"
"""Key of the sums of the losses in the state, "" for the number of clips."""
NOT_DECAYED = ("rel_pos", "region_tokens")
"""Parts of the names of matrices without weight decay: tables of positions and learned tokens."""


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
    them. Every batch has a separate seed, so that a resumed run draws the same random numbers as an uninterrupted one,
    whatever the number of processes.

    Args:
        model: model to train.
        optimization: optimiser and schedule.
        augmentation: augmentation of a clip.
        mixup: mixing of the clips of a batch.
        clips_per_step: most clips of an optimiser step; the learning rate scales with them.
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
        clips_per_step: int,
        seed: int,
        set_data_epoch: Callable[[int], None],
        adjustment: Float[Tensor, " classes"] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.optimization = optimization
        self.blocks = block_count(model) if optimization.layer_decay < 1 else 0
        self.augment = ClipAugmentation(augmentation)
        self.mixup = Mixup(mixup, model.config.num_classes)
        self.loss = IFDDLoss(model.config)
        self.clips_per_step = clips_per_step
        self.seed = seed
        self.set_data_epoch = set_data_epoch
        self.confusion = MulticlassConfusionMatrix(model.config.num_classes, ignore_index=REPEATED)
        self.not_finite = SumMetric()
        units = len(model.config.action_units)
        self.unit_errors = ActionUnitErrors(units) if units else None
        self.adjustment: Tensor
        adjustment = torch.zeros(model.config.num_classes) if adjustment is None else adjustment
        self.register_buffer("adjustment", adjustment, persistent=False)
        self._losses: dict[str, Tensor] = {}
        self._clips = 0
        self.memory_format = torch.channels_last_3d if optimization.channels_last else torch.contiguous_format

    def on_train_epoch_start(self) -> None:
        """Set the epoch of the dataset, which decides the frames of its clips."""
        self.set_data_epoch(self.trainer.current_epoch)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed augmentation and dropout with the number of the batch among those of all processes."""
        number = batch_idx * self.trainer.world_size + self.global_rank
        torch.manual_seed(hash((self.seed, self.trainer.current_epoch, number)))

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss of a batch."""
        clip, target, *units = batch
        clip, share = self.mixup.mix_clips(self.augment(clip))
        soft, *intensities = (mix_with_neighbours(each, share) for each in (self.mixup.soften(target), *units))
        output = self.model(clip.contiguous(memory_format=self.memory_format))
        losses = self.loss(output._replace(logits=output.logits + self.adjustment), soft, *intensities)
        self._count(losses, len(target))
        return losses.total

    def _count(self, losses: Losses, clips: int) -> None:
        """Add the losses of a batch to the sums of the epoch, without waiting for a GPU."""
        for name, value in losses._asdict().items():
            if value is not None:
                exact = value.detach() if value.device.type == "mps" else value.detach().double()
                self._losses[name] = self._losses.get(name, 0) + exact * clips
        self._clips += clips

    def take_losses(self) -> dict[str, float]:
        """Return the mean losses of the epoch's clips in all processes, and forget them."""
        names = sorted(self._losses)
        if not names:
            return {}
        *losses, clips = self._sums_of_all(names)
        self._losses, self._clips = {}, 0
        return {f"train/{name}": value / clips for name, value in zip(names, losses, strict=True)}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the sums of the losses so far, of all processes."""
        names = sorted(self._losses)
        checkpoint[LOSSES] = dict(zip([*names, ""], self._sums_of_all(names), strict=True))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the sums of the losses; the first process has them for all."""
        sums = dict(checkpoint.get(LOSSES, {"": 0}))
        if self.trainer.is_global_zero:
            self._clips = int(sums.pop(""))
            self._losses = {name: torch.tensor(value, dtype=torch.float64) for name, value in sums.items()}

    def _sums_of_all(self, names: Sequence[str]) -> list[float]:
        """Return the sums of these losses and the number of clips, of all processes."""
        kind = torch.float32 if self.device.type == "mps" else torch.float64
        values = [self._losses[name] for name in names] + [torch.tensor(float(self._clips))]
        sums = torch.stack([value.to(self.device, kind) for value in values])
        if self.trainer.world_size > 1:
            torch.distributed.all_reduce(sums)
        return [float(value) for value in sums.tolist()]

    def validation_step(self, batch: Batch, index: int) -> None:
        """Count the predictions of a batch."""
        clip, target, *units = batch
        output = self.model((clip.float() / 255).contiguous(memory_format=self.memory_format))
        self.confusion.update(output.logits, target)
        self.not_finite.update((~output.logits.isfinite()).any(-1).sum())  # their argmax is a class all the same
        if self.unit_errors is not None:
            self.unit_errors.update(output.action_units, *units)

    def configure_optimizers(self) -> Any:
        """Return AdamW and its learning-rate schedule, updated every step."""
        config = self.optimization
        peak = config.learning_rate * self.clips_per_step / 32
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            rate = peak * (config.backbone_factor if name.startswith("backbone.") else 1.0)
            rate *= layer_factor(name, self.blocks, config.layer_decay)
            decay = config.weight_decay if parameter.ndim > 1 and not any(map(name.count, NOT_DECAYED)) else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
        # one kernel for all parameters; in 16 bits, the engine refuses to clip gradients that such a kernel may unscale
        clips_scaled = config.precision != "32-true" and config.gradient_clip is not None
        optimizer = torch.optim.AdamW(
            ({"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()),
            fused=self.device.type in FUSED and not clips_scaled,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = round(steps * config.warmup_epochs / config.epochs)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, steps, warmup, config.final_fraction)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
