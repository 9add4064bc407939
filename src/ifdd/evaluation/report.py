"""Reports of an evaluation for people (terminal, Markdown) and for programs (JSON, CSV)."""

import csv
import io
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from ifdd.evaluation.calibration.reliability import reliability, reliability_markdown, reliability_words
from ifdd.evaluation.groups.report import group_table, groups_markdown
from ifdd.evaluation.metrics import Scores
from ifdd.evaluation.predictions_file import PREDICTIONS, column_names
from ifdd.evaluation.stress.picture import PICTURE, write_curves
from ifdd.evaluation.stress.report import pairs_markdown, pairs_table, stress_markdown, stress_table
from ifdd.evaluation.tables import markdown_table, percent
from ifdd.files import write_text
from ifdd.records import (
    NOT_RECORDED,
    CrossvalProtocol,
    DatasetRecord,
    EvaluatedCheckpoint,
    EvaluationRecord,
    GroupsRecord,
    PairsRecord,
    Protocol,
    ScoresRecord,
    SoftwareRecord,
    StressRecord,
)
from ifdd.records.licences import licence_words

CHOSEN_ON_TEST = "checkpoint selected on the test clips, which inflates the result"
"""Warning above every table whose checkpoint was selected on the test clips."""

USED_FOR = {
    "training": "the model was trained on these clips, so the scores do not apply to new clips",
    "choosing the checkpoint": "these clips selected the checkpoint, which inflates the result",
}
"""Use of the evaluated clips in training -> warning above every table."""

_COLUMN_LETTERS = 4  # enough to distinguish the emotions; eleven columns fit a terminal


@dataclass(frozen=True)
class Evaluation:
    """The predictions of a model for a set of clips, and their scores."""

    scores: Scores
    clip_ids: tuple[str, ...]
    targets: Int64[np.ndarray, " clips"]
    """Index of each clip's class."""
    probabilities: Float32[np.ndarray, "clips classes"]
    """Mean probabilities over the views of each clip, 0 to 1."""
    views: Int64[np.ndarray, " clips"]
    """Number of views of each clip."""
    subjects: tuple[str, ...] | None = None
    """Subject of each clip, empty where it is unknown; None if all are."""
    groups: tuple[GroupsRecord, ...] = ()
    """Results by group, one per requested column of the manifest."""
    stress: StressRecord | None = None
    """Scores on changed clips, if they were requested."""
    pairs: PairsRecord | None = None
    """Results on minimal pairs, if they were requested."""


def write_evaluation(folder: Path, evaluation: Evaluation, protocol: Protocol) -> None:
    """Write ``predictions.csv``, ``evaluation.md``, ``stress.png`` and ``evaluation.json``, each whole or not at all.

    The last one says that the others are there: an earlier one is removed first. So is an earlier ``stress.png``, which
    is written only for scores on changed clips.

    ``predictions.csv`` has the columns clip_id, target, prediction, one column of probabilities per class, subject,
    checkpoint_chosen_on and clips_used_for.

    Raises:
        InputError: the folder cannot be written to, or a picture needs matplotlib, which is not installed.
    """
    for name in (EvaluationRecord.FILE, PICTURE):
        with suppress(OSError):  # none yet, or what is written next says why not
            (folder / name).unlink()
    write_text(folder / PREDICTIONS, predictions_csv(evaluation, protocol))
    write_text(folder / "evaluation.md", evaluation_markdown(evaluation, protocol))
    if evaluation.stress is not None:
        write_curves(folder / PICTURE, {protocol.checkpoint.path: evaluation.stress})
    evaluation_record(evaluation, protocol).write(folder / EvaluationRecord.FILE)


def evaluation_record(evaluation: Evaluation, protocol: Protocol) -> EvaluationRecord:
    """Return the content of ``evaluation.json``."""
    return EvaluationRecord(
        scores=scores_record(evaluation.scores),
        protocol=protocol,
        reliability=reliability(evaluation.probabilities, evaluation.targets),
        groups=evaluation.groups or None,
        stress=evaluation.stress,
        pairs=evaluation.pairs,
    )


