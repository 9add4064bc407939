"""``s3d_small`` narrower, wider and deeper, to choose the preset between ``ifdd_tiny`` and the paper's models."""

from torch import nn

from ifdd.model.backbones.s3d_small import ResidualConv, S3DSmall


class Narrow(S3DSmall):
    """Two thirds of the channels."""

    stem_channels = 24
    stage_channels = (32, 64, 104, 168)


class Wide(S3DSmall):
    """One and a half times the channels."""

    stem_channels = 48
    stage_channels = (72, 144, 240, 384)


class Deep(S3DSmall):
    """Two residual convolutions in each stage."""

    def make_stage(self, channels_in: int, channels_out: int) -> nn.Module:
        """Return a stage, which halves height and width."""
        return nn.Sequential(super().make_stage(channels_in, channels_out), ResidualConv(channels_out))


def narrow(frames: int, size: int, drop_path: float) -> Narrow:
    """Build the narrow one; ``drop_path`` is unused."""
    return Narrow(frames, size)


def wide(frames: int, size: int, drop_path: float) -> Wide:
    """Build the wide one; ``drop_path`` is unused."""
    return Wide(frames, size)


def deep(frames: int, size: int, drop_path: float) -> Deep:
    """Build the deep one; ``drop_path`` is unused."""
    return Deep(frames, size)
