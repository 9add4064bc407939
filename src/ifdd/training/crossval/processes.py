"""Folds in separate processes, several at a time."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress

from ifdd.console import console, error_console
from ifdd.errors import InputError
from ifdd.training.crossval.folds import Fold
from ifdd.training.recipe import RECIPE_FILE

LOG_FILE = "log.txt"
"""Output of a fold's process, in the folder of the fold."""

POLL_SECONDS = 0.2
"""Time between two looks at the running folds."""

STOP_SECONDS = 600.0
"""Time that interrupted folds have to stop before they are killed; far longer than a busy machine needs."""


def run_apart(folds: Sequence[Fold], slots: Sequence[str | None]) -> Generator[Fold]:
    """Run one fold per slot in parallel, each in a separate process; yield each finished fold.

    After a failure, running folds are finished and no further fold is started. An interruption stops all folds, which
    can be resumed later; a second interruption kills the folds that are still running.

    Args:
        folds: the folds, each in its folder.
        slots: value of ``CUDA_VISIBLE_DEVICES`` for each fold that runs at a time; None leaves the variable unchanged.

    Raises:
        InputError: a fold failed.
    """
    waiting, free = deque(folds), list(slots)
    running: dict[int, tuple[subprocess.Popen[bytes], Fold, str | None]] = {}
    failure = ""
    try:
        while running or (waiting and not failure):
            while free and waiting and not failure:
                fold, slot = waiting.popleft(), free.pop(0)
                running[fold.number] = (_start(fold, slot), fold, slot)
            time.sleep(POLL_SECONDS)
            for process, fold, slot in list(running.values()):
                if process.poll() is None:
                    continue
                del running[fold.number]
                free.append(slot)
                if process.returncode == 0:
                    yield fold
                else:
                    failure = failure or _failure(fold, process.returncode)
    finally:
        _stop([process for process, _, _ in running.values()])
    if failure:
        raise InputError(failure)


def _start(fold: Fold, slot: str | None) -> subprocess.Popen[bytes]:
    """Start the process of one fold: the same command with only this fold."""
    out = fold.folder.parent
    fold.folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "ifdd", "crossval", str(out / RECIPE_FILE), "--out", str(out)]
    place = "" if slot is None else f" on GPU {slot}"
    line = f"fold {fold.number or 'all'}{place}: output in {fold.folder / LOG_FILE}"
    console.print(line, highlight=False, markup=False)
    with (fold.folder / LOG_FILE).open("ab") as log, _interruptible():
        # a separate session, so that Ctrl-C reaches only this process, which then interrupts each fold once
        return subprocess.Popen(
            [*command, "--folds", str(fold.number)],
            env=os.environ | ({} if slot is None else {"CUDA_VISIBLE_DEVICES": slot}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _failure(fold: Fold, code: int) -> str:
    """Return one line with the reason why the process of a fold failed."""
    log = fold.folder / LOG_FILE
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
    return (
        f"fold {fold.number or 'all'} ended with exit code {code}: {last.removeprefix('ifdd crossval: ')} (see {log})"
    )


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Interrupt processes as Ctrl-C does and wait for them; kill those left after the limit or a second interruption.

    The files of a fold are complete at any moment, so only its unfinished epoch is lost.
    """
    if processes:
        error_console.print("waiting for the folds to stop; a second interruption kills them", highlight=False)
    deadline = time.monotonic() + STOP_SECONDS
    try:
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let child processes receive interruptions, even if this process runs in the background and ignores them.

    SIGUSR1, which SLURM sends to all processes of a job, is blocked in them: this process interrupts them, and puts the
    job into the queue again once they have stopped.
    """
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
