"""One case: a seed is copied and mutated, read, and the outcome judged."""

import shutil
import tempfile
import time
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator

from benchmarks.mutations.changes import mutate, name_of
from benchmarks.mutations.readers import READERS
from benchmarks.mutations.seeds import Seeds
from ifdd.errors import InputError

FOLDERS = ("exported", "frames", "lists", "pack", "results", "truth")
"""Kinds whose seeds are folders, in which one file is mutated and keeps its name."""

Verdict = Literal["result", "refused", "fault", "crash", "hang", "memory"]
"""result: read. refused: an InputError of one line. fault: another exception or a message of several lines. crash: the
process died. hang: over time, whether it answered or not. memory: over memory."""


class Case(NamedTuple):
    """What is to be done, all of it derived from a number."""

    number: int
    kind: str
    seed: Path
    file: Path
    change: str


class Outcome(NamedTuple):
    """What came of a case."""

    number: int
    kind: str
    seed: str
    change: str
    verdict: Verdict
    seconds: float
    """Of the processor."""
    megabytes: float
    """Largest memory of the process during the case, beyond that before it."""
    what: str = ""
    """Message of the error, and for a fault where it was raised."""


def judge(seeds: Seeds, number: int, seed: int = 0) -> Outcome:
    """Carry out one case in this process.

    Args:
        seeds: result of ``write_seeds``.
        number: of the case.
        seed: of the whole series.
    """
    random = np.random.default_rng([seed, number])
    kind = list(READERS)[number % len(READERS)]
    with tempfile.TemporaryDirectory(prefix="ifdd-mutation-") as name:
        case = _prepare(seeds, kind, number, Path(name), random)
        begun = time.process_time()
        verdict, what = _read(case, random)
        seconds = time.process_time() - begun
    return Outcome(number, kind, case.seed.name, case.change, verdict, round(seconds, 3), 0.0, what.replace(name, ""))


def _prepare(seeds: Seeds, kind: str, number: int, folder: Path, random: Generator) -> Case:
    """Copy a seed into a folder and mutate it."""
    seed, other = (seeds[kind][random.integers(len(seeds[kind]))] for _ in range(2))
    if kind in FOLDERS:
        copy = Path(shutil.copytree(seed, folder / seed.name))
        files = [path for path in sorted(copy.rglob("*")) if path.is_file()]
        # text decides more than pictures do
        text = [path for path in files if path.suffix in (".csv", ".txt", ".json", ".jsonl")]
        files = text if text and random.random() < 0.7 else files
        file = files[random.integers(len(files))]
    else:
        if kind == "manifest":  # its paths are relative
            with suppress(FileNotFoundError):
                shutil.copytree(seed.parent / "clips", folder / "clips")
        file = folder / name_of(seed, random)
        shutil.copyfile(seed, file)
    pool = other if other.is_file() else next(path for path in sorted(other.rglob("*")) if path.is_file())
    change, data = "none", file.read_bytes()
    if random.random() > 0.02:  # seeds are read as they are, too
        change, data = mutate(data, file.name, pool.read_bytes(), random)
    file.write_bytes(data)
    return Case(number, kind, seed, file, change)


def _read(case: Case, random: Generator) -> tuple[Verdict, str]:
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("error")
            READERS[case.kind](case.file, random)
    except InputError as error:
        text = str(error)
        is_line = len(text.splitlines()) == 1 or str(case.file.parent) in text  # names hold line ends themselves
        return ("refused" if is_line else "fault"), text[:400]
    except MemoryError as error:
        return "memory", _where(error)
    except Exception as error:
        return "fault", _where(error)
    return "result", ""


def _where(error: BaseException) -> str:
    """Return an exception with the last lines of ifdd that it passed."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/ifdd/" in f.filename]
    places = " < ".join(f"{f.filename.rpartition('/ifdd/')[2]}:{f.name}" for f in reversed(frames[-3:]))
    return f"{type(error).__name__}: {str(error)[:200]} at {places}"
