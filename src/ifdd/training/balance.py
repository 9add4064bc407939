"""The clips of an epoch in order; class-balanced and weighted sampling, and logit adjustment."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ifdd.errors import InputError


def class_draws(
    sizes: Int64[np.ndarray, " classes"],
    balance: float,
    total: int,
    weights: Sequence[float] | None = None,
) -> Int64[np.ndarray, " classes"]:
    """Return how many of the draws of an epoch each class gets, in proportion to weight * size ** (1 - balance).

    Without weights, this is equation 1 of Kang et al., ICLR 2020, with q = 1 - balance. Fractions are rounded by
    largest remainders, so that the result sums to ``total``. A class without clips gets no draws.

    Args:
        sizes: number of clips of each class, not all 0.
        balance: strength, 0 to 1: 0 keeps the proportions, 1 draws all classes equally often.
        total: number of draws.
        weights: factor of each class, above 0; 1 by default.

    Example:
        >>> import numpy as np
        >>> from ifdd.training.balance import class_draws
        >>> class_draws(np.array([100, 25, 4]), balance=0.5, total=170)  # in the ratio 10 : 5 : 2
        array([100,  50,  20])
    """
    shares = np.where(sizes > 0, np.maximum(sizes, 1) ** (1.0 - balance), 0.0) * (1.0 if weights is None else weights)
    exact = total * shares / shares.sum()
    draws = np.floor(exact).astype(np.int64)
    largest_remainders = np.argsort(draws - exact, kind="stable")[: total - draws.sum()]
    draws[largest_remainders] += 1
    return draws


def drawn_order(
    targets: Sequence[int], draws: Int64[np.ndarray, " classes"], seed: int, epoch: int
) -> Int64[np.ndarray, " draws"]:
    """Return the clip indices of one epoch in random order.

    Each class cycles through its clips in a random order, across epochs, and is shuffled again after each cycle: a clip
    is repeated only after all other clips of its class. The result depends only on the arguments, so that a resumed
    run draws the same clips as an uninterrupted one.

    Args:
        targets: class index of each clip.
        draws: number of clips of each class to draw, see ``class_draws``.
        seed: random seed of the run.
        epoch: number of the epoch, from 0.
    """
    of_clip = np.asarray(targets)
    parts = []
    for target, count in enumerate(draws):
        members = np.flatnonzero(of_clip == target)
        if not len(members):
            continue
        turns = np.arange(epoch * count, (epoch + 1) * count)
        rounds = turns // len(members)
        orders = {
            number: np.random.default_rng([seed, 1, target, number]).permutation(members)
            for number in np.unique(rounds).tolist()
        }
        parts += [orders[number][turns[rounds == number] % len(members)] for number in orders]
    return np.random.default_rng([seed, 2, epoch]).permutation(np.concatenate(parts))


def plain_order(clips: int, seed: int, epoch: int) -> Int64[np.ndarray, " clips"]:
    """Return the clip indices of one epoch, each once, in random order."""
    generator = torch.Generator().manual_seed(seed + epoch)  # the order of torch's DistributedSampler
    return torch.randperm(clips, generator=generator).numpy()


def logit_adjustment(
    draws: Int64[np.ndarray, " classes"], tau: float, classes: Sequence[str]
) -> Float[Tensor, " classes"]:
    """Return tau * log(share) of each class, which is added to the logits in training.

    This is equation 10 of Menon et al., ICLR 2021. The shares are those of the drawn clips, so that class-balanced
    sampling leaves only the remaining imbalance to correct.

    Args:
        draws: number of draws of each class in an epoch.
        tau: strength; 0 gives zeros.
        classes: names of the classes.

    Raises:
        InputError: tau is above 0 and a class is never drawn.
    """
    if tau == 0:
        return torch.zeros(len(draws))
    never = [name for name, count in zip(classes, draws, strict=True) if not count]
    if never:
        raise InputError(
            f"no training clips for: {', '.join(never)}; optimization.logit_adjustment needs clips of every class: set "
            "it to 0, or choose data.classes that all occur"
        )
    return tau * torch.log(torch.from_numpy(draws / draws.sum())).float()
