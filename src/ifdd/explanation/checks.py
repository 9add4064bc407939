"""Checks of the heat maps: do they show what the model uses, and do they depend on its weights?

The deletion test (W. Samek et al., "Evaluating the Visualization of What a Deep Neural Network Has Learned", 2017)
deletes pixels in the order of their heat and watches the probability of the class. The randomisation test (J. Adebayo
et al., "Sanity Checks for Saliency Maps", 2018) destroys the weights from the classifier down: a map that stays the
same shows the picture, not the model.
"""

import copy
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ifdd.errors import InputError
from ifdd.explanation.attribution import HeatMap, attribute
from ifdd.model import IFDD, class_probabilities
from ifdd.model.backbones import origin

SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Shares of a clip's pixels that the deletion test deletes."""

CASCADE = (("head", "pooling"), ("lifting",), ("split",), ("pyramid",), ("backbone",))
"""Parts of the model in the order in which their weights are destroyed, each on top of the ones before."""


class Deletion(NamedTuple):
    """Probability of the class after shares of the clip were deleted, by the order of deletion."""

    shares: Float[np.ndarray, " steps"]
    """Share of all pixels of the clip, over time and space."""
    most: Float[np.ndarray, " steps"]
    """The hottest pixels first."""
    least: Float[np.ndarray, " steps"]
    """The coldest pixels first."""
    random: Float[np.ndarray, " steps"]
    """In the order of the same map moved to a random place and time: just as smooth, and wrong."""

    @property
    def gain(self) -> float:
        """How much more probability is lost by the map than by the moved map, on average over the steps."""
        return float((self.random - self.most)[1:].mean())


@torch.inference_mode()
def deletion_test(
    model: IFDD,
    clip: Float[Tensor, "channels time height width"],
    heat: HeatMap,
    target: int,
    seed: int = 0,
) -> Deletion:
    """Delete pixels by their heat: they get the mean colour of the clip.

    Args:
        model: in evaluation mode.
        clip: RGB in [0, 1].
        heat: a map of the clip, such as ``Attribution.dynamic``.
        target: index of the class that it explains.
        seed: of the random place.
    """
    device = next(model.parameters()).device
    generator = np.random.default_rng(seed)
    jitter = 1e-9 * generator.random(heat.shape)  # equal heat, such as none, in random order
    steps = [int(side * generator.uniform(0.25, 0.75)) for side in heat.shape]
    moved = np.roll(heat, steps, axis=(0, 1, 2))
    orders = (np.argsort(-(heat + jitter), axis=None), np.argsort(-(moved + jitter), axis=None))
    hottest, wrong = (torch.from_numpy(order) for order in orders)
    curves = (_curve(model, clip.to(device), order.to(device), target) for order in (hottest, hottest.flip(0), wrong))
    return Deletion(np.array(SHARES), *(curve.cpu().numpy() for curve in curves))


def _curve(
    model: IFDD, clip: Float[Tensor, "channels time height width"], order: Tensor, target: int
) -> Float[Tensor, " steps"]:
    """Return the probability of the class after shares of the pixels were deleted in an order."""
    deleted = clip.flatten(1).repeat(len(SHARES), 1, 1)
    for row, share in zip(deleted, SHARES, strict=True):
        row[:, order[: round(share * len(order))]] = clip.mean((1, 2, 3))[:, None]
    return class_probabilities(model(deleted.unflatten(2, clip.shape[1:])).logits)[:, target]


class Randomisation(NamedTuple):
    """Rank correlation of a clip's maps with those of a model whose weights were destroyed, from the head down.

    Only the centres of the cells of the features are compared: between them every map falls in the same way.
    """

    parts: tuple[str, ...]
    """What was destroyed last; everything before it is destroyed too."""
    dynamic: Float[np.ndarray, " steps"]
    """Spearman's correlation of the maps of Y_D; 1 would be no change."""
    static: Float[np.ndarray, " steps"]
    """The same of Y_S; NaN in a model without a map of it."""


def randomisation_test(
    model: IFDD, clip: Float[Tensor, "channels time height width"], target: int | None = None, seed: int = 0
) -> Randomisation:
    """Destroy the weights step by step, by shuffling the values of each tensor, and compare the maps of one class.

    Args:
        model: in evaluation mode; it is copied.
        clip: RGB in [0, 1].
        target: index of the class; by default the most probable one of the intact model.
        seed: of the shuffling.

    Raises:
        InputError: scipy is not installed.
    """
    intact = attribute(model, clip, target)
    maps = [attribute(broken, clip, intact.target) for broken in _destroyed(model, seed)]
    return Randomisation(
        parts=tuple(names[0] for names in CASCADE),
        dynamic=np.array([_correlation(model, intact.dynamic, each.dynamic) for each in maps]),
        static=np.array([_correlation(model, intact.static, each.static) for each in maps]),
    )


def _correlation(model: IFDD, one: HeatMap, other: HeatMap) -> float:
    """Return the rank correlation of two maps at the centres of the cells of the features."""
    axes = zip(one.shape, model.backbone.stages[-1][1:], origin(model.backbone), strict=True)
    centres = tuple(slice(int(first), None, pixels // cells) for pixels, cells, first in axes)
    return rank_correlation(one[centres], other[centres])


def _destroyed(model: IFDD, seed: int) -> Iterator[IFDD]:
    """Yield the same copy again and again, more of it destroyed each time."""
    broken = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    for names in CASCADE:
        for name in names:
            for parameter in broken.get_submodule(name).parameters():
                order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
                parameter.data.copy_(parameter.data.flatten()[order].view_as(parameter))
        yield broken


def rank_correlation(one: HeatMap, other: HeatMap) -> float:
    """Return Spearman's correlation of two maps: 0 if the other is constant, NaN if the first is.

    Raises:
        InputError: scipy is not installed.
    """
    try:
        from scipy.stats import spearmanr
    except ModuleNotFoundError as error:
        raise InputError("the check needs scipy, which is not installed: pip install 'ifdd[train]'") from error
    if one.min() == one.max():
        return float("nan")
    return 0.0 if other.min() == other.max() else float(spearmanr(one, other, axis=None).statistic)
