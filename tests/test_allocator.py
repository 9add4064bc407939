"""Freed memory that is kept: counted in page faults, which do not depend on the speed of the machine."""

import platform
import sys

import pytest

from ifdd.allocator import keep_freed_memory
from tests.helpers.processes import run

FAULTS = """
import resource, sys, torch
from ifdd.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def work():
    for size in (40, 64, 50, 90):
        torch.ones(size, 2**18)
for _ in range(4):  # until no block needs a place that the others have cut up
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has this setting")
def test_memory_is_not_asked_for_again() -> None:
    returned, kept = (int(run([sys.executable, "-c", FAULTS, way]).stdout) for way in ("return", "keep"))
    assert kept < returned / 10


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ifdd.allocator.ctypes.CDLL", lambda name: object())
    assert not keep_freed_memory()