def scores_record(scores: Scores) -> ScoresRecord:
    """Return the record of scores."""
    return ScoresRecord(
        war=scores.war,
        uar=scores.uar,
        recalls=scores.recalls,
        support=dict(zip(scores.classes, scores.support, strict=True)),
        confusion=tuple(map(tuple, scores.confusion.tolist())),
    )


def evaluation_tables(evaluation: Evaluation, protocol: Protocol) -> Group:
    """Return the tables for the terminal: classes, WAR, UAR, calibration, groups and protocol."""
    scores = evaluation.scores
    warning = protocol_warning(protocol)
    title = "Clips by true class (rows) and prediction (columns)" + (f"; {warning}" if warning else "")
    table = class_table(scores, title)
    summary = Table.grid(padding=(0, 2))
    summary.add_row("[bold]WAR[/bold]", f"[bold]{percent(scores.war)} %[/bold]", "accuracy")
    summary.add_row("[bold]UAR[/bold]", f"[bold]{percent(scores.uar)} %[/bold]", "mean of the recalls")
    calibrated = reliability_words(reliability(evaluation.probabilities, evaluation.targets))
    details = Table.grid(padding=(0, 2))
    details.add_column()
    details.add_column(overflow="fold")
    for name, value in protocol_rows(protocol):
        details.add_row(name, escape(value))
    further = [group_table(result) for result in evaluation.groups]
    further += [stress_table(evaluation.stress)] if evaluation.stress else []
    further += [pairs_table(evaluation.pairs)] if evaluation.pairs else []
    return Group(table, summary, calibrated, "", *(part for each in further for part in (each, "")), details)


def class_table(scores: Scores, title: str) -> Table:
    """Return the table of recall and predictions of each class for the terminal."""
    table = Table(title=title, box=SIMPLE_HEAD, padding=0)
    table.add_column("class", no_wrap=True)
    table.add_column("clips", justify="right")
    table.add_column("recall %", justify="right")
    for name in scores.classes:
        table.add_column(escape(name[:_COLUMN_LETTERS]), justify="right")
    for row in class_rows(scores):
        table.add_row(*map(escape, row))
    return table


def evaluation_markdown(evaluation: Evaluation, protocol: Protocol) -> str:
    """Return the same tables as Markdown."""
    scores = evaluation.scores
    warning = protocol_warning(protocol)
    header = ["true class", "clips", "recall %", *(f"as {name}" for name in scores.classes)]
    described = [(name, f"`{value}`" if value else "") for name, value in protocol_rows(protocol)]
    return "\n".join(
        [
            "# Evaluation",
            "",
            f"WAR {percent(scores.war)} %, UAR {percent(scores.uar)} % on {len(evaluation.clip_ids)} clips"
            + (f"; **{warning}**." if warning else "."),
            "",
            *markdown_table(header, class_rows(scores)),
            "",
            *reliability_markdown(reliability(evaluation.probabilities, evaluation.targets)),
            *(line for result in evaluation.groups for line in groups_markdown(result)),
            *(stress_markdown(evaluation.stress) if evaluation.stress else []),
            *(pairs_markdown(evaluation.pairs) if evaluation.pairs else []),
            "## Protocol",
            "",
            *markdown_table(["protocol", ""], described),
            "",
        ]
    )


def predictions_csv(evaluation: Evaluation, protocol: Protocol) -> str:
    """Return one line of predictions per clip as CSV text."""
    chosen_on, used_for = protocol.checkpoint.chosen_on, protocol.clips_used_for
    classes = evaluation.scores.classes
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column_names(classes))
    subjects = evaluation.subjects or ("",) * len(evaluation.clip_ids)
    clips = zip(evaluation.clip_ids, evaluation.targets, evaluation.probabilities, subjects, strict=True)
    for clip_id, target, row, subject in clips:
        shares = (f"{value:.6f}" for value in row)
        writer.writerow([clip_id, classes[target], classes[row.argmax()], *shares, subject, chosen_on, used_for])
    return text.getvalue()


