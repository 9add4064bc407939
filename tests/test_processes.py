import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from ifdd.errors import InputError
from ifdd.files import atomic_path
from ifdd.processes import available_cores, in_processes
from ifdd.signals import ending_signals
from tests.helpers.processes import LIMIT_SECONDS, running_processes, started, wait_until


def mark(folder: Path, job: int) -> int:
    """Create a file that marks a job as started."""
    (folder / str(job)).touch()
    return job * job


def mark_last(folder: Path, job: int) -> int:
    """Run the first job only after the result of another one was consumed."""
    if job == 0:
        wait_until((folder / "taken").exists, "the first result to be taken")
    return mark(folder, job)


def mark_once(folder: Path, job: int) -> int:
    (folder / str(job)).touch(exist_ok=False)
    return job


class Counted(Sequence[int]):
    """The numbers below a count; records how many were requested."""

    def __init__(self, count: int) -> None:
        self.requested = 0
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if index >= self._count:
            raise IndexError
        self.requested = max(self.requested, index + 1)
        return index


def test_results_come_in_order_and_jobs_are_submitted_only_as_far_as_allowed(tmp_path: Path) -> None:
    jobs = Counted(9)
    done = in_processes(partial(mark, tmp_path), jobs, 2, ahead=2)
    assert next(done) == 0
    assert jobs.requested == 4 + 1  # the next job is fetched early and submitted when there is room
    assert {int(file.name) for file in tmp_path.iterdir()} <= set(range(4))
    assert list(done) == [1, 4, 9, 16, 25, 36, 49, 64]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_error_of_a_job_is_raised_after_the_results_before_it(tmp_path: Path, workers: int) -> None:
    (tmp_path / "1").mkdir()
    done = in_processes(partial(mark_once, tmp_path), range(3), workers)
    assert next(done) == 0
    with pytest.raises(FileExistsError):
        next(done)


def test_unordered_results_come_as_soon_as_they_are_ready(tmp_path: Path) -> None:
    done = in_processes(partial(mark_last, tmp_path), range(6), 2, ordered=False)
    first = next(done)
    assert first != 0
    (tmp_path / "taken").touch()
    assert sorted([first, *done]) == [0, 1, 4, 9, 16, 25]


def write_slowly(folder: Path, job: int) -> int:
    """Start writing a file; the first is finished at once, the others never."""
    with atomic_path(folder / str(job)):
        time.sleep(LIMIT_SECONDS if job else 0)
    return job


def test_closing_ends_running_jobs_at_once_and_they_clean_up(tmp_path: Path) -> None:
    done = in_processes(partial(write_slowly, tmp_path), range(20), 2)
    assert next(done) == 0
    wait_until(lambda: len(list(tmp_path.iterdir())) == 3, "two more jobs to begin")
    done.close()
    assert [file.name for file in tmp_path.iterdir()] == ["0"]  # no running job was finished


def mark_process(folder: Path, job: int) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(LIMIT_SECONDS)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_the_one_that_started_it(tmp_path: Path, ending: signal.Signals) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\nfrom functools import partial\nfrom pathlib import Path\n"
        "from ifdd.processes import in_processes\nfrom tests.test_processes import mark_process\n"
        "if __name__ == '__main__':\n    list(in_processes(partial(mark_process, Path(sys.argv[1])), range(9), 2))\n"
    )
    marks = tmp_path / "marks"
    marks.mkdir()
    root = str(Path(__file__).parents[1])
    paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    with started([sys.executable, script, marks], env={"PYTHONPATH": paths}) as process:
        process.wait_until(lambda: len(list(marks.iterdir())) == 2, "two workers to begin")
        process.send(ending, group=ending == signal.SIGINT)  # Ctrl-C reaches all
        errors = process.wait().stderr
    workers = {int(file.name) for file in marks.iterdir()}
    assert workers.isdisjoint(process.pid for process in running_processes())
    assert errors.count("Traceback") == (ending == signal.SIGINT), errors  # only of the script, which catches nothing


def vanish(job: int) -> int:
    """Run a job; two of the jobs end their process."""
    return job if job not in (1, 4) else os._exit(9)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_job_that_kills_its_process_is_reported_and_the_others_are_finished(ordered: bool) -> None:
    done = list(in_processes(vanish, range(9), 2, ordered=ordered, killed=lambda job: -job))
    assert (done if ordered else sorted(done, key=abs)) == [0, -1, 2, 3, -4, 5, 6, 7, 8]


def test_a_job_that_kills_its_process_raises_an_error_by_default() -> None:
    done = in_processes(vanish, range(5), 2)
    assert next(done) == 0
    with pytest.raises(InputError, match=r"the worker died twice on this item.* Finished work is kept"):
        next(done)


def vanish_together(folder: Path, ending: signal.Signals, job: int) -> int:
    """Run a job; the first one kills its process while the second is running, but not when it is repeated."""
    (folder / str(job)).touch()
    ended = folder / "ended"
    if job == 0 and not ended.exists():
        wait_until((folder / "1").exists, "the second job to begin")
        ended.touch()
        os.kill(os.getpid(), ending)
    wait_until(ended.exists, "the first job to end its process")
    return job


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_jobs_that_fail_in_parallel_are_repeated_one_at_a_time(tmp_path: Path, ending: signal.Signals) -> None:
    assert list(in_processes(partial(vanish_together, tmp_path, ending), range(4), 2)) == [0, 1, 2, 3]
    assert (tmp_path / "ended").exists()


def blas_threads(_: int) -> int:
    """Return the threads of NumPy's matrix products in this process."""
    np.ones((2, 2)) @ np.ones((2, 2))
    return max(int(library["num_threads"]) for library in threadpool_info() if library["user_api"] == "blas")


def test_workers_share_the_cores_in_numpy_too() -> None:
    workers = 2
    most = blas_threads(0)  # OpenBLAS has a limit of its own, on machines with many cores
    assert set(in_processes(blas_threads, range(6), workers)) == {min(most, max(1, available_cores() // workers))}


def opencv_threads(_: int) -> int:
    return cv2.getNumThreads()


def test_two_jobs_share_the_cores_between_two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ifdd.processes.available_cores", lambda: 8)
    assert list(in_processes(opencv_threads, range(2), 64)) == [4, 4]


def is_ending(number: signal.Signals) -> bool:
    return number in ending_signals()


def test_the_signal_that_ends_a_job_of_the_pool_is_not_taken_for_a_warning_of_slurm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    assert is_ending(signal.SIGUSR1)
    assert list(in_processes(is_ending, [signal.SIGUSR1, signal.SIGTERM], 2)) == [False, True]


def is_blocked(number: signal.Signals) -> bool:
    return number in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_the_signal_that_ends_a_job_reaches_it_where_this_process_blocks_it() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        assert list(in_processes(is_blocked, [signal.SIGUSR1] * 2, 2)) == [False, False]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
