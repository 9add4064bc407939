"""Many independent jobs in several processes."""

import multiprocessing
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

import cv2

Job = TypeVar("Job")
Result = TypeVar("Result")

BATCH = 8
"""Jobs that a process does before it reports."""


def in_processes(
    work: Callable[[Job], Result], jobs: Sequence[Job], workers: int
) -> Generator[list[Result], None, None]:
    """Do every job; yield results in groups as they are finished, in any order.

    An interruption, or closing the generator, stops after the jobs that are being done.

    Args:
        work: does one job; it, the jobs and the results must be picklable.
        jobs: what ``work`` is called with.
        workers: number of processes; with 1, or few jobs, everything is done in this one.
    """
    batches = [jobs[start : start + BATCH] for start in range(0, len(jobs), BATCH)]
    if workers == 1 or len(batches) < 2:
        for job in jobs:
            yield [work(job)]
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(batches)), mp_context=context, initializer=_start)
    try:
        for finished in as_completed([pool.submit(_do, work, batch) for batch in batches]):
            yield finished.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _start() -> None:
    cv2.setNumThreads(1)
    # Ctrl-C reaches every process; the main one stops the others after the jobs they are at.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _do(work: Callable[[Job], Result], jobs: Sequence[Job]) -> list[Result]:
    return [work(job) for job in jobs]
