"""What the boxes of the figure hand to each other."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class StageShape(NamedTuple):
    """The size of one backbone stage's map, for the model's clip."""

    channels: int
    frames: int
    height: int
    width: int


class FrameSplit(NamedTuple):
    """How ISSM divided the T frames of the pyramid's features into two groups of T / 2."""

    static_index: Float[Tensor, "batch half"]
    """Real-valued frame positions of the static group, before the clamp to [0, T - 1]."""
    dynamic_index: Float[Tensor, "batch half"]
    """The same for the dynamic group."""
    correlation: Float[Tensor, "batch frames frames"]
    """R = Z Z^T / C between the frames' tokens; zeros where the split does not look at the content."""


class Lifted(NamedTuple):
    """What the lifting step makes of the two groups; tokens run over (time, height, width)."""

    context: Float[Tensor, "batch tokens channels"]
    """Y_S, the emotion-irrelevant fine-grained global context: static + updater(dynamic); without lifting
    the static group as it is."""
    emotion: Float[Tensor, "batch tokens channels"]
    """Y_D, the emotion-related dynamics: dynamic - predictor(context)."""


class IFDDOutput(NamedTuple):
    """What a model returns, the same in training and in evaluation."""

    logits: Float[Tensor, "batch classes"]
    emotion: Float[Tensor, "batch channels"]
    """The pooled emotion features, which the classifier sees."""
    lifting_residual: Float[Tensor, "batch height width"]
    """Mean over channels and time of (features averaged over pairs of frames - context)."""
    split: FrameSplit
