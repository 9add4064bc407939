"""Pipes whose reading can be stopped, even while they are silent."""

import os
import select
import stat
from collections.abc import Callable
from io import BufferedIOBase

WAKE_SECONDS = 0.1
"""How often reading from a silent pipe checks whether it was stopped."""


class StoppablePipe:
    """A pipe for FFmpeg that ends when reading is stopped, even while nothing arrives.

    Args:
        file: the pipe.
        is_stopped: whether reading was stopped.
    """

    def __init__(self, file: BufferedIOBase, is_stopped: Callable[[], bool]) -> None:
        self._file = file
        self._is_stopped = is_stopped

    def read(self, count: int) -> bytes:
        """Return up to ``count`` bytes as soon as there are any; none at the end."""
        while not self._is_stopped():
            if select.select([self._file], [], [], WAKE_SECONDS)[0]:
                return self._file.read1(count)
        return b""


def stoppable(file: BufferedIOBase, is_stopped: Callable[[], bool]) -> BufferedIOBase | StoppablePipe:
    """Wrap a file that is a pipe; return any other file as it is."""
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(file.fileno()).st_mode)
    except OSError:  # not a file of the operating system
        is_pipe = False
    return StoppablePipe(file, is_stopped) if is_pipe else file
