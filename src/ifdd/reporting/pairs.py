"""Runs side by side: differences on the same clips."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ifdd.evaluation.comparison import PairedComparison, compare, holm
from ifdd.reporting.results import Run, outcomes, people


class Pair(NamedTuple):
    """A run compared with the first one."""

    run: str
    """Name of the run."""
    found: PairedComparison | None
    """The difference of the accuracies; None if it cannot be told."""
    corrected: float | None
    """The p-value, corrected for the number of comparisons by Holm's method."""
    reason: str
    """Why there is no difference; empty if there is one."""
    people_unreadable: bool
    """Whether every clip counts as a person, because nothing that can still be read says who is in it."""


def pair_runs(runs: Sequence[Run]) -> list[Pair]:
    """Compare every run with the first one, where both were tested on the same clips of the same dataset.

    A clip whose person is unknown counts as a person of its own.

    Args:
        runs: at least two runs.
    """
    results = [_compare(run, runs[0]) for run in runs[1:]]
    done = [found for found in results if not isinstance(found, str)]
    corrected = iter(holm([found.p for found in done]))
    return [
        Pair(run.name, None, None, found, False)
        if isinstance(found, str)
        else Pair(run.name, found, next(corrected), "", run.people_unreadable and runs[0].people_unreadable)
        for run, found in zip(runs[1:], results, strict=True)
    ]


def _compare(run: Run, reference: Run) -> PairedComparison | str:
    """Return the difference, or why there is none."""
    for each in (run, reference):
        if each.missing_predictions:
            return f"{each.name} has no predictions of single clips"
    hashes = {_dataset(each) for each in (run, reference)}
    ours, theirs = outcomes(run.tests), outcomes(reference.tests)
    if len(hashes) > 1 or ours.keys() != theirs.keys():
        return "tested on other clips"
    clips = list(theirs)
    known = people(run.tests) | people(reference.tests)
    owners = [known.get(clip, f"clip {clip[1]}") for clip in clips]
    if len(set(owners)) < 2:
        return "the clips show one person"
    right, reference_right = (np.array([[of[clip] for clip in clips]]) for of in (ours, theirs))
    return compare(right, reference_right, owners)


def _dataset(run: Run) -> tuple[str, str]:
    protocol = run.tests[0].record.protocol
    return protocol.dataset.hash, protocol.subset
