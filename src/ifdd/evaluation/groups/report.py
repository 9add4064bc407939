"""Reports of results by group, from their records, for the terminal and in Markdown."""

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ifdd.evaluation.tables import markdown_table, percent, with_interval
from ifdd.records import Estimate, GapRecord, GroupRecord, GroupsRecord

NOT_STATED = "not stated"
"""Name of the group of clips without a value."""

_SCORES = {"war": "WAR", "uar": "UAR", "overconfidence": "confidence minus accuracy"}


def group_table(result: GroupsRecord) -> Table:
    """Return the table of the groups of one column for the terminal."""
    table = Table(
        title=escape(f"By {result.column}"),
        caption=escape(" ".join([*map(_gap_words, result.gaps), method_words(result)])),
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1),
    )
    table.add_column(escape(result.column), overflow="fold", min_width=8)
    for name in ("clips", "WAR %", "UAR %", "conf.-acc. %"):
        table.add_column(name, justify="right", no_wrap=True)
    for group in (*result.groups, result.overall):
        scores = (group.war, group.uar, group.overconfidence)
        table.add_row(escape(_name(group, result)), str(group.clips), *(_short_words(score) for score in scores))
    return table


def groups_markdown(result: GroupsRecord, level: int = 2) -> list[str]:
    """Return the lines of a section on the groups of one column, for a report or a model card.

    Args:
        result: the results by group.
        level: level of the section's heading.
    """
    rows = (*result.groups, result.overall)
    header, table = group_rows(result)
    classes = [name for name, count in result.overall.support.items() if count]
    recalls = [[_name(group, result), *(_words(group.recalls[name]) for name in classes)] for group in rows]
    gaps = [[_SCORES[gap.score], _group(gap.highest), _group(gap.lowest), _words(gap.gap)] for gap in result.gaps]
    lines = [f"{'#' * level} By {result.column}", "", method_words(result), "", *markdown_table(header, table), ""]
    lines += ["Recall in %:", "", *markdown_table([result.column, *classes], recalls), ""]
    if gaps:
        return [*lines, *markdown_table(["largest gap", "highest", "lowest", "difference %"], gaps), ""]
    return [*lines, "No gaps: fewer than two groups are large enough.", ""]


def group_rows(result: GroupsRecord) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of the groups of one column; the last row is that of all clips."""
    subjects = result.resampled == "subjects"
    header = [result.column, "clips", *(["subjects"] if subjects else []), "WAR %", "UAR %"]
    header += ["confidence %", "confidence minus accuracy %", "ECE %"]
    rows = [
        [
            _name(group, result),
            str(group.clips),
            *([str(group.subjects)] if subjects else []),
            _words(group.war),
            _words(group.uar),
            percent(group.confidence),
            _words(group.overconfidence),
            percent(group.ece.value),
        ]
        for group in (*result.groups, result.overall)
    ]
    return header, rows


def method_words(result: GroupsRecord) -> str:
    """Return how intervals and gaps were computed."""
    small = f"{result.minimum_clips} clips"
    if result.minimum_subjects is not None:
        small += f" or {result.minimum_subjects} subjects"
    bands = "" if result.band is None else f"Numbers are cut into bands of {result.band:g}. "
    marked = any(not group.counted for group in result.groups)
    note = f" Groups marked * have fewer than {small} or no value, and do not count toward the gaps." if marked else ""
    return (
        f"{bands}In brackets: {100 * result.level:g} % intervals from {result.resamples} resamples of "
        f"{result.resampled}; those of gaps hold for all pairs of groups at once.{note}"
    )


def _gap_words(gap: GapRecord) -> str:
    return f"Largest gap in {_SCORES[gap.score]}: {_words(gap.gap)}, {_group(gap.highest)} and {_group(gap.lowest)}."


def _name(group: GroupRecord, result: GroupsRecord) -> str:
    return _group(group.group) + ("" if group.counted or group is result.overall else " *")


def _group(name: str) -> str:
    return name or NOT_STATED


def _words(estimate: Estimate | None) -> str:
    """Return a score and its interval in percent."""
    return "-" if estimate is None else with_interval(percent(estimate.value), estimate.interval)


def _short_words(estimate: Estimate) -> str:
    """Return the same with fewer decimals: three of them fit a terminal."""
    value = f"{100 * estimate.value:.1f}"
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} ({100 * estimate.low:.0f} to {100 * estimate.high:.0f})"
