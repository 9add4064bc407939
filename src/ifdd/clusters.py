"""A pool of workers on a Ray cluster for many independent jobs, used like the pool of processes of one machine."""

import ctypes
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar

from ifdd.errors import InputError, check_range
from ifdd.processes import KILLED, available_cores, in_processes, reserve_cores

Job = TypeVar("Job")
Result = TypeVar("Result")

ClusterKind = Literal["local", "ray"]
"""Where jobs run: in processes of this machine, or on a Ray cluster."""

CORES_PER_WORKER = 4
"""Cores of a worker: decoding, face detection, tracking and the model keep one each busy."""

ATTEMPTS = 2
"""Times that a job is given to a worker; the second time, after the first worker died, to a new one."""

START_ATTEMPTS = 3
"""Workers in a row that may die before one of them was ready."""

WAITING_SECONDS = 60.0
"""Time after which the user learns that no worker has started yet."""

SHARED_SECONDS = 10.0
"""Time that a worker's files may take to appear on this machine."""

LEAVING_SECONDS = 10.0
"""Time that running jobs have to clean up after an interruption."""


@dataclass(frozen=True)
class Cluster:
    """Where jobs run.

    Raises:
        InputError: the kind is unknown, a number is outside its range, or an option belongs to the other kind.
    """

    kind: ClusterKind = "local"
    """Processes of this machine, or a Ray cluster."""
    address: str | None = None
    """Address of the Ray cluster. Default: RAY_ADDRESS, a cluster that runs on this machine, or one started for these
    jobs."""
    cores: int | None = None
    """Cores of a worker on the cluster. Default: CORES_PER_WORKER, or fewer where no machine has as many per GPU."""
    gpus: bool = False
    """Give each worker a GPU, if the cluster has any."""

    def __post_init__(self) -> None:
        """Check the values."""
        check_range("--cluster-cores", self.cores, at_least=1)
        if self.kind not in ("local", "ray"):
            raise InputError(f"--cluster is {self.kind!r}; use local (processes of this machine) or ray")
        for name, value in (("--cluster-address", self.address), ("--cluster-cores", self.cores)):
            if value is not None and self.kind == "local":
                raise InputError(f"{name} applies to Ray clusters; add --cluster ray")


LOCAL = Cluster()
"""Processes of this machine."""


def on_cluster(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int | None,
    cluster: Cluster,
    *,
    killed: Callable[[Job], Result] | None = None,
    notify: Callable[[str], object] = lambda line: None,
) -> Generator[Result, None, None]:
    """Run every job on a cluster, or in processes of this machine, and yield each result as soon as it is ready.

    Args:
        work: as for ``in_processes``.
        jobs: the arguments of ``work``.
        workers: greatest number of workers; None for as many as a Ray cluster has room for, or one per core.
        cluster: where to run them.
        killed: as for ``in_processes``.
        notify: called with a line for the user if no worker starts.

    Raises:
        InputError: Ray is missing or fails, or a worker dies twice on a job, and ``killed`` is None.
    """
    if cluster.kind == "local":
        count = available_cores() if workers is None else workers
        yield from in_processes(work, jobs, count, ordered=False, killed=killed)
    elif jobs:
        ray = import_ray()
        with _connected(ray, cluster), _ray_errors(ray):
            count, needs = _room(ray, cluster)
            size = min(len(jobs), count if workers is None else max(workers, 1))
            with closing(_Crew(ray, work, jobs, needs, killed, notify)) as crew:
                yield from crew.run(size)


def check_shared(results: Sequence[Path], cluster: Cluster) -> None:
    """Check that this machine has the files that a worker wrote; network disks may show them late.

    Raises:
        InputError: it has not: the worker wrote them to a disk of its own.
    """
    deadline = time.monotonic() + SHARED_SECONDS
    while cluster.kind != "local" and not all(path.exists() for path in results):
        if time.monotonic() > deadline:
            missing = next(path for path in results if not path.exists())
            raise InputError(
                f"a worker wrote {missing}, but this machine has no such file; give a folder that all machines of the "
                "cluster share"
            )
        time.sleep(0.1)


