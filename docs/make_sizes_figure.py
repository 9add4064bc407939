"""Draw accuracy against latency of the small models: docs/images/sizes.png.

python docs/make_sizes_figure.py
"""

import sys
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parents[1]))
from docs.blocks.markdown import ROOT, result

INK = "#222222"
FAMILIES = {"tiny": ("#0072B2", "s"), "small": ("#D55E00", "o"), "": ("#009E73", "^")}
"""Beginning of a model's name -> colour and marker: both presets, and the networks of other widths and depths."""


def draw(report: dict[str, Any]) -> Figure:
    """Return the figure: a point for each model, a dot for each of its trainings."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, row in report["models"].items():
        colour, marker = next(style for family, style in FAMILIES.items() if name.startswith(family))
        milliseconds, accuracies = 1000 * row["seconds"], [100 * value for value in row["accuracies"]]
        axes.plot([milliseconds] * len(accuracies), accuracies, color=colour, linewidth=1, alpha=0.5, zorder=1)
        axes.scatter([milliseconds] * len(accuracies), accuracies, s=10, color=colour, alpha=0.5, zorder=2)
        axes.scatter(milliseconds, 100 * row["accuracy"], s=55, color=colour, marker=marker, zorder=3)
        axes.annotate(
            name.replace("_", " "),
            (milliseconds, 100 * row["accuracy"]),
            xytext=(7, 3),
            textcoords="offset points",
            fontsize=8,
            color=INK,
        )
    axes.set_xscale("log")
    ticks = [tick for tick in (2, 5, 10, 20, 50, 100, 200) if _in_reach(tick, report)]
    axes.set_xticks(ticks, [f"{tick} ms" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("a clip on one core")
    axes.set_ylabel("accuracy in %, people not in training")
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _in_reach(milliseconds: float, report: dict[str, Any]) -> bool:
    times = [1000 * row["seconds"] for row in report["models"].values()]
    return 0.7 * min(times) <= milliseconds <= 1.5 * max(times)


def main() -> None:
    """Draw the picture of the result."""
    picture = ROOT / "docs" / "images" / "sizes.png"
    draw(result("sizes")).savefig(picture, dpi=160, facecolor="white")


if __name__ == "__main__":
    main()
