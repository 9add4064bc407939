"""A pool of worker processes for many independent jobs, and the number of cores for it."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

import cv2
from threadpoolctl import threadpool_limits

from ifdd.errors import InputError

Job = TypeVar("Job")
Result = TypeVar("Result")

KILLED = "the worker died twice on this item, possibly out of memory or because a library crashed"
"""Message for a job that kills its worker."""

# Plain flags: a signal handler that waited for the lock of an event could wait for itself.
_closing = False
"""In a worker: results are no longer wanted."""

_busy = False
"""In a worker: a job is running."""

_leaving = False
"""In a worker: the running job has been told to end."""

_dismissed = False
"""In a worker: this process must exit."""

SIGNAL_SECONDS = 0.2
"""Time between two signals to a job that must end."""


_reserved: int | None = None
"""In a worker of a cluster: the cores that are reserved for it."""


def available_cores() -> int:
    """Return the number of processor cores that this process may use, at least 1."""
    if _reserved is not None:
        return _reserved
    if hasattr(os, "sched_getaffinity"):  # containers and batch systems may allow fewer than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def reserve_cores(count: int) -> None:
    """Let this process use no more cores than a cluster reserves for it."""
    global _reserved
    _reserved = count
    _limit_threads(count)


def in_processes(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    *,
    ahead: int = 16,
    ordered: bool = True,
    killed: Callable[[Job], Result] | None = None,
) -> Generator[Result, None, None]:
    """Run every job and yield the results.

    An interruption, or closing the generator, ends the running jobs at once by raising ``SystemExit`` in them, so that
    they clean up. If this process is killed, its workers exit too. If a worker is killed, for example by the
    out-of-memory killer, the jobs that were running are repeated one at a time.

    Args:
        work: runs one job; the function, the jobs and the results must be picklable. It may cache objects in each
            process, for instance with ``functools.lru_cache``.
        jobs: the arguments of ``work``.
        workers: number of processes; with 1 worker or 1 job, everything runs in this process.
        ahead: jobs submitted per process. If ordered, their results may wait in memory for an earlier one; a small
            number may leave processes idle during a long job.
        ordered: yield results in the order of the jobs; otherwise each as soon as it is ready.
        killed: returns the result of a job whose worker dies even when no other job runs.

    Raises:
        InputError: a worker dies on such a job, and ``killed`` is None.
    """
    workers = min(workers, len(jobs))
    if workers < 2:
        yield from map(work, jobs)
        return
    with closing(_Crew(work, workers, max(1, available_cores() // workers), killed)) as crew:
        for job in jobs:
            if len(crew.waiting) == ahead * workers:
                yield crew.take(ordered)
            crew.give(job)
        while crew.waiting:
            yield crew.take(ordered)


@dataclass
class _Task(Generic[Job, Result]):
    """A submitted job."""

    job: Job
    future: Future[Result]


class _Crew(Generic[Job, Result]):
    """Worker processes; if one of them is killed, all are replaced.

    Args:
        work: runs one job.
        size: number of processes.
        threads: OpenCV threads per process.
        killed: as for ``in_processes``.
    """

    def __init__(
        self, work: Callable[[Job], Result], size: int, threads: int, killed: Callable[[Job], Result] | None
    ) -> None:
        self._work = work
        self._size = size
        self._threads = threads
        self._killed = killed
        self._stack = ExitStack()
        self._pool = self._stack.enter_context(_processes(size, threads))
        self.waiting: deque[_Task[Job, Result]] = deque()
        """Submitted jobs whose results have not been taken yet."""

    def give(self, job: Job) -> None:
        """Submit a job."""
        self.waiting.append(_Task(job, self._submit(self._pool, job)))

    def take(self, ordered: bool) -> Result:
        """Return the first result or, if not ordered, any that is ready, and forget its job."""
        while True:
            done = {self.waiting[0].future}
            if not ordered:
                done = wait([task.future for task in self.waiting], return_when=FIRST_COMPLETED).done
            task = next(task for task in self.waiting if task.future in done)
            if not _is_lost(task.future):
                self.waiting.remove(task)
                return task.future.result()
            self._restart()

    def close(self) -> None:
        """End the processes and the running jobs."""
        self._stack.close()

    def _restart(self) -> None:
        """Submit lost jobs again. The first of them were running and are repeated one by one."""
        self.close()
        lost = [task for task in self.waiting if _is_lost(task.future)]
        for task in lost[: self._size]:
            task.future = self._try_alone(task.job)
        self._pool = self._stack.enter_context(_processes(self._size, self._threads))
        for task in lost[self._size :]:
            task.future = self._submit(self._pool, task.job)

    def _try_alone(self, job: Job) -> Future[Result]:
        """Run a job while no other one runs, with all memory to itself."""
        with _processes(1, self._threads) as pool:
            future = self._submit(pool, job)
            wait([future])
        if not _is_lost(future):
            return future
        outcome: Future[Result] = Future()
        if self._killed is None:
            outcome.set_exception(InputError(f"{KILLED}. Finished work is kept; run the command again to continue"))
        else:
            outcome.set_result(self._killed(job))
        return outcome

    def _submit(self, pool: ProcessPoolExecutor, job: Job) -> Future[Result]:
        try:
            with _without_interruption():
                return pool.submit(_do, self._work, job)
        except BrokenProcessPool as error:
            lost: Future[Result] = Future()
            lost.set_exception(error)
            return lost


def _is_lost(future: Future[Result]) -> bool:
    """Whether a job, once it has ended, was lost because a worker was killed."""
    return isinstance(future.exception(), BrokenProcessPool)


@contextmanager
def _processes(count: int, threads: int) -> Iterator[ProcessPoolExecutor]:
    """Start worker processes; on leaving, end them and their jobs."""
    context = multiprocessing.get_context("spawn")
    # Nothing is ever sent: the workers notice when this process closes the pipe or is killed.
    listening, speaking = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, context, _start, (listening, threads))
    try:
        yield pool
    finally:
        speaking.close()
        pool.shutdown(cancel_futures=True)
        listening.close()


@contextmanager
def _without_interruption() -> Iterator[None]:
    """Delay a terminal's signals, and keep them from the processes started meanwhile: this process ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _limit_threads(count: int) -> None:
    """Limit the threads of OpenCV and NumPy, which start one for every core; NumPy's spin while they wait."""
    cv2.setNumThreads(count)
    threadpool_limits(count)


