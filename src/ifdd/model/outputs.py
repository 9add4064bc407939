"""The records that the boxes of the figure pass to each other."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


def class_probabilities(
    logits: Float[Tensor, "batch classes"], temperature: float = 1.0
) -> Float[Tensor, "batch classes"]:
    """Return softmax(logits / temperature) in 32 bits; every probability that ifdd reports is made here.

    Args:
        logits: ``IFDDOutput.logits``.
        temperature: of the checkpoint (``Checkpoint.temperature``).
    """
    return (logits.float() / temperature).softmax(-1)


class StageShape(NamedTuple):
    """The shape of one backbone stage's map for one clip."""

    channels: int
    frames: int
    height: int
    width: int


class FrameSplit(NamedTuple):
    """How ISSM split the T frames of the pyramid into two groups of T / 2."""

    static_index: Float[Tensor, "batch half"]
    """Real-valued frame positions of the static group, before clamping to [0, T - 1]."""
    dynamic_index: Float[Tensor, "batch half"]
    """Real-valued frame positions of the dynamic group, before clamping."""
    correlation: Float[Tensor, "batch frames frames"]
    """R = Z Z^T / C between the frames' tokens; zeros in the ablations that split without looking at content."""


class Lifted(NamedTuple):
    """The two outputs of LADM; tokens run over (frames, height, width)."""

    context: Float[Tensor, "batch tokens channels"]
    """Y_S, the emotion-irrelevant context: static + updater(static, dynamic); without lifting the static group."""
    emotion: Float[Tensor, "batch tokens channels"]
    """Y_D, the emotion features: dynamic - predictor(dynamic, Y_S); without lifting the dynamic group."""


class IFDDOutput(NamedTuple):
    """The output of a model, the same in training and in evaluation."""

    logits: Float[Tensor, "batch classes"]
    emotion: Float[Tensor, "batch channels"]
    """The pooled emotion features: the classifier's input."""
    lifting_residual: Float[Tensor, "batch height width"]
    """(Mean of each pair of frames of the pyramid) - context, averaged over channels and time."""
    split: FrameSplit
    action_unit_logits: Float[Tensor, "batch units"] | None = None
    """One for each of ``config.action_units``; None without such units. The loss takes logits, because the binary
    cross-entropy of probabilities loses precision near 0 and 1 and is refused in mixed precision."""

    @property
    def action_units(self) -> Float[Tensor, "batch units"] | None:
        """Intensity of each action unit, 0 to 1, in 32 bits; None without such units."""
        return None if self.action_unit_logits is None else self.action_unit_logits.float().sigmoid()
