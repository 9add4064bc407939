"""Scores of ``benchmarks/real_faces.py``, its table and its risk-coverage curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ifdd.evaluation.bootstrap import bootstrap
from ifdd.evaluation.calibration.confidence import negative_log_likelihood, risk_coverage, wilson_interval
from ifdd.evaluation.calibration.reliability import expected_calibration_error
from ifdd.evaluation.metrics import scores_from_confusion
from ifdd.evaluation.tables import markdown_table, with_interval

COVERAGES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 11))

SCOPES = {"restricted": "among the folder's classes", "all": "among all classes"}
"""Key in the result -> meaning."""


def score(
    probabilities: Float[np.ndarray, "items known"], labels: Sequence[str], known: Sequence[str], classes: Sequence[str]
) -> dict[str, Any]:
    """Return the scores of one checkpoint among the folder's classes, and among all.

    Args:
        probabilities: of the checkpoint's classes.
        labels: the true class of each item.
        known: the checkpoint's classes, which include those of the folder.
        classes: the folder's classes.
    """
    chosen = probabilities[:, [known.index(name) for name in classes]].astype(np.float64)
    return {
        "restricted": score_among(chosen / chosen.sum(axis=1, keepdims=True), labels, classes),
        "all": score_among(probabilities.astype(np.float64), labels, known),
    }


def score_among(
    probabilities: Float[np.ndarray, "items classes"], labels: Sequence[str], classes: Sequence[str]
) -> dict[str, Any]:
    """Return the scores of probabilities of some classes."""
    targets = np.array([classes.index(label) for label in labels])
    predictions, confidence = probabilities.argmax(1), probabilities.max(1)
    right = predictions == targets
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (targets, predictions), 1)
    scores = scores_from_confusion(confusion, classes)
    curve = risk_coverage(confidence, right)
    half = int(np.ceil(len(right) / 2))
    recalls = {
        name: _share(int(confusion[place, place]), total)
        for place, (name, total) in enumerate(zip(classes, scores.support, strict=True))
        if total
    }
    return {
        "classes": list(classes),
        "accuracy": _share(int(right.sum()), len(right)),
        "uar": {"value": scores.uar, "interval": bootstrap([confusion]).folds[0].uar},
        "recalls": recalls,
        "confusion": confusion.tolist(),
        "confidence": float(confidence.mean()),
        "ece": expected_calibration_error(confidence, right),
        "nll": negative_log_likelihood(probabilities, targets),
        "aurc": curve.aurc,
        "coverage": {f"{coverage:.0%}": curve.at(coverage) for coverage in COVERAGES},
        "surest_half": {"value": curve.at(0.5), "interval": list(wilson_interval(round(curve.at(0.5) * half), half))},
        "curve": [round(curve.at(percent / 100), 4) for percent in range(1, 101)],
    }


def markdown(report: dict[str, Any], picture: str) -> str:
    """Return the result as Markdown.

    Args:
        report: the result.
        picture: name of the file with the curves.
    """
    folder, chance = report["folder"], report["chance"]
    counts = ", ".join(f"{name} {count}" for name, count in folder["classes"].items())
    faces = ", ".join(f"{name} {count}" for name, count in report["faces"].items())
    lines = [
        "# Real faces",
        "",
        f"`{report['command']}`",
        "",
        f"{folder['photographs']} photographs and {folder['videos']} videos of {folder['name']} "
        f"(sha256 {folder['sha256'][:12]}): {counts}. Faces by {report['detector']}: {faces}. "
        f"Chance: {_percent(chance['uniform'])} (uniform), {_percent(chance['majority'])} (the largest class). "
        "In brackets: 95 % intervals.",
        "",
    ]
    for scope, meaning in SCOPES.items():
        head = ("checkpoint", "accuracy", "UAR", "accuracy at 50 % coverage", "AURC", "confidence", "ECE")
        lines += [f"## {meaning[0].upper()}{meaning[1:]}", "", *markdown_table(head, _rows(report, scope)), ""]
        for scored in report["checkpoints"]:
            lines += [*_confusion(scored["checkpoint"], scored[scope]), ""]
    coverages = markdown_table(("coverage", *(f"{coverage:.0%}" for coverage in COVERAGES)), _coverage_rows(report))
    return "\n".join([*lines, "## Risk and coverage", "", *coverages, "", f"![Risk-coverage curves]({picture})", ""])


def draw_curves(report: dict[str, Any], path: Path) -> None:
    """Draw the accuracy of the most confident predictions over their share, a panel for each scope."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, (scope, meaning) in zip(figure.subplots(1, len(SCOPES), sharey=True), SCOPES.items(), strict=True):
        for scored in report["checkpoints"]:
            curve = scored[scope]["curve"]
            accuracy = _percent(scored[scope]["accuracy"]["value"])
            axes.plot(np.arange(1, len(curve) + 1) / len(curve), curve, label=f"{scored['checkpoint']}, {accuracy}")
        chance = 1 / len(scored[scope]["classes"])
        axes.axhline(chance, color="grey", linestyle=":", label=f"chance, {_percent(chance)}")
        axes.set(title=meaning, xlabel="coverage: share of the items, most confident first", xlim=(0, 1), ylim=(0, 1))
        axes.legend(fontsize="small", loc="upper right")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("accuracy")
    figure.savefig(path, dpi=110)


def _rows(report: dict[str, Any], scope: str) -> list[list[str]]:
    return [
        [
            f"`{scored['checkpoint']}`",
            *(_with_interval(scored[scope][name]) for name in ("accuracy", "uar", "surest_half")),
            f"{scored[scope]['aurc']:.3f}",
            _percent(scored[scope]["confidence"]),
            f"{scored[scope]['ece']:.3f}",
        ]
        for scored in report["checkpoints"]
    ]


def _coverage_rows(report: dict[str, Any]) -> list[list[str]]:
    return [
        [f"`{scored['checkpoint']}`, {meaning}", *map(_percent, scored[scope]["coverage"].values())]
        for scope, meaning in SCOPES.items()
        for scored in report["checkpoints"]
    ]


def _confusion(name: str, scores: dict[str, Any]) -> list[str]:
    """Return the table of the true classes (rows) and the predictions."""
    rows = [
        [label, _with_interval(scores["recalls"][label]), *map(str, counts)]
        for label, counts in zip(scores["classes"], scores["confusion"], strict=True)
        if label in scores["recalls"]
    ]
    return markdown_table((f"`{name}`", "recall", *(f"as {label}" for label in scores["classes"])), rows)


def _share(part: int, whole: int) -> dict[str, Any]:
    return {"value": part / whole, "interval": list(wilson_interval(part, whole))}


def _with_interval(value: dict[str, Any]) -> str:
    return with_interval(_percent(value["value"]), value["interval"])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
