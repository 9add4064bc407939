"""Reports of a study: the table that fills as it goes, and results/study.json."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ifdd.evaluation.protocol import running_software
from ifdd.files import write_text
from ifdd.model.inspection.measuring import device_name
from ifdd.processes import available_cores
from ifdd.training.study.results import CellResult, ComparisonResult, StudyResults

SCHEMA_VERSION = 1

METHODS = {
    "interval": "95 % interval of the mean over the seeds, Student's t",
    "difference": "accuracy of the variant less that of the reference, the same seeds and test clips",
    "difference_interval": "95 % interval over training runs and people (two-way random effects: Dorfman, Berbaum and "
    "Metz 1992, Hillis 2007; ratio estimator, because people have different numbers of clips)",
    "effect_size": "Cohen's d_z over people",
    "p": "two-sided, of the same two-way random effects; without an interval, that of the sign test over people",
    "p_holm": "corrected by Holm's method for the number of comparisons in this file",
}
"""Key in the comparisons and cells of study.json -> what it is."""


@dataclass(frozen=True)
class ModelSize:
    """The size of a variant's model."""

    parameters: int
    gmac: float
    """1e9 multiply-adds for a clip."""
    baseline: bool
    """Whether its backbone comes from outside the package."""


def study_table(
    sizes: Mapping[str, ModelSize], visible: Sequence[float], results: StudyResults, reference: str, total: int
) -> Table:
    """Return the table for the terminal: accuracy of each variant (rows) at each share of the clip (columns).

    Args:
        sizes: variant -> size of its model.
        visible: shares of the clip.
        results: what the finished runs say.
        reference: name of the variant that the others are compared with.
        total: number of runs of the study.
    """
    cells = {(cell.variant, cell.visible): cell for cell in results.cells}
    compared = {(each.variant, each.visible): each for each in results.comparisons}
    done = sum(len(cell.seeds) for cell in results.cells)
    table = Table(title=f"Accuracy in % on people not in training, {done} of {total} runs", box=SIMPLE_HEAD)
    table.add_column("emotion visible", no_wrap=True)
    for name in ("parameters", "GMAC", *(f"{100 * share:g} %" for share in visible)):
        table.add_column(name, justify="right", no_wrap=True)
    for name, size in sizes.items():
        found = [_cell_text(cells.get((name, share)), compared.get((name, share))) for share in visible]
        label = f"{escape(name)} (reference)" if name == reference else escape(name)
        table.add_row(label, f"{size.parameters / 1e6:.2f} M", f"{size.gmac:.3f}", *found)
    table.caption = f"+- 95 % interval over the seeds; * differs from {escape(reference)}, p < 0.05 (Holm)"
    return table


def _cell_text(cell: CellResult | None, compared: ComparisonResult | None) -> str:
    if cell is None:
        return ""
    reach = "" if cell.interval is None else f" +- {100 * (cell.interval.high - cell.mean):.1f}"
    star = "*" if compared is not None and compared.p_holm < 0.05 else ""
    return f"{100 * cell.mean:.1f}{reach}{star}"


def write_study(
    path: Path,
    settings: Mapping[str, Any],
    sizes: Mapping[str, ModelSize],
    results: StudyResults,
    device: str,
) -> None:
    """Write ``study.json``, whole or not at all.

    ``{"schema_version", "command", "machine", "software", "settings": the study's options, "methods": key -> what it
    is, "models": {variant: {"parameters", "gmac", "baseline"}}, "cells": [{"variant", "visible", "seeds", "war",
    "uar", "epochs", "mean", "deviation", "interval"}], "comparisons": [{"variant", "visible", "seeds", "difference",
    "interval", "effect_size", "p", "p_holm", "people", "clips"}]}``; scores from 0 to 1.

    Raises:
        InputError: the file cannot be written.
    """
    software = running_software("ifdd", "torch", "lightning", "python")
    document = {
        "schema_version": SCHEMA_VERSION,
        "command": "ifdd " + shlex.join(sys.argv[1:]),
        "machine": {"device": device_name(device), "cores": available_cores(), "torch": torch.__version__},
        "software": {"versions": software.versions, "commit": software.commit},
        "settings": settings,
        "methods": METHODS,
        "models": {name: asdict(size) for name, size in sizes.items()},
        "cells": [asdict(cell) for cell in results.cells],
        "comparisons": [_comparison(each) for each in results.comparisons],
    }
    write_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def _comparison(found: ComparisonResult) -> dict[str, Any]:
    paired = found.paired._asdict() | {"seeds": found.seeds}
    return {"variant": found.variant, "visible": found.visible, **paired, "p_holm": found.p_holm}
