"""A small residual video CNN of S3D's separable convolutions, between ``s3d_tiny`` and ``s3d``.

For faces of 64 to 112 pixels in real time on one CPU core.
"""

from jaxtyping import Float
from torch import Tensor, nn

from ifdd.model.backbones.s3d import SeparableConv
from ifdd.model.backbones.s3d_tiny import NORM_EPS, S3DTiny


class ResidualConv(nn.Module):
    """A separable convolution of the same shape, added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = SeparableConv(channels, channels, eps=NORM_EPS)

    def forward(self, maps: Float[Tensor, "batch channels *grid"]) -> Float[Tensor, "batch channels *grid"]:
        """Return maps of the same shape."""
        return maps + self.conv(maps)


class S3DSmall(S3DTiny):
    """A stem and four stages, each of a separable convolution of stride 2 and a residual one.

    Deviation from S3D: residual instead of Inception branches, and only the stem reduces time, so that ISSM sees 8
    frames.
    """

    stem_channels = 32
    stage_channels = (48, 96, 160, 256)

    def make_stage(self, channels_in: int, channels_out: int) -> nn.Module:
        """Return a stage, which halves height and width."""
        return nn.Sequential(super().make_stage(channels_in, channels_out), ResidualConv(channels_out))


def s3d_small(frames: int, size: int, drop_path: float) -> S3DSmall:
    """Build the backbone of ``ifdd_small``; ``drop_path`` is unused: two residual branches a stage need none."""
    return S3DSmall(frames, size)
