"""What small CNNs share: a stem and four stages in a row."""

from collections.abc import Iterable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from ifdd.model.backbones.s3d import STRIDES
from ifdd.model.outputs import StageShape


class StagedCNN(nn.Module):
    """A stem and four stages, whose maps have strides of 4, 8, 16 and 32 pixels.

    Args:
        stem: halves height and width.
        blocks: the stages, each of which halves them again.
        widths: channels of each stage.
        frames: frames of the maps.
        size: height and width of a clip in pixels.
    """

    def __init__(self, stem: nn.Module, blocks: Iterable[nn.Module], widths: Sequence[int], frames: int, size: int):
        super().__init__()
        self.stem = stem
        self.blocks = nn.ModuleList(blocks)
        self.stages = tuple(
            StageShape(width, frames, size // stride, size // stride)
            for width, stride in zip(widths, STRIDES, strict=True)
        )

    def forward(self, clip: Float[Tensor, "batch 3 frames height width"]) -> tuple[Float[Tensor, "batch _ _ _ _"], ...]:
        """Return the map of each stage, finest first."""
        maps = self.stem(clip)
        stages = []
        for block in self.blocks:
            maps = block(maps)
            stages.append(maps)
        return tuple(stages)
