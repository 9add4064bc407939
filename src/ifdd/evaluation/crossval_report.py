"""Reports of a cross-validation for people (terminal, Markdown, LaTeX) and for programs (JSON, CSV)."""

import csv
import io
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ifdd.data.labels import known_label
from ifdd.evaluation.folds import CrossValidation, crossval_record
from ifdd.evaluation.report import (
    chosen_on_test,
    class_rows,
    class_table,
    common_rows,
    version_words,
)
from ifdd.evaluation.tables import markdown_table, percent
from ifdd.files import write_text
from ifdd.records import NOT_RECORDED, CrossvalProtocol, CrossvalRecord, SpreadRecord
from ifdd.records.licences import licence_words


def write_crossval(folder: Path, result: CrossValidation) -> None:
    """Write ``crossval.csv``, ``.md``, ``.tex`` and ``.json``, each whole or not at all.

    The last one says that the others are there: an earlier one is removed first.

    Raises:
        InputError: the folder cannot be written to.
    """
    with suppress(OSError):  # none yet, or what is written next says why not
        (folder / CrossvalRecord.FILE).unlink()
    write_text(folder / "crossval.csv", crossval_csv(result))
    write_text(folder / "crossval.md", crossval_markdown(result))
    write_text(folder / "crossval.tex", crossval_latex(result))
    crossval_record(result).write(folder / CrossvalRecord.FILE)


