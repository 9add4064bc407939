"""A plot of the timeline: segments, probabilities, abstentions and shot boundaries, for each person."""

import math
import textwrap
import warnings
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ifdd.errors import InputError
from ifdd.files import atomic_path
from ifdd.inference.outputs.style import UNCERTAIN_COLOUR, assign_rows, class_colours, is_abstention, name_of
from ifdd.inference.results import UNCERTAIN, RecognizedTrack, Results, Segment
from ifdd.inference.segments import time_course
from ifdd.names import printable

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

WIDTH = 11.0
"""Width of the figure in inches."""

LARGEST_ROWS = 24
"""Maximum number of rows; further people are only counted."""

THICKEST_VEIL = 0.75
"""Share of the colour that is faded at a face quality of 0."""

VEILED = 0.5
"""Below this quality, the legend explains why areas are faint."""

TITLE_SIZE = 12.0
"""Size of the video's name in points."""

NOTICE_SIZE = 8.5
"""Size of the model's notice in points."""

CHARACTER = 0.0085
"""Width of a character in inches for each point of its size; most are narrower."""

_INK = "#22262b"
_FAINT = "#8a9099"


def write_plot(results: Results, path: Path) -> None:
    """Write the plot in the image format of the path's suffix.

    Raises:
        InputError: matplotlib is not installed, or the path cannot be written to.
    """
    figure = plot_timeline(results)
    import matplotlib

    with (
        atomic_path(path, private=True) as temporary,
        warnings.catch_warnings(),
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ifdd"}),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing")  # shown as a box; in SVG, the viewer's font is used
        figure.savefig(temporary, dpi=150, metadata={"Date": None})  # the same results give the same bytes


