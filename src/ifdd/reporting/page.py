"""The page of a report: what each section shows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ifdd.evaluation.bootstrap import CONFIDENCE, RESAMPLES
from ifdd.evaluation.calibration.reliability import reliability_words
from ifdd.evaluation.crossval_report import crossval_protocol_rows
from ifdd.evaluation.groups.report import group_rows, method_words
from ifdd.evaluation.report import protocol_rows
from ifdd.evaluation.stress.picture import plot_curves
from ifdd.evaluation.stress.report import pairs_notes, stress_notes
from ifdd.evaluation.tables import percent, percent_range
from ifdd.pages import Picture, render, themed
from ifdd.records import NOT_RECORDED, StressRecord
from ifdd.reporting.changes import pairs_rows, stress_rows, stress_words
from ifdd.reporting.charts import WIDTH, draw_confusion, draw_recalls, draw_reliability, draw_scores
from ifdd.reporting.curves import draw_training, training_table
from ifdd.reporting.gallery import Card, Gallery
from ifdd.reporting.pairs import Pair, pair_runs
from ifdd.reporting.results import Run
from ifdd.reporting.scores import bar_of, bar_words, recalls, run_reliability, run_scores, warnings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ERRORS = 3
"""Number of confusions that the text beside a matrix names."""

_PEOPLE_UNREADABLE = (
    "every clip counts as a person, because predictions.csv names no people and the manifest cannot be read (give "
    "--manifest); if people have several clips, p is too small"
)


class Table(NamedTuple):
    """A table of texts; the first cell of a row names it."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Chart(NamedTuple):
    """A chart, with its content in words and as a table."""

    picture: Picture
    alt: str
    caption: str
    table: Table


class RunSection(NamedTuple):
    """Everything about one run."""

    name: str
    description: str
    warnings: Sequence[str]
    recalls: Chart | None
    confusion: Chart | None
    calibration: Chart | None
    temperature: str
    """Temperature and threshold in the checkpoint; empty if it has none."""
    training: Chart | None
    training_words: str
    cards: Sequence[Card]
    """The hardest clips."""
    clips_note: str
    """Why there are no clips or pictures; empty if there are."""
    folds: Table | None
    groups: Sequence[tuple[str, Table]]
    """Results by group: how they were computed, and the table."""
    stress: Chart | None
    """Scores on changed clips."""
    stress_words: str
    """How they were computed; empty without any."""
    minimal_pairs: tuple[str, Table] | None
    """How minimal pairs were compared, and the table."""
    protocol: Sequence[Table]


def report_page(runs: Sequence[Run], gallery: Gallery) -> str:
    """Return the page.

    Args:
        runs: at least one run; all have the same classes.
        gallery: chooses and draws the hardest clips.

    Raises:
        InputError: Jinja2 or matplotlib is not installed.
    """
    several = len(runs) > 1
    pairs = pair_runs(runs) if several else []
    return render(
        "reporting/report.html",
        heading="Report on " + (f"{len(runs)} runs" if several else runs[0].name),
        lead=_lead(runs),
        scores=_scores_chart(runs) if several else None,
        overview=_overview(runs),
        recalls=_recalls_chart(runs, "Recall of each class, all runs") if several else None,
        stress=_stress_chart({run.name: run.stress for run in runs if run.stress is not None}) if several else None,
        pairs=_pairs_table(runs[0], pairs) if several else None,
        runs=[_section(run, gallery) for run in runs],
        interval=f"{100 * CONFIDENCE:g} % percentile bootstrap, {RESAMPLES:,} resamples of the subjects, each with all "
        "of their test clips, or of the clips where subjects are not known",
    )


def _lead(runs: Sequence[Run]) -> str:
    found = run_scores(runs[0])
    if len(runs) > 1:
        return f"The first one, {runs[0].name}, is the reference of comparisons."
    if found is None:
        return runs[0].description
    return f"{runs[0].description}: WAR {bar_words(found.war)} %, UAR {bar_words(found.uar)} % ({found.tested})"


def _overview(runs: Sequence[Run]) -> Table:
    header = [
        "run",
        "WAR %",
        "UAR %",
        "clips",
        "tested on",
        "intervals resample",
        "ECE %",
        "deviation over folds",
        "epoch selected on",
        "model",
    ]
    rows = []
    for run in runs:
        found, calibration = run_scores(run), run_reliability(run)
        ece = "-" if calibration is None else percent(calibration.ece)
        if found is None:
            rows.append([run.name, *["-"] * 3, "no epoch is finished", *["-"] * 4, run.description])
            continue
        clips = "-" if found.clips is None else f"{found.clips:,}"
        scores = (bar_words(found.war), bar_words(found.uar))
        last = (found.resampled or "-", ece, found.deviation or "-", _chosen_on(run), run.description)
        rows.append([run.name, *scores, clips, found.tested, *last])
    columns = len(header) if len(runs) > 1 else len(header) - 1  # the section of a single run says which model it is
    kept = [place for place in range(columns) if place < 5 or any(row[place] != "-" for row in rows)]
    return Table(
        "Scores of the runs, with 95 % intervals in brackets",
        [header[place] for place in kept],
        [[row[place] for place in kept] for row in rows],
    )


