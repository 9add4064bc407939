"""Reports of an agreement: tables for the terminal, and a picture of timelines and confusion."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from ifdd.analysis.agreement.agreement import Person
from ifdd.analysis.plot import figure_class
from ifdd.files import atomic_path
from ifdd.inference.outputs.style import UNCERTAIN_COLOUR, class_colours
from ifdd.inference.results import UNCERTAIN
from ifdd.names import counted, printable
from ifdd.records import AgreementRecord, Estimate

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

Colour = tuple[float, float, float]

LARGEST_ROWS = 12
"""People whose timelines are drawn; further ones are only counted."""


def agreement_tables(record: AgreementRecord) -> RenderableType:
    """Return the scores and the confusion matrix for the terminal."""
    scores = Table(box=SIMPLE_HEAD, show_header=False)
    for name, value in score_rows(record):
        scores.add_row(name, value)
    matrix = Table(box=SIMPLE_HEAD, title="Seconds: the coder's label (rows), the result's (columns)")
    matrix.add_column("")
    for name in (*record.classes, UNCERTAIN):
        matrix.add_column(escape(name), justify="right")
    for name, row in zip(record.classes, record.confusion, strict=True):
        matrix.add_row(escape(name), *(f"{count * record.bin_seconds:.1f}" if count else "" for count in row))
    return Group(scores, matrix)


def score_rows(record: AgreementRecord) -> list[tuple[str, str]]:
    """Return name and value of each score."""
    videos = counted(len(record.pairs), "video")
    rows = [
        ("coded", f"{record.coded_seconds:.1f} s in {videos}"),
        ("in the result", f"{record.covered:.1%} of it; {record.answered:.1%} with a class"),
        ("Cohen's kappa", _text(record.kappa)),
        ("with uncertain as a label", _text(record.kappa_uncertain)),
        ("equal labels", _text(record.agreement)),
    ]
    rows += [
        (
            f"segments, overlap {each.overlap:g}",
            f"F1 {each.f1:.2f} (precision {each.precision:.2f}, recall {each.recall:.2f})",
        )
        for each in record.segments
    ]
    if record.onsets is not None:
        onsets = record.onsets
        rows.append(
            (
                "onset, result less coder",
                f"median {onsets.median:+.2f} s, quartiles {onsets.low:+.2f} to {onsets.high:+.2f} "
                f"({onsets.count} onsets)",
            )
        )
    return rows


def _text(score: Estimate | None) -> str:
    if score is None:
        return "not defined"
    return f"{score.value:.2f}" + ("" if score.low is None else f" ({score.low:.2f} to {score.high:.2f})")


def plot_agreement(people: Sequence[Person], record: AgreementRecord) -> "matplotlib.figure.Figure":
    """Draw the timelines of coder and result above each other, and the confusion matrix.

    Raises:
        InputError: matplotlib is not installed.
    """
    new_figure = figure_class()
    from matplotlib.patches import Patch

    shown = people[:LARGEST_ROWS]
    heights = [*([0.55] * len(shown)), 0.6 + 0.42 * sum(map(any, record.confusion))]
    figure = new_figure(figsize=(11, sum(heights) + 1.5), facecolor="white", layout="constrained")
    *lines, below = figure.subplots(len(heights), gridspec_kw={"height_ratios": heights}, squeeze=False)[:, 0]
    labels = (*record.classes, UNCERTAIN)
    rgb = class_colours(record.classes) | {UNCERTAIN: UNCERTAIN_COLOUR}
    colours = [(red / 255, green / 255, blue / 255) for red, green, blue in map(rgb.__getitem__, labels)]
    for axes, person in zip(lines, shown, strict=True):
        _draw_person(axes, person, colours)
    lines[-1].set_xlabel(
        "seconds" + (f"   ({len(people) - len(shown)} people more)" if len(people) > len(shown) else "")
    )
    _draw_confusion(below, record)
    patches = [Patch(color=colour, label=printable(name)) for name, colour in zip(labels, colours, strict=True)]
    figure.legend(handles=patches, loc="outside upper center", ncols=8, frameon=False, fontsize=9)
    return figure


def _draw_person(axes: "matplotlib.axes.Axes", person: Person, colours: Sequence[Colour]) -> None:
    for place, intervals in enumerate((person.coder, person.result)):
        for start, end, label in intervals:
            hatch = "////" if label == len(colours) - 1 else None
            axes.barh(
                place, end - start, left=start, height=0.9, color=colours[label], hatch=hatch, edgecolor="white", lw=0.4
            )
    axes.set(xlim=(0, person.end_seconds), ylim=(1.5, -0.5))
    axes.set_yticks([0, 1], ["coder", "ifdd"], size=8)
    name = " ".join(printable(f"{Path(person.video).name}  {person.tier}").split())
    axes.set_title(name[:100], loc="left", size=9, parse_math=False)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _draw_confusion(axes: "matplotlib.axes.Axes", record: AgreementRecord) -> None:
    coded = [place for place, row in enumerate(record.confusion) if any(row)]
    counts = np.array([record.confusion[place] for place in coded], float).reshape(len(coded), -1)
    sums = counts.sum(1, keepdims=True)
    shares = np.divide(counts, sums, out=np.zeros_like(counts), where=sums > 0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    names = [printable(name) for name in (*record.classes, UNCERTAIN)]
    axes.set_xticks(range(len(names)), names, size=9, parse_math=False)
    axes.set_yticks(range(len(coded)), [names[place] for place in coded], size=9, parse_math=False)
    axes.set_xlabel("ifdd")
    axes.set_ylabel("coder")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            ink = "white" if shares[row, column] > 0.55 else "#22262b"
            text = f"{100 * shares[row, column]:.0f} %\n{count * record.bin_seconds:.1f} s"
            axes.text(column, row, text, ha="center", va="center", size=7.5, color=ink)
    kappa = "not defined" if record.kappa is None else f"{record.kappa.value:.2f}"
    axes.set_title(f"Cohen's kappa {kappa}; shares of each of the coder's labels", loc="left", size=10)


def write_agreement_plot(people: Sequence[Person], record: AgreementRecord, path: Path) -> None:
    """Write the picture in the image format of the path's suffix.

    Raises:
        InputError: matplotlib is not installed, or the file cannot be written.
    """
    figure = plot_agreement(people, record)
    with atomic_path(path, private=True) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # shown as a box
        figure.savefig(temporary, dpi=150)
