"""Results as a person reads them (terminal, Markdown) and as programs do (JSON, CSV)."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table

from ifdd.evaluation.metrics import Scores
from ifdd.files import write_text

SCHEMA_VERSION = 1

_COLUMN_LETTERS = 4  # enough to tell the emotions apart, and eleven of them fit a terminal


@dataclass(frozen=True)
class Evaluation:
    """What a model said of a set of clips."""

    scores: Scores
    clip_ids: tuple[str, ...]
    targets: Int64[np.ndarray, " clips"]
    """Index of each clip's class."""
    probabilities: Float32[np.ndarray, "clips classes"]
    """Mean over the views of a clip."""
    views: Int64[np.ndarray, " clips"]
    """Number of views of each clip."""


def write_evaluation(folder: Path, evaluation: Evaluation, protocol: dict[str, Any]) -> None:
    """Write ``evaluation.json``, ``evaluation.md`` and ``predictions.csv``, each whole or not at all.

    ``predictions.csv`` has the columns clip_id, target, prediction and one column of probabilities a class.

    Raises:
        InputError: the folder cannot be written to.
    """
    text = json.dumps(evaluation_document(evaluation, protocol), indent=2, allow_nan=False)
    write_text(folder / "evaluation.json", text + "\n")
    write_text(folder / "evaluation.md", evaluation_markdown(evaluation, protocol))
    write_text(folder / "predictions.csv", predictions_csv(evaluation))


def evaluation_document(evaluation: Evaluation, protocol: dict[str, Any]) -> dict[str, Any]:
    """Return what ``evaluation.json`` holds.

    ``{"schema_version": 1, "scores": {"war", "uar": 0 to 1, "recalls": {class: 0 to 1 or null}, "support": {class:
    clips}, "confusion": rows are targets, columns predictions, in the order of protocol.classes}, "protocol":
    what ``ifdd.evaluation.evaluate.describe_protocol`` returns}``.
    """
    scores = evaluation.scores
    return {
        "schema_version": SCHEMA_VERSION,
        "scores": {
            "war": scores.war,
            "uar": scores.uar,
            "recalls": scores.recalls,
            "support": dict(zip(scores.classes, scores.support, strict=True)),
            "confusion": scores.confusion.tolist(),
        },
        "protocol": protocol,
    }


def evaluation_tables(evaluation: Evaluation, protocol: dict[str, Any]) -> Group:
    """Return the tables for the terminal: recall and confusions of each class, WAR, UAR, the protocol."""
    scores = evaluation.scores
    table = Table(title="Clips by true class (rows) and prediction (columns)", box=SIMPLE_HEAD, padding=0)
    table.add_column("class", no_wrap=True)
    table.add_column("clips", justify="right")
    table.add_column("recall %", justify="right")
    for name in scores.classes:
        table.add_column(name[:_COLUMN_LETTERS], justify="right")
    for row in _class_rows(scores):
        table.add_row(*row)
    summary = Table.grid(padding=(0, 2))
    summary.add_row("[bold]WAR[/bold]", f"[bold]{_percent(scores.war)} %[/bold]", "accuracy")
    summary.add_row("[bold]UAR[/bold]", f"[bold]{_percent(scores.uar)} %[/bold]", "mean of the recalls")
    details = Table.grid(padding=(0, 2))
    for name, value in _protocol_rows(protocol):
        details.add_row(name, value)
    return Group(table, summary, "", details)


def evaluation_markdown(evaluation: Evaluation, protocol: dict[str, Any]) -> str:
    """Return the same tables as Markdown."""
    scores = evaluation.scores
    header = ["true class", "clips", "recall %", *(f"as {name}" for name in scores.classes)]
    protocol_rows = [(name, f"`{value}`" if value else "") for name, value in _protocol_rows(protocol)]
    return "\n".join(
        [
            "# Evaluation",
            "",
            f"WAR {_percent(scores.war)} %, UAR {_percent(scores.uar)} % on {len(evaluation.clip_ids)} clips.",
            "",
            *_markdown_table(header, _class_rows(scores)),
            "",
            *_markdown_table(["protocol", ""], protocol_rows),
            "",
        ]
    )


def predictions_csv(evaluation: Evaluation) -> str:
    """Return the predictions clip by clip as CSV text."""
    classes = evaluation.scores.classes
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["clip_id", "target", "prediction", *classes])
    for clip_id, target, row in zip(evaluation.clip_ids, evaluation.targets, evaluation.probabilities, strict=True):
        writer.writerow([clip_id, classes[target], classes[row.argmax()], *(f"{value:.6f}" for value in row)])
    return text.getvalue()


def _class_rows(scores: Scores) -> Iterable[list[str]]:
    """Yield class, number of clips, recall and number of clips of each prediction, a row a class."""
    for index, name in enumerate(scores.classes):
        recall = scores.recalls[name]
        shown = "-" if recall is None else _percent(recall)
        yield [name, str(scores.support[index]), shown, *(str(count) for count in scores.confusion[index])]


def _protocol_rows(protocol: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield what a reader must know to compare the result with others."""
    checkpoint, manifest, sampling = protocol["checkpoint"], protocol["manifest"], protocol["sampling"]
    fold = "" if protocol["fold"] is None else f", fold {protocol['fold']}"
    yield "checkpoint", f"{checkpoint['path']} (sha256 {checkpoint['sha256'][:12]})"
    yield "chosen by", checkpoint["description"].get("selection", "not recorded")
    yield "clips", f"{protocol['clips']} of {protocol['subset']}{fold}, {manifest['path']}"
    yield "manifest", f"sha256 {manifest['sha256'][:12]}"
    yield "sampling", f"{sampling['name']}: {sampling['meaning']}"
    yield "views", f"{sampling['views']} in all, {sampling['frames']} frames of {sampling['size']}x{sampling['size']}"
    versions = ", ".join(f"{name} {version}" for name, version in protocol["versions"].items())
    yield "versions", versions + (f", commit {protocol['commit']}" if protocol["commit"] else "")


def _markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"