def _chosen_on(run: Run) -> str:
    if run.crossval is not None:
        return run.crossval.protocol.chosen_on
    if run.tests:
        return run.tests[0].record.protocol.checkpoint.chosen_on
    best = run.trainings[0].record.best
    return NOT_RECORDED if best is None else best.chosen_on


def _scores_chart(runs: Sequence[Run]) -> Chart:
    found = [run_scores(run) for run in runs]
    scores = {
        "WAR": [None if each is None else each.war for each in found],
        "UAR": [None if each is None else each.uar for each in found],
    }
    names = [run.name for run in runs]
    rows = [[name, *(bar_words(bars[place]) for bars in scores.values())] for place, name in enumerate(names)]
    table = Table("WAR and UAR of the runs", ["run", "WAR %", "UAR %"], rows)
    alt = "; ".join(f"{name}: WAR {war} %, UAR {uar} %" for name, war, uar in rows)
    return Chart(_drawn(draw_scores, names, scores), alt, "WAR and UAR of the runs; lines are 95 % intervals.", table)


def _recalls_chart(runs: Sequence[Run], caption: str) -> Chart | None:
    known = [run for run in runs if run.confusion is not None]
    if not known:
        return None
    classes = known[0].classes
    bars = {run.name: recalls(run, classes) for run in known}
    rows = [[name, *(bar_words(each[place]) for each in bars.values())] for place, name in enumerate(classes)]
    header = ["class", *bars] if len(known) > 1 else ["class", "recall %"]
    alt = "; ".join(f"{row[0]} " + ", ".join(row[1:]) for row in rows)
    lines = " Lines are 95 % Wilson intervals over the clips of a class."
    return Chart(
        _drawn(draw_recalls, classes, bars), f"Recall in %: {alt}", f"{caption}.{lines}", Table(caption, header, rows)
    )


def _pairs_table(reference: Run, pairs: Sequence[Pair]) -> Table:
    rows = []
    for pair in pairs:
        found = pair.found
        if found is None:
            rows.append([pair.run, f"not compared: {pair.reason}", *["-"] * 4])
            continue
        effect = "-" if found.effect_size is None else f"{found.effect_size:.2f}"
        rows.append(
            [
                pair.run,
                f"{100 * found.difference:+.2f} ({percent_range(found.interval) if found.interval else '-'})",
                effect,
                _p_words(found.p),
                _p_words(pair.corrected or 0.0),
                f"{found.clips:,} and {found.people:,}",
            ]
        )
    header = ["run", "difference of WAR, points", "effect size d_z", "p", "p, corrected (Holm)", "clips and people"]
    unreadable = [pair.run for pair in pairs if pair.people_unreadable]
    note = f". {', '.join(unreadable)}: {_PEOPLE_UNREADABLE}" if unreadable else ""
    return Table(f"Accuracy less that of {reference.name}, on the same clips{note}", header, rows)


