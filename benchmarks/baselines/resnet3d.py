"""A 3-D residual network, which learns space and time together.

K. Hara, H. Kataoka and Y. Satoh, "Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and ImageNet?", CVPR 2018.
Deviations: narrower, and only the stem reduces time, so that the stages keep 8 frames, as in IFDD's own CNNs.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ifdd.model.backbones.s3d import FRAMES, conv_norm_relu
from ifdd.model.backbones.staged import StagedCNN

KERNEL, HALVE = (3, 3, 3), (1, 2, 2)


class ResidualBlock(nn.Module):
    """Two 3 x 3 x 3 convolutions and a shortcut.

    Args:
        channels_in: channels of the input.
        channels_out: channels of the output.
        halve: whether to halve height and width.
    """

    def __init__(self, channels_in: int, channels_out: int, halve: bool) -> None:
        super().__init__()
        stride = HALVE if halve else (1, 1, 1)
        self.first = conv_norm_relu(channels_in, channels_out, KERNEL, stride)
        self.second = nn.Sequential(
            nn.Conv3d(channels_out, channels_out, KERNEL, padding=1, bias=False), nn.BatchNorm3d(channels_out)
        )
        self.shortcut = nn.Sequential(
            nn.Conv3d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm3d(channels_out)
        )
        if channels_in == channels_out and not halve:
            self.shortcut = nn.Sequential()

    def forward(self, maps: Float[Tensor, "batch channels *grid"]) -> Float[Tensor, "batch new_channels *new_grid"]:
        """Return the sum of both branches, without its negative part."""
        return torch.relu(self.second(self.first(maps)) + self.shortcut(maps))


class ResNet3D(StagedCNN):
    """A stem and four stages of residual blocks.

    Args:
        frames: frames of a clip.
        size: height and width of a clip in pixels.
        stem: channels of the stem.
        widths: channels of each stage.
        depth: blocks of each stage.
    """

    def __init__(self, frames: int, size: int, stem: int, widths: Sequence[int], depth: int) -> None:
        entries = (stem, *widths)
        super().__init__(
            conv_norm_relu(3, stem, KERNEL, (frames // FRAMES, 2, 2)),
            (
                nn.Sequential(
                    ResidualBlock(entry, width, halve=True),
                    *(ResidualBlock(width, width, halve=False) for _ in range(depth - 1)),
                )
                for entry, width in zip(entries, widths, strict=False)
            ),
            widths,
            FRAMES,
            size,
        )


def resnet3d(frames: int, size: int, drop_path: float) -> ResNet3D:
    """Build the network of the size of ``ifdd_tiny``; ``drop_path`` is unused."""
    return ResNet3D(frames, size, stem=12, widths=(16, 32, 64, 128), depth=1)


def resnet3d_large(frames: int, size: int, drop_path: float) -> ResNet3D:
    """Build the network of the size of ``ifdd_s3d``; ``drop_path`` is unused."""
    return ResNet3D(frames, size, stem=48, widths=(88, 160, 288, 480), depth=1)
