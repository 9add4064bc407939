"""A CNN that sees every frame alone, then a transformer over the frames: the idea of Former-DFER.

Z. Zhao and Q. Liu, "Former-DFER: Dynamic Facial Expression Recognition Transformer", ACM Multimedia 2021. Deviations:
the CNN is that of ``frame_average`` and has no spatial transformer; the transformer's output is added to the frames'
maps, so that the same pyramid and head follow as in every other model.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from benchmarks.baselines.frame_average import FrameCNN, frame_average, frame_average_large

HEADS = 8
POSITION_STD = 0.02


class FrameTransformer(nn.Module):
    """The CNN of single frames, and a transformer over their pooled features.

    Args:
        cnn: the CNN.
        layers: layers of the transformer.
    """

    def __init__(self, cnn: FrameCNN, layers: int) -> None:
        super().__init__()
        self.cnn = cnn
        self.stages = cnn.stages
        channels, frames = self.stages[-1][:2]
        self.positions = nn.Parameter(POSITION_STD * torch.randn(frames, channels))
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    channels, HEADS, 2 * channels, activation="gelu", batch_first=True, norm_first=True
                )
                for _ in range(layers)
            )
        )
        self.norm = nn.LayerNorm(channels)

    def forward(self, clip: Float[Tensor, "batch 3 frames height width"]) -> tuple[Float[Tensor, "batch _ _ _ _"], ...]:
        """Return the map of each stage, finest first; the last one has the transformer's output added."""
        *finer, last = self.cnn(clip)
        tokens = last.mean((3, 4)).transpose(1, 2) + self.positions
        seen = self.norm(self.layers(tokens)).transpose(1, 2)
        return (*finer, last + seen[..., None, None])


def frame_transformer(frames: int, size: int, drop_path: float) -> FrameTransformer:
    """Build the network of the size of ``ifdd_tiny``; ``drop_path`` is unused."""
    return FrameTransformer(frame_average(frames, size, drop_path), layers=2)


def frame_transformer_large(frames: int, size: int, drop_path: float) -> FrameTransformer:
    """Build the network of the size of ``ifdd_s3d``; ``drop_path`` is unused."""
    return FrameTransformer(frame_average_large(frames, size, drop_path), layers=3)
