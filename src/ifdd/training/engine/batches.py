"""Batches of one process, and the loader that survives unreadable clips and lost workers."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from time import monotonic
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from ifdd.console import error_console
from ifdd.errors import InputError
from ifdd.training.engine.state import RESUME

LOST_WORKER = "DataLoader worker"
"""What torch's error begins with when a worker process has ended."""

GONE_SECONDS = 1.0
"""How long a connection may be broken before the system reports the end of the worker at its other end."""

MAX_LOST_WORKERS = 3
"""Workers that an epoch may lose before the training stops."""

ATTEMPTS = 20
"""Clips that are tried in place of an unreadable one."""


class Share(NamedTuple):
    """How the batches of an epoch are divided: batch number i is computed by process i % processes.

    An optimiser step takes ``processes * accumulate`` batches in a row, so its clips are the same for every division
    with the same product.
    """

    batch_size: int
    """Most clips of a batch."""
    processes: int = 1
    rank: int = 0
    """Number of this process."""
    accumulate: int = 1
    """Batches of a process in an optimiser step."""

    @property
    def batches_per_step(self) -> int:
        """Batches of all processes in an optimiser step."""
        return self.processes * self.accumulate

    def batches(self, clips: int) -> int:
        """Return the number of batches of all processes in an epoch: whole steps, as few as possible.

        Raises:
            InputError: there are fewer clips than batches in a step.
        """
        if clips < self.batches_per_step:
            raise InputError(
                f"{clips} training clips are fewer than the {self.batches_per_step} batches of a step "
                f"({self.processes} processes, {self.accumulate} accumulated); lower optimization.accumulate or use "
                "fewer processes"
            )
        steps = -(-clips // (self.batch_size * self.batches_per_step))
        return min(steps, clips // self.batches_per_step) * self.batches_per_step

    def of_order(self, order: Sequence[int]) -> list[list[int]]:
        """Return the batches of this process; together the processes have every item of the order once.

        Batches differ in size by one clip at most.
        """
        count, clips = self.batches(len(order)), len(order)
        return [
            list(order[number * clips // count : (number + 1) * clips // count])
            for number in range(self.rank, count, self.processes)
        ]


class Batches(Sampler[list[int]]):
    """The batches of the current epoch, from ``first`` on.

    Args:
        batches_of: returns the batches of an epoch, of equal number in every epoch.
    """

    def __init__(self, batches_of: Callable[[int], list[list[int]]]) -> None:
        self.batches_of = batches_of
        self.epoch = 0
        self.first = 0
        """Number of batches of the epoch that are skipped, because they are done."""
        self._length = len(batches_of(0))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches_of(self.epoch)[self.first :])


class ForReading(Dataset[tuple[Any, ...]]):
    """Items of a dataset, each with the reason why its clip cannot be read, and something else in its place.

    Args:
        items: the dataset.
        instead: returns the indices to try in place of an unreadable item, or an item.
    """

    def __init__(self, items: Dataset[Any], instead: Callable[[int], Sequence[int] | tuple[Any, ...]]) -> None:
        self.items = items
        self.instead = instead

    def __len__(self) -> int:
        return len(self.items)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        try:
            return (*self.items[index], (index, ""))
        except InputError as error:
            reason = str(error)
        instead = self.instead(index)
        if isinstance(instead, tuple):
            return (*instead, (index, reason))
        for other in instead[:ATTEMPTS]:
            with suppress(InputError):
                return (*self.items[other], (index, reason))
        raise InputError(f"{reason}; no other clip of its class can be read")


def same_class(targets: Sequence[int], index: int) -> list[int]:
    """Return the other clips of a clip's class, from the next one on."""
    count = len(targets)
    others = ((index + step) % count for step in range(1, count))
    return [other for other in others if targets[other] == targets[index]]


def _collate(items: Sequence[tuple[Any, ...]]) -> tuple[list[Tensor], list[tuple[int, str]]]:
    return default_collate([item[:-1] for item in items]), [item[-1] for item in items if item[-1][1]]


def _ignore_interruptions(_: int) -> None:
    """Leave signals that go to all processes to the first one, which stops the others once its step is done."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


class ClipLoader(DataLoader[Any]):
    """A loader that reports unreadable clips in the main process, and replaces lost workers.

    A worker that the system has killed is replaced, and its batches are loaded again: they depend on epoch and index
    alone.

    Args:
        items: the clips.
        batches: what is loaded.
        workers: number of worker processes.
        report: called with index and reason of each unreadable clip.
    """

    def __init__(
        self,
        items: ForReading,
        batches: Batches,
        workers: int,
        report: Callable[[int, str], None],
    ) -> None:
        super().__init__(
            items,
            batch_sampler=batches,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            collate_fn=_collate,
            worker_init_fn=_ignore_interruptions if workers else None,
        )
        self.batches = batches
        self.report = report
        self.waited = 0.0
        """Seconds that the training waited for batches."""

    def __iter__(self) -> Any:
        """Yield the batches of the epoch, as lists of tensors."""
        lost, done = 0, self.batches.first
        while True:
            self.batches.first = done
            try:
                for batch, unreadable in self._timed():
                    for index, reason in unreadable:
                        self.report(index, reason)
                    done += 1
                    self.batches.first = 0
                    yield batch
                return
            except (RuntimeError, OSError, EOFError) as error:
                lost += 1
                if not self._has_lost_worker(error):
                    raise
                if lost > MAX_LOST_WORKERS:
                    raise InputError(
                        f"{lost} processes that load clips were killed in one epoch, possibly out of memory; lower "
                        f"data.workers or data.batch_size, then {RESUME}"
                    ) from None
            error_console.print(
                "a process that loads clips was killed, possibly out of memory; others take its place", highlight=False
            )
            self._iterator = None  # the pool of the lost worker; the others end with it

    def _has_lost_worker(self, error: Exception) -> bool:
        """Whether torch says so, or the connection to a worker broke before the system reported its end."""
        if isinstance(error, RuntimeError):
            return LOST_WORKER in str(error)
        sentinels = [worker.sentinel for worker in getattr(self._iterator, "_workers", ())]
        return bool(sentinels) and bool(wait(sentinels, GONE_SECONDS))

    def _timed(self) -> Iterator[Any]:
        start = monotonic()
        iterator = super().__iter__()
        if self.num_workers and hasattr(signal, "SIGCHLD"):
            # torch would raise the loss of a worker at any point of the training step; next() finds it too
            with suppress(ValueError):  # not the main thread
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        while True:
            batch = next(iterator, None)
            self.waited += monotonic() - start
            if batch is None:
                return
            yield batch
            start = monotonic()
