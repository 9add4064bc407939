"""The memory that tensors on the CPU free: kept for the next ones, instead of returned to the system."""

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MAPPINGS = -1, -2, -4  # parameters of mallopt, see malloc.h of glibc
_MOST = 2**31 - 1
_PAD = 2**28


def keep_freed_memory() -> bool:
    """Let the C library keep the memory that is freed, and return whether it can.

    glibc returns large blocks to the system as soon as they are free. The next tensor of that size gets new pages, and
    the system clears each of them when it is first written: a training step on the CPU, which needs the same blocks
    again and again, spends much of its time on that (``benchmarks/allocator.py``). Afterwards, the process keeps what
    it once needed, up to 2 GB more than it uses. Other C libraries have no such setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return False
    settings = ((_TRIM_THRESHOLD, _MOST), (_TOP_PAD, _PAD), (_MAPPINGS, 0))
    accepted = [mallopt(parameter, value) for parameter, value in settings]
    return all(accepted)
