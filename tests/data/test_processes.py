import time
from functools import partial
from pathlib import Path

import pytest

from ifdd.data.processes import in_processes


def mark(folder: Path, seconds: float, job: int) -> int:
    """Say that a job was begun, and take long over the first."""
    (folder / str(job)).touch()
    time.sleep(seconds if job else 4 * seconds)
    return job * job


def mark_anew(folder: Path, job: int) -> int:
    (folder / str(job)).touch(exist_ok=False)
    return job


def test_results_come_in_order_and_no_more_jobs_are_given_out_than_may_wait(tmp_path: Path) -> None:
    done = in_processes(partial(mark, tmp_path, 0.01), range(9), 2, ahead=2)
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


def test_closing_waits_only_for_the_jobs_that_are_being_done(tmp_path: Path) -> None:
    done = in_processes(partial(mark, tmp_path, 0.3), range(20), 2)
    assert next(done) == 0
    done.close()
    begun = len(list(tmp_path.iterdir()))
    assert begun < 9  # the other process did up to four while the first job took its time
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) == begun
