"""A command in a terminal that is closed while it runs."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.helpers.processes import Running, started

# The first process of a session that opens a terminal makes it its own. Under nohup, SIGHUP would be ignored.
_COMMAND = """
import os, signal, sys
terminal = os.open(sys.argv.pop(1), os.O_RDWR)
for number in range(3):
    os.dup2(terminal, number)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from ifdd.__main__ import main
main()
"""


class Terminal:
    """The window of a terminal, and the command in it."""

    def __init__(self, screen: int, process: Running) -> None:
        self._screen = screen
        self.process = process

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait as ``Running.wait_until``, and read what is printed meanwhile."""

        def read() -> object:
            with suppress(BlockingIOError):
                while os.read(self._screen, 65536):
                    pass
            return condition()

        self.process.wait_until(read, what)

    def close(self) -> int:
        """Close the window; return the exit code of the command."""
        os.close(self._screen)
        return self.process.wait().returncode


@contextmanager
def in_terminal(words: Sequence[object]) -> Iterator[Terminal]:
    """Run ``ifdd`` with these words in a terminal, which the caller closes."""
    screen, side = os.openpty()
    os.set_blocking(screen, False)
    with started([sys.executable, "-c", _COMMAND, os.ttyname(side), *words]) as process:
        terminal = Terminal(screen, process)
        standard_input = Path(f"/proc/{process.pid}/fd/0")
        terminal.wait_until(lambda: standard_input.samefile(os.ttyname(side)), "it has the terminal")
        os.close(side)
        yield terminal
