"""S3D, the separable Inception network for video (Xie et al., ECCV 2018), as IFDD's CNN backbone.

Parameter names are those of torchvision's ``s3d``, so that its public Kinetics-400 weights load.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ifdd.model.layers import FrameMean
from ifdd.model.outputs import StageShape

FRAMES = 8
"""Frames of every clip after the stem."""
NORM_EPS = 1e-3
STRIDES = (4, 8, 16, 32)
"""Spatial strides of the stage maps."""
STAGE_ENDS = (3, 6, 12, 15)
"""Index of the last layer of each stage."""


class InceptionWidths(NamedTuple):
    """Output channels of an Inception block's branches."""

    point: int
    """The 1 x 1 x 1 convolution."""
    wide_reduced: int
    """The 1 x 1 x 1 convolution before the wider separable one."""
    wide: int
    narrow_reduced: int
    """The 1 x 1 x 1 convolution before the narrower one (5 x 5 in the image network, 3 x 3 x 3 here)."""
    narrow: int
    pooled: int
    """The 1 x 1 x 1 convolution after the max-pool."""

    @property
    def total(self) -> int:
        """Channels of the four branches, concatenated."""
        return self.point + self.wide + self.narrow + self.pooled


BLOCKS_STRIDE_8 = (InceptionWidths(64, 96, 128, 16, 32, 32), InceptionWidths(128, 128, 192, 32, 96, 64))
BLOCKS_STRIDE_16 = (
    InceptionWidths(192, 96, 208, 16, 48, 64),
    InceptionWidths(160, 112, 224, 24, 64, 64),
    InceptionWidths(128, 128, 256, 24, 64, 64),
    InceptionWidths(112, 144, 288, 32, 64, 64),
    InceptionWidths(256, 160, 320, 32, 128, 128),
)
BLOCKS_STRIDE_32 = (InceptionWidths(256, 160, 320, 32, 128, 128), InceptionWidths(384, 192, 384, 48, 128, 128))
STEM_CHANNELS, ENTRY_CHANNELS = 64, 192


def conv_norm_relu(
    channels_in: int,
    channels_out: int,
    kernel: tuple[int, int, int] = (1, 1, 1),
    stride: tuple[int, int, int] = (1, 1, 1),
    eps: float = NORM_EPS,
) -> nn.Sequential:
    """Return a 3-D convolution (same size at stride 1), batch norm and ReLU."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    convolution = nn.Conv3d(channels_in, channels_out, kernel, stride, padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm3d(channels_out, eps=eps), nn.ReLU(inplace=True))


class SeparableConv(nn.Sequential):
    """A 1 x k x k convolution over space, then a k x 1 x 1 convolution over time."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 3,
        stride: int = 1,
        time_stride: int = 1,
        eps: float = NORM_EPS,
    ) -> None:
        super().__init__(
            conv_norm_relu(channels_in, channels_out, (1, kernel, kernel), (1, stride, stride), eps),
            conv_norm_relu(channels_out, channels_out, (kernel, 1, 1), (time_stride, 1, 1), eps),
        )


class Inception(nn.Module):
    """Four parallel branches: pointwise; pointwise and separable, twice; max-pool and pointwise."""

    def __init__(self, channels_in: int, widths: InceptionWidths) -> None:
        super().__init__()
        self.branch0 = conv_norm_relu(channels_in, widths.point)
        self.branch1 = nn.Sequential(
            conv_norm_relu(channels_in, widths.wide_reduced), SeparableConv(widths.wide_reduced, widths.wide)
        )
        self.branch2 = nn.Sequential(
            conv_norm_relu(channels_in, widths.narrow_reduced), SeparableConv(widths.narrow_reduced, widths.narrow)
        )
        self.branch3 = nn.Sequential(nn.MaxPool3d(3, 1, 1), conv_norm_relu(channels_in, widths.pooled))

    def forward(self, maps: Float[Tensor, "batch channels *grid"]) -> Float[Tensor, "batch new_channels *grid"]:
        """Return the branches' channels, concatenated in order."""
        return torch.cat([self.branch0(maps), self.branch1(maps), self.branch2(maps), self.branch3(maps)], dim=1)


def inceptions(channels_in: int, blocks: tuple[InceptionWidths, ...]) -> list[Inception]:
    """Return a sequence of Inception blocks."""
    entries = [channels_in, *(widths.total for widths in blocks)]
    return [Inception(entry, widths) for entry, widths in zip(entries, blocks, strict=False)]


