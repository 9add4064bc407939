"""Against the imbalance of the classes: how often each is drawn, and what is added to its logit."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from ifdd.errors import InputError


def class_draws(sizes: Int64[np.ndarray, " classes"], balance: float, total: int) -> Int64[np.ndarray, " classes"]:
    """Return how many of an epoch's ``total`` draws each class gets, in proportion to size ** (1 - balance).

    The rule of Kang et al., ICLR 2020 (equation 1, with q = 1 - balance). Rounded by largest remainders, so that the
    numbers sum to ``total``; a class without clips gets none.

    Args:
        sizes: clips of each class, not all 0.
        balance: 0 keeps the proportions, 1 makes all classes equal.
        total: draws.
    """
    shares = np.where(sizes > 0, np.maximum(sizes, 1) ** (1.0 - balance), 0.0)
    exact = total * shares / shares.sum()
    draws = np.floor(exact).astype(np.int64)
    largest_remainders = np.argsort(draws - exact, kind="stable")[: total - draws.sum()]
    draws[largest_remainders] += 1
    return draws


def balanced_order(targets: Sequence[int], balance: float, seed: int, epoch: int) -> Int64[np.ndarray, " draws"]:
    """Return the clips of one epoch, as many as there are targets, in random order.

    Each class goes through its clips in a random order that is drawn anew when all have had their turn, and goes on
    from epoch to epoch: no clip comes again before the others of its class. The result follows from the arguments
    alone, so that a resumed training draws what an uninterrupted one would have drawn.
    """
    of_clip = np.asarray(targets)
    draws = class_draws(np.bincount(of_clip), balance, len(of_clip))
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


class BalancedSampler(DistributedSampler[Any]):
    """The part of ``balanced_order`` that falls to one of several processes.

    Together they draw every clip of the order once; where it does not divide evenly, its first clips again.
    """

    def __init__(
        self, dataset: Dataset[Any], targets: Sequence[int], balance: float, replicas: int, rank: int, seed: int
    ) -> None:
        super().__init__(dataset, replicas, rank, shuffle=True, seed=seed)
        self.targets = targets
        self.balance = balance

    def __iter__(self) -> Iterator[int]:
        """Return the process's clips of the epoch that ``set_epoch`` chose."""
        order = balanced_order(self.targets, self.balance, self.seed, self.epoch)
        return iter(np.resize(order, self.total_size)[self.rank :: self.num_replicas].tolist())


def logit_adjustment(
    draws: Int64[np.ndarray, " classes"], tau: float, classes: Sequence[str]
) -> Float[Tensor, " classes"]:
    """Return tau * log(share) of each class: equation 10 of Menon et al., ICLR 2021, added to the training's logits.

    The shares are those of the clips drawn: with class-balanced draws, only what these have left of the imbalance.

    Args:
        draws: how often each class is drawn in an epoch.
        tau: strength; 0 gives zeros.
        classes: their names.

    Raises:
        InputError: tau is above 0 and a class is never drawn.
    """
    if tau == 0:
        return torch.zeros(len(draws))
    never = [name for name, count in zip(classes, draws, strict=True) if not count]
    if never:
        raise InputError(
            f"no training clip is {', '.join(never)}, so optimization.logit_adjustment has nothing to go by; set it to "
            "0, or choose data.classes that all occur"
        )
    return tau * torch.log(torch.from_numpy(draws / draws.sum())).float()
