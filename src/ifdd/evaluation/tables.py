"""Cells and tables that all reports share."""

from collections.abc import Iterable, Sequence


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
