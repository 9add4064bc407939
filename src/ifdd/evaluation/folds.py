"""The folds of a cross-validation become one result: mean, deviation, intervals, pooled confusion matrix, tables."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ifdd.errors import InputError
from ifdd.evaluation.bootstrap import CONFIDENCE, RESAMPLES, SEED, Interval, Intervals, bootstrap
from ifdd.evaluation.metrics import Scores, scores_from_confusion
from ifdd.evaluation.report import (
    chosen_on_test,
    class_rows,
    class_table,
    common_rows,
    markdown_table,
    percent,
    read_evaluation,
    version_words,
)
from ifdd.files import write_text

SCHEMA_VERSION = 1

DEVIATION = "sample standard deviation over the folds (n - 1)"
INTERVAL = (
    f"{CONFIDENCE:.0%} percentile bootstrap, {RESAMPLES} resamples of the clips within each fold, seed {SEED}; "
    "of the test clips alone, not of other trainings"
)


@dataclass(frozen=True)
class FoldResult:
    """What a fold's ``evaluation.json`` says."""

    fold: int
    """Number of the fold; 0 where the dataset has no folds."""
    scores: Scores
    protocol: dict[str, Any]


@dataclass(frozen=True)
class Spread:
    """A score over the folds, 0 to 1."""

    mean: float
    deviation: float | None
    """Sample standard deviation (n - 1); None of a single fold."""
    interval: Interval
    """Of the mean."""


@dataclass(frozen=True)
class CrossValidation:
    """The folds that are done, together."""

    folds: tuple[FoldResult, ...]
    expected: tuple[int, ...]
    """Numbers of all folds of the dataset."""
    war: Spread
    uar: Spread
    recalls: dict[str, float | None]
    """Mean over the folds in which a class has clips."""
    pooled: Scores
    """Of the clips of all folds together."""
    intervals: tuple[Intervals, ...]
    """Of each fold."""
    pooled_intervals: Intervals

    @property
    def missing(self) -> tuple[int, ...]:
        """Folds that are not done yet."""
        return tuple(sorted(set(self.expected) - {result.fold for result in self.folds}))


def read_fold(fold: int, folder: Path) -> FoldResult:
    """Read the evaluation of one fold.

    Raises:
        InputError: it is damaged.
    """
    document = read_evaluation(folder)
    try:
        confusion = np.array(document["scores"]["confusion"], np.int64)
        return FoldResult(fold, scores_from_confusion(confusion, document["protocol"]["classes"]), document["protocol"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / 'evaluation.json'} is damaged ({error}); delete it and run again") from error


def cross_validation(folds: Sequence[FoldResult], expected: Iterable[int]) -> CrossValidation:
    """Aggregate folds.

    Args:
        folds: at least one, all with the same classes.
        expected: numbers of all folds of the dataset.
    """
    results = tuple(sorted(folds, key=lambda result: result.fold))
    confusions = [result.scores.confusion for result in results]
    intervals = bootstrap(confusions)
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
    )


def write_crossval(folder: Path, result: CrossValidation) -> None:
    """Write ``crossval.json``, ``.csv``, ``.md`` and ``.tex``, each whole or not at all.

    Raises:
        InputError: the folder cannot be written to.
    """
    text = json.dumps(crossval_document(result), indent=2, allow_nan=False)
    write_text(folder / "crossval.json", text + "\n")
    write_text(folder / "crossval.csv", crossval_csv(result))
    write_text(folder / "crossval.md", crossval_markdown(result))
    write_text(folder / "crossval.tex", crossval_latex(result))


