"""Many independent jobs in several processes."""

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

from ifdd.errors import InputError

Job = TypeVar("Job")
Result = TypeVar("Result")

KILLED = "the process that did this was killed twice, perhaps for want of memory, or because a library broke down"
"""What is told of a job that cannot be done."""

_closing = threading.Event()
"""In a worker: nobody wants results any more."""

_busy = False
"""In a worker: a job is being done."""

_dismissed = False
"""In a worker: this process shall end."""


def in_processes(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    *,
    ahead: int = 16,
    ordered: bool = True,
    killed: Callable[[Job], Result] | None = None,
) -> Generator[Result, None, None]:
    """Do every job; yield the results.

    An interruption, or closing the generator, ends the jobs that are being done at once, by a ``SystemExit`` in them:
    what they have to tidy up is tidied up. When this process is killed, its workers end as well. When a worker is
    killed, for example for its memory, what was being done is done again, one job at a time.

    Args:
        work: does one job; it, the jobs and the results must be picklable. What it needs in every process it may build
            once and keep, for instance by ``functools.lru_cache``.
        jobs: what ``work`` is called with.
        workers: number of processes; with 1, or one job, everything is done in this one.
        ahead: jobs for each process that are given out at a time. In order, their results may wait in memory for an
            earlier one; with few, processes may wait for a long job.
        ordered: the results come in the order of the jobs; else each as soon as it is there.
        killed: gives the result of a job whose process is killed even when nothing else is done.

    Raises:
        InputError: there is such a job, and no ``killed``.
    """
    if workers == 1 or len(jobs) < 2:
        yield from map(work, jobs)
        return
    with closing(_Crew(work, min(workers, len(jobs)), max(1, (os.cpu_count() or 1) // workers), killed)) as crew:
        for job in jobs:
            if len(crew.waiting) == ahead * workers:
                yield crew.take(ordered)
            crew.give(job)
        while crew.waiting:
            yield crew.take(ordered)


@dataclass
class _Task(Generic[Job, Result]):
    """A job that was given out."""

    job: Job
    future: Future[Result]


class _Crew(Generic[Job, Result]):
    """Processes that do jobs; if one of them is killed, others take their place.

    Args:
        work: does one job.
        size: number of processes.
        threads: of OpenCV, in each process.
        killed: see ``in_processes``.
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
        """What was given out and not taken yet."""

    def give(self, job: Job) -> None:
        """Give a job out."""
        self.waiting.append(_Task(job, self._submit(self._pool, job)))

    def take(self, ordered: bool) -> Result:
        """Return the first result, or one that is there, and forget its job."""
        while True:
            done = {self.waiting[0].future}
            if not ordered:
                done = wait([task.future for task in self.waiting], return_when=FIRST_COMPLETED).done
            task = next(task for task in self.waiting if task.future in done)
            if not _is_lost(task.future):
                self.waiting.remove(task)
                return task.future.result()
            self._start_anew()

    def close(self) -> None:
        """End the processes, and the jobs that are being done."""
        self._stack.close()

    def _start_anew(self) -> None:
        """Give lost jobs out again. The processes had the first of them in hand: these are done one by one."""
        self.close()
        lost = [task for task in self.waiting if _is_lost(task.future)]
        for task in lost[: self._size]:
            task.future = self._try_alone(task.job)
        self._pool = self._stack.enter_context(_processes(self._size, self._threads))
        for task in lost[self._size :]:
            task.future = self._submit(self._pool, task.job)

    def _try_alone(self, job: Job) -> Future[Result]:
        """Do a job in a process of its own, with the memory to itself."""
        with _processes(1, self._threads) as pool:
            future = self._submit(pool, job)
            wait([future])
        if not _is_lost(future):
            return future
        told: Future[Result] = Future()
        if self._killed is None:
            told.set_exception(InputError(f"{KILLED}. What is done is kept: the same command goes on with the rest"))
        else:
            told.set_result(self._killed(job))
        return told

    def _submit(self, pool: ProcessPoolExecutor, job: Job) -> Future[Result]:
        try:
            with _without_interruption():
                return pool.submit(_do, self._work, job)
        except BrokenProcessPool as error:
            lost: Future[Result] = Future()
            lost.set_exception(error)
            return lost


def _is_lost(future: Future[Result]) -> bool:
    """Say whether a job, once it is over, came to nothing because a process was killed."""
    return isinstance(future.exception(), BrokenProcessPool)


@contextmanager
def _processes(count: int, threads: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes, and end them with what they are doing."""
    context = multiprocessing.get_context("spawn")
    # Nothing is ever sent: the workers see the end of the pipe when this process closes it or is killed.
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
    """End the job; and this process, if it is the pool that ends it, because another one was killed, or a person."""
    global _dismissed
    _dismissed = _dismissed or not _closing.is_set()
    _closing.set()
    if _busy:
        raise SystemExit
    if _dismissed:
        os._exit(1)


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
        if _dismissed:
            os._exit(1)
