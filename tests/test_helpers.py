"""The helpers of the tests find and end every process that a test leaves behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import processes
from tests.helpers.processes import Leftovers, run, running_processes, started

ENDLESS = "import sys, time; print('begun', flush=True); open(sys.argv[1], 'w').close(); time.sleep(600)"


def test_a_process_that_still_runs_at_the_end_is_killed_with_its_whole_group(tmp_path: Path) -> None:
    script = f'"$0" -c "{ENDLESS}" "$1" & "$0" -c "{ENDLESS}" "$2"'
    with started(["sh", "-c", script, sys.executable, tmp_path / "a", tmp_path / "b"]) as process:
        process.wait_until(lambda: len(list(tmp_path.iterdir())) == 2, "both have begun")
        assert len([each for each in running_processes() if each.group == process.pid]) >= 2
    assert process.has_ended()
    assert not any(each.group == process.pid for each in running_processes())


def test_the_error_output_of_a_process_that_ends_too_early_is_shown() -> None:
    with started([sys.executable, "-c", "import sys; sys.exit('no disk')"]) as process:  # noqa: SIM117
        with pytest.raises(AssertionError, match=r"ended with 1 before a file is there:\nno disk"):
            process.wait_until(lambda: False, "a file is there")
    with pytest.raises(AssertionError, match="exit code 1\nno disk"):
        run([sys.executable, "-c", "import sys; sys.exit('no disk')"])


def test_a_process_whose_parent_has_ended_is_found_and_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orphan = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {ENDLESS!r}, sys.argv[1]]"
    words = [sys.executable, "-c", orphan + ", start_new_session=True, stdout=-3)", tmp_path / "begun"]
    run(words)
    processes.wait_until((tmp_path / "begun").exists, "the orphan to begin")
    leftovers = Leftovers()
    assert len(leftovers.find()) == 1
    monkeypatch.setattr(processes, "LIMIT_SECONDS", 0.1)
    (command,) = leftovers.end().values()
    assert str(tmp_path / "begun") in command


def test_a_child_without_the_mark_is_found() -> None:
    """A forked child shows the environment with which its parent was started."""
    with subprocess.Popen(["sleep", "600"], env={}) as child:
        leftovers = Leftovers()
        assert leftovers.find() == {child.pid: "sleep 600"}
        child.kill()
    assert not leftovers.find()
