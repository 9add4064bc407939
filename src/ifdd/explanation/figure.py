"""The picture of an explanation: frames, the frames that were sampled, heat maps, R and the probabilities.

Several explanations, such as those of two models, are drawn under each other.
"""

import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ifdd.errors import InputError
from ifdd.explanation.explained import ExplainedClip, Group
from ifdd.explanation.overlays import DYNAMIC_COLOUR, STATIC_COLOUR, heat_frames, strip
from ifdd.files import atomic_path
from ifdd.names import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

WIDTH = 13.0
"""Width of the figure in inches."""
STRIP_WIDTH = 8.6
"""Width of the frames in inches."""
LEFT, GAP = 0.2, 0.28
"""Left margin, and the space between rows for their names, in inches."""

_INK = "#22262b"
_FAINT = "#6b727b"


def write_picture(explanations: Sequence[ExplainedClip], path: Path) -> None:
    """Write the picture of one or several explanations.

    Raises:
        InputError: matplotlib is not installed, or the path cannot be written to.
    """
    figure = plot_explanations(explanations)
    with atomic_path(path, private=True) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # shown as a box
        figure.savefig(temporary, dpi=150)


def plot_explanations(explanations: Sequence[ExplainedClip]) -> "Figure":
    """Draw explanations under each other.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise InputError("a picture needs matplotlib, which is not installed: pip install 'ifdd[plot]'") from error
    heights = [_height(each) for each in explanations]
    figure = Figure(figsize=(WIDTH, sum(heights)), facecolor="white")
    parts = figure.subfigures(len(explanations), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, explanation, height in zip(parts, explanations, heights, strict=True):
        _Drawing(part, explanation, height).draw()
    return figure


def _height(explanation: ExplainedClip) -> float:
    rows = 1 + len(explanation.groups)
    markers = 0.75 if explanation.config.split != "none" else 0.0
    return 0.75 + rows * (_frame_size(explanation) + GAP) + markers + 0.2 * len(explanation.notices) + 0.2


def _frame_size(explanation: ExplainedClip) -> float:
    """Return the height of a frame in inches."""
    return STRIP_WIDTH / len(explanation.frames)


class _Drawing:
    """Draws one explanation, from the top down."""

    def __init__(self, part: "SubFigure", explanation: ExplainedClip, height: float) -> None:
        self.part = part
        self.explanation = explanation
        self.height = height
        self.top = 0.75
        """Distance from the top edge of what comes next, in inches."""

    def draw(self) -> None:
        """Draw all rows, then R and the probabilities to their right."""
        self._title()
        self._pictures("Frames", self.explanation.frames)
        if self.explanation.config.split != "none":
            self._positions()
        for group, colour in zip(self.explanation.groups, (DYNAMIC_COLOUR, STATIC_COLOUR), strict=False):
            self._heat(group, colour)
        for line in self.explanation.notices:
            self._text(LEFT, self.top, line, size=8.5, color="#a03010")
            self.top += 0.2
        right = LEFT + STRIP_WIDTH + 0.45
        if self.explanation.has_correlation:
            self._correlation(self._axes(right, 0.75 + 0.25, 1.55, 1.55))
        right += 2.7 if self.explanation.has_correlation else 0.75
        self._probabilities(self._axes(right, 0.75 + 0.25, 0.7, 0.21 * len(self.explanation.classes)))

    def _axes(self, left: float, top: float, width: float, height: float) -> "Axes":
        """Return axes at a place in inches from the top left corner."""
        box = (left / WIDTH, 1 - (top + height) / self.height, width / WIDTH, height / self.height)
        return self.part.add_axes(box)

    def _text(self, left: float, top: float, text: str, **style: object) -> None:
        place = left / WIDTH, 1 - top / self.height
        self.part.text(*place, text, va="top", parse_math=False, **style)  # type: ignore[arg-type]

    def _title(self) -> None:
        explanation = self.explanation
        named = f"{explanation.classes[explanation.target]} {explanation.probabilities[explanation.target]:.0%}"
        true = f" (labelled {explanation.label})" if explanation.label else ""
        title = f"{explanation.checkpoint or 'model'}: {named}{true}"
        self._text(LEFT, 0.14, printable(_shortened(title, 110)), size=13, weight="bold", color=_INK)
        self._text(LEFT, 0.4, printable(_shortened(explanation.source, 150)), size=9, color=_FAINT)

    def _pictures(self, name: str, frames: np.ndarray, colour: str = _INK) -> None:
        size = _frame_size(self.explanation)
        self._text(LEFT, self.top, name, size=9, color=colour)
        area = self._axes(LEFT, self.top + GAP * 0.75, STRIP_WIDTH, size)
        area.imshow(strip(frames), aspect="auto", interpolation="bilinear")
        area.set_axis_off()
        for edge in range(1, len(frames)):
            area.axvline(edge * frames.shape[2] - 0.5, color="white", linewidth=1)
        self.top += size + GAP

    def _heat(self, group: Group, colour: tuple[int, int, int]) -> None:
        name = f"Heat map: {group.name}"
        if group.heat is None:
            self._pictures(f"{name}. {group.missing}", np.full_like(self.explanation.frames, 238), _unit_hex(colour))
        else:
            self._pictures(name, heat_frames(self.explanation.frames, group.heat, colour), _unit_hex(colour))

    def _positions(self) -> None:
        """Draw where the indexes landed, below the frames that they fall into."""
        frames = len(self.explanation.frames)
        area = self._axes(LEFT, self.top + 0.05, STRIP_WIDTH, 0.6)
        area.set(xlim=(-0.5, frames - 0.5), ylim=(-0.7, 1.5), yticks=[])
        area.set_xticks(range(frames), [str(frame) for frame in range(frames)], size=7, color=_FAINT)
        area.tick_params(length=0, pad=1, top=True, labeltop=True, bottom=False, labelbottom=False)
        area.spines[:].set_visible(False)
        groups = zip(self.explanation.groups, (1.0, 0.0), (DYNAMIC_COLOUR, STATIC_COLOUR), "os", strict=True)
        for group, level, rgb, marker in groups:
            assert group.positions is not None
            colour = _unit_hex(rgb)
            area.axhline(level, color="#e2e5e9", linewidth=1, zorder=0)
            area.plot(
                group.positions, [level] * len(group.positions), marker, color=colour, markersize=6, clip_on=False
            )
            area.annotate(
                "dynamic index" if level else "static index", (0, level), (0, 2), xycoords=("axes fraction", "data"),
                textcoords="offset points", va="bottom", size=7.5, color=colour, annotation_clip=False,
            )  # fmt: skip
        self.top += 0.72

    def _correlation(self, area: "Axes") -> None:
        matrix = self.explanation.correlation
        shown = area.imshow(matrix, cmap="viridis")
        ticks = range(len(matrix))
        area.set_xticks(ticks, [str(tick) for tick in ticks], size=7, color=_FAINT)
        area.set_yticks(ticks, [str(tick) for tick in ticks], size=7, color=_FAINT)
        area.tick_params(length=0, pad=2)
        area.spines[:].set_visible(False)
        area.set_title("Correlation R of the feature frames", size=8.5, color=_INK, pad=5)
        bar = self.part.colorbar(shown, ax=area, fraction=0.046, pad=0.03)
        bar.ax.tick_params(labelsize=7, colors=_FAINT, length=0)
        bar.outline.set_visible(False)

    def _probabilities(self, area: "Axes") -> None:
        explanation = self.explanation
        rows = np.arange(len(explanation.classes))
        colours = [_unit_hex(DYNAMIC_COLOUR) if row == explanation.target else "#b9bfc6" for row in rows]
        bars = area.barh(rows, explanation.probabilities, color=colours, height=0.7)
        area.bar_label(bars, [f" {share:.0%}" for share in explanation.probabilities], size=7.5, color=_INK)
        names = [printable("\n".join(textwrap.wrap(name, 14)[:1])) for name in explanation.classes]
        area.set_yticks(rows, names, size=8, color=_INK)
        for name in area.get_yticklabels():
            name.set_parse_math(False)
        area.set(xlim=(0, 1), xticks=[])
        area.invert_yaxis()
        area.tick_params(length=0)
        area.spines[:].set_visible(False)
        area.set_title("Probability", size=8.5, color=_INK, pad=5)


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _unit_hex(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
