"""Pyramid aggregation across backbone stages."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ifdd.model.outputs import StageShape


class PyramidAggregation(nn.Module):
    """Fuse the last two stages frame by frame, at the size of the last: X of the paper's Fig. 2.

    A 3 x 3 convolution with stride = padding = dilation = the ratio of the sizes reduces the finer stage; a 1 x 1
    convolution fuses the concatenation. Neither has a bias, as in the official code.
    """

    def __init__(self, finer: StageShape, last: StageShape) -> None:
        super().__init__()
        ratio = finer.height // last.height
        self.reduce = nn.Conv2d(
            finer.channels, finer.channels, 3, stride=ratio, padding=ratio, dilation=ratio, bias=False
        )
        self.fuse = nn.Conv2d(finer.channels + last.channels, last.channels, 1, bias=False)

    def forward(
        self, stages: Sequence[Float[Tensor, "batch _ frames _ _"]]
    ) -> Float[Tensor, "batch channels frames height width"]:
        """Return the pyramid: the last two of the backbone's maps, fused."""
        finer, last = (stage.transpose(1, 2).flatten(0, 1) for stage in stages[-2:])
        fused = self.fuse(torch.cat([self.reduce(finer), last], dim=1))
        # shape[0], not len(), which would fix the batch size of an exported model
        return fused.unflatten(0, (stages[-1].shape[0], stages[-1].shape[2])).transpose(1, 2)
