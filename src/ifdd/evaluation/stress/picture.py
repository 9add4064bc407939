"""Curves of scores on changed clips as a picture: one panel for each change, one line for each model."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ifdd.errors import InputError
from ifdd.evaluation.tables import name_entries, short_name
from ifdd.files import atomic_path
from ifdd.records import Estimate, StressCurve, StressRecord

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.container
    import matplotlib.figure

PICTURE = "stress.png"
"""Name of the picture in an evaluation's folder."""

COLUMNS = 4
"""Panels in a row."""

PANEL = (3.0, 2.5)
"""Width and height of a panel in inches."""

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's colours, which colour-blind people can tell apart."""

_MARKERS = "osD^vPX"
_INK, _FAINT = "#22262b", "#8a9099"


def check_picture() -> None:
    """Check up front that pictures can be drawn.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(
            "a picture of curves needs matplotlib, which is not installed: pip install 'ifdd[plot]'"
        ) from error


def write_curves(path: Path, results: Mapping[str, StressRecord]) -> None:
    """Write the picture of ``plot_curves`` as PNG, whole or not at all.

    Raises:
        InputError: matplotlib is not installed, or the path cannot be written to.
    """
    check_picture()
    import matplotlib
    from matplotlib.rcsetup import cycler

    style = matplotlib.rc_context(
        {
            "axes.labelcolor": _INK,
            "axes.prop_cycle": cycler(color=_COLOURS),
            "axes.titlecolor": _INK,
            "grid.color": "#e3e6e9",
            "xtick.color": _FAINT,
            "xtick.labelcolor": _INK,
            "ytick.color": _FAINT,
            "ytick.labelcolor": _INK,
        }
    )
    with style, atomic_path(path) as temporary:
        plot_curves(results).savefig(temporary, dpi=130, format="png")


def plot_curves(
    results: Mapping[str, StressRecord], columns: int = COLUMNS, panel: tuple[float, float] = PANEL
) -> "matplotlib.figure.Figure":
    """Draw WAR over the strength of every change, with its interval; "none" is the unchanged clip.

    The colours are matplotlib's current ones, such as those of ``ifdd.pages.themed``.

    Args:
        results: name of a model -> its scores; at least one.
        columns: most panels in a row.
        panel: width and height of a panel in inches.
    """
    import matplotlib
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(curve.name for record in results.values() for curve in record.curves))
    across = min(columns, len(names))
    rows = math.ceil(len(names) / across)
    size = (max(panel[0] * across, 4.5), panel[1] * rows + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    panels = list(figure.subplots(rows, across, sharey=True, squeeze=False).flat)
    colours = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    lines: dict[str, matplotlib.container.ErrorbarContainer] = {}
    for number, (area, name) in enumerate(zip(panels, names, strict=False)):
        found = {run: curve for run, record in results.items() for curve in record.curves if curve.name == name}
        strengths = _axis(list(found.values()))
        _prepare(area, next(iter(found.values())), strengths, first=number % across == 0)
        for place, (run, record) in enumerate(results.items()):
            if run in found:
                shift = 0.06 * (place - (len(results) - 1) / 2)  # side by side, so that intervals can be read
                style = {"color": colours[place % len(colours)], "marker": _MARKERS[place % len(_MARKERS)]}
                lines[run] = _draw(area, record, found[run], strengths, shift, style)
    for area in panels[len(names) :]:
        area.set_visible(False)
    shown = [run for run in results if run in lines]
    legend = figure.legend(
        [lines[run][0] for run in shown],
        ["name"] * len(shown),
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        fontsize=9,
    )
    name_entries(legend, map(short_name, shown))
    return figure


def _prepare(area: "matplotlib.axes.Axes", curve: StressCurve, strengths: Sequence[float], first: bool) -> None:
    area.set_title(short_name(curve.name.replace("_", " ")), fontsize=10, loc="left", parse_math=False)
    area.set_xlabel(short_name(curve.unit), fontsize=8)
    if first:
        area.set_ylabel("WAR %", fontsize=9)
    words = ["none" if each == curve.neutral else f"{each:g}" for each in strengths]
    area.set_xticks(range(len(strengths)), words)
    area.set(ylim=(0, 102), xlim=(-0.4, len(strengths) - 0.6))
    area.tick_params(labelsize=8)
    area.spines[["top", "right"]].set_visible(False)
    area.grid(axis="y", linewidth=0.8)


def _draw(
    area: "matplotlib.axes.Axes",
    record: StressRecord,
    curve: StressCurve,
    strengths: Sequence[float],
    shift: float,
    style: dict[str, Any],
) -> "matplotlib.container.ErrorbarContainer":
    known = {curve.neutral: record.war} | {point.strength: point.result.war for point in curve.points}
    places = [place for place, strength in enumerate(strengths) if strength in known]
    scores = [known[strengths[place]] for place in places]
    return area.errorbar(
        np.array(places) + shift,
        [100 * score.value for score in scores],
        yerr=_arms(scores),
        markersize=4,
        linewidth=1.4,
        elinewidth=0.9,
        capsize=2,
        **style,
    )


def _axis(curves: Sequence[StressCurve]) -> list[float]:
    """Return the strengths on the axis, with the unchanged clip among them: the strongest change is the last."""
    strengths, neutral = {point.strength for curve in curves for point in curve.points}, curves[0].neutral
    return sorted(strengths | {neutral}, reverse=neutral > max(strengths))


def _arms(scores: Sequence[Estimate]) -> np.ndarray:
    """Return the lengths of the intervals below and above the values, in percent; 0 without an interval."""
    arms = [
        (0.0, 0.0) if score.low is None or score.high is None else (score.value - score.low, score.high - score.value)
        for score in scores
    ]
    return 100 * np.clip(np.array(arms).T, 0, None)