def _start(listening: Connection, threads: int) -> None:
    _limit_threads(threads)
    signal.signal(signal.SIGUSR1, _leave_job)
    # the process of a fold blocks it, and what it starts inherits that
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    signal.signal(signal.SIGTERM, _leave_process)
    threading.Thread(target=_listen, args=(listening,), daemon=True).start()


def _listen(listening: Connection) -> None:
    """End the running job when results are no longer wanted, and this process when its parent is gone."""
    global _closing
    with suppress(EOFError):
        listening.recv()
    _closing = True
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    while parent.is_alive():
        if _busy:
            # Again and again: a signal that comes just before the job begins to wait does not end the waiting.
            os.kill(os.getpid(), signal.SIGUSR1)
        parent.join(SIGNAL_SECONDS)
    os._exit(1)


def _leave_job(*_: object) -> None:
    """End the running job, once: what it does to clean up is not interrupted."""
    global _leaving
    if _busy and not _leaving:
        _leaving = True
        raise SystemExit


def _leave_process(*_: object) -> None:
    """End this process and its job at a SIGTERM, which the pool sends after another worker died, or a user."""
    global _dismissed
    _dismissed = True
    if _busy:
        raise SystemExit
    os._exit(1)


def _do(work: Callable[[Job], Result], job: Job) -> Result:
    global _busy
    _busy = True
    try:
        # The pool cannot cancel jobs that are queued for its processes.
        if _closing:
            raise CancelledError
        return work(job)
    finally:
        _busy = False
        if _dismissed:
            os._exit(1)
