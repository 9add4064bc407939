"""Run many mutated inputs in another process, with limits of time and memory; see the package.

python -m benchmarks.mutations.run --cases 10000
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.mutations.judging import Outcome, judge
from benchmarks.mutations.readers import READERS
from benchmarks.mutations.seeds import Seeds, write_seeds
from ifdd.console import console, progress_bar
from ifdd.errors import InputError
from ifdd.evaluation.protocol import commit
from ifdd.limits import limit_opencv
from ifdd.model.inspection.measuring import device_name

LIMIT_SECONDS = 60.0
"""Longest case in seconds of the processor, which do not depend on what else the machine does."""

START_SECONDS = 60.0
"""Longest start of a process, which loads all libraries, likewise."""

WALL_SECONDS = 900.0
"""Longest case by the clock: one that waits for ever uses no processor."""

LIMIT_MEGABYTES = 3000
"""Memory that a case may take beyond what the process has before it."""

GOOD = ("result", "refused")
"""Verdicts that fulfil the promise; all other cases are tried again when a run resumes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000, help="number of mutated inputs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="number of one case to repeat in this process")
    parser.add_argument("--journal", type=Path, default=Path("mutations.jsonl"), help="outcomes so far, to resume from")
    parser.add_argument("--out", type=Path, default=Path("results/mutations.json"))
    options = parser.parse_args()
    about = {"seed": options.seed, "commit": commit()}
    try:
        known = {} if options.only is not None else read_journal(options.journal, about)
    except InputError as error:
        parser.error(str(error))
    known = {number: outcome for number, outcome in known.items() if outcome.verdict in GOOD}
    limit_opencv(os.environ)  # as the command line does; for the processes that are started
    with tempfile.TemporaryDirectory(prefix="ifdd-seeds-") as folder:
        seeds = write_seeds(Path(folder))
        if options.only is not None:
            console.print(judge(seeds, options.only, options.seed), markup=False)
            return
        with progress_bar("inputs") as bar, options.journal.open("a", encoding="utf-8") as journal:
            if journal.tell() == 0:
                journal.write(json.dumps(about) + "\n")
            numbers = [number for number in range(options.cases) if number not in known]
            task = bar.add_task("mutated inputs", total=options.cases, completed=options.cases - len(numbers))
            for outcome in outcomes(seeds, numbers, options.seed):
                journal.write(json.dumps(outcome) + "\n")
                journal.flush()
                known[outcome.number] = outcome
                bar.advance(task)
    found = [known[number] for number in sorted(known) if number < options.cases]
    options.out.write_text(json.dumps(summarise(found, about), indent=1) + "\n", encoding="utf-8")
    for outcome in found:
        if outcome.verdict not in GOOD:
            console.print(" ".join(map(str, outcome)), markup=False, soft_wrap=True)


def read_journal(path: Path, about: dict[str, Any]) -> dict[int, Outcome]:
    """Return the outcomes of earlier runs, the newest of each case; the last line may be incomplete.

    Args:
        path: the journal.
        about: its first line: seed and commit, on which the outcome of a number depends.

    Raises:
        InputError: the journal is of another seed or commit.
    """
    first, *lines = (path.read_text(encoding="utf-8") if path.exists() else "").splitlines() or [""]
    if first not in ("", json.dumps(about)):
        raise InputError(f"{path} is of another seed or commit; delete it, or give another --journal")
    known: dict[int, Outcome] = {}
    for line in lines:
        with suppress(ValueError, TypeError):
            outcome = Outcome(*json.loads(line))
            known[outcome.number] = outcome
    return known


def summarise(found: list[Outcome], about: dict[str, Any]) -> dict[str, Any]:
    """Return the content of the result file; ``about`` is the first line of the journal."""
    rows = []
    for kind in READERS:
        own = [outcome for outcome in found if outcome.kind == kind]
        counts = Counter(outcome.verdict for outcome in own)
        rows.append(
            {
                "kind": kind,
                "inputs": len(own),
                "results": counts["result"],
                "refused": counts["refused"],
                "failures": {name: counts[name] for name in ("fault", "crash", "hang", "memory") if counts[name]},
                "longest_seconds": max((outcome.seconds for outcome in own), default=0.0),
                "most_megabytes": max((outcome.megabytes for outcome in own), default=0.0),
            }
        )
    return {
        "machine": {"processor": device_name("cpu"), "python": platform.python_version()},
        **about,
        "inputs": len(found),
        "limit_seconds": LIMIT_SECONDS,
        "limit_megabytes": LIMIT_MEGABYTES,
        "kinds": rows,
    }


def outcomes(seeds: Seeds, numbers: list[int], seed: int) -> Iterator[Outcome]:
    """Yield the outcome of each case; one that dies or takes too long is ended and costs a new process."""
    context = multiprocessing.get_context("spawn")
    waiting = list(reversed(numbers))
    while waiting:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, seeds, seed), daemon=True)
        process.start()
        theirs.close()
        try:
            while waiting:
                ours.send(waiting[-1])
                number = waiting.pop()
                answer = _answer(ours, process, number)
                yield answer
                if answer.verdict in ("crash", "hang", "memory"):
                    break
        finally:
            process.kill()
            process.join()
            ours.close()


def _answer(ours: Connection, process: Any, number: int) -> Outcome:
    kind = list(READERS)[number % len(READERS)]
    try:
        begun, before = time.monotonic(), _processor_seconds(process.pid)
        while time.monotonic() - begun < WALL_SECONDS:
            if ours.poll(1.0):
                outcome: Outcome = ours.recv()
                return outcome._replace(verdict="hang") if outcome.seconds > LIMIT_SECONDS else outcome
            if _processor_seconds(process.pid) - before > START_SECONDS + LIMIT_SECONDS:
                break
        return Outcome(number, kind, "", "", "hang", LIMIT_SECONDS, 0.0, "no answer")
    except (EOFError, ConnectionError):
        process.join(10)
        return Outcome(number, kind, "", "", "crash", 0.0, 0.0, f"exit code {process.exitcode}")


def _processor_seconds(process: int) -> float:
    """Return how long a process has used processors; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _work(theirs: Connection, seeds: Seeds, seed: int) -> None:
    """Answer numbers of cases by their outcomes."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with suppress(EOFError):
        while True:
            number = theirs.recv()
            before = _resident()
            _limit_memory(before)
            outcome = judge(seeds, number, seed)
            theirs.send(outcome._replace(megabytes=round(max(0.0, _peak() - before), 1)))


def _limit_memory(resident: float) -> None:
    """Limit the memory of the process, in which libraries reserve far more than they use, to what a case may take."""
    reserved = _status("VmData")
    limit = int((max(reserved, resident) + LIMIT_MEGABYTES) * 1e6)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
    with suppress(OSError):  # forget the peak of earlier cases
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _resident() -> float:
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


def _status(name: str) -> float:
    """Return a number of megabytes that Linux keeps of this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6  # Linux calls 1024 bytes a kB
    return 0.0


if __name__ == "__main__":
    main()
