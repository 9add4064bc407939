"""The signals that end a command, which keeps what is finished."""

import multiprocessing
import os
import signal
import stat
from collections.abc import Mapping
from contextlib import suppress
from typing import Any


class Ended(KeyboardInterrupt):
    """A signal other than Ctrl-C's ended the command: what is unfinished is cleaned up in the same way.

    Args:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.number = number


def ending_signals() -> tuple[signal.Signals, ...]:
    """Return SIGINT, SIGTERM, SIGHUP unless it is ignored as under nohup, and SIGUSR1 in a job of SLURM.

    SLURM sends SIGUSR1 some time before it ends a job that was submitted with ``--signal=USR1``. In a worker of a pool,
    it has another meaning (``ifdd.processes``).
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    if "SLURM_JOB_ID" in os.environ and multiprocessing.parent_process() is None:
        numbers.append(signal.SIGUSR1)
    return tuple(numbers)


def hang_up(number: int) -> None:
    """If a signal is SIGHUP, discard what would go to the closed terminal, and ignore further ones.

    Writing to a closed terminal fails, and the shell and the kernel may both send the signal.

    Args:
        number: the signal that has come.
    """
    if number != signal.SIGHUP:
        return
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        with suppress(OSError):  # closed
            if stat.S_ISCHR(os.fstat(output).st_mode):
                os.dup2(nowhere, output)
    os.close(nowhere)


def restore_handlers(handlers: Mapping[signal.Signals, Any]) -> None:
    """Put signal handlers back; SIGHUP stays ignored after ``hang_up``.

    Args:
        handlers: signal -> handler.
    """
    for number, handler in handlers.items():
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
