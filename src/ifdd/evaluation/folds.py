"""Aggregation of the folds of a cross-validation: mean, deviation, intervals, pooled confusion matrix."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int64

from ifdd.errors import InputError
from ifdd.evaluation.bootstrap import CONFIDENCE, RESAMPLES, SEED, Interval, Intervals, bootstrap
from ifdd.evaluation.metrics import Scores, scores_from_confusion
from ifdd.evaluation.predictions_file import PREDICTIONS, read_predictions
from ifdd.evaluation.report import scores_record
from ifdd.records import (
    NOT_RECORDED,
    CheckpointFile,
    CrossvalProtocol,
    CrossvalRecord,
    EvaluationRecord,
    FoldRecord,
    FoldsScores,
    PooledScores,
    Protocol,
    RunName,
    SoftwareRecord,
    SpreadRecord,
)
from ifdd.records.licences import joined_licences

Resampled = Literal["subjects", "clips"]

DEVIATION = "sample standard deviation over the folds (n - 1)"
INTERVAL: dict[Resampled, str] = {
    "subjects": (
        f"{CONFIDENCE:.0%} percentile bootstrap, {RESAMPLES} resamples of the subjects within each fold, each with all "
        f"of their clips, seed {SEED}; covers the choice of test subjects, not training"
    ),
    "clips": (
        f"{CONFIDENCE:.0%} percentile bootstrap, {RESAMPLES} resamples of the clips within each fold, seed {SEED}; "
        "covers the choice of test clips, not training"
    ),
}
"""What is resampled -> how the intervals are computed."""


@dataclass(frozen=True, eq=False)
class FoldResult:
    """The evaluation of one fold, from its ``evaluation.json`` and ``predictions.csv``."""

    fold: int
    """Number of the fold; 0 if the dataset has no folds."""
    scores: Scores
    protocol: Protocol
    by_subject: Int64[np.ndarray, "subjects targets predictions"] | None = None
    """Confusion matrix of each subject; None for fewer than two subjects, or if they are not recorded."""


@dataclass(frozen=True)
class CrossValidation:
    """The aggregated result of the finished folds."""

    folds: tuple[FoldResult, ...]
    expected: tuple[int, ...]
    """Numbers of all folds of the dataset."""
    war: SpreadRecord
    """Accuracy of the folds."""
    uar: SpreadRecord
    """Mean of the recalls of the folds."""
    recalls: dict[str, float | None]
    """Class -> mean recall over the folds in which it has clips; None for a class without clips."""
    pooled: Scores
    """Scores of the clips of all folds together."""
    intervals: tuple[Intervals, ...]
    """Intervals of each fold's scores."""
    pooled_intervals: Intervals
    """Intervals of the pooled scores."""
    protocol: CrossvalProtocol

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of the unfinished folds."""
        return tuple(sorted(set(self.expected) - {result.fold for result in self.folds}))


def read_fold(fold: int, folder: Path) -> FoldResult:
    """Read the evaluation of one fold.

    Raises:
        InputError: the file is damaged, or has the schema of another version of ifdd.
    """
    file, remedy = folder / EvaluationRecord.FILE, "delete it and evaluate again"
    record = EvaluationRecord.load(file, remedy)
    try:
        scores = scores_from_confusion(np.array(record.scores.confusion, np.int64), record.protocol.classes)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{file} is damaged ({error}); {remedy}") from error
    clips = folder / PREDICTIONS
    by_subject = read_predictions(clips, record.protocol.classes).by_subject if clips.exists() else None
    return FoldResult(fold, scores, record.protocol, by_subject)


def cross_validation(folds: Sequence[FoldResult], expected: Iterable[int]) -> CrossValidation:
    """Aggregate folds; the intervals are over subjects if every fold has at least two, and over clips otherwise.

    Args:
        folds: finished folds, at least one, all with the same classes.
        expected: numbers of all folds of the dataset.
    """
    results = tuple(sorted(folds, key=lambda result: result.fold))
    confusions = [result.scores.confusion for result in results]
    by_subject = [result.by_subject for result in results if result.by_subject is not None]
    resampled: Resampled = "subjects" if len(by_subject) == len(results) else "clips"
    intervals = bootstrap(by_subject if resampled == "subjects" else confusions)
    classes = results[0].scores.classes
    return CrossValidation(
        folds=results,
        expected=tuple(expected),
        war=_spread([result.scores.war for result in results], intervals.mean.war),
        uar=_spread([result.scores.uar for result in results], intervals.mean.uar),
        recalls={name: _mean([result.scores.recalls[name] for result in results]) for name in classes},
        pooled=scores_from_confusion(np.sum(confusions, axis=0), classes),
        intervals=intervals.folds,
        pooled_intervals=intervals.pooled,
        protocol=crossval_protocol([result.protocol for result in results], resampled),
    )


def crossval_record(result: CrossValidation) -> CrossvalRecord:
    """Return the content of ``crossval.json``."""
    return CrossvalRecord(
        complete=not result.missing,
        missing=result.missing,
        scores=FoldsScores(result.war, result.uar, result.recalls),
        pooled=PooledScores(**_scores(result.pooled, result.pooled_intervals)),
        folds=tuple(
            FoldRecord(
                **_scores(each.scores, intervals),
                fold=each.fold or None,
                clips=sum(each.scores.support),
                epoch=each.protocol.checkpoint.description.epoch,
                checkpoint=CheckpointFile(each.protocol.checkpoint.path, each.protocol.checkpoint.sha256),
            )
            for each, intervals in zip(result.folds, result.intervals, strict=True)
        ),
        protocol=result.protocol,
    )


def crossval_protocol(protocols: Sequence[Protocol], resampled: Resampled) -> CrossvalProtocol:
    """Return the common protocol of the evaluations of at least one fold."""
    first = protocols[0]
    records = [protocol.checkpoint.description for protocol in protocols]
    counts = [protocol.sampling.views_per_clip for protocol in protocols]
    software = _joined_software([protocol.software for protocol in protocols])
    return CrossvalProtocol(
        name=RunName(records[0].model_name, records[0].data or NOT_RECORDED),
        synthetic=bool(records[0].synthetic),
        chosen_on=_joined(protocol.checkpoint.chosen_on for protocol in protocols),
        selection=_joined(record.selection or NOT_RECORDED for record in records),
        dataset=first.dataset,
        classes=first.classes,
        label_order=first.label_order,
        subset=first.subset,
        manifest=first.manifest,
        clips=sum(protocol.clips for protocol in protocols),
        sampling=replace(
            first.sampling,
            views=sum(protocol.sampling.views for protocol in protocols),
            views_per_clip=(min(least for least, _ in counts), max(most for _, most in counts)),
        ),
        seed=first.checkpoint.seed,
        training=_joined_software([record.software for record in records]),
        versions=software.versions,
        commit=software.commit,
        recipe=records[0].recipe_of_all_folds,
        deviation=DEVIATION,
        interval=INTERVAL[resampled],
        resampled=resampled,
        licences=joined_licences(*(record.known_licences for record in records)),
    )


def _scores(scores: Scores, intervals: Intervals) -> dict[str, Any]:
    """Return the fields of ``PooledScores``."""
    found = {"war_interval": intervals.war, "uar_interval": intervals.uar}
    return vars(scores_record(scores)) | found


def _spread(values: Sequence[float], interval: Interval | None) -> SpreadRecord:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return SpreadRecord(float(np.mean(values)), deviation, interval)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _joined(values: Iterable[str]) -> str:
    """Return the distinct values in their order, joined with "and"."""
    return " and ".join(dict.fromkeys(values))


def _joined_software(software: Sequence[SoftwareRecord]) -> SoftwareRecord:
    """Return the joined versions and commits of several training runs or evaluations."""
    names = dict.fromkeys(name for each in software for name in each.versions)
    versions = {name: _joined(each.versions[name] for each in software if name in each.versions) for name in names}
    return SoftwareRecord(versions, _joined(each.commit for each in software if each.commit) or None)
