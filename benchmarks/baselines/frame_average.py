"""A CNN that sees every frame alone; the classifier averages its features over time. Dynamics play no part in it."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from ifdd.model.backbones.s3d import STRIDES, conv_norm_relu
from ifdd.model.outputs import StageShape

KERNEL, HALVE = (1, 3, 3), (1, 2, 2)


class FrameCNN(nn.Module):
    """A stem and four stages of 3 x 3 convolutions over height and width; every frame of the clip is kept.

    Args:
        frames: frames of a clip.
        size: height and width of a clip in pixels.
        stem: channels of the stem.
        widths: channels of each stage.
        depth: convolutions of each stage; the first halves height and width.
    """

    def __init__(self, frames: int, size: int, stem: int, widths: Sequence[int], depth: int) -> None:
        super().__init__()
        self.stem = conv_norm_relu(3, stem, KERNEL, HALVE)
        entries = (stem, *widths)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                conv_norm_relu(entry, width, KERNEL, HALVE),
                *(conv_norm_relu(width, width, KERNEL) for _ in range(depth - 1)),
            )
            for entry, width in zip(entries, widths, strict=False)
        )
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


def frame_average(frames: int, size: int, drop_path: float) -> FrameCNN:
    """Build the network of the size of ``ifdd_tiny``; ``drop_path`` is unused, as it has no residual branches."""
    return FrameCNN(frames, size, stem=24, widths=(32, 64, 128, 320), depth=1)


def frame_average_large(frames: int, size: int, drop_path: float) -> FrameCNN:
    """Build the network of the size of ``ifdd_s3d``; ``drop_path`` is unused."""
    return FrameCNN(frames, size, stem=48, widths=(96, 176, 352, 704), depth=2)
