"""A CNN that sees every frame alone; the classifier averages its features over time. Dynamics play no part in it."""

from collections.abc import Sequence

from torch import nn

from ifdd.model.backbones.s3d import conv_norm_relu
from ifdd.model.backbones.staged import StagedCNN

KERNEL, HALVE = (1, 3, 3), (1, 2, 2)


class FrameCNN(StagedCNN):
    """A stem and four stages of 3 x 3 convolutions over height and width; every frame of the clip is kept.

    Args:
        frames: frames of a clip.
        size: height and width of a clip in pixels.
        stem: channels of the stem.
        widths: channels of each stage.
        depth: convolutions of each stage; the first halves height and width.
    """

    def __init__(self, frames: int, size: int, stem: int, widths: Sequence[int], depth: int) -> None:
        entries = (stem, *widths)
        super().__init__(
            conv_norm_relu(3, stem, KERNEL, HALVE),
            (
                nn.Sequential(
                    conv_norm_relu(entry, width, KERNEL, HALVE),
                    *(conv_norm_relu(width, width, KERNEL) for _ in range(depth - 1)),
                )
                for entry, width in zip(entries, widths, strict=False)
            ),
            widths,
            frames,
            size,
        )


def frame_average(frames: int, size: int, drop_path: float) -> FrameCNN:
    """Build the network of the size of ``ifdd_tiny``; ``drop_path`` is unused, as it has no residual branches."""
    return FrameCNN(frames, size, stem=24, widths=(32, 64, 128, 320), depth=1)


def frame_average_large(frames: int, size: int, drop_path: float) -> FrameCNN:
    """Build the network of the size of ``ifdd_s3d``; ``drop_path`` is unused."""
    return FrameCNN(frames, size, stem=48, widths=(96, 176, 352, 704), depth=2)
