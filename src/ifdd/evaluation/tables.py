"""Texts, cells and tables that all reports share."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ifdd.names import printable

if TYPE_CHECKING:
    from matplotlib.legend import Legend

LONGEST = 28
"""Most characters of a name in a chart; the tables below have the whole name."""


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]


def percent(share: float) -> str:
    """Return a share as text in percent."""
    return f"{100 * share:.2f}"


def percent_range(interval: Sequence[float]) -> str:
    """Return an interval in percent; "to" keeps negative ends readable."""
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f}"


def with_interval(score: str, interval: Sequence[float] | None) -> str:
    """Return the text of a score, followed by its interval in percent if it has one."""
    return score if interval is None else f"{score} ({percent_range(interval)})"


def name_entries(legend: "Legend", names: Iterable[str]) -> None:
    """Name the entries of a legend, which has other names until then: matplotlib 3.9 drops those that begin with _."""
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)
        text.set_parse_math(False)


def short_name(name: str) -> str:
    """Return a name for a chart: what cannot be shown is spelt out, and a long one is shortened in the middle."""
    shown = printable(name)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST // 2 - 1]}...{shown[-(LONGEST // 2 - 2) :]}"
