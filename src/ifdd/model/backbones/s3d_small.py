"""A small residual video CNN of S3D's separable convolutions, between ``s3d_tiny`` and ``s3d``.

For faces of 64 to 112 pixels in real time on one CPU core.
"""

from jaxtyping import Float
from torch import Tensor, nn

from ifdd.model.backbones.s3d import FRAMES, STRIDES, SeparableConv
from ifdd.model.outputs import StageShape

STEM_CHANNELS = 32
STAGE_CHANNELS = (48, 96, 160, 256)
NORM_EPS = 1e-5


class ResidualConv(nn.Module):
    """A separable convolution of the same shape, added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = SeparableConv(channels, channels, eps=NORM_EPS)

    def forward(self, maps: Float[Tensor, "batch channels *grid"]) -> Float[Tensor, "batch channels *grid"]:
        """Return maps of the same shape."""
        return maps + self.conv(maps)


class S3DSmall(nn.Module):
    """A stem and four stages, each of a separable convolution of stride 2 and a residual one.

    Deviation from S3D: residual instead of Inception branches, and only the stem reduces time, so that ISSM sees 8
    frames.
    """

    def __init__(self, frames: int, size: int) -> None:
        super().__init__()
        widths = (STEM_CHANNELS, *STAGE_CHANNELS)
        self.stem = SeparableConv(3, STEM_CHANNELS, stride=2, time_stride=frames // FRAMES, eps=NORM_EPS)
        self.blocks = nn.ModuleList(
            nn.Sequential(SeparableConv(before, after, stride=2, eps=NORM_EPS), ResidualConv(after))
            for before, after in zip(widths, STAGE_CHANNELS, strict=False)
        )
        self.stages = tuple(
            StageShape(channels, FRAMES, size // stride, size // stride)
            for channels, stride in zip(STAGE_CHANNELS, STRIDES, strict=True)
        )

    def forward(self, clip: Float[Tensor, "batch 3 frames height width"]) -> tuple[Float[Tensor, "batch _ _ _ _"], ...]:
        """Return the map of each stage, finest first."""
        maps = self.stem(clip)
        stages = []
        for block in self.blocks:
            maps = block(maps)
            stages.append(maps)
        return tuple(stages)


def s3d_small(frames: int, size: int, drop_path: float) -> S3DSmall:
    """Build the backbone of ``ifdd_small``; ``drop_path`` is unused: two residual branches a stage need none."""
    return S3DSmall(frames, size)
