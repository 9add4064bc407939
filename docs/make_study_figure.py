"""Draw the figure of the study: accuracy of every model against the share of the clip in which the emotion shows.

python docs/make_study_figure.py
"""

import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parents[1]))
from docs.blocks.markdown import ROOT, result

INK, FAINT, REFERENCE = "#222222", "#999999", "#D55E00"
# Okabe and Ito's colours, which all kinds of sight tell apart
COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#8A6D00", "#444444")
MARKERS = ("s", "^", "D", "v", "P", "X")
CLASSES = 7


def draw(study: dict[str, Any]) -> Figure:
    """Return the figure: the variants of IFDD on the left, earlier ideas on the right, the full model in both."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    reference = study["settings"]["reference"]
    for axes, title, baseline in ((left, "Variants of IFDD", False), (right, "Earlier ideas", True)):
        others = [name for name, size in study["models"].items() if size["baseline"] is baseline and name != reference]
        for number, name in enumerate(others):
            _curve(
                axes, study, name, COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)], number, len(others)
            )
        _curve(axes, study, reference, REFERENCE, "o", len(others), len(others))
        _dress(axes, title, study["settings"]["sets"]["visible"])
    left.set_ylabel("accuracy in %, people not in training")
    return figure


def _curve(axes: Axes, study: dict[str, Any], name: str, colour: str, marker: str, number: int, count: int) -> None:
    shares = study["settings"]["sets"]["visible"]
    cells = [cell for cell in study["cells"] if cell["variant"] == name]
    if not cells:
        return
    places = [shares.index(cell["visible"]) + 0.05 * (number - count / 2) for cell in cells]  # bars side by side
    means = [100 * cell["mean"] for cell in cells]
    reach = [0 if cell["interval"] is None else 100 * (cell["interval"][1] - cell["mean"]) for cell in cells]
    is_reference = name == study["settings"]["reference"]
    axes.errorbar(
        places,
        means,
        yerr=reach,
        color=colour,
        marker=marker,
        markersize=6,
        linewidth=2.2 if is_reference else 1.3,
        elinewidth=0.9,
        capsize=2,
        label=name.replace("_", " "),
        zorder=3 if is_reference else 2,
    )


def _dress(axes: Axes, title: str, shares: list[float]) -> None:
    axes.axhline(100 / CLASSES, color=FAINT, linewidth=0.8, linestyle=":")
    axes.text(len(shares) - 0.7, 100 / CLASSES + 1, "chance", color=FAINT, fontsize=8, ha="right")
    axes.set_title(title, color=INK, fontsize=11, loc="left")
    axes.set_xticks(range(len(shares)), [f"{100 * share:g} %" for share in shares])
    axes.set_xlabel("share of the clip in which the emotion shows")
    axes.set_ylim(0, 100)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="upper right", ncols=2)


def main() -> None:
    """Draw the picture of the result."""
    picture = ROOT / "docs" / "images" / "study.png"
    draw(result("study")).savefig(picture, dpi=160, facecolor="white")


if __name__ == "__main__":
    main()
