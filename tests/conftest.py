"""Settings and fixtures of all tests."""

import gc
import os
import signal
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from ifdd.data.labels import LABEL_SETS
from ifdd.model import create_model, save_checkpoint
from ifdd.records import CheckpointRecord
from tests.helpers.processes import RUN, RUN_VARIABLE, Leftovers, wait_until

# No time limit per example, because busy cores make single examples slow. The same examples in every run, so that only
# a change of the code can make a test fail.
settings.register_profile("ifdd", deadline=None, derandomize=True)
settings.load_profile("ifdd")

# A background job of a shell, and the commands that it starts, would otherwise ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ[RUN_VARIABLE] = RUN
LEFTOVERS = Leftovers()
FAILED = pytest.StashKey[bool]()
HELPER_THREADS = ("TMonitor",)
"""Threads that may outlive a test: tqdm, which shows downloads, keeps one until exit."""
LIBRARY_POOL = "ThreadPoolExecutor-"
"""What names of threads in unnamed pools begin with: libraries keep idle ones; those of ifdd are named."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether a test failed."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture
def heeded_hangup() -> Iterator[None]:
    """Let SIGHUP count, which nohup makes the tests ignore."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(autouse=True)
def nothing_outlives_a_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that leaves a process or a thread behind, not a later one."""
    before = set(threading.enumerate())

    def new_threads() -> list[threading.Thread]:
        new = [t for t in threading.enumerate() if t not in before and type(t).__name__ not in HELPER_THREADS]
        return [t for t in new if not t.name.startswith(LIBRARY_POOL)]

    yield
    if not new_threads() and not LEFTOVERS.find():
        return
    gc.collect()  # objects that end their processes when they are deleted may be part of a cycle
    if not request.node.stash[FAILED]:  # the traceback of a failure keeps what ends its threads when it is deleted
        with suppress(TimeoutError):
            wait_until(lambda: not new_threads(), "threads to end")
    left = [*map(str, new_threads()), *(f"process {pid}: {command}" for pid, command in LEFTOVERS.end().items())]
    assert not left, f"the test left running: {left}"


# Commands that tests start have no network either: their proxy does not exist.
os.environ |= {
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "no_proxy": "127.0.0.1,localhost",
}

THIS_MACHINE = (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", socket.gethostname())


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty torch's cache and allow connections to this machine only."""
    resolve = socket.getaddrinfo

    def resolve_locally(host: Any, *args: Any, **options: Any) -> Any:
        if host not in THIS_MACHINE:
            raise socket.gaierror(f"the tests have no network; {host} was requested")
        return resolve(host, *args, **options)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(socket, "getaddrinfo", resolve_locally)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained ifdd_tiny for clips of 1 s."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    torch.manual_seed(0)
    model, record = create_model("ifdd_tiny", num_classes=7), CheckpointRecord(preset="ifdd_tiny")
    save_checkpoint(path, model, LABEL_SETS["dfew"], 1.0, record)
    return path
