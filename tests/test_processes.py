import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ifdd.errors import InputError
from ifdd.files import atomic_path
from ifdd.processes import in_processes
from tests.helpers.processes import LIMIT_SECONDS, running_processes, started, wait_until


def mark(folder: Path, job: int) -> int:
    """Say that a job was begun."""
    (folder / str(job)).touch()
    return job * job


def mark_last(folder: Path, job: int) -> int:
    """Do the first job when a result of another one has been taken."""
    if job == 0:
        wait_until((folder / "taken").exists, "the first result to be taken")
    return mark(folder, job)


def mark_anew(folder: Path, job: int) -> int:
    (folder / str(job)).touch(exist_ok=False)
    return job


class Counted(Sequence[int]):
    """The numbers below a count; remembers how many were asked for."""

    def __init__(self, count: int) -> None:
        self.asked_for = 0
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if index >= self._count:
            raise IndexError
        self.asked_for = max(self.asked_for, index + 1)
        return index


def test_results_come_in_order_and_no_more_jobs_are_given_out_than_may_wait(tmp_path: Path) -> None:
    jobs = Counted(9)
    done = in_processes(partial(mark, tmp_path), jobs, 2, ahead=2)
    assert next(done) == 0
    assert jobs.asked_for == 4 + 1  # the next one is in hand, and given out when there is room for it
    assert {int(file.name) for file in tmp_path.iterdir()} <= set(range(4))
    assert list(done) == [1, 4, 9, 16, 25, 36, 49, 64]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_error_of_a_job_is_raised_after_the_results_before_it(tmp_path: Path, workers: int) -> None:
    (tmp_path / "1").mkdir()
    done = in_processes(partial(mark_anew, tmp_path), range(3), workers)
    assert next(done) == 0
    with pytest.raises(FileExistsError):
        next(done)


def test_results_come_as_they_are_there_if_no_order_is_asked_for(tmp_path: Path) -> None:
    done = in_processes(partial(mark_last, tmp_path), range(6), 2, ordered=False)
    first = next(done)
    assert first != 0
    (tmp_path / "taken").touch()
    assert sorted([first, *done]) == [0, 1, 4, 9, 16, 25]


def write_slowly(folder: Path, job: int) -> int:
    """Begin a file; the first is finished at once, the others take forever."""
    with atomic_path(folder / str(job)):
        time.sleep(LIMIT_SECONDS if job else 0)
    return job


def test_closing_ends_the_jobs_at_once_and_they_tidy_up(tmp_path: Path) -> None:
    done = in_processes(partial(write_slowly, tmp_path), range(20), 2)
    assert next(done) == 0
    wait_until(lambda: len(list(tmp_path.iterdir())) == 3, "two more jobs to begin")
    done.close()
    assert [file.name for file in tmp_path.iterdir()] == ["0"]  # nothing that was begun came to its own end


def tell_process(folder: Path, job: int) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(LIMIT_SECONDS)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_the_one_that_started_it(tmp_path: Path, ending: signal.Signals) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\nfrom functools import partial\nfrom pathlib import Path\n"
        "from ifdd.processes import in_processes\nfrom tests.test_processes import tell_process\n"
        "if __name__ == '__main__':\n    list(in_processes(partial(tell_process, Path(sys.argv[1])), range(9), 2))\n"
    )
    marks = tmp_path / "marks"
    marks.mkdir()
    root = str(Path(__file__).parents[1])
    paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    with started([sys.executable, script, marks], env={"PYTHONPATH": paths}) as process:
        process.wait_until(lambda: len(list(marks.iterdir())) == 2, "two workers to begin")
        process.send(ending, group=ending == signal.SIGINT)  # Ctrl-C reaches all
        told = process.wait().stderr
    workers = {int(file.name) for file in marks.iterdir()}
    assert workers.isdisjoint(process.pid for process in running_processes())
    assert told.count("Traceback") == (ending == signal.SIGINT), told  # of the script alone, which catches nothing


def vanish(job: int) -> int:
    """Do a job, if it is none of two that end their process."""
    return job if job not in (1, 4) else os._exit(9)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_job_that_kills_its_process_is_told_and_the_others_are_done(ordered: bool) -> None:
    done = list(in_processes(vanish, range(9), 2, ordered=ordered, killed=lambda job: -job))
    assert (done if ordered else sorted(done, key=abs)) == [0, -1, 2, 3, -4, 5, 6, 7, 8]


def test_a_job_that_kills_its_process_is_an_error_if_nobody_asks_for_it() -> None:
    done = in_processes(vanish, range(5), 2)
    assert next(done) == 0
    with pytest.raises(InputError, match=r"the worker died twice on this item.* Finished work is kept"):
        next(done)


def vanish_beside(folder: Path, ending: signal.Signals, job: int) -> int:
    """Do a job; the first one ends its process while the second is being done too, but not when it is tried again."""
    (folder / str(job)).touch()
    ended = folder / "ended"
    if job == 0 and not ended.exists():
        wait_until((folder / "1").exists, "the second job to begin")
        ended.touch()
        os.kill(os.getpid(), ending)
    wait_until(ended.exists, "the first job to end its process")
    return job


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_what_is_too_much_at_the_same_time_is_done_one_by_one(tmp_path: Path, ending: signal.Signals) -> None:
    assert list(in_processes(partial(vanish_beside, tmp_path, ending), range(4), 2)) == [0, 1, 2, 3]
    assert (tmp_path / "ended").exists()