def crossval_document(result: CrossValidation) -> dict[str, Any]:
    """Return what ``crossval.json`` holds.

    ``{"schema_version": 1, "complete": whether all folds are done, "missing": those that are not, "scores": {"war",
    "uar": {"mean", "deviation": or null, "interval": of the mean}, "recalls": {class: mean or null}}, "pooled": {"war",
    "uar", "war_interval", "uar_interval", "recalls", "support", "confusion": rows are targets, in the order of
    protocol.classes}, "folds": [{"fold": number or null, "clips", "war", "uar", "war_interval", "uar_interval",
    "recalls", "support", "confusion", "epoch": the chosen one or null, "checkpoint": {"path", "sha256"}}], "protocol":
    see ``crossval_protocol``}``; all scores are 0 to 1, intervals [low, high].
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "complete": not result.missing,
        "missing": list(result.missing),
        "scores": {
            **{
                name: {"mean": spread.mean, "deviation": spread.deviation, "interval": list(spread.interval)}
                for name, spread in (("war", result.war), ("uar", result.uar))
            },
            "recalls": result.recalls,
        },
        "pooled": _scores_record(result.pooled, result.pooled_intervals),
        "folds": [
            {
                "fold": each.fold or None,
                "clips": sum(each.scores.support),
                **_scores_record(each.scores, intervals),
                "epoch": each.protocol["checkpoint"]["description"].get("epoch"),
                "checkpoint": {name: each.protocol["checkpoint"][name] for name in ("path", "sha256")},
            }
            for each, intervals in zip(result.folds, result.intervals, strict=True)
        ],
        "protocol": crossval_protocol(result),
    }


def crossval_protocol(result: CrossValidation) -> dict[str, Any]:
    """Return what the folds have in common, as JSON can hold it.

    The keys of ``ifdd.evaluation.protocol.describe_protocol``, without those of one fold; "sampling" counts the views
    of all folds, and "versions" and "commit" name every one that was used. Besides: "chosen_on", "selection" in words,
    "seed" of the trainings, "training": {"versions", "commit"}, "recipe", "name" of model and data, "synthetic",
    "deviation" and "interval": how these are computed.
    """
    protocols = [each.protocol for each in result.folds]
    first = protocols[0]
    descriptions = [protocol["checkpoint"]["description"] for protocol in protocols]
    recipe = descriptions[0]["recipe"]
    counts = [protocol["sampling"]["views_per_clip"] for protocol in protocols]
    return {
        "name": {"model": _model_name(recipe["model"]), "data": descriptions[0]["data"]},
        "synthetic": bool(descriptions[0]["synthetic"]),
        "chosen_on": _joined(protocol["checkpoint"]["chosen_on"] for protocol in protocols),
        "selection": _joined(description["selection"] for description in descriptions),
        **{name: first[name] for name in ("dataset", "classes", "label_order", "subset")},
        "manifest": first["manifest"],
        "clips": sum(protocol["clips"] for protocol in protocols),
        "sampling": first["sampling"]
        | {
            "views": sum(protocol["sampling"]["views"] for protocol in protocols),
            "views_per_clip": [min(least for least, _ in counts), max(most for _, most in counts)],
        },
        "seed": first["checkpoint"]["seed"],
        "training": _versions(descriptions),
        **_versions(protocols),
        "recipe": recipe | {"data": recipe["data"] | {"fold": None}},
        "deviation": DEVIATION,
        "interval": INTERVAL,
    }


def crossval_tables(result: CrossValidation) -> Group:
    """Return the tables for the terminal: folds, classes, protocol."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    for name in _FOLD_HEADER:
        table.add_column(name, justify="left" if name == "fold" else "right", no_wrap=True)
    for place, row in enumerate(_fold_rows(result)):
        table.add_row(*row, end_section=place == len(result.folds) - 1)
    details = Table.grid(padding=(0, 2))
    details.add_column()
    details.add_column(overflow="fold")
    for name, value in _protocol_rows(result):
        details.add_row(name, value)
    title = f"All clips by true class (rows) and prediction (columns){_warning(result)}"
    return Group(Text(_title(result), style="bold"), table, class_table(result.pooled, title), details)