def crossval_tables(result: CrossValidation) -> Group:
    """Return the tables of folds, classes and protocol for the terminal."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    for name in _FOLD_HEADER:
        table.add_column(name, justify="left" if name == "fold" else "right", no_wrap=True)
    for place, row in enumerate(_fold_rows(result)):
        table.add_row(*row, end_section=place == len(result.folds) - 1)
    details = Table.grid(padding=(0, 2))
    details.add_column()
    details.add_column(overflow="fold")
    for name, value in crossval_protocol_rows(result.protocol):
        details.add_row(name, escape(value))
    title = f"All clips by true class (rows) and prediction (columns){_warning(result)}"
    return Group(Text(_title(result), style="bold"), table, class_table(result.pooled, title), details)


def crossval_markdown(result: CrossValidation) -> str:
    """Return the same tables as Markdown."""
    classes = result.pooled.classes
    header = ["true class", "clips", "recall %", *(f"as {name}" for name in classes)]
    protocol_rows = [(name, f"`{value}`") for name, value in crossval_protocol_rows(result.protocol)]
    return "\n".join(
        [
            f"# {_title(result)}",
            "",
            *markdown_table(_FOLD_HEADER, _fold_rows(result)),
            "",
            f"Clips of all folds by true class (rows) and prediction (columns){_warning(result)}:",
            "",
            *markdown_table(header, class_rows(result.pooled)),
            "",
            *markdown_table(["protocol", ""], protocol_rows),
            "",
        ]
    )


def crossval_csv(result: CrossValidation) -> str:
    """Return one line per fold, then mean, deviation and pooled scores, as CSV text; scores are 0 to 1."""
    classes = result.pooled.classes
    chosen_on = result.protocol.chosen_on
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    recalls = [f"recall_{name}" for name in classes]
    scores = ["war", "war_low", "war_high", "uar", "uar_low", "uar_high"]
    writer.writerow(["fold", "clips", *scores, *recalls, "checkpoint_chosen_on"])

    def line(name: object, clips: object, scores: Iterable[float | None], recalls: Iterable[float | None]) -> None:
        shares = ["" if value is None else f"{value:.6f}" for value in (*scores, *recalls)]
        writer.writerow([name, clips, *shares, chosen_on])

    for each, found in zip(result.folds, result.intervals, strict=True):
        values = (each.scores.war, *_ends(found.war), each.scores.uar, *_ends(found.uar))
        line(each.fold or "all", sum(each.scores.support), values, each.scores.recalls.values())
    war, uar = result.war, result.uar
    line("mean", "", (war.mean, *_ends(war.interval), uar.mean, *_ends(uar.interval)), result.recalls.values())
    line("deviation", "", (war.deviation, None, None, uar.deviation, None, None), [None] * len(classes))
    pooled, found = result.pooled, result.pooled_intervals
    values = (pooled.war, *_ends(found.war), pooled.uar, *_ends(found.uar))
    line("pooled", sum(pooled.support), values, pooled.recalls.values())
    return text.getvalue()


def crossval_latex(result: CrossValidation) -> str:
    """Return rows for a LaTeX table with booktabs: recall of each class, WAR and UAR in percent.

    The last row is meant for a table that compares methods. Every row states how the checkpoint was selected.
    """
    method, chosen_on = result.protocol.name.model, result.protocol.chosen_on
    classes = result.pooled.classes
    comments = [_title(result), *(f"{name}: {value}" for name, value in crossval_protocol_rows(result.protocol))]
    columns = "l" * 2 + "r" * (len(classes) + 2)
    header = ["Method", "Chosen on", *map(_heading, classes), "WAR", "UAR"]
    lines = [
        *(f"% {' '.join(comment.split())}" for comment in comments),
        rf"% \begin{{tabular}}{{{columns}}} \toprule ... \bottomrule \end{{tabular}}",
        _latex_row(header),
        r"\midrule",
    ]
    if len(result.folds) > 1:
        for each in result.folds:
            scores = each.scores
            shares = [_share(value) for value in (*scores.recalls.values(), scores.war, scores.uar)]
            lines.append(_latex_row([f"{method}, fold {each.fold}", chosen_on, *shares]))
        lines.append(r"\midrule")
    shares = [_share(value) for value in result.recalls.values()]
    done = f" ({_done(result)})" if result.missing else ""
    row = _latex_row([method + done, chosen_on, *shares])
    spreads = [_latex_spread(spread) for spread in (result.war, result.uar)]
    lines.append(" & ".join([row.removesuffix(r" \\"), *spreads]) + r" \\")
    return "\n".join(lines) + "\n"


_FOLD_HEADER = ("fold", "clips", "WAR %", "95 % of WAR", "UAR %", "95 % of UAR", "epoch")


def _fold_rows(result: CrossValidation) -> Iterable[list[str]]:
    """Yield the cells of ``_FOLD_HEADER``: a row a fold, then mean, deviation and all clips together."""
    for each, intervals in zip(result.folds, result.intervals, strict=True):
        scores = each.scores
        cells = [percent(scores.war), _range(intervals.war), percent(scores.uar), _range(intervals.uar)]
        epoch = "-" if (chosen := each.protocol.checkpoint.description.epoch) is None else str(chosen)
        yield [str(each.fold or "all"), str(sum(scores.support)), *cells, epoch]
    war, uar = result.war, result.uar
    yield ["mean", "", percent(war.mean), _range(war.interval), percent(uar.mean), _range(uar.interval), ""]
    yield ["deviation", "", _share(war.deviation), "", _share(uar.deviation), "", ""]
    pooled, intervals = result.pooled, result.pooled_intervals
    cells = [percent(pooled.war), _range(intervals.war), percent(pooled.uar), _range(intervals.uar)]
    yield ["pooled", str(sum(pooled.support)), *cells, ""]


def _title(result: CrossValidation) -> str:
    name = result.protocol.name
    synthetic = ", computer-generated faces" if result.protocol.synthetic else ""
    return f"{name.model} on {name.data}{synthetic}: {_done(result)}{_warning(result)}"


def _done(result: CrossValidation) -> str:
    count = len(result.expected)
    if count == 1:
        return "one split, no folds" if result.expected == (0,) else "one fold"
    if not result.missing:
        return f"{count} folds"
    done = ", ".join(str(each.fold) for each in result.folds)
    return f"only {len(result.folds)} of {count} folds: {done}"


def _warning(result: CrossValidation) -> str:
    """Return the warning for tables whose checkpoints were selected on the test clips; otherwise an empty text."""
    warnings = (chosen_on_test(each.protocol.checkpoint.chosen_on) for each in result.folds)
    words = next(filter(None, warnings), "")
    return f"; {words}" if words else ""


def crossval_protocol_rows(protocol: CrossvalProtocol) -> Iterable[tuple[str, str]]:
    """Yield the rows that a reader needs to compare the result with others."""
    seed = NOT_RECORDED if protocol.seed is None else f"seed {protocol.seed}"
    yield "checkpoints", protocol.selection
    yield "trained with", f"{seed}, {version_words(protocol.training)}"
    yield "models' data", licence_words(protocol.licences) or NOT_RECORDED
    yield "clips", f"{protocol.clips} of {protocol.subset}, {protocol.manifest.path}"
    yield from common_rows(protocol)
    yield "tested with", version_words(protocol.software)
    yield "deviation", protocol.deviation
    yield "interval", protocol.interval


def _ends(interval: tuple[float, float] | None) -> tuple[float | None, float | None]:
    return interval or (None, None)


def _range(interval: tuple[float, float] | None) -> str:
    if interval is None:
        return "-"
    low, high = interval
    return f"{100 * low:.1f}-{100 * high:.1f}"


def _share(value: float | None) -> str:
    return "-" if value is None else percent(value)


_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
)


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\"


def _latex_spread(spread: SpreadRecord) -> str:
    if spread.deviation is None:
        return percent(spread.mean)
    return rf"${percent(spread.mean)} \pm {percent(spread.deviation)}$"


def _heading(name: str) -> str:
    """Return a class name as a heading, with the emotions of a compound joined by +."""
    return name.replace("_", "+").capitalize() if known_label(name) else name
