import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from ifdd.errors import InputError
from ifdd.files import atomic_path
from ifdd.processes import in_processes


def mark(folder: Path, job: int) -> int:
    """Say that a job was begun."""
    (folder / str(job)).touch()
    return job * job


def mark_last(folder: Path, job: int) -> int:
    """Do the first job when all others are done."""
    if job == 0:
        deadline = time.monotonic() + 60
        while len(list(folder.iterdir())) < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
    return mark(folder, job)


def mark_anew(folder: Path, job: int) -> int:
    (folder / str(job)).touch(exist_ok=False)
    return job


def test_results_come_in_order_and_no_more_jobs_are_given_out_than_may_wait(tmp_path: Path) -> None:
    done = in_processes(partial(mark, tmp_path), range(9), 2, ahead=2)
    assert next(done) == 0
    time.sleep(0.3)
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
    done = list(in_processes(partial(mark_last, tmp_path), range(6), 2, ordered=False))
    assert sorted(done) == [0, 1, 4, 9, 16, 25]
    assert done[0] != 0  # the first waits for the others


def write_slowly(folder: Path, job: int) -> int:
    """Begin a file; the first is soon finished, the others take forever."""
    with atomic_path(folder / str(job)):
        time.sleep(100 if job else 0)
    return job


def test_closing_ends_the_jobs_at_once_and_they_tidy_up(tmp_path: Path) -> None:
    done = in_processes(partial(write_slowly, tmp_path), range(20), 2)
    assert next(done) == 0
    while len(list(tmp_path.iterdir())) < 3:
        time.sleep(0.05)
    started = time.monotonic()
    done.close()
    assert time.monotonic() - started < 10
    assert [file.name for file in tmp_path.iterdir()] == ["0"]


def tell_process(folder: Path, job: int) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(100)


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


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
    with (tmp_path / "errors").open("wb") as errors:
        run = subprocess.Popen(
            [sys.executable, str(script), str(marks)],
            env={**os.environ, "PYTHONPATH": root},
            stderr=errors,
            start_new_session=True,
        )
    while len(list(marks.iterdir())) < 2:
        assert run.poll() is None
        time.sleep(0.05)
    os.killpg(run.pid, ending) if ending == signal.SIGINT else run.send_signal(ending)  # Ctrl-C reaches all
    run.wait(timeout=20)
    deadline = time.monotonic() + 10
    workers = [int(file.name) for file in marks.iterdir()]
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, workers))
    told = (tmp_path / "errors").read_text()
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
    """Do a job; the first one ends its process unless it is alone."""
    (folder / str(job)).touch()
    time.sleep(0.2)
    if job == 0 and (folder / "1").exists():
        (folder / "1").unlink()
        os.kill(os.getpid(), ending)
    return job


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_what_is_too_much_at_the_same_time_is_done_one_by_one(tmp_path: Path, ending: signal.Signals) -> None:
    assert list(in_processes(partial(vanish_beside, tmp_path, ending), range(4), 2)) == [0, 1, 2, 3]
