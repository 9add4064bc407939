"""Runs of a study in worker processes, and their progress, which the files of the runs tell."""

import threading
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ifdd.data.manifest import Manifest
from ifdd.errors import InputError
from ifdd.evaluation.folds import FoldResult
from ifdd.evaluation.protocol import describe_dataset
from ifdd.processes import available_cores, in_processes
from ifdd.records import EvaluationRecord
from ifdd.training.crossval.folds import finished, run_fold
from ifdd.training.crossval.processes import LOG_FILE
from ifdd.training.engine.state import remove_state
from ifdd.training.resuming import read_training
from ifdd.training.study.baselines import register_baselines
from ifdd.training.study.config import Cell
from ifdd.training.study.grid import Run
from ifdd.training.study.results import RunResult, read_result

SECONDS_BETWEEN_LOOKS = 1.0


class Job(NamedTuple):
    """The runs of a chain, for one process after another."""

    runs: tuple[Run, ...]
    baselines: dict[str, str]
    threads: int | None
    """Threads of a process; None leaves torch's choice."""


def run_jobs(jobs: Sequence[Job], workers: int) -> None:
    """Train and test the runs of all jobs; an interruption stops them, and the same jobs resume later.

    A process does many jobs in turn, so it starts Python once.

    Raises:
        InputError: a run failed, for example because it diverged; finished runs are kept.
    """
    with closing(in_processes(_do, jobs, min(workers, len(jobs)), ahead=1, ordered=False)) as done:
        for _ in done:
            pass


def make_jobs(chains: Sequence[Sequence[Run]], baselines: dict[str, str], workers: int) -> list[Job]:
    """Return one job for each chain; the cores are divided among the processes that start."""
    processes = min(workers, len(chains))
    threads = None if processes < 2 else max(1, available_cores() // processes)
    return [Job(tuple(runs), baselines, threads) for runs in chains]


def _do(job: Job) -> None:
    register_baselines(job.baselines)
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    for run in job.runs:
        if test_of(run) is None:
            _train_and_test(run)


def _train_and_test(run: Run) -> None:
    run.fold.folder.mkdir(parents=True, exist_ok=True)
    log = run.fold.folder / LOG_FILE
    with log.open("a", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
        try:
            run_fold(run.fold, Manifest.read(run.fold.recipe.data.manifest))
        except InputError as error:
            raise InputError(f"run {run.name}: {error} (see {log}); finished runs are kept") from error
    # of no use any more, and the largest files of a large grid
    remove_state(run.fold.folder)
    (run.fold.folder / "last.safetensors").unlink(missing_ok=True)


def test_of(run: Run) -> FoldResult | None:
    """Return the test of a finished run; None if it is not finished.

    Raises:
        InputError: the folder of the run is damaged.
    """
    if not (run.fold.evaluation / EvaluationRecord.FILE).exists():
        return None
    return finished(run.fold, describe_dataset(Manifest.read(run.fold.recipe.data.manifest)))


@dataclass
class Progress:
    """What is finished, as far as the files in the folders of the runs tell.

    Args:
        runs: the runs of the study.
        wanted: those whose epochs are counted.
    """

    runs: Sequence[Run]
    wanted: Set[Cell]

    def __post_init__(self) -> None:
        self.results: dict[Cell, RunResult] = {}
        """The finished runs."""
        self._epochs: dict[Cell, int] = {}

    @property
    def total(self) -> int:
        """Epochs of the wanted runs."""
        return sum(run.fold.recipe.optimization.epochs for run in self.runs if run.cell in self.wanted)

    @property
    def done(self) -> int:
        """Finished epochs of the wanted runs."""
        return sum(epochs for cell, epochs in self._epochs.items() if cell in self.wanted)

    def look(self) -> list[RunResult]:
        """Look at the unfinished runs; return those that finished since the last time.

        Raises:
            InputError: a folder is damaged.
        """
        new = []
        for run in self.runs:
            if run.cell in self.results:
                continue
            training = read_training(run.fold.folder)
            self._epochs[run.cell] = 0 if training is None else training.epoch
            tested = test_of(run) if training is not None else None
            if tested is not None:
                self.results[run.cell] = read_result(run, tested)
                new.append(self.results[run.cell])
        return new


@contextmanager
def watching(look: Callable[[], object]) -> Iterator[None]:
    """Call a function every second from another thread, and once more at the end, also after an error."""
    stop = threading.Event()

    def end() -> None:
        stop.set()
        thread.join()

    def watch() -> None:
        while not stop.wait(SECONDS_BETWEEN_LOOKS):
            try:
                look()
            except InputError:  # met again at the end, in the thread that can report it
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        end()
        with suppress(InputError):  # the runs have ended for another reason, which must be the one that is reported
            look()
        raise
    end()
    look()