def halve_map() -> nn.MaxPool3d:
    """Return the max-pool that halves height and width and keeps the frames."""
    return nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))


def s3d_features(stem_time_stride: int, late_time_stride: int) -> nn.Sequential:
    """Return the 16 layers before the classifier, numbered as in torchvision.

    Args:
        stem_time_stride: temporal stride of the first convolution.
        late_time_stride: temporal stride of the max-pools before strides 16 and 32.
    """
    return nn.Sequential(
        SeparableConv(3, STEM_CHANNELS, kernel=7, stride=2, time_stride=stem_time_stride),
        halve_map(),
        conv_norm_relu(STEM_CHANNELS, STEM_CHANNELS),
        SeparableConv(STEM_CHANNELS, ENTRY_CHANNELS),
        halve_map(),
        *inceptions(ENTRY_CHANNELS, BLOCKS_STRIDE_8),
        nn.MaxPool3d(3, (late_time_stride, 2, 2), 1),
        *inceptions(BLOCKS_STRIDE_8[-1].total, BLOCKS_STRIDE_16),
        nn.MaxPool3d((late_time_stride, 2, 2), (late_time_stride, 2, 2)),
        *inceptions(BLOCKS_STRIDE_16[-1].total, BLOCKS_STRIDE_32),
    )


class S3D(nn.Module):
    """S3D with four stage maps (192, 480, 832 and 1024 channels at strides 4, 8, 16 and 32), each of 8 frames.

    Deviations from the published network, none of which changes a parameter:

    - S3D halves time three times (stem and two late max-pools), which leaves 2 of 16 frames, too few for ISSM. Here the
      late max-pools have temporal stride 1 (the 2 x 2 x 2 one becomes 1 x 2 x 2, since an even kernel at stride 1
      would lose a frame), and the stem reduces every clip to 8 frames: stride 1 for 8 frames, 2 for 16, 2 and the mean
      of each pair for 32.
    - The batch norms have momentum 0.1, PyTorch's default. torchvision's 0.001 averages over a thousand batches: after
      a fine-tuning of a few hundred the statistics would still be the initial ones. Evaluation is unaffected.
    """

    def __init__(self, frames: int, size: int) -> None:
        super().__init__()
        stem_stride = 2 if frames > FRAMES else 1
        self.features = s3d_features(stem_stride, late_time_stride=1)
        self.stem_pool = FrameMean(frames // (stem_stride * FRAMES))
        widths = (
            ENTRY_CHANNELS,
            *(blocks[-1].total for blocks in (BLOCKS_STRIDE_8, BLOCKS_STRIDE_16, BLOCKS_STRIDE_32)),
        )
        self.stages = tuple(
            StageShape(channels, FRAMES, size // stride, size // stride)
            for channels, stride in zip(widths, STRIDES, strict=True)
        )
        middle = STRIDES[-1] / 4  # of the two cells of the stage before that the last max-pool takes
        self.origin = (self.stem_pool.origin(stem_stride), middle, middle)

    def forward(self, clip: Float[Tensor, "batch 3 frames height width"]) -> tuple[Float[Tensor, "batch _ _ _ _"], ...]:
        """Return the map of each stage, finest first."""
        stem, *layers = self.features
        maps = self.stem_pool(stem(clip))
        stages = []
        for index, layer in enumerate(layers, start=1):
            maps = layer(maps)
            if index in STAGE_ENDS:
                stages.append(maps)
        return tuple(stages)


class S3DClassifier(nn.Module):
    """The published network with torchvision's parameters: clips of at least 14 frames, 224 pixels, to class scores.

    For verifying the weights and comparing features; IFDD uses :class:`S3D`.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.features = s3d_features(stem_time_stride=2, late_time_stride=2)
        self.avgpool = nn.AvgPool3d((2, 7, 7), stride=1)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Conv3d(BLOCKS_STRIDE_32[-1].total, num_classes, 1))

    def forward(self, clip: Float[Tensor, "batch 3 frames height width"]) -> Float[Tensor, "batch classes"]:
        """Return the class scores, averaged over all positions."""
        return self.classifier(self.avgpool(self.features(clip))).mean(dim=(2, 3, 4))


def s3d(frames: int, size: int, drop_path: float) -> S3D:
    """Build the paper's CNN backbone; ``drop_path`` is unused, as it has no residual branches."""
    return S3D(frames, size)
