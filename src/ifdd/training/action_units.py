"""Targets of the action-unit head in training, and its errors in validation."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset
from torchmetrics import Metric


class WithActionUnits(Dataset[tuple[Any, ...]]):
    """Clips and targets of another dataset, each with the intensities of its action units as a third value.

    Items beyond the rows, which only pad the last batches of several processes, have unknown intensities.

    Args:
        clips: gives pairs of clip and target.
        intensities: a row for each clip, NaN where unknown.
    """

    def __init__(self, clips: Dataset[Any], intensities: Float[Tensor, "clips units"]) -> None:
        self.clips = clips
        self.intensities = intensities

    def __len__(self) -> int:
        return len(self.clips)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        known = index < len(self.intensities)
        row = self.intensities[index] if known else torch.full_like(self.intensities[0], torch.nan)
        return (*self.clips[index], row)


class ActionUnitErrors(Metric):
    """Mean absolute error and correlation of intensities, each the mean over the units; unknown ones do not count.

    torchmetrics' own metrics know no missing values, and its correlation warns of every unit that no clip shows.
    Such units have an error, but no correlation.

    Args:
        units: number of action units.
    """

    sums: Tensor

    def __init__(self, units: int) -> None:
        super().__init__()
        # number, absolute error, p, t, p p, t t, p t for predictions p and targets t
        self.add_state("sums", torch.zeros(7, units), dist_reduce_fx="sum")

    def update(self, predicted: Float[Tensor, "batch units"], target: Float[Tensor, "batch units"]) -> None:
        """Count the clips of a batch; NaN in ``target`` is unknown."""
        known = ~target.isnan()
        p, t = predicted * known, target.nan_to_num() * known
        self.sums += torch.stack([known.float(), (p - t).abs(), p, t, p * p, t * t, p * t]).sum(1)

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return the mean absolute error and the mean Pearson correlation; NaN where there is nothing to average."""
        count, error, p, t, pp, tt, pt = self.sums
        variances = torch.stack([count * pp - p * p, count * tt - t * t])
        # the rounding error of 32-bit sums is far below a standard deviation of 0.001
        varied = (variances > 1e-6 * count * count).all(0)
        correlation = (count * pt - p * t)[varied] / variances.prod(0)[varied].sqrt()
        return (error / count)[count > 0].mean(), correlation.mean()
