"""Draw the rooms of the package and the imports between them: docs/images/architecture.svg.

python docs/make_architecture_figure.py

Rooms stand above those that they import. An arrow that follows from others (training imports evaluation, which imports
model, so training may import model) is not drawn; the box then says "also". ``python docs/build.py`` draws it as well.
"""

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from textwrap import wrap

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))  # run as a script, it finds the package of this checkout
sys.path.insert(0, str(Path(__file__).parents[1]))  # and the folder docs
from docs.blocks.markdown import ROOT
from docs.blocks.rooms import layers, purpose
from docs.imports import LEAVES, room_arrows
from ifdd.__main__ import COMMANDS

PICTURE = "images/architecture.svg"

COLUMNS = {
    "command_line": 0.0,
    "synth": 0.0,
    "export": 0.1,
    "data": 0.65,
    "annotations": 0.92,
    "evaluation": 1.0,
    "training": 1.0,
    "faces": 1.85,
    "video": 1.85,
    "explanation": 1.95,
    "reporting": 1.95,
    "inference": 2.45,
    "model": 2.8,
    "diagnosis": 2.9,
    "analysis": 3.1,
    "app": 3.75,
    "sharing": 3.5,
}
"""Room -> place across, in columns; the row follows from the imports."""

WINGS = {
    "the researcher's wing": ("#e8f1ea", "#3f7d55", ("data", "synth", "evaluation", "training", "reporting", "export")),
    "the practitioner's wing": ("#fbeee2", "#b2682a", ("inference", "analysis", "app", "diagnosis")),
    "both wings": ("#efeaf6", "#6b549b", ("explanation", "sharing")),
    "common ground": ("#e8eef7", "#41649c", ("video", "faces", "model", "annotations")),
    "entrance": ("#f4f4f2", "#5f666d", ("command_line",)),
}
"""Name -> fill, edge and rooms."""

COLUMN, ROW, WIDTH, HEIGHT, MARGIN = 284, 164, 236, 98, 24
"""Pixels: from column to column, from row to row, of a box, around the picture."""

INK, FAINT, ARROW = "#1f2933", "#66727f", "#4b5763"


def drawn_arrows(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out every arrow that follows from others."""

    def reached(name: str) -> set[str]:
        return arrows[name].union(*map(reached, arrows[name]))

    return {name: targets - set().union(*map(reached, targets)) for name, targets in arrows.items()}


def draw(source: Path) -> str:
    """Return the picture of the package below ``source`` as SVG text."""
    arrows = room_arrows(source)
    depth = layers(arrows)
    bottom = float(MARGIN + 62 + ROW * max(depth.values()))
    places = {name: (MARGIN + WIDTH / 2 + COLUMN * COLUMNS[name], bottom - ROW * row) for name, row in depth.items()}
    width = 2 * MARGIN + WIDTH + COLUMN * max(COLUMNS.values())
    height = bottom + HEIGHT + 74 + MARGIN
    drawn = drawn_arrows(arrows)
    parts = [*_head(width, height, set(depth))]
    parts += [_arrow(name, target, places) for name in depth for target in sorted(drawn[name])]
    for name in depth:
        parts += _box(name, places[name], sorted(arrows[name] - drawn[name]))
    parts += _strip(width, bottom + HEIGHT + 26)
    return "\n".join([*parts, "</svg>", ""])


def _head(width: float, height: float, rooms: set[str]) -> Iterator[str]:
    """Open the picture, and draw the legend of the wings that have rooms."""
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="Helvetica, Arial, sans-serif">'
    yield "<title>The rooms of ifdd and the imports between them</title>"
    yield (
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0.8 L9.5 5 L0 9.2 z" fill="{ARROW}"/></marker></defs>'
    )
    yield f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>'
    left = float(MARGIN)
    for name, (fill, edge, members) in WINGS.items():
        if rooms.isdisjoint(members):
            continue
        yield f'<rect x="{left:.0f}" y="{MARGIN}" width="16" height="16" rx="4" fill="{fill}" stroke="{edge}"/>'
        yield _text(left + 24, MARGIN + 13, name, 13, INK, "start")
        left += 46 + 7.2 * len(name)


def _arrow(name: str, target: str, places: dict[str, tuple[float, float]]) -> str:
    """Draw an arrow from the bottom of a box to the top of another, over a white halo."""
    (x1, y1), (x2, y2) = places[name], places[target]
    shift = max(-0.42, min(0.42, (x2 - x1) / COLUMN / 3)) * WIDTH
    start, end = (x1 + shift, y1 + HEIGHT), (x2 - shift * 0.8, y2 - 3)
    bend = (end[1] - start[1]) * 0.5
    path = (
        f"M{start[0]:.1f} {start[1]:.1f} C{start[0]:.1f} {start[1] + bend:.1f} "
        f"{end[0]:.1f} {end[1] - bend:.1f} {end[0]:.1f} {end[1]:.1f}"
    )
    halo = f'<path d="{path}" fill="none" stroke="#ffffff" stroke-width="7"/>'
    line = f'<path d="{path}" fill="none" stroke="{ARROW}" stroke-width="1.8" marker-end="url(#tip)"/>'
    return f'<g id="{name}-imports-{target}">{halo}{line}</g>'


def _box(name: str, place: tuple[float, float], also: list[str]) -> Iterator[str]:
    """Draw a room: its name, what it is for, its commands, and imports that no arrow shows."""
    x, y = place
    fill, edge = next((fill, edge) for fill, edge, rooms in WINGS.values() if name in rooms)
    yield f'<g id="{name}">'
    size = f'width="{WIDTH}" height="{HEIGHT}" rx="9"'
    yield f'<rect x="{x - WIDTH / 2:.1f}" y="{y:.1f}" {size} fill="{fill}" stroke="{edge}" stroke-width="1.6"/>'
    yield _text(x, y + 23, name, 17, edge, weight="bold")
    for number, line in enumerate(wrap(purpose(name), 35)):
        yield _text(x, y + 42 + 15 * number, line, 12.5, INK)
    commands = [command for command, (place, _) in COMMANDS.items() if place.split(".")[1] == name]
    if commands:
        yield _text(x, y + HEIGHT - 22, "ifdd " + ", ".join(commands), 12, edge, family="monospace")
    if also:
        yield _text(x, y + HEIGHT - 7, "also imports " + ", ".join(also), 11, FAINT)
    yield "</g>"


def _strip(width: float, top: float) -> Iterator[str]:
    """Draw the leaves, under everything."""
    yield f'<g id="leaves"><rect x="{MARGIN}" y="{top:.1f}" width="{width - 2 * MARGIN:.1f}" height="48" rx="9"'
    yield 'fill="#f4f4f2" stroke="#8b8f94" stroke-width="1.2"/>'
    yield _text(width / 2, top + 21, ", ".join(sorted(LEAVES)), 14, INK, weight="bold")
    yield _text(width / 2, top + 38, "leaves: every room may import them; they import nothing of ifdd", 12, FAINT)
    yield "</g>"


def _text(
    x: float, y: float, text: str, size: float, colour: str, anchor: str = "middle", weight: str = "", family: str = ""
) -> str:
    style = (f' font-weight="{weight}"' if weight else "") + (f' font-family="{family}"' if family else "")
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}"'
    return f"<text {place}{style}>{escape(text)}</text>"


if __name__ == "__main__":
    (ROOT / "docs" / PICTURE).write_text(draw(ROOT / "src"), encoding="utf-8")
