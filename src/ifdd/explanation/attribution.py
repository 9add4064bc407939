"""Heat maps of the emotion features Y_D and of the context Y_S: gradient x activation, in the clip's pixels and frames.

The method, for one class: the gradient of the class's logit, less the mean of all logits, by the tokens of Y_D and of
Y_S; times the tokens; summed over the channels; the positive part. Reasons:

- Y_D is pooled and classified by linear maps, so that its values before the positive part are the exact share of each
  token in the logit: they sum to it, up to the biases (tested). No other method would give Y_D another map.
- Y_S reaches the logits only through LADM's predictor. Its values are the first-order estimate of what each token of
  the context adds.
- A model's probabilities do not depend on the mean of its logits, so neither do the maps. The gradient of the
  probability instead would vanish where the model is sure.

The tokens are then laid where they come from. Every position that ISSM sampled lies between two frames of the features,
which share its heat as they shared in the sample. Cell i of the features is centred at frame or pixel
origin + i * ratio of the clip, the ratio of the sizes (measured; a test holds it). The origin is 0 where all layers of
a backbone have odd kernels and symmetric padding; enlarging such a map as a picture would shift it by half a cell.
Heat falls linearly to zero at the next cell's centre. A frame without heat was not sampled, or adds nothing to the
class.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ifdd.errors import InputError
from ifdd.model import IFDD, FrameSplit, IFDDOutput, Lifted, check_readings, class_probabilities
from ifdd.model.backbones import origin
from ifdd.model.issm import official_position

HeatMap = Float[np.ndarray, "time height width"]


class Attribution(NamedTuple):
    """Where the evidence for one class lies in a clip."""

    dynamic: HeatMap
    """Heat map of the emotion features Y_D, at the clip's own resolution: not negative, sums to 1 unless all zero.
    Without ISSM and LADM ("backbone only") the map of all features, which then take the place of Y_D."""
    static: HeatMap
    """The same of the context Y_S; all zero in a model whose logits do not depend on it: without LADM, or with the
    predictor first."""
    target: int
    """Index of the class that the maps explain."""
    probabilities: Float[np.ndarray, " classes"]
    """Of all classes."""
    output: IFDDOutput
    """The model's output for the clip, as a batch of one, without gradients."""


def attribute(
    model: IFDD, clip: Float[Tensor, "channels time height width"], target: int | None = None, temperature: float = 1.0
) -> Attribution:
    """Compute the heat maps of one clip; see the module for the method.

    Args:
        model: in evaluation mode; its parameters and their gradients stay as they are.
        clip: RGB in [0, 1], on any device.
        target: index of the class to explain; by default the most probable one.
        temperature: of the checkpoint; it changes the probabilities, not the maps.

    Raises:
        InputError: the clip does not fit the model, it does not know the class, or the output is not finite.

    Example:
        >>> import torch
        >>> from ifdd.explanation.attribution import attribute
        >>> from ifdd.model import create_model
        >>> clip = torch.rand(3, 16, 64, 64, generator=torch.Generator().manual_seed(0))
        >>> found = attribute(create_model("ifdd_tiny").eval(), clip)
        >>> found.dynamic.shape, round(float(found.dynamic.sum()), 3)
        ((16, 64, 64), 1.0)
    """
    if target is not None and not 0 <= target < model.config.num_classes:
        raise InputError(f"target is {target}; the model has the classes 0 to {model.config.num_classes - 1}")
    device = next(model.parameters()).device
    with torch.inference_mode(False), torch.enable_grad(), _tokens(model) as tokens:
        output: IFDDOutput = model(clip[None].to(device))
        probabilities = class_probabilities(output.logits, temperature)[0]
        check_readings(probabilities.detach(), "the clip")
        chosen = int(probabilities.argmax()) if target is None else target
        evidence = output.logits[0, chosen] - output.logits[0].mean()
        (lifted,) = tokens
        gradients = torch.autograd.grad(evidence, lifted, allow_unused=True)
    maps = [
        _positive(each, gradient)[0].float().cpu() for each, gradient in zip(lifted, gradients, strict=True)
    ]  # context, emotion
    static, dynamic = (
        _in_clip(model, heat, position, tuple(clip.shape[1:]))
        for heat, position in zip(maps, sampled_positions(model, output.split), strict=True)
    )
    return Attribution(dynamic, static, chosen, probabilities.detach().cpu().numpy(), _detached(output))


