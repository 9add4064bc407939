"""How an epoch is divided into batches, and what the loader does about bad clips and lost workers."""

import os
import signal
from collections import Counter
from itertools import chain
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from ifdd.errors import InputError
from ifdd.training.engine.batches import Batches, ClipLoader, ForReading, Share, same_class


def epoch_of(clips: int, batch_size: int, processes: int, accumulate: int) -> list[list[list[int]]]:
    """The batches of every process."""
    order = list(range(100, 100 + clips))
    return [Share(batch_size, processes, rank, accumulate).of_order(order) for rank in range(processes)]


@given(
    clips=st.integers(1, 90), batch_size=st.integers(1, 9), processes=st.integers(1, 4), accumulate=st.integers(1, 3)
)
def test_every_clip_is_drawn_once(clips: int, batch_size: int, processes: int, accumulate: int) -> None:
    if clips < processes * accumulate:
        with pytest.raises(InputError, match=f"{clips} training clips are fewer than the {processes * accumulate}"):
            epoch_of(clips, batch_size, processes, accumulate)
        return
    parts = epoch_of(clips, batch_size, processes, accumulate)
    assert Counter(clip for part in parts for batch in part for clip in batch) == Counter(range(100, 100 + clips))
    sizes = [len(batch) for part in parts for batch in part]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) > 0
    assert {len(part) for part in parts} == {len(parts[0])}
    assert len(parts[0]) % accumulate == 0
    if clips >= batch_size * processes * accumulate:
        assert max(sizes) <= max(batch_size, 2)


@given(clips=st.integers(4, 90), batch_size=st.integers(2, 9))
def test_a_step_has_the_same_clips_for_every_division(clips: int, batch_size: int) -> None:
    def steps(processes: int, accumulate: int) -> list[list[int]]:
        parts = epoch_of(clips, batch_size, processes, accumulate)
        together = [batch for group in zip(*parts, strict=True) for batch in group]
        each = processes * accumulate
        return [list(chain(*together[first : first + each])) for first in range(0, len(together), each)]

    assert steps(4, 1) == steps(2, 2) == steps(1, 4)
    # one large batch is divided into equal ones
    assert [set(step) for step in steps(2, 1)] == [set(step) for step in steps(1, 2)]


class Numbers(Dataset[tuple[torch.Tensor, int]]):
    """Clips that are numbers; some cannot be read."""

    def __init__(self, count: int, broken: tuple[int, ...] = (), killed: Any = None) -> None:
        self.count, self.broken, self.killed = count, broken, killed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if index in self.broken:
            raise InputError(f"{index}.mp4 is damaged")
        if index == 5 and self.killed is not None and self.killed.value > 0:
            self.killed.value -= 1
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.tensor([index]), index % 2


def load(items: Numbers, workers: int, first: int = 0) -> tuple[list[int], list[tuple[int, str]]]:
    found: list[tuple[int, str]] = []
    batches = Batches(lambda epoch: [[index, index + 1] for index in range(0, len(items), 2)])
    batches.first = first
    targets = [index % 2 for index in range(len(items))]
    reading = ForReading(items, lambda index: same_class(targets, index))
    loader = ClipLoader(reading, batches, workers, lambda index, reason: found.append((index, reason)))
    return [int(number) for batch in loader for number in batch[0]], found


def test_another_clip_of_the_class_takes_the_place_of_an_unreadable_one() -> None:
    numbers, found = load(Numbers(8, broken=(3, 5)), workers=0)
    assert numbers == [0, 1, 2, 7, 4, 7, 6, 7]
    assert found == [(3, "3.mp4 is damaged"), (5, "5.mp4 is damaged")]
    with pytest.raises(InputError, match=r"1\.mp4 is damaged; no other clip of its class can be read"):
        load(Numbers(4, broken=(1, 3)), workers=0)


def test_a_resumed_epoch_begins_after_the_batches_that_are_done() -> None:
    assert load(Numbers(8), workers=0, first=2)[0] == [4, 5, 6, 7]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch look more often than every 5 s whether a worker still lives."""
    monkeypatch.setattr(_MultiProcessingDataLoaderIter._try_get_data, "__defaults__", (0.2,))


@pytest.mark.usefixtures("impatient")
def test_a_killed_worker_is_replaced_and_no_batch_is_lost(capfd: pytest.CaptureFixture[str]) -> None:
    killed = torch.multiprocessing.get_context("fork").Value("i", 1)
    assert load(Numbers(12, killed=killed), workers=1)[0] == list(range(12))
    assert "a process that loads clips was killed, possibly out of memory" in capfd.readouterr().err
    killed.value = 99
    with pytest.raises(InputError, match=r"4 processes that load clips were killed in one epoch.*lower data\.workers"):
        load(Numbers(12, killed=killed), workers=1)


@pytest.mark.usefixtures("impatient")
def test_a_broken_connection_is_a_lost_worker_only_if_one_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    usual: Any = _MultiProcessingDataLoaderIter._try_get_data
    kills = [True]

    def get(iterator: Any, *args: Any) -> Any:
        if kills:
            if kills.pop():
                os.kill(iterator._workers[0].pid, signal.SIGKILL)
            raise ConnectionResetError("the connection was reset")  # torch's, if the system reports the end later
        return usual(iterator, *args)

    monkeypatch.setattr(_MultiProcessingDataLoaderIter, "_try_get_data", get)
    assert load(Numbers(12), workers=1)[0] == list(range(12))
    kills[:] = [False]
    with pytest.raises(ConnectionResetError):
        load(Numbers(12), workers=1)