def crossval_markdown(result: CrossValidation) -> str:
    """Return the same tables as Markdown."""
    classes = result.pooled.classes
    header = ["true class", "clips", "recall %", *(f"as {name}" for name in classes)]
    protocol_rows = [(name, f"`{value}`") for name, value in _protocol_rows(result)]
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
    """Return a line a fold, then mean, deviation and pooled scores, as CSV text; shares are 0 to 1."""
    classes = result.pooled.classes
    chosen_on = crossval_protocol(result)["chosen_on"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    recalls = [f"recall_{name}" for name in classes]
    scores = ["war", "war_low", "war_high", "uar", "uar_low", "uar_high"]
    writer.writerow(["fold", "clips", *scores, *recalls, "checkpoint_chosen_on"])

    def line(name: object, clips: object, scores: Iterable[float | None], recalls: Iterable[float | None]) -> None:
        shares = ["" if value is None else f"{value:.6f}" for value in (*scores, *recalls)]
        writer.writerow([name, clips, *shares, chosen_on])

    for each, found in zip(result.folds, result.intervals, strict=True):
        values = (each.scores.war, *found.war, each.scores.uar, *found.uar)
        line(each.fold or "all", sum(each.scores.support), values, each.scores.recalls.values())
    war, uar = result.war, result.uar
    line("mean", "", (war.mean, *war.interval, uar.mean, *uar.interval), result.recalls.values())
    line("deviation", "", (war.deviation, None, None, uar.deviation, None, None), [None] * len(classes))
    pooled, found = result.pooled, result.pooled_intervals
    values = (pooled.war, *found.war, pooled.uar, *found.uar)
    line("pooled", sum(pooled.support), values, pooled.recalls.values())
    return text.getvalue()


def crossval_latex(result: CrossValidation) -> str:
    """Return rows for a LaTeX table with booktabs: recall of each class, WAR and UAR in percent.

    The last row is the one for a table of several methods; how the checkpoint was chosen stands in every row.
    """
    protocol = crossval_protocol(result)
    method, classes = protocol["name"]["model"], result.pooled.classes
    comments = [_title(result), *(f"{name}: {value}" for name, value in _protocol_rows(result))]
    columns = "l" * 2 + "r" * (len(classes) + 2)
    header = ["Method", "Chosen on", *(name.replace("_", "+").capitalize() for name in classes), "WAR", "UAR"]
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
            lines.append(_latex_row([f"{method}, fold {each.fold}", protocol["chosen_on"], *shares]))
        lines.append(r"\midrule")
    shares = [_share(value) for value in result.recalls.values()]
    done = f" ({_done(result)})" if result.missing else ""
    row = _latex_row([method + done, protocol["chosen_on"], *shares])
    spreads = [_latex_spread(spread) for spread in (result.war, result.uar)]
    lines.append(" & ".join([row.removesuffix(r" \\"), *spreads]) + r" \\")
    return "\n".join(lines) + "\n"


_FOLD_HEADER = ("fold", "clips", "WAR %", "95 % of WAR", "UAR %", "95 % of UAR", "epoch")


def _fold_rows(result: CrossValidation) -> Iterable[list[str]]:
    """Yield the cells of ``_FOLD_HEADER``: a row a fold, then mean, deviation and all clips together."""
    for each, intervals in zip(result.folds, result.intervals, strict=True):
        scores = each.scores
        cells = [percent(scores.war), _range(intervals.war), percent(scores.uar), _range(intervals.uar)]
        epoch = str(each.protocol["checkpoint"]["description"].get("epoch", "-"))
        yield [str(each.fold or "all"), str(sum(scores.support)), *cells, epoch]
    war, uar = result.war, result.uar
    yield ["mean", "", percent(war.mean), _range(war.interval), percent(uar.mean), _range(uar.interval), ""]
    yield ["deviation", "", _share(war.deviation), "", _share(uar.deviation), "", ""]
    pooled, intervals = result.pooled, result.pooled_intervals
    cells = [percent(pooled.war), _range(intervals.war), percent(pooled.uar), _range(intervals.uar)]
    yield ["pooled", str(sum(pooled.support)), *cells, ""]


def _title(result: CrossValidation) -> str:
    protocol = crossval_protocol(result)
    name = protocol["name"]
    synthetic = ", computer-generated faces" if protocol["synthetic"] else ""
    return f"{name['model']} on {name['data']}{synthetic}: {_done(result)}{_warning(result)}"


def _done(result: CrossValidation) -> str:
    count = len(result.expected)
    if count == 1:
        return "one split, no folds" if result.expected == (0,) else "one fold"
    if not result.missing:
        return f"{count} folds"
    done = ", ".join(str(each.fold) for each in result.folds)
    return f"only {len(result.folds)} of {count} folds: {done}"


def _warning(result: CrossValidation) -> str:
    """Return what must stand over a table whose checkpoints were chosen on the test clips."""
    words = next((words for each in result.folds if (words := chosen_on_test(_chosen_on(each)))), "")
    return f"; {words}" if words else ""


def _chosen_on(each: FoldResult) -> str:
    return str(each.protocol["checkpoint"]["chosen_on"])


def _protocol_rows(result: CrossValidation) -> Iterable[tuple[str, str]]:
    """Yield what a reader must know to compare the result with others."""
    protocol = crossval_protocol(result)
    seed = "not recorded" if protocol["seed"] is None else f"seed {protocol['seed']}"
    yield "checkpoints", protocol["selection"]
    yield "trained with", f"{seed}, {version_words(protocol['training'])}"
    yield "clips", f"{protocol['clips']} of {protocol['subset']}, {protocol['manifest']['path']}"
    yield from common_rows(protocol)
    yield "tested with", version_words(protocol)
    yield "deviation", DEVIATION
    yield "interval", INTERVAL


def _scores_record(scores: Scores, intervals: Intervals) -> dict[str, Any]:
    return {
        "war": scores.war,
        "uar": scores.uar,
        "war_interval": list(intervals.war),
        "uar_interval": list(intervals.uar),
        "recalls": scores.recalls,
        "support": dict(zip(scores.classes, scores.support, strict=True)),
        "confusion": scores.confusion.tolist(),
    }


def _spread(values: Sequence[float], interval: Interval) -> Spread:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(float(np.mean(values)), deviation, interval)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _joined(values: Iterable[str]) -> str:
    """Return the different values, in their order."""
    return " and ".join(dict.fromkeys(values))


def _versions(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the versions and commits of several records."""
    names = dict.fromkeys(name for record in records for name in record["versions"])
    commits = [record["commit"] for record in records if record.get("commit")]
    return {
        "versions": {
            name: _joined(record["versions"][name] for record in records if name in record["versions"])
            for name in names
        },
        "commit": _joined(commits) or None,
    }


def _model_name(model: dict[str, Any]) -> str:
    return str(model["preset"]) + ("" if model["ablation"] == "full" else f" {model['ablation']}")


def _range(interval: Interval) -> str:
    return f"{100 * interval.low:.1f}-{100 * interval.high:.1f}"


def _share(value: float | None) -> str:
    return "-" if value is None else percent(value)


_LATEX = str.maketrans({character: f"\\{character}" for character in "&%$#_{}"} | {"\\": r"\textbackslash{}"})


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\"


def _latex_spread(spread: Spread) -> str:
    if spread.deviation is None:
        return percent(spread.mean)
    return rf"${percent(spread.mean)} \pm {percent(spread.deviation)}$"
