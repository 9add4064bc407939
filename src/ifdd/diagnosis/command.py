"""``ifdd doctor``."""

import json as json_text
import sys
from collections.abc import Iterator
from typing import Any

from rich.markup import escape
from rich.table import Table

from ifdd.console import console, error_console
from ifdd.diagnosis import hardware, places, software, trials
from ifdd.diagnosis.finding import Check, Finding, guarded, without_names
from ifdd.names import counted

SCHEMA_VERSION = 1

CHECKS: tuple[tuple[str, Check], ...] = (
    (software.GROUP, software.python),
    (software.GROUP, software.packages),
    (hardware.GROUP, hardware.devices),
    (hardware.GROUP, hardware.threads),
    (places.GROUP, places.folders),
    (places.GROUP, places.settings),
    (trials.GROUP, trials.videos),
    (trials.GROUP, trials.pictures),
    (trials.GROUP, trials.detectors),
    (trials.GROUP, trials.models),
    (trials.GROUP, trials.recognition),
    (trials.GROUP, trials.rendered_rig),
)
"""Group and check, in the order in which they are shown."""

MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "wrong": "[red]wrong[/]"}


def doctor(*, json: bool = False) -> None:
    """Show what is installed, what works, and what to do about the rest.

    Checks packages and extras, devices and threads, folders and free space, and settings. Tries encoders, decoders,
    face detectors, the bundled models and recognition on a built-in clip. Nothing is downloaded or sent, and nothing
    that is kept is written. The exit code is 0 if everything works that the installation needs, 1 if something does
    not; extras that are not installed are notes.

    Args:
        json: Print JSON, for a bug report. Like the table, it holds neither the name of the user or the computer nor
            passwords, and of paths only what follows the home folder, or the last two parts.
    """
    findings = []
    with error_console.status("checking ...") as status:
        for finding in diagnose():
            findings.append(finding)
            status.update(f"checking {finding.group} ...")
    if json:
        print(json_text.dumps(document(findings), indent=1))
    else:
        console.print(table(findings))
        console.print(summary(findings), markup=False, highlight=False, soft_wrap=True)
    if any(finding.state == "wrong" for finding in findings):
        sys.exit(1)


def diagnose() -> Iterator[Finding]:
    """Yield the findings of all checks; a check that fails is a finding too."""
    for group, check in CHECKS:
        yield from map(without_names, guarded(group, check))


def document(findings: list[Finding]) -> dict[str, Any]:
    """Return the findings as a JSON document.

    ``{"schema_version": 1, "healthy": whether nothing is wrong, "findings": [{"group", "name", "value", "state": "ok",
    "note" or "wrong", "remedy"}, ...]}``.
    """
    healthy = all(finding.state != "wrong" for finding in findings)
    return {"schema_version": SCHEMA_VERSION, "healthy": healthy, "findings": [each._asdict() for each in findings]}


def table(findings: list[Finding]) -> Table:
    """Return the findings as a table, in groups."""
    shown = Table("", "", "found", "what to do", box=None, pad_edge=False)
    before = ""
    for each in findings:
        if before and each.group != before:
            shown.add_row()
        before = each.group
        shown.add_row(MARKS[each.state], escape(each.name), escape(each.value), escape(each.remedy))
    return shown


def summary(findings: list[Finding]) -> str:
    """Return the last line."""
    wrong, notes = (sum(each.state == state for each in findings) for state in ("wrong", "note"))
    told = counted(notes, "note")
    if wrong:
        return f"{wrong} of {len(findings)} checks found something wrong ({told}); see the column on the right"
    return f"Everything works that this installation needs ({len(findings)} checks, {told})."
