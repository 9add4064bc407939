"""Scores of runs with their intervals, and the texts of tables."""

from typing import NamedTuple

import numpy as np

from ifdd.evaluation.bootstrap import Interval, bootstrap
from ifdd.evaluation.calibration.confidence import wilson_interval
from ifdd.evaluation.calibration.reliability import reliability
from ifdd.evaluation.report import chosen_on_test, protocol_warning
from ifdd.evaluation.tables import percent, with_interval
from ifdd.records import ReliabilityRecord
from ifdd.reporting.charts import Bar
from ifdd.reporting.results import Run, Tested


class RunScores(NamedTuple):
    """What the first table says of a run."""

    tested: str
    """Clips that the scores hold for, in words."""
    clips: int | None
    """Number of these clips."""
    war: Bar
    uar: Bar
    deviation: str
    """Standard deviations over the folds, in words; empty without folds."""
    resampled: str
    """What the intervals resample, subjects or clips; empty without intervals."""


def run_scores(run: Run) -> RunScores | None:
    """Return the scores of the test, or of the clips that selected the epoch; None if there are none yet."""
    if run.crossval is not None:
        return _folds_scores(run)
    if run.tests:
        record = run.tests[0].record
        protocol, scores, predictions = record.protocol, record.scores, run.tests[0].predictions
        by_subject = None if predictions is None else predictions.by_subject
        found = bootstrap([np.array(scores.confusion, np.int64) if by_subject is None else by_subject]).pooled
        fold = "" if protocol.fold is None else f", fold {protocol.fold}"
        return RunScores(
            f"{protocol.subset}{fold}",
            protocol.clips,
            Bar(scores.war, found.war),
            Bar(scores.uar, found.uar),
            "",
            "clips" if by_subject is None else "subjects",
        )
    training = run.trainings[0].record
    if training.best is None:
        return None
    best, reached = training.best, training.best.scores
    subset, clips = (
        ("test", training.clips.test) if best.test is not None else ("validation", training.clips.validation)
    )
    return RunScores(
        f"{subset}, which selected the epoch", clips, Bar(reached.war, None), Bar(reached.uar, None), "", ""
    )


def recalls(run: Run, classes: tuple[str, ...]) -> list[Bar | None]:
    """Return the recall of each class with its Wilson interval; None for a class without clips."""
    confusion = run.confusion
    if confusion is None:
        return [None] * len(classes)
    counts = {
        name: (int(right), int(total))
        for name, right, total in zip(run.classes, confusion.diagonal(), confusion.sum(axis=1), strict=True)
    }
    return [
        Bar(right / total, wilson_interval(right, total)) if total else None
        for right, total in (counts[name] for name in classes)
    ]


def run_reliability(run: Run) -> ReliabilityRecord | None:
    """Return the calibration of a run, over all folds; None if it cannot be computed."""
    if run.crossval is None:
        return run.tests[0].record.reliability if run.tests else None
    known = [test.predictions for test in run.tests if test.predictions is not None]
    if run.missing_predictions:
        return None
    return reliability(
        np.concatenate([each.probabilities for each in known]), np.concatenate([each.targets for each in known])
    )


def warnings(run: Run) -> list[str]:
    """Return why the scores of a run may not be what they seem, each reason once."""
    found = [protocol_warning(test.record.protocol) for test in run.tests]
    found += [_superseded_words(test) for test in run.tests if test.superseded]
    if run.crossval is not None and not run.tests:
        found += [chosen_on_test(each) for each in run.crossval.protocol.chosen_on.split(" and ")]
    found += [f"{_unfinished(run)}; the scores may change"] if _unfinished(run) else []
    return list(dict.fromkeys(filter(None, found)))


def bar_of(value: float, interval: tuple[float, float] | None) -> Bar:
    """Return a score of a record with its interval."""
    return Bar(value, None if interval is None else Interval(*interval))


def bar_words(bar: Bar | None) -> str:
    """Return a score and its interval in percent."""
    return "-" if bar is None else with_interval(percent(bar.value), bar.interval)


def _folds_scores(run: Run) -> RunScores:
    record = run.crossval
    assert record is not None
    war, uar = (bar_of(spread.mean, spread.interval) for spread in (record.scores.war, record.scores.uar))
    deviations = [
        f"{name} {percent(spread.deviation)}"
        for name, spread in (("WAR", record.scores.war), ("UAR", record.scores.uar))
        if spread.deviation is not None
    ]
    count = len(record.folds)
    tested = f"{record.protocol.subset}, mean of {count} folds" if count > 1 else f"{record.protocol.subset}, one fold"
    resampled = record.protocol.resampled or "clips"
    return RunScores(tested, record.protocol.clips, war, uar, ", ".join(deviations), resampled)


def _superseded_words(test: Tested) -> str:
    checkpoint = test.record.protocol.checkpoint
    fold = "" if test.fold is None else f" of fold {test.fold}"
    return (
        f"the test{fold} is of another checkpoint ({checkpoint.path}, sha256 {checkpoint.sha256[:12]}) than the "
        "best.safetensors that the training keeps now; evaluate that one"
    )


def _unfinished(run: Run) -> str:
    if run.crossval is not None:
        missing = ", ".join(map(str, run.crossval.missing))
        return "" if run.crossval.complete else f"the cross-validation is not finished: fold {missing} is missing"
    running = [training.record for training in run.trainings if training.record.state == "running"]
    return f"the training is not finished: {running[0].epoch} of {running[0].epochs} epochs" if running else ""
