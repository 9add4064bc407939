"""A small video CNN of S3D's separable convolutions, for two CPU cores.

It learns from scratch within minutes on a thousand clips; a transformer of the same size does not.
"""

from torch import nn

from ifdd.model.backbones.s3d import FRAMES, SeparableConv
from ifdd.model.backbones.staged import StagedCNN
from ifdd.model.layers import FrameMean

STEM_CHANNELS = 24
STAGE_CHANNELS = (32, 64, 128, 256)
NORM_EPS = 1e-5


class S3DTiny(StagedCNN):
    """A stem and four stages of one separable convolution each, at strides 4, 8, 16 and 32.

    Deviation from S3D: no Inception branches, and only the stem reduces time, so that ISSM sees 8 frames: by stride 1
    for 8 frames, 2 for 16, 2 and the mean of each pair for 32.
    """

    stem_channels = STEM_CHANNELS
    stage_channels = STAGE_CHANNELS

    def __init__(self, frames: int, size: int) -> None:
        widths = (self.stem_channels, *self.stage_channels)
        time_stride = 2 if frames > FRAMES else 1
        pool = FrameMean(frames // (time_stride * FRAMES))
        stem = SeparableConv(3, self.stem_channels, stride=2, time_stride=time_stride, eps=NORM_EPS)
        super().__init__(
            stem.append(pool),
            (self.make_stage(*pair) for pair in zip(widths, self.stage_channels, strict=False)),
            self.stage_channels,
            FRAMES,
            size,
        )
        self.origin = (pool.origin(time_stride), 0.0, 0.0)

    def make_stage(self, channels_in: int, channels_out: int) -> nn.Module:
        """Return a stage, which halves height and width."""
        return SeparableConv(channels_in, channels_out, stride=2, eps=NORM_EPS)


def s3d_tiny(frames: int, size: int, drop_path: float) -> S3DTiny:
    """Build the backbone of ``ifdd_tiny``; ``drop_path`` is unused, as it has no residual branches."""
    return S3DTiny(frames, size)
