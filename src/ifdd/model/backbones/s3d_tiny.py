"""A small CNN for video after S3D (separable 3-D convolutions, Xie et al., ECCV 2018), for two CPU cores.

It learns from scratch within minutes on a thousand clips, which the transformer of the same size does not.
"""

from jaxtyping import Float
from torch import Tensor, nn

from ifdd.model.outputs import StageShape

STEM_CHANNELS = 24
STAGE_CHANNELS = (32, 64, 128, 256)
FRAMES = 8
"""Every clip leaves the stem with 8 frames."""


def conv_norm_relu(
    channels_in: int, channels_out: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]
) -> nn.Sequential:
    """Return a 3-D convolution that keeps the size at stride 1, batch norm and ReLU."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    convolution = nn.Conv3d(channels_in, channels_out, kernel, stride, padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm3d(channels_out), nn.ReLU(inplace=True))


class SeparableConv(nn.Sequential):
    """A 1 x 3 x 3 convolution that halves the map, then a 3 x 1 x 1 convolution over time."""

    def __init__(self, channels_in: int, channels_out: int, time_stride: int = 1) -> None:
        super().__init__(
            conv_norm_relu(channels_in, channels_out, (1, 3, 3), (1, 2, 2)),
            conv_norm_relu(channels_out, channels_out, (3, 1, 1), (time_stride, 1, 1)),
        )


class S3DTiny(nn.Module):
    """A stem and four stages of one separable convolution each, at strides 4, 8, 16 and 32.

    Deviation from S3D: no Inception branches, and time is reduced in the stem alone, so that ISSM sees 8 frames.
    """

    def __init__(self, frames: int, size: int) -> None:
        super().__init__()
        widths = (STEM_CHANNELS, *STAGE_CHANNELS)
        self.stem = SeparableConv(3, STEM_CHANNELS, time_stride=frames // FRAMES)
        self.blocks = nn.ModuleList(SeparableConv(*pair) for pair in zip(widths, STAGE_CHANNELS, strict=False))
        self.stages = tuple(
            StageShape(channels, FRAMES, size // stride, size // stride)
            for channels, stride in zip(STAGE_CHANNELS, (4, 8, 16, 32), strict=True)
        )

    def forward(self, clip: Float[Tensor, "batch 3 frames height width"]) -> tuple[Float[Tensor, "batch _ _ _ _"], ...]:
        """Return the map of each stage, finest first."""
        maps = self.stem(clip)
        stages = []
        for block in self.blocks:
            maps = block(maps)
            stages.append(maps)
        return tuple(stages)


def s3d_tiny(frames: int, size: int, drop_path: float) -> S3DTiny:
    """Build the backbone of ``ifdd_tiny``; it has no residual branches to drop."""
    return S3DTiny(frames, size)
