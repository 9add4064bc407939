"""Waiting, and processes that end with the test that started them."""

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
"""How long a test waits for anything: only a fault takes so long, however busy the machine."""

RUN_VARIABLE = "IFDD_TEST_RUN"
"""Environment variable that all processes started by this run of the tests inherit, whoever started them."""

RUN = f"{os.getpid()}-{uuid.uuid4().hex}"

HELPERS = ("from multiprocessing.resource_tracker import main",)
"""Command lines of processes that may outlive a test: Python starts one tracker, and ends it when it exits itself."""


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it does not hold after LIMIT_SECONDS.
    """
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {LIMIT_SECONDS:.0f} s for {what}")
        time.sleep(0.02)


class Process(NamedTuple):
    """A process that runs."""

    pid: int
    parent: int
    group: int


class Running:
    """A command that was started in a session of its own.

    Args:
        popen: its process.
        output: the file that takes its standard output.
        errors: the file that takes its standard error.
    """

    def __init__(self, popen: subprocess.Popen[Any], output: IO[bytes], errors: IO[bytes]) -> None:
        self.popen = popen
        self.pid = popen.pid
        self._output = output
        self._errors = errors

    def has_ended(self) -> bool:
        return self.popen.poll() is not None

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until a condition holds that this process is to bring about."""
        wait_until(lambda: condition() or self.has_ended(), what)
        assert condition(), f"ended with {self.popen.returncode} before {what}:\n{_text(self._errors)}"

    def send(self, number: signal.Signals, group: bool = False) -> None:
        """Send a signal to the process, or to its whole group, as a terminal does at Ctrl-C."""
        if group:
            os.killpg(self.pid, number)
        else:
            self.popen.send_signal(number)

    def wait(self) -> subprocess.CompletedProcess[str]:
        """Wait until the process and all others of its group have ended; return what it wrote."""
        self.popen.wait(LIMIT_SECONDS)
        wait_until(lambda: not self._group(), f"what {self.popen.args!r} left behind")
        return subprocess.CompletedProcess(
            self.popen.args, self.popen.returncode, _text(self._output), _text(self._errors)
        )

    def kill(self) -> None:
        """End the whole group."""
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
    """Start a command in a session of its own; at the end, kill what still runs of it.

    Args:
        command: program and arguments.
        env: what differs from this process's environment.
        cwd: folder to start it in.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:  # a pipe may be full, a file never
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
    """Run a command to its end; ``code`` is the exit code that it must have, None for any. See ``started``."""
    with started(command, env=env, cwd=cwd) as process:
        done = process.wait()
    assert code in (None, done.returncode), f"{command}: exit code {done.returncode}\n{done.stderr}"
    return done


def running_processes() -> list[Process]:
    """Return all processes of this machine that have not ended; none where there is no /proc."""
    return [process for folder in Path("/proc").glob("[0-9]*") if (process := _process(int(folder.name))) is not None]


class Leftovers:
    """Finds processes that this run of the tests started and that still run.

    They are descendants of this process, or carry its mark in their environment where their parent has ended.
    """

    def __init__(self) -> None:
        self._foreign: set[int] = set()
        """Processes looked at before that are none of ours."""

    def find(self) -> dict[int, str]:
        """Return process number -> command line."""
        found: dict[int, str] = {}
        present = {int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()} if _PROC else set()
        self._foreign &= present
        for pid in sorted(present - self._foreign - {os.getpid()}):
            process = _process(pid)
            if process is None:
                continue
            if not self._is_ours(process):
                self._foreign.add(pid)
            elif not any(helper in (command := _command(pid)) for helper in HELPERS):
                found[pid] = command
        return found

    def end(self) -> dict[int, str]:
        """Wait for those that are ending, kill the others, and return these."""
        with suppress(TimeoutError):
            wait_until(lambda: not self.find(), "processes to end")
        late = self.find()
        for pid in late:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return late

    def _is_ours(self, process: Process) -> bool:
        with suppress(OSError):
            if f"{RUN_VARIABLE}={RUN}".encode() in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                return True
        ancestor: Process | None = process
        while ancestor is not None and ancestor.parent != os.getpid():
            ancestor = _process(ancestor.parent)
        return ancestor is not None


_PROC = Path("/proc/self/stat").exists()


def _process(pid: int) -> Process | None:
    """Return a process; None where it has ended, its parent may still have to take note."""
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
    """Return what a file holds; its position, which the process that writes it shares, stays where it is."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")