def class_rows(scores: Scores) -> Iterable[list[str]]:
    """Yield one row per class: name, number of clips, recall, and number of clips of each prediction."""
    for index, name in enumerate(scores.classes):
        recall = scores.recalls[name]
        shown = "-" if recall is None else percent(recall)
        yield [name, str(scores.support[index]), shown, *(str(count) for count in scores.confusion[index])]


def chosen_on_test(chosen_on: str) -> str:
    """Return the warning for a checkpoint selected on the test clips; otherwise an empty text."""
    return CHOSEN_ON_TEST if chosen_on == "test" else ""


def protocol_warning(protocol: Protocol) -> str:
    """Return the warning above the tables of an evaluation; empty if training used none of the clips."""
    chosen, used_for = chosen_on_test(protocol.checkpoint.chosen_on), protocol.clips_used_for
    return chosen if chosen and used_for != "training" else USED_FOR.get(used_for, "")


def protocol_rows(protocol: Protocol) -> Iterable[tuple[str, str]]:
    """Yield the rows that a reader needs to compare the result with others."""
    checkpoint, manifest = protocol.checkpoint, protocol.manifest
    fold = "" if protocol.fold is None else f", fold {protocol.fold}"
    yield "checkpoint", f"{checkpoint.path} (sha256 {checkpoint.sha256[:12]})"
    yield "chosen by", checkpoint.description.selection or NOT_RECORDED
    yield "trained with", _training_words(checkpoint)
    yield "model's data", licence_words(checkpoint.description.known_licences)
    yield "clips", f"{protocol.clips} of {protocol.subset}{fold}, {manifest.path}"
    yield "manifest", f"sha256 {manifest.sha256[:12]}"
    if protocol.precision not in (None, "32-true"):
        yield "precision", protocol.precision
    yield from common_rows(protocol)
    yield "versions", version_words(protocol.software)


def common_rows(protocol: Protocol | CrossvalProtocol) -> Iterable[tuple[str, str]]:
    """Yield the rows that all folds of a cross-validation share."""
    sampling = protocol.sampling
    yield "dataset", dataset_words(protocol.dataset)
    yield "licence", licence_words([protocol.dataset.licence] if protocol.dataset.licence else None) or NOT_RECORDED
    yield "label order", f"{protocol.label_order}: {', '.join(protocol.classes)}"
    yield "sampling", f"{sampling.name}: {sampling.meaning}"
    stride = "" if sampling.stride is None else f", stride {sampling.stride}"
    stride += "" if sampling.clock_fps is None else f" at {sampling.clock_fps:g} a second"
    yield "views", f"{sampling.views} in total, {sampling.frames} frames of {sampling.size}x{sampling.size}{stride}"


def dataset_words(dataset: DatasetRecord) -> str:
    """Return the hash of a dataset and how it was prepared."""
    prepared = dataset.prepared
    if prepared is None:
        return f"hash {dataset.hash[:12]}, not prepared by 'ifdd prepare'"
    faces = ", faces cropped" if prepared.faces else ", faces not cropped"
    packed = ", packed" if prepared.pack else ""
    made = "SynthDFER as " if dataset.synthetic else ""
    labels = f", labels {prepared.labels}" if prepared.labels else ""
    changed = "" if prepared.unchanged else ", CHANGED after it was prepared"
    return (
        f"hash {dataset.hash[:12]}, {made}{prepared.dataset}, frames {prepared.frames}{labels}{faces}{packed}, "
        f"{prepared.verdict}{changed}"
    )


def version_words(software: SoftwareRecord) -> str:
    """Return the versions and the commit as text."""
    named = [f"{name} {version}" for name, version in software.versions.items()]
    return ", ".join([*named, f"commit {software.commit}"] if software.commit else named)


def _training_words(checkpoint: EvaluatedCheckpoint) -> str:
    training = checkpoint.description.software
    if checkpoint.seed is None or not training.versions:
        return NOT_RECORDED
    return f"seed {checkpoint.seed}, {version_words(training)}"
