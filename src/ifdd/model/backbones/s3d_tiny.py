"""A small video CNN of S3D's separable convolutions, for two CPU cores.

It learns from scratch within minutes on a thousand clips; a transformer of the same size does not.
"""

from jaxtyping import Float
from torch import Tensor, nn

from ifdd.model.backbones.s3d import FRAMES, STRIDES, SeparableConv
from ifdd.model.outputs import StageShape

STEM_CHANNELS = 24
STAGE_CHANNELS = (32, 64, 128, 256)
NORM_EPS = 1e-5


class S3DTiny(nn.Module):
    """A stem and four stages of one separable convolution each, at strides 4, 8, 16 and 32.

    Deviation from S3D: no Inception branches, and only the stem reduces time, so that ISSM sees 8 frames.
    """

    stem_channels = STEM_CHANNELS
    stage_channels = STAGE_CHANNELS

    def __init__(self, frames: int, size: int) -> None:
        super().__init__()
        widths = (self.stem_channels, *self.stage_channels)
        self.stem = SeparableConv(3, self.stem_channels, stride=2, time_stride=frames // FRAMES, eps=NORM_EPS)
        self.blocks = nn.ModuleList(self.make_stage(*pair) for pair in zip(widths, self.stage_channels, strict=False))
        self.stages = tuple(
            StageShape(channels, FRAMES, size // stride, size // stride)
            for channels, stride in zip(self.stage_channels, STRIDES, strict=True)
        )

    def make_stage(self, channels_in: int, channels_out: int) -> nn.Module:
        """Return a stage, which halves height and width."""
        return SeparableConv(channels_in, channels_out, stride=2, eps=NORM_EPS)

    def forward(self, clip: Float[Tensor, "batch 3 frames height width"]) -> tuple[Float[Tensor, "batch _ _ _ _"], ...]:
        """Return the map of each stage, finest first."""
        maps = self.stem(clip)
        stages = []
        for block in self.blocks:
            maps = block(maps)
            stages.append(maps)
        return tuple(stages)


def s3d_tiny(frames: int, size: int, drop_path: float) -> S3DTiny:
    """Build the backbone of ``ifdd_tiny``; ``drop_path`` is unused, as it has no residual branches."""
    return S3DTiny(frames, size)