def _p_words(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _section(run: Run, gallery: Gallery) -> RunSection:
    cards, note = gallery.cards(run)
    stress, minimal = run.stress, run.minimal_pairs
    trained = draw_training(run.trainings)
    return RunSection(
        name=run.name,
        description=run.description,
        warnings=warnings(run),
        recalls=_recalls_chart([run], "Recall of each class"),
        confusion=_confusion_chart(run),
        calibration=_calibration_chart(run),
        temperature=_temperature(run),
        training=None
        if trained is None
        else Chart(
            themed(trained.draw),
            trained.alt,
            trained.caption,
            Table("Values of each epoch", *training_table(run.trainings)),
        ),
        training_words=_training_words(run),
        cards=cards,
        clips_note=note,
        folds=_folds_table(run),
        groups=[(method_words(each), Table(f"Results by {each.column}", *group_rows(each))) for each in run.groups],
        stress=_stress_chart({run.name: stress} if stress is not None else {}),
        stress_words="" if stress is None else stress_notes(stress),
        minimal_pairs=None
        if minimal is None
        else (pairs_notes(minimal), Table("Minimal pairs: clips that differ in one way", *pairs_rows(minimal))),
        protocol=_protocol_tables(run),
    )


def _stress_chart(runs: Mapping[str, StressRecord]) -> Chart | None:
    if not runs:
        return None
    words = stress_words(runs)
    return Chart(
        _drawn(plot_curves, runs, 2, (WIDTH / 2, 1.9)),
        f"Accuracy on changed clips. {words}.",
        f"WAR on changed clips; vertical lines are intervals, none is the unchanged clip. {words}.",
        Table("Scores on changed clips", *stress_rows(runs)),
    )


def _confusion_chart(run: Run) -> Chart | None:
    confusion, classes = run.confusion, run.classes
    if confusion is None:
        return None
    rows = [
        [name, str(confusion[place].sum()), *map(str, confusion[place].tolist())] for place, name in enumerate(classes)
    ]
    header = ["true class", "clips", *(f"as {name}" for name in classes)]
    errors = confusion.copy()
    np.fill_diagonal(errors, 0)
    worst = np.argsort(-errors, axis=None, kind="stable")[:MOST_ERRORS]
    words = [
        f"{classes[row]} taken for {classes[column]} in {errors[row, column]} of {confusion[row].sum()} clips"
        for row, column in (divmod(int(place), len(classes)) for place in worst)
        if errors[row, column]
    ]
    summary = "Most frequent errors: " + "; ".join(words) + "." if words else "Every clip was recognised."
    caption = f"Share of each true class that is predicted as each class, in %. {summary}"
    table = Table("Number of clips by true class (rows) and prediction (columns)", header, rows)
    alt = f"Confusion matrix of {len(classes)} classes. {summary}"
    return Chart(_drawn(draw_confusion, confusion, classes), alt, caption, table)


def _calibration_chart(run: Run) -> Chart | None:
    found = run_reliability(run)
    if found is None:
        return None
    rows = [
        [
            f"{percent(each.low)} to {percent(each.high)}",
            str(each.clips),
            percent(each.confidence),
            percent(each.accuracy),
        ]
        for each in found.bins
        if each.confidence is not None and each.accuracy is not None
    ]
    header = ["confidence %", "clips", "mean confidence %", "accuracy %"]
    words = reliability_words(found)
    return Chart(
        _drawn(draw_reliability, found.bins),
        f"Accuracy against confidence: {words}.",
        f"{words}. Above the diagonal, the model is right more often than it claims; below, less often.",
        Table("Clips by the probability of their prediction", header, rows),
    )


def _temperature(run: Run) -> str:
    known = {test.record.protocol.checkpoint.calibration for test in run.tests} - {None}
    return "; ".join(
        f"temperature {each.temperature:.3f}, predictions below {each.abstain_below:.3f} are withheld, fitted on "
        f"{each.clips:,} clips of {each.subset}"
        for each in known
        if each is not None
    )


def _training_words(run: Run) -> str:
    """Return how long each training was, equal ones together, and which epoch was kept."""
    folds: dict[str, list[str]] = {}
    for training in run.trainings:
        record, best = training.record, training.record.best
        chosen = "" if best is None else f"; epoch {best.epoch} was kept ({best.selection})"
        words = f"{record.epoch} of {record.epochs} epochs on {record.clips.train:,} clips{chosen}."
        folds.setdefault(words, []).append("" if training.fold is None else str(training.fold))
    return " ".join(
        f"Fold {', '.join(numbers)}: {words}" if any(numbers) else words for words, numbers in folds.items()
    )


def _folds_table(run: Run) -> Table | None:
    if run.crossval is None:
        return None
    rows = [
        [
            "all" if fold.fold is None else str(fold.fold),
            f"{fold.clips:,}",
            bar_words(bar_of(fold.war, fold.war_interval)),
            bar_words(bar_of(fold.uar, fold.uar_interval)),
            "-" if fold.epoch is None else str(fold.epoch),
        ]
        for fold in run.crossval.folds
    ]
    return Table("Folds, with 95 % intervals in brackets", ["fold", "clips", "WAR %", "UAR %", "epoch"], rows)


def _protocol_tables(run: Run) -> list[Table]:
    if run.crossval is not None:
        return [_protocol_table("Protocol of the cross-validation", crossval_protocol_rows(run.crossval.protocol))]
    return [_protocol_table("Protocol of the test", protocol_rows(test.record.protocol)) for test in run.tests]


def _protocol_table(caption: str, rows: Iterable[tuple[str, str]]) -> Table:
    return Table(caption, ["what", "value"], [list(row) for row in rows])


def _drawn(draw: Callable[..., "Figure"], *arguments: object) -> Picture:
    return themed(partial(draw, *arguments))
