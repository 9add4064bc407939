"""Waiting, and processes that end together with the test that started them."""

import os
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

LIMIT_SECONDS = 600.0
"""Longest wait of a test; longer than anything takes on a busy machine, except after a fault."""

RUN_VARIABLE = "IFDD_TEST_RUN"
"""Environment variable that all direct and indirect child processes of this test run inherit."""

RUN = f"{os.getpid()}-{uuid.uuid4().hex}"

HELPERS = ("from multiprocessing.resource_tracker import main",)
"""Command lines of processes that may outlive a test: Python starts one tracker and ends it at exit."""


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: the condition does not hold after LIMIT_SECONDS.
    """
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {LIMIT_SECONDS:.0f} s for {what}")
        time.sleep(0.02)


class Process(NamedTuple):
    """A running process."""

    pid: int
    parent: int
    group: int


class Running:
    """A command that was started in a separate session.

    Args:
        popen: process of the command.
        output: file with its standard output.
        errors: file with its standard error.
    """

    def __init__(self, popen: subprocess.Popen[Any], output: IO[bytes], errors: IO[bytes]) -> None:
        self.popen = popen
        self.pid = popen.pid
        self._output = output
        self._errors = errors

    def has_ended(self) -> bool:
        return self.popen.poll() is not None

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until the process has made a condition true; fail if it ends before."""
        wait_until(lambda: condition() or self.has_ended(), what)
        assert condition(), f"ended with {self.popen.returncode} before {what}:\n{_text(self._errors)}"

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return _text(self._output)

    def send(self, number: signal.Signals, group: bool = False) -> None:
        """Send a signal to the process or, as a terminal does at Ctrl-C, to its whole group."""
        if group:
            os.killpg(self.pid, number)
        else:
            self.popen.send_signal(number)

    def wait(self) -> subprocess.CompletedProcess[str]:
        """Wait until the process and its whole group have ended; return its output."""
        self.popen.wait(LIMIT_SECONDS)
        wait_until(lambda: not self._group(), f"what {self.popen.args!r} left behind")
        return subprocess.CompletedProcess(
            self.popen.args, self.popen.returncode, _text(self._output), _text(self._errors)
        )

    def kill(self) -> None:
        """Kill the whole group."""
        if not self.has_ended() or self._group():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait(LIMIT_SECONDS)
        wait_until(lambda: not self._group(), f"the killed group of {self.popen.args!r} to end")

    def _group(self) -> list[Process]:
        return [process for process in running_processes() if process.group == self.pid]


@contextmanager
def started(
    command: Sequence[object],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Running]:
    """Start a command in a separate session; kill its processes at the end.

    Args:
        command: program and arguments.
        env: changes to this process's environment.
        cwd: working folder of the command.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:  # files, unlike pipes, are never full
        popen = subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        process = Running(popen, output, errors)
        try:
            yield process
        finally:
            process.kill()


def run(
    command: Sequence[object],
    *,
    code: int | None = 0,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; ``code`` is the expected exit code, None for any. See ``started``."""
    with started(command, env=env, cwd=cwd) as process:
        done = process.wait()
    assert code in (None, done.returncode), f"{command}: exit code {done.returncode}\n{done.stderr}"
    return done


def running_processes() -> list[Process]:
    """Return all running processes of this machine; none if there is no /proc."""
    return [process for folder in Path("/proc").glob("[0-9]*") if (process := _process(int(folder.name))) is not None]


class Leftovers:
    """Running processes that this test run has started.

    They are descendants of this process or, if their parent has ended, have ``RUN`` in their environment.
    """

    def __init__(self) -> None:
        self._foreign: set[int] = set()
        """Numbers of processes that were checked before and do not belong to this test run."""

    def find(self) -> dict[int, str]:
        """Return process id -> command line."""
        found: dict[int, str] = {}
        present = {int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()} if _PROC else set()
        self._foreign &= present
        for pid in sorted(present - self._foreign - {os.getpid()}):
            process = _process(pid)
            if process is None:
                continue
            if not self._belongs_to_this_run(process):
                self._foreign.add(pid)
            elif not any(helper in (command := _command(pid)) for helper in HELPERS):
                found[pid] = command
        return found

    def end(self) -> dict[int, str]:
        """Wait for processes that are ending; kill the others and return them."""
        with suppress(TimeoutError):
            wait_until(lambda: not self.find(), "processes to end")
        late = self.find()
        for pid in late:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return late

    def _belongs_to_this_run(self, process: Process) -> bool:
        with suppress(OSError):
            if f"{RUN_VARIABLE}={RUN}".encode() in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                return True
        ancestor: Process | None = process
        while ancestor is not None and ancestor.parent != os.getpid():
            ancestor = _process(ancestor.parent)
        return ancestor is not None


_PROC = Path("/proc/self/stat").exists()


def _process(pid: int) -> Process | None:
    """Return a process; None if it has ended, also if its parent has not yet waited for it."""
    try:
        state, parent, group = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:3]
    except OSError:
        return None
    return None if state in "ZX" else Process(pid, int(parent), int(group))


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _text(file: IO[bytes]) -> str:
    """Return the content of a file without moving its position, which the writing process shares."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")
