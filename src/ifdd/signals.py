"""The signals that end a command, which keeps what is finished."""

import signal


def ending_signals() -> tuple[signal.Signals, ...]:
    """Return Ctrl-C's signal, that of schedulers, and that of a closed terminal unless the process outlives it.

    ``nohup`` makes a process ignore the last one.
    """
    usual = (signal.SIGINT, signal.SIGTERM)
    return usual if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*usual, signal.SIGHUP)