@contextmanager
def _tokens(model: IFDD) -> Iterator[list[Lifted]]:
    """Collect the tokens of Y_S and Y_D of every forward pass; the graph of gradients begins where LADM does."""
    found: list[Lifted] = []

    def begin(_: object, groups: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(group.detach().requires_grad_() for group in groups)

    hooks = (
        model.lifting.register_forward_pre_hook(begin),
        model.lifting.register_forward_hook(lambda module, groups, lifted: found.append(lifted)),
    )
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _positive(
    tokens: Float[Tensor, "batch tokens channels"], gradient: Float[Tensor, "batch tokens channels"] | None
) -> Float[Tensor, "batch tokens"]:
    """Return the positive part of each token's share in the evidence; zeros if the evidence does not depend on it."""
    shares = torch.zeros_like(tokens) if gradient is None else tokens.detach() * gradient
    return shares.sum(-1).clamp(min=0)


def _in_clip(
    model: IFDD,
    heat: Float[Tensor, " tokens"],
    position: Float[Tensor, " positions"],
    size: tuple[int, ...],
) -> HeatMap:
    """Lay the heat of tokens where they were sampled, enlarge it to the clip's size, and scale it to a sum of 1."""
    shape = model.backbone.stages[-1]
    maps = heat.unflatten(0, (len(position), shape.height, shape.width))
    frames = torch.einsum("pf,phw->fhw", sampling_weights(position, shape.frames), maps)
    axes = zip(frames.shape, size, origin(model.backbone), strict=True)
    spread = (_cell_weights(cells, pixels, first) for cells, pixels, first in axes)
    enlarged = torch.einsum("fhw,tf,yh,xw->tyx", frames.double(), *spread)
    total = enlarged.sum()
    return (enlarged / total if total > 0 else enlarged).float().numpy()


def _cell_weights(cells: int, pixels: int, first: float) -> Float[Tensor, "{pixels} {cells}"]:
    """Return how much of each cell's heat each pixel (or frame) of one axis gets; cell 0 is centred on ``first``."""
    position = (torch.arange(pixels, dtype=torch.float64) - first) * cells / pixels
    distance = position[:, None] - torch.arange(cells, dtype=torch.float64)
    return (1 - distance.abs()).clamp(min=0)


def sampled_positions(model: IFDD, split: FrameSplit) -> tuple[Float[Tensor, " static"], Float[Tensor, " dynamic"]]:
    """Return the frame positions of the features that the first clip's two groups were sampled at, in 32 bits.

    They are the indexes, unless the model samples as the official code does. Without a split, both are all frames.
    Positions are clamped to [0, T - 1].
    """
    frames = model.backbone.stages[-1].frames
    if model.config.split == "none":
        every = torch.arange(float(frames))
        return every, every
    official = model.config.split == "issm" and model.config.sampling == "official"
    positions = (official_position(index, frames) if official else index for index in split[:2])
    static, dynamic = (each[0].detach().float().cpu().clamp(0, frames - 1) for each in positions)
    return static, dynamic


def sampling_weights(position: Float[Tensor, " positions"], frames: int) -> Float[Tensor, "positions {frames}"]:
    """Return the share of each frame of the features in each sampled position; rows sum to 1.

    Args:
        position: real-valued frame positions; clamped to [0, frames - 1], as ISSM samples.
        frames: number of frames of the features.

    Example:
        >>> import torch
        >>> from ifdd.explanation.attribution import sampling_weights
        >>> sampling_weights(torch.tensor([0.25, 2.0, 9.0]), 4).tolist()
        [[0.75, 0.25, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    """
    distance = position.clamp(0, frames - 1)[:, None] - torch.arange(float(frames))
    return (1 - distance.abs()).clamp(min=0)


def _detached(output: IFDDOutput) -> IFDDOutput:
    units = output.action_unit_logits
    return output._replace(
        logits=output.logits.detach(),
        emotion=output.emotion.detach(),
        lifting_residual=output.lifting_residual.detach(),
        split=type(output.split)(*(each.detach() for each in output.split)),
        action_unit_logits=None if units is None else units.detach(),
    )