def plot_timeline(results: Results) -> "matplotlib.figure.Figure":
    """Draw the timeline; tracks that do not overlap in time share a row.

    The area's height is the probability of the segment's class, its colour the class; thin lines are all classes. A
    lower face quality fades the area.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise InputError("a plot needs matplotlib, which is not installed: pip install 'ifdd[plot]'") from error
    rows = assign_rows(results.tracks)
    count = min(LARGEST_ROWS, max(rows.values(), default=0) + 1)
    height = max(0.45, min(1.1, 14 / count))
    notice = textwrap.wrap(results.model.notice, _fitting(NOTICE_SIZE))
    below = 0.16 * len(notice) + 0.09 if notice else 0.0
    top, bottom = 0.65, 1.0 + below
    total = top + count * height * 1.3 + bottom
    figure = Figure(figsize=(WIDTH, total), facecolor="white")
    axes = figure.subplots(count, sharex=True, squeeze=False)[:, 0]
    figure.subplots_adjust(left=0.06, right=0.985, top=1 - top / total, bottom=bottom / total, hspace=0.3)
    for row, area in enumerate(axes):
        _prepare(area, results, last=row == count - 1)
        _draw_row(area, [track for track in results.tracks if rows[track.id] == row], results)
    name = printable(Path(results.video.path).name)
    left_out = sum(row >= count for row in rows.values())
    more = f"  ({left_out} people more)" if left_out else ""
    name = _shortened(name, _fitting(TITLE_SIZE) - len(more))
    figure.text(
        0.06, 1 - 0.3 / total, name + more, size=TITLE_SIZE, weight="bold", color=_INK, va="center", parse_math=False
    )
    if not results.tracks:
        axes[0].text(0.5, 0.25, "no face found", transform=axes[0].transAxes, ha="center", va="center", color=_FAINT)
    _draw_legend(figure, results, total, below)
    if notice:
        figure.text(
            0.06, 0.08 / total, "\n".join(notice), size=NOTICE_SIZE, color="#a03010", va="bottom", parse_math=False
        )
    return figure


def _fitting(size: float) -> int:
    """Return how many characters of a size in points fit beside each other."""
    return int(WIDTH * 0.925 / (size * CHARACTER))


def _shortened(name: str, longest: int) -> str:
    """Return a name of at most ``longest`` characters; what is left out lies in the middle."""
    half = (longest - 3) // 2
    return name if len(name) <= longest else f"{name[:half]}...{name[-half:]}"


def _prepare(area: "matplotlib.axes.Axes", results: Results, last: bool) -> None:
    area.set(xlim=(0, results.video.duration_seconds), ylim=(0, 1), yticks=[0, 0.5, 1])
    area.set_yticklabels(["0", "", "1"], size=8, color=_FAINT)
    area.spines[["top", "right", "left"]].set_visible(False)
    area.spines["bottom"].set_color(_FAINT)
    area.grid(axis="y", color="#e6e8eb", linewidth=0.7)
    area.set_axisbelow(True)
    area.tick_params(length=0, axis="y")
    area.tick_params(axis="x", labelsize=9, colors=_INK, length=3 if last else 0)
    if last:
        area.set_xlabel("seconds", size=9, color=_INK)
    for boundary in results.shot_boundaries_seconds:
        area.axvline(boundary, color=_INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=5)


def _draw_row(area: "matplotlib.axes.Axes", tracks: Sequence[RecognizedTrack], results: Results) -> None:
    colours = {name: _unit(rgb) for name, rgb in class_colours(results.classes).items()}
    for track in tracks:
        if not len(track.windows):
            continue
        course = time_course(track.windows)
        middles = np.array([course.edges[0], *course.middles, course.edges[-1]])  # constant up to both ends
        means = np.pad(course.probabilities, ((1, 1), (0, 0)), mode="edge")
        for index, name in enumerate(results.classes):
            area.plot(middles, means[:, index], color=colours[name], linewidth=1.2, zorder=4)
        for segment in track.segments:
            _draw_segment(area, segment, results, middles, means, colours)
        _draw_veil(area, middles, np.pad(course.quality, 1, mode="edge"))
        area.annotate(
            f"#{track.id}", (track.start_seconds, 1.0), xytext=(1, 2), textcoords="offset points", size=9,
            weight="bold", color=_INK, annotation_clip=False,
        )  # fmt: skip


def _draw_veil(area: "matplotlib.axes.Axes", middles: np.ndarray, quality: np.ndarray) -> None:
    """Fade the areas with white, more at a lower face quality."""
    from matplotlib.colors import LinearSegmentedColormap

    veil = LinearSegmentedColormap.from_list("veil", [(1, 1, 1, THICKEST_VEIL), (1, 1, 1, 0)])
    start, end = float(middles[0]), float(middles[-1])
    course = np.interp(np.linspace(start, end, 1000), middles, quality)
    area.imshow(course[None], veil, vmin=0, vmax=1, extent=(start, end, 0.03, 1), aspect="auto", zorder=3.5)


def _draw_segment(
    area: "matplotlib.axes.Axes",
    segment: Segment,
    results: Results,
    middles: np.ndarray,
    means: np.ndarray,
    colours: dict[str, tuple[float, float, float]],
) -> None:
    start, end = segment.start_seconds, segment.end_seconds
    seconds = np.unique([start, end, *middles[(middles > start) & (middles < end)]])
    if is_abstention(segment, results.classes):
        colour = _unit(UNCERTAIN_COLOUR)
        heights = np.interp(seconds, middles, means.max(1))
        area.fill_between(seconds, heights, facecolor="#eceef0", edgecolor=colour, hatch="////", linewidth=0, zorder=3)
    else:
        colour = colours[segment.label]
        heights = np.interp(seconds, middles, means[:, results.classes.index(segment.label)])
        area.fill_between(seconds, heights, color=colour, alpha=0.55, linewidth=0, zorder=3)
    area.plot([start, end], [0.012, 0.012], color=colour, linewidth=3, solid_capstyle="butt", zorder=4)
    area.axvline(start, color="white", linewidth=1.2, zorder=4)
    inches = (end - start) / results.video.duration_seconds * WIDTH * 0.925
    name = name_of(segment, results.classes)
    names = [f"{name}: {segment.flaw}", name] if segment.flaw else [name]
    _write_name(area, names, (start + end) / 2, inches)


def _write_name(area: "matplotlib.axes.Axes", names: Sequence[str], seconds: float, inches: float) -> None:
    """Write the first name that fits into a segment, smaller or rotated if it is narrow; none if nothing fits."""
    height = area.get_window_extent().height / area.figure.dpi
    choices = [(9.5, 0, inches), (7.5, 0, inches), (7.5, 90, height if inches > 0.17 else 0.0)]
    paper = {"boxstyle": "round,pad=0.2", "facecolor": "white", "alpha": 0.82, "linewidth": 0}
    for name, (size, turn, room) in product(names, choices):
        if size * CHARACTER * len(name) + 0.06 < room:
            area.text(
                seconds, 0.07, name, ha="center", va="bottom", size=size, rotation=turn, color=_INK, zorder=6,
                parse_math=False, bbox=paper,
            )  # fmt: skip
            return


def _draw_legend(figure: "matplotlib.figure.Figure", results: Results, total: float, raised: float) -> None:
    """Explain the colours of all classes, the hatching and the shot boundaries."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Patch | Line2D] = [
        Patch(color=_unit(rgb), label=name) for name, rgb in class_colours(results.classes).items()
    ]
    if any(is_abstention(segment, results.classes) for segment in results.segments):
        handles.append(Patch(facecolor="#eceef0", edgecolor=_unit(UNCERTAIN_COLOUR), hatch="////", label=UNCERTAIN))
    if any((track.windows.quality < VEILED).any() for track in results.tracks):
        handles.append(Patch(facecolor=_FAINT, alpha=0.55 * (1 - THICKEST_VEIL), label="faint: hard to read"))
    if results.shot_boundaries_seconds:
        handles.append(Line2D([], [], color=_INK, linewidth=0.9, linestyle=(0, (4, 3)), label="shot boundary"))
    columns = math.ceil(len(handles) / math.ceil(len(handles) / 8))
    legend = figure.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.52, (0.08 + raised) / total), ncols=columns,
        frameon=False, fontsize=9, handlelength=1.2, columnspacing=1.3, labelcolor=_INK,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def _unit(rgb: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return a colour in matplotlib's range, 0 to 1."""
    return rgb[0] / 255, rgb[1] / 255, rgb[2] / 255
