"""The moving average of the weights during training, which is what is validated and saved."""

from functools import partial

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


class AveragedWeights(WeightAveraging):
    """An exponential moving average of weights and buffers, updated after every step.

    Args:
        decay: share of the average that a step keeps, 0 to 1.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(avg_fn=partial(_average, decay))

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Keep the average where the model will be; the engine moves the model there only after this."""
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)


def _average(decay: float, averaged: Tensor, current: Tensor, _: Tensor | int) -> Tensor:
    """Return the new average; of whole numbers, such as indices into a table, the current ones."""
    return averaged.lerp(current, 1 - decay) if averaged.is_floating_point() else current
