"""What holds for all tests."""

import gc
import os
import signal
import socket
import threading
from collections.abc import Iterator
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

# Two busy cores make single examples slow; a test is slow or wrong as a whole, not by one example's time. The same
# examples in every run: a change is to blame for what fails.
settings.register_profile("ifdd", deadline=None, derandomize=True)
settings.load_profile("ifdd")

# A shell that runs the tests in the background lets them, and the commands that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ[RUN_VARIABLE] = RUN
LEFTOVERS = Leftovers()
HELPER_THREADS = ("TMonitor",)
"""Threads that may outlive a test: tqdm, which shows downloads, keeps one until Python exits."""


@pytest.fixture(autouse=True)
def nothing_outlives_a_test() -> Iterator[None]:
    """Fail the test that leaves a process or a thread behind, instead of one that comes later."""
    before = set(threading.enumerate())

    def new_threads() -> list[threading.Thread]:
        return [t for t in threading.enumerate() if t not in before and type(t).__name__ not in HELPER_THREADS]

    yield
    if not new_threads() and not LEFTOVERS.find():
        return
    gc.collect()  # what ends its processes when it is deleted may be part of a cycle
    with suppress(TimeoutError):
        wait_until(lambda: not new_threads(), "threads to end")
    left = [*map(str, new_threads()), *(f"process {pid}: {command}" for pid, command in LEFTOVERS.end().items())]
    assert not left, f"the test left running: {left}"


# The commands that the tests start have no network either: downloads go to a proxy that does not exist.
os.environ |= {
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "no_proxy": "127.0.0.1,localhost",
}

THIS_MACHINE = (None, "", "localhost", "127.0.0.1", "::1", socket.gethostname())


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's cache is empty, and only servers on this machine can be reached."""
    resolve = socket.getaddrinfo

    def resolve_locally(host: Any, *args: Any, **options: Any) -> Any:
        if host not in THIS_MACHINE:
            raise socket.gaierror(f"the tests have no network; {host} was asked for")
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