def import_ray() -> ModuleType:
    """Return the package.

    Raises:
        InputError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    try:
        import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise InputError("--cluster ray needs ray; install it with: pip install 'ifdd[ray]'") from error
    return ray


@contextmanager
def _connected(ray: ModuleType, cluster: Cluster) -> Iterator[None]:
    """Connect to a cluster or start one on this machine; on leaving, disconnect, or end what was started."""
    if ray.is_initialized():  # by the caller, who also ends it
        yield
        return
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    address = cluster.address or os.environ.get("RAY_ADDRESS") or "auto"
    try:
        try:
            if address != "local":
                ray.init(address=address, **quiet)
        except ConnectionError:
            if address != "auto":
                raise
            address = "local"
        if address == "local":
            ray.init(address="local", num_cpus=available_cores(), include_dashboard=False, **quiet)
    except (ray.exceptions.RayError, ConnectionError, ValueError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        advice = "check --cluster-address, and 'ray status' on that machine"
        raise InputError(f"cannot reach the Ray cluster {address}: {reason}; {advice}") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _ray_errors(ray: ModuleType) -> Iterator[None]:
    """Turn failures of the cluster into one line."""
    try:
        yield
    except (ray.exceptions.RayError, ConnectionError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"the Ray cluster failed: {reason}; finished work is kept; run the command again to continue"
        ) from error


def _room(ray: ModuleType, cluster: Cluster) -> tuple[int, dict[str, int]]:
    """Return how many workers a cluster has room for, and what each of them reserves.

    Raises:
        InputError: no machine has as many cores as a worker is to get.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    if not nodes:
        raise InputError("the Ray cluster has no machine with a free core; see 'ray status'")
    gpus = cluster.gpus and any(node.get("GPU", 0) >= 1 for node in nodes)
    nodes = [node for node in nodes if not gpus or node.get("GPU", 0) >= 1]
    most = max(int(node["CPU"] // (node["GPU"] if gpus else 1)) or 1 for node in nodes)
    cores = min(CORES_PER_WORKER, most) if cluster.cores is None else cluster.cores
    rooms = [int(min(node["CPU"] // cores, node["GPU"] if gpus else node["CPU"])) for node in nodes]
    if not sum(rooms):
        greatest = max(int(node["CPU"]) for node in nodes)
        raise InputError(f"--cluster-cores is {cores}, but no machine of the cluster has more than {greatest} cores")
    return sum(rooms), {"num_cpus": cores, "num_gpus": int(gpus)}


@dataclass
class _Task(Generic[Job]):
    """A job that is not done."""

    job: Job
    attempts: int = 0
    """Workers that died on it."""


@dataclass
class _Worker(Generic[Job]):
    """A worker as this process sees it."""

    actor: Any
    task: _Task[Job] | None = None
    """What it does; None while it starts."""


class _Crew(Generic[Job, Result]):
    """Workers on a Ray cluster. Each has one job at a time; one that dies is replaced.

    Args:
        ray: the package.
        work: runs one job.
        jobs: its arguments.
        needs: what each worker reserves.
        killed: as for ``in_processes``.
        notify: as for ``on_cluster``.
    """

    def __init__(
        self,
        ray: ModuleType,
        work: Callable[[Job], Result],
        jobs: Sequence[Job],
        needs: dict[str, int],
        killed: Callable[[Job], Result] | None,
        notify: Callable[[str], object],
    ) -> None:
        self._ray = ray
        self._work = work
        self._needs = needs
        self._killed = killed
        self._notify = notify
        self._waiting = deque(_Task(job) for job in jobs)
        self._pending: dict[Any, _Worker[Job]] = {}
        """Reference of a result -> the worker that computes it."""
        self._failed_starts = 0

    def run(self, size: int) -> Iterator[Result]:
        """Yield the results of all jobs, computed by several workers."""
        for _ in range(size):
            self._hire()
        while self._waiting or any(worker.task for worker in self._pending.values()):
            reference = self._wait()
            worker = self._pending.pop(reference)
            try:
                result = self._ray.get(reference)
            except self._ray.exceptions.RayActorError as error:
                yield from self._replace(worker, error)
                continue
            except self._ray.exceptions.RayTaskError as error:
                self._ray.kill(worker.actor)
                raise (error.cause if isinstance(error.cause, Exception) else error) from None
            finished = worker.task
            self._failed_starts = 0
            self._employ(worker)
            if finished is not None:
                yield result

    def close(self) -> None:
        """End the workers; running jobs clean up before."""
        running = {reference: worker for reference, worker in self._pending.items() if worker.task}
        with suppress(self._ray.exceptions.RayError):
            for worker in running.values():
                worker.actor.leave.options(concurrency_group="control").remote()
            if running:
                self._ray.wait(list(running), num_returns=len(running), timeout=LEAVING_SECONDS)
        for worker in self._pending.values():
            self._ray.kill(worker.actor)

    def _hire(self) -> None:
        """Start a worker; it gets a job when it is ready, so that none waits for a machine that does not come."""
        actor_class = self._ray.remote(concurrency_groups={"control": 1}, **self._needs)(_Actor)
        actor = actor_class.remote(self._work, str(Path.cwd()), self._needs["num_cpus"])
        self._pending[actor.check.remote(_versions())] = _Worker(actor)

    def _employ(self, worker: _Worker[Job]) -> None:
        """Give a worker its next job, or end it."""
        if self._waiting:
            worker.task = self._waiting.popleft()
            self._pending[worker.actor.do.remote(worker.task.job)] = worker
        else:
            self._ray.kill(worker.actor)

    def _wait(self) -> Any:
        """Return the reference of a result that is there; report if no worker starts."""
        idle = not any(worker.task for worker in self._pending.values())
        done, _ = self._ray.wait(list(self._pending), timeout=WAITING_SECONDS if idle else None)
        if not done:
            names = {"num_cpus": "cores", "num_gpus": "GPU"}
            wanted = ", ".join(f"{names[name]}: {count}" for name, count in self._needs.items() if count)
            self._notify(f"no worker has started on the cluster yet ({wanted}); 'ray status' shows what is in use")
            done, _ = self._ray.wait(list(self._pending))
        return done[0]

    def _replace(self, worker: _Worker[Job], error: Exception) -> Iterator[Result]:
        """Start a worker in place of one that died; its job is tried again, or given up: its result is yielded."""
        if worker.task is None:
            self._failed_starts += 1
            if self._failed_starts == START_ATTEMPTS:
                raise InputError(
                    f"no worker starts on the cluster: {_reason(error)}; check that ifdd is installed on all machines"
                ) from error
        else:
            worker.task.attempts += 1
            if worker.task.attempts < ATTEMPTS:
                self._waiting.appendleft(worker.task)
            elif self._killed is None:
                raise InputError(f"{KILLED}. Finished work is kept; run the command again to continue") from error
            else:
                yield self._killed(worker.task.job)
        if self._waiting:
            self._hire()


class _Actor:
    """A worker, in a process of the cluster.

    Args:
        work: runs one job.
        folder: the working folder of the command, for relative paths.
        cores: cores that are reserved for it.
    """

    def __init__(self, work: Callable[[Any], Any], folder: str, cores: int) -> None:
        self._work = work
        self._thread: int | None = None
        self._leaving = False
        with suppress(OSError):  # it is needed for relative paths only
            os.chdir(folder)
        reserve_cores(cores)

    def check(self, expected: tuple[str, str]) -> None:
        """Refuse other versions, whose results would differ.

        Raises:
            InputError: this machine has other versions.
        """
        if _versions() != expected:
            machine, (python, ifdd) = os.uname().nodename, _versions()
            raise InputError(
                f"the machine {machine} of the cluster has Python {python} and ifdd {ifdd}, this one Python "
                f"{expected[0]} and ifdd {expected[1]}; install the same on all"
            )

    def do(self, job: Any) -> Any:
        """Run a job; None if it was told to leave."""
        self._thread = threading.get_ident()
        try:
            return None if self._leaving else self._work(job)
        except SystemExit:
            return None
        finally:
            self._thread = None

    def leave(self) -> None:
        """End the running job by raising SystemExit in its thread, as the pool of one machine does."""
        self._leaving = True
        if self._thread is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(SystemExit))


def _versions() -> tuple[str, str]:
    """Return the versions of Python and ifdd."""
    return ".".join(map(str, sys.version_info[:2])), version("ifdd")


def _reason(error: Exception) -> str:
    """Return the last line of an error of Ray, which has the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
