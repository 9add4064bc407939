"""Many independent jobs in several processes."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import TypeVar

import cv2

from ifdd.errors import InputError

Job = TypeVar("Job")
Result = TypeVar("Result")

_closing = threading.Event()
"""In a worker: nobody wants results any more."""

_busy = False
"""In a worker: a job is being done."""


def in_processes(
    work: Callable[[Job], Result], jobs: Sequence[Job], workers: int, *, ahead: int = 16, ordered: bool = True
) -> Generator[Result, None, None]:
    """Do every job; yield the results.

    An interruption, or closing the generator, ends the jobs that are being done at once, by a ``SystemExit`` in them:
    what they have to tidy up is tidied up. When this process is killed, its workers end as well.

    Args:
        work: does one job; it, the jobs and the results must be picklable. What it needs in every process it may build
            once and keep, for instance by ``functools.lru_cache``.
        jobs: what ``work`` is called with.
        workers: number of processes; with 1, or one job, everything is done in this one.
        ahead: jobs for each process that are given out at a time. In order, their results may wait in memory for an
            earlier one; with few, processes may wait for a long job.
        ordered: the results come in the order of the jobs; else each as soon as it is there.

    Raises:
        InputError: a process was killed, for example for its memory.
    """
    if workers == 1 or len(jobs) < 2:
        yield from map(work, jobs)
        return
    context = multiprocessing.get_context("spawn")
    # Nothing is ever sent: the workers see the end of the pipe when this process closes it or is killed.
    listening, speaking = context.Pipe(duplex=False)
    threads = max(1, (os.cpu_count() or 1) // workers)
    pool = ProcessPoolExecutor(min(workers, len(jobs)), context, _start, (listening, threads))
    waiting: deque[Future[Result]] = deque()
    try:
        for job in jobs:
            if len(waiting) == ahead * workers:
                yield _take(waiting, ordered)
            with _without_interruption():
                waiting.append(pool.submit(_do, work, job))
        while waiting:
            yield _take(waiting, ordered)
    except BrokenProcessPool as error:
        raise InputError(
            "a process ended before its work was done, perhaps for want of memory; take fewer workers. "
            "What is done is kept: the same command goes on with the rest"
        ) from error
    finally:
        speaking.close()
        pool.shutdown(cancel_futures=True)
        listening.close()


def _take(waiting: deque[Future[Result]], ordered: bool) -> Result:
    """Return the first result, or one that is there, and forget it."""
    future = waiting[0] if ordered else next(iter(wait(waiting, return_when=FIRST_COMPLETED).done))
    waiting.remove(future)
    return future.result()


@contextmanager
def _without_interruption() -> Iterator[None]:
    """Let Ctrl-C wait, and never reach the processes that are started: this one ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(listening: Connection, threads: int) -> None:
    cv2.setNumThreads(threads)
    signal.signal(signal.SIGTERM, _leave_job)
    threading.Thread(target=_listen, args=(listening,), daemon=True).start()


def _listen(listening: Connection) -> None:
    """End the job that is being done when nobody wants results any more, and this process if nobody is left."""
    with suppress(EOFError):
        listening.recv()
    _closing.set()
    os.kill(os.getpid(), signal.SIGTERM)
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    parent.join()
    os._exit(1)


def _leave_job(*_: object) -> None:
    _closing.set()
    if _busy:
        raise SystemExit


def _do(work: Callable[[Job], Result], job: Job) -> Result:
    global _busy
    _busy = True
    try:
        # The pool cannot cancel the jobs that lie ready for its processes.
        if _closing.is_set():
            raise CancelledError
        return work(job)
    finally:
        _busy = False
