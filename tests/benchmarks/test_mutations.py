"""Mutated inputs of every kind end in a result or in a named error; and the harness finds what does not."""

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from numpy.random import Generator

from benchmarks.mutations import run
from benchmarks.mutations.judging import Outcome, judge
from benchmarks.mutations.readers import READERS
from benchmarks.mutations.run import GOOD, outcomes, read_journal, summarise
from benchmarks.mutations.seeds import ROOT, Seeds, write_seeds
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
    """Stand for a reader: one case ends the process, one never ends, one takes too long, the others are read."""
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 2:
        while True:
            pass
    return Outcome(number, "yaml", "", "", "result", 0.5 if number < 4 else 1.5, 0.0)


def work(theirs: object, seeds: Seeds, seed: int) -> None:
    while True:
        theirs.send(die_or_sleep(theirs.recv()))  # type: ignore[attr-defined]


@pytest.mark.slow
def test_crashes_and_hangs_are_found_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_work", work)
    monkeypatch.setattr(run, "START_SECONDS", 10.0)
    monkeypatch.setattr(run, "LIMIT_SECONDS", 1.0)
    found = {outcome.number: outcome.verdict for outcome in outcomes({}, [0, 1, 2, 3, 4], 0)}
    assert found == {0: "result", 1: "crash", 2: "hang", 3: "result", 4: "hang"}


def test_a_run_resumes_and_counts(tmp_path: Path) -> None:
    journal, about = tmp_path / "journal.jsonl", {"seed": 0, "commit": "a1b2"}
    assert read_journal(journal, about) == {}
    line = '[{}, "{}", "a", "flip bits", "{}", 0.5, 12.0, ""]\n'
    lines = line.format(0, "video", "fault") + line.format(0, "video", "result") + "[1, "
    journal.write_text(json.dumps(about) + "\n" + lines)
    known = read_journal(journal, about)
    assert {number: outcome.verdict for number, outcome in known.items()} == {0: "result"}
    kinds: Iterator[dict[str, object]] = iter(summarise(list(known.values()), about)["kinds"])
    assert next(kinds) == {
        "kind": "video",
        "inputs": 1,
        "results": 1,
        "refused": 0,
        "failures": {},
        "longest_seconds": 0.5,
        "most_megabytes": 12.0,
    }


@pytest.mark.parametrize("other", [{"seed": 1, "commit": "a1b2"}, {"seed": 0, "commit": "c3d4"}])
def test_a_journal_of_another_seed_or_commit_is_refused(
    other: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_text(json.dumps(other) + "\n")
    monkeypatch.setattr(run, "commit", lambda: "a1b2")
    monkeypatch.setattr(run, "write_seeds", lambda _: pytest.fail("measured"))
    monkeypatch.setattr(sys, "argv", ["run", "--journal", str(journal)])
    with pytest.raises(SystemExit, match="2"):
        run.main()
    assert f"{journal} is of another seed or commit; delete it" in capsys.readouterr().err


def test_an_answer_that_took_too_long_is_a_hang() -> None:
    ours, theirs = multiprocessing.Pipe()
    for seconds, verdict in ((run.LIMIT_SECONDS, "result"), (run.LIMIT_SECONDS + 1, "hang")):
        theirs.send(Outcome(0, "video", "", "", "result", seconds, 0.0))
        assert run._answer(ours, multiprocessing.current_process(), 0).verdict == verdict
    ours.close()
    theirs.close()


def test_studies_are_read_as_studies(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr("benchmarks.mutations.readers.describe", lambda command, _: read.append(command))
    monkeypatch.setattr("benchmarks.mutations.readers.parse", lambda *_: None)
    first = cast(Generator, SimpleNamespace(choice=lambda commands: commands[0]))
    paths = sorted((ROOT / "configs").glob("*.yaml"))
    for path in paths:
        READERS["yaml"](path, first)
    assert read == ["study" if path.name.startswith("study") else "train" for path in paths]
