"""What ``ifdd prepare`` prints: numbers of clips, the outcome of every check, findings, and excluded clips."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ifdd.console import console
from ifdd.data.datasets.checks import CHECKS, Checked, count
from ifdd.data.datasets.listing import Excluded, Listing
from ifdd.data.manifest import SUBSETS, Sample, dataset_hash
from ifdd.names import printable

FINDINGS_SHOWN = 6
"""Findings per check, and clips per reason, that the terminal shows; the record has all."""

UNREAD = ("lists", "encoding")
"""Checks whose failure hides how many clips are missing."""

COLOURS = {"ok": "green", "noted": "cyan", "wrong": "red", "refused": "bold red", "not checked": "yellow"}
"""Verdict -> its colour."""


def show(listing: Listing, samples: Sequence[Sample], checked: Sequence[Checked], file: str) -> None:
    """Print counts, checks, the first findings and the first excluded clips; a file of this name has all of them."""
    for table in counts_tables(listing):
        console.print(table)
    console.print(checks_table(checked))
    for check in checked:
        worst_first = sorted(check.findings, key=lambda finding: finding.severity == "note")
        _print_some(f"{check.name}: {check.verdict}", [finding.message for finding in worst_first], file)
    reasons = defaultdict(list)
    for excluded in listing.excluded:
        reasons[excluded.reason.partition(":")[0]].append(excluded)
    for reason, group in reasons.items():
        _print_some(f"Excluded, {reason}: {len(group)} lines of {_clips(group)} clips", map(_place, group), file)
    unread = [check for check in checked if check.name in UNREAD and check.verdict in ("wrong", "refused")]
    if unread:
        console.print("Lists that are missing or unreadable exclude an unknown number of clips.")
    if not listing.excluded and not unread:
        console.print("No clip is excluded.")
    console.print(f"Dataset hash {dataset_hash(samples)}", highlight=False)


def counts_tables(listing: Listing) -> list[Table]:
    """Return the number of clips per class; published numbers follow in brackets where they differ.

    With folds, there is one table per subset, with one column per fold; without, one table with a column per subset.
    """
    counted = count(listing.entries, listing.labels)
    pairs = sorted(counted.keys() | listing.published.keys(), key=lambda pair: (SUBSETS.index(pair[1]), pair[0]))
    title = f"{listing.dataset} ({listing.variant})"
    if all(fold == 0 for fold, _ in pairs):
        return [_counts_table(listing, counted, title, {subset: (fold, subset) for fold, subset in pairs})]
    return [
        _counts_table(listing, counted, f"{title}: {subset}", {f"fold {pair[0]}": pair for pair in group})
        for subset, group in groupby(pairs, key=lambda pair: pair[1])
    ]


def _counts_table(
    listing: Listing,
    counted: dict[tuple[int, str], tuple[int, ...]],
    title: str,
    columns: dict[str, tuple[int, str]],
) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("class", overflow="fold", min_width=14)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for place, name in enumerate(listing.classes):
        table.add_row(escape(name), *(_cell(counted, listing.published, pair, place) for pair in columns.values()))
    table.add_section()
    table.add_row("all", *(_cell(counted, listing.published, pair, None) for pair in columns.values()))
    return table


def checks_table(checked: Sequence[Checked]) -> Table:
    """Return the outcome of every check."""
    table = Table(title="checks", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for header in ("check", "expected", "verdict", "found"):
        table.add_column(header, justify="right" if header == "found" else "left")
    for check in checked:
        colour = COLOURS[check.verdict]
        found = check.reason or str(len(check.findings) or "")
        table.add_row(check.name, CHECKS[check.name], f"[{colour}]{check.verdict}[/]", found)
    return table


def _cell(
    counted: dict[tuple[int, str], tuple[int, ...]],
    published: dict[tuple[int, str], tuple[int, ...]],
    pair: tuple[int, str],
    place: int | None,
) -> str:
    """Return one number of the table: of the class at ``place``, or of all classes if it is None."""
    part = slice(place, None if place is None else place + 1)
    found, should = sum(counted.get(pair, ())[part]), sum(published.get(pair, ())[part])
    return f"[red]{found}[/] ({should})" if pair in published and found != should else str(found)


def _clips(group: Sequence[Excluded]) -> int:
    return len({excluded.clip_id or excluded.where for excluded in group})


def _place(excluded: Excluded) -> str:
    return f"{excluded.clip_id or 'a line'} ({excluded.where}): {excluded.reason}"


def _print_some(title: str, lines: Iterable[str], file: str) -> None:
    """Print a title and the first lines, of which a file has all; nothing if there are none."""
    all_lines = list(lines)
    if not all_lines:
        return
    console.print(f"[bold]{escape(title)}[/]")
    for line in all_lines[:FINDINGS_SHOWN]:
        console.print(f"  {printable(line)}", highlight=False, markup=False)
    if len(all_lines) > FINDINGS_SHOWN:
        console.print(f"  ... and {len(all_lines) - FINDINGS_SHOWN} more in {file}", highlight=False)
