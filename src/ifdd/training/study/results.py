"""What a study found: the scores of every cell, and how the variants compare."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from ifdd.data.manifest import Sample
from ifdd.errors import InputError
from ifdd.evaluation.bootstrap import Interval
from ifdd.evaluation.comparison import PairedComparison, compare, holm, mean_over_seeds
from ifdd.evaluation.folds import FoldResult
from ifdd.evaluation.predictions_file import PREDICTIONS, read_predictions
from ifdd.training.study.config import Cell
from ifdd.training.study.grid import Run


@dataclass(frozen=True)
class RunResult:
    """The test of one run."""

    cell: Cell
    war: float
    uar: float
    epoch: int | None
    """Number of the epoch that the validation clips selected."""
    right: dict[str, bool]
    """Clip id -> whether it was recognised."""


@dataclass(frozen=True)
class CellResult:
    """The runs of a variant at one share of the clip."""

    variant: str
    visible: float
    seeds: tuple[int, ...]
    war: tuple[float, ...]
    """Accuracy of each seed."""
    uar: tuple[float, ...]
    epochs: tuple[int | None, ...]
    mean: float
    """Mean accuracy over the seeds."""
    deviation: float | None
    """Its sample standard deviation; None for a single seed."""
    interval: Interval | None
    """95 % interval of the mean over the seeds (Student's t); None for a single seed or for equal scores."""


@dataclass(frozen=True)
class ComparisonResult:
    """A variant against the reference, on the same seeds and clips."""

    variant: str
    visible: float
    seeds: tuple[int, ...]
    paired: PairedComparison
    p_holm: float
    """The comparison's p, corrected for the number of comparisons in the study."""


class StudyResults(NamedTuple):
    """Everything that the finished runs say."""

    cells: list[CellResult]
    comparisons: list[ComparisonResult]


def read_result(run: Run, tested: FoldResult) -> RunResult:
    """Return the result of a finished run.

    Raises:
        InputError: its predictions are missing or damaged.
    """
    try:
        found = read_predictions(run.fold.evaluation / PREDICTIONS, tested.protocol.classes)
    except InputError as error:
        raise InputError(f"{error}: delete {run.fold.evaluation} to test the run again") from error
    right = dict(zip(found.clip_ids, found.right.tolist(), strict=True))
    epoch = tested.protocol.checkpoint.description.epoch
    return RunResult(run.cell, tested.scores.war, tested.scores.uar, epoch, right)


def summarise(results: Iterable[RunResult], reference: str, test_clips: Sequence[Sample]) -> StudyResults:
    """Return the results of all cells, in the order of the grid, and the comparisons with the reference.

    Args:
        results: finished runs.
        reference: name of the variant that the others are compared with.
        test_clips: the test clips, with their people.
    """
    cells: dict[tuple[str, float], dict[int, RunResult]] = {}
    for result in results:
        cells.setdefault((result.cell.variant, result.cell.visible), {})[result.cell.seed] = result
    compared = [
        _compare(name, share, of_seeds, cells[reference, share], test_clips)
        for (name, share), of_seeds in cells.items()
        if name != reference and set(of_seeds) & set(cells.get((reference, share), {}))
    ]
    corrected = holm([each.paired.p for each in compared])
    return StudyResults(
        [_cell(name, share, list(of_seeds.values())) for (name, share), of_seeds in cells.items()],
        [replace(each, p_holm=p) for each, p in zip(compared, corrected, strict=True)],
    )


def _cell(variant: str, visible: float, runs: Sequence[RunResult]) -> CellResult:
    mean = mean_over_seeds([run.war for run in runs])
    return CellResult(
        variant,
        visible,
        seeds=tuple(run.cell.seed for run in runs),
        war=tuple(run.war for run in runs),
        uar=tuple(run.uar for run in runs),
        epochs=tuple(run.epoch for run in runs),
        mean=mean.mean,
        deviation=mean.deviation,
        interval=mean.interval,
    )


def _compare(
    variant: str,
    visible: float,
    of_seeds: Mapping[int, RunResult],
    reference: Mapping[int, RunResult],
    test_clips: Sequence[Sample],
) -> ComparisonResult:
    seeds = tuple(sorted(set(of_seeds) & set(reference)))
    people = [sample.subject for sample in test_clips]
    paired = compare(_right(of_seeds, seeds, test_clips), _right(reference, seeds, test_clips), people)
    return ComparisonResult(variant, visible, seeds, paired, p_holm=paired.p)


def _right(
    runs: Mapping[int, RunResult], seeds: Sequence[int], clips: Sequence[Sample]
) -> Bool[np.ndarray, "seeds clips"]:
    return np.array([[runs[seed].right[sample.clip_id] for sample in clips] for seed in seeds], bool)
