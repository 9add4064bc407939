"""Mutated inputs of every kind end in a result or in a named error; and the harness finds what does not."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from numpy.random import Generator

from benchmarks.mutations import run
from benchmarks.mutations.judging import Outcome, judge
from benchmarks.mutations.readers import READERS
from benchmarks.mutations.run import GOOD, outcomes, read_journal, summarise
from benchmarks.mutations.seeds import Seeds, write_seeds
from ifdd.errors import InputError

CASES_PER_KIND = 25


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Seeds:
    return write_seeds(tmp_path_factory.mktemp("seeds"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
def test_mutated_inputs_are_read_or_refused(kind: str, seeds: Seeds, tmp_path: Path) -> None:
    first = list(READERS).index(kind)
    found = [judge(seeds, first + len(READERS) * number, seed=1) for number in range(CASES_PER_KIND)]
    assert {outcome.kind for outcome in found} == {kind}
    assert [outcome for outcome in found if outcome.verdict not in GOOD] == []
    assert len({outcome.change for outcome in found}) > 3


def test_a_case_can_be_repeated(seeds: Seeds) -> None:
    number = list(READERS).index("manifest")
    first, again = judge(seeds, number), judge(seeds, number)
    assert first._replace(seconds=0.0) == again._replace(seconds=0.0)


def break_something(path: Path, random: Generator) -> None:
    raise KeyError("lost")


def say_too_much(path: Path, random: Generator) -> None:
    raise InputError("one line\nand another")


@pytest.mark.parametrize(("reader", "what"), [(break_something, "KeyError: 'lost'"), (say_too_much, "and another")])
def test_a_fault_is_found(reader: object, what: str, seeds: Seeds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, "yaml", reader)
    outcome = judge(seeds, list(READERS).index("yaml"))
    assert outcome.verdict == "fault"
    assert what in outcome.what


def die_or_sleep(number: int) -> Outcome:
    """Stand for a reader: one case ends the process, one never ends, the others are read."""
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 2:
        while True:
            pass
    return Outcome(number, "yaml", "", "", "result", 0.0, 0.0)


def work(theirs: object, seeds: Seeds, seed: int) -> None:
    while True:
        theirs.send(die_or_sleep(theirs.recv()))  # type: ignore[attr-defined]


@pytest.mark.slow
def test_crashes_and_hangs_are_found_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_work", work)
    monkeypatch.setattr(run, "START_SECONDS", 10.0)
    monkeypatch.setattr(run, "LIMIT_SECONDS", 1.0)
    found = {outcome.number: outcome.verdict for outcome in outcomes({}, [0, 1, 2, 3], 0)}
    assert found == {0: "result", 1: "crash", 2: "hang", 3: "result"}


def test_a_run_resumes_and_counts(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    line = '[{}, "{}", "a", "flip bits", "{}", 0.5, 12.0, ""]\n'
    journal.write_text(line.format(0, "video", "fault") + line.format(0, "video", "result") + "[1, ")
    known = read_journal(journal)
    assert {number: outcome.verdict for number, outcome in known.items()} == {0: "result"}
    kinds: Iterator[dict[str, object]] = iter(summarise(list(known.values()), 0)["kinds"])
    assert next(kinds) == {
        "kind": "video",
        "inputs": 1,
        "results": 1,
        "refused": 0,
        "failures": {},
        "longest_seconds": 0.5,
        "most_megabytes": 12.0,
    }
