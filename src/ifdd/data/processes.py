"""Many independent jobs in several processes."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from multiprocessing.synchronize import Event
from typing import TypeVar

import cv2

Job = TypeVar("Job")
Result = TypeVar("Result")

_closing: Event
"""In a worker: set when nobody wants results any more."""


def in_processes(
    work: Callable[[Job], Result], jobs: Sequence[Job], workers: int, *, ahead: int = 16
) -> Generator[Result, None, None]:
    """Do every job; yield the results in the order of the jobs.

    An interruption, or closing the generator, stops after the jobs that are being done.

    Args:
        work: does one job; it, the jobs and the results must be picklable.
        jobs: what ``work`` is called with.
        workers: number of processes; with 1, or one job, everything is done in this one.
        ahead: jobs for each process that are given out at a time. Their results may wait in memory for an earlier one;
            with few, processes may wait for a long job.
    """
    if workers == 1 or len(jobs) < 2:
        yield from map(work, jobs)
        return
    context = multiprocessing.get_context("spawn")
    closing = context.Event()
    pool = ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=_start, initargs=(closing,))
    waiting: deque[Future[Result]] = deque()
    try:
        for job in jobs:
            if len(waiting) == ahead * workers:
                yield waiting.popleft().result()
            waiting.append(pool.submit(_do, work, job))
        while waiting:
            yield waiting.popleft().result()
    finally:
        # The pool cannot cancel the jobs that lie ready for its processes.
        closing.set()
        pool.shutdown(cancel_futures=True)


def _start(closing: Event) -> None:
    global _closing
    _closing = closing
    cv2.setNumThreads(1)
    # Ctrl-C reaches every process; the main one stops the others after the jobs they are at.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _do(work: Callable[[Job], Result], job: Job) -> Result:
    if _closing.is_set():
        raise CancelledError
    return work(job)
