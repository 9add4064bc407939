"""The records that the boxes of the figure pass to each other."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ifdd.errors import InputError


def class_probabilities(
    logits: Float[Tensor, "batch classes"],
    temperature: float = 1.0,
    log_weights: Float[Tensor, " classes"] | None = None,
) -> Float[Tensor, "batch classes"]:
    """Return softmax(logits / temperature + log_weights) in 32 bits; every probability that ifdd reports is made here.

    A row with a logit that is not finite becomes NaN as a whole, which ``check_readings`` refuses: the softmax alone
    would turn minus infinity into a plausible probability of 0.

    Args:
        logits: ``IFDDOutput.logits``.
        temperature: of the checkpoint (``Checkpoint.temperature``).
        log_weights: logarithm of what the probability of each class is multiplied by before they are divided by their
            sum; minus infinity leaves a class out.
    """
    scaled = logits.float() / temperature
    weighted = scaled if log_weights is None else scaled + log_weights
    return weighted.softmax(-1).where(scaled.isfinite().all(-1, keepdim=True), torch.nan)


def weight_of_each(weights: Mapping[Any, float], classes: Sequence[str], option: str) -> list[float]:
    """Return the weight of each class, 1 for those that are not named.

    Args:
        weights: class -> weight; YAML reads names such as 0 as numbers.
        classes: all class names.
        option: what gave the weights, for the message.

    Raises:
        InputError: a name is not one of the classes.
    """
    of_class = {str(name): weight for name, weight in weights.items()}
    for name in of_class:
        if name not in classes:
            raise InputError(f"{option} names {name!r}, which is not a class; use {', '.join(classes)}")
    return [of_class.get(name, 1.0) for name in classes]


def check_readings(values: Float[Tensor, "*rows columns"], where: str) -> None:
    """Check that probabilities or intensities are numbers. Call it where they leave the device: it waits for them.

    Args:
        values: what ``class_probabilities`` or ``IFDDOutput.action_units`` gave.
        where: the clip, for the message.

    Raises:
        InputError: some are not finite.
    """
    if not values.isfinite().all():
        raise InputError(
            f"{where}: the model's output is not finite (NaN), although its weights are: it overflows the "
            "floating-point format; take the checkpoint of an earlier epoch, or train again with a lower learning rate "
            "or in 32 bits"
        )


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
