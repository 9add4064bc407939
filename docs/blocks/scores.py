"""Scores of the models trained on SynthDFER."""

from itertools import takewhile
from typing import Any

from docs.blocks.markdown import ROOT, Makers, percent, result, table
from ifdd.evaluation.groups.report import groups_markdown
from ifdd.records import EvaluationRecord, GroupsRecord

TRAINED = {"demo": "synth_tiny", "bundled": "ifdd_tiny_synth", "face": "ifdd_face"}
"""What a page calls a model -> its result file."""


SHOWN = ("skin_tone", "age")
"""Columns whose groups the model card lists; the result file has others."""


def scores(which: str) -> dict[str, Any]:
    """Return the scores of a model."""
    found: dict[str, Any] = result(TRAINED[which])["scores"]
    return found


def recalls(which: str) -> str:
    """List the recall of every class."""
    found = scores(which)["recalls"]
    return table(("recall", *found), [("", *map(percent, found.values()))])


def groups(which: str) -> str:
    """List the results by skin tone and age of rendered people, without the gaps."""
    return "\n".join(line for found in _shown_groups(which) for line in _before_gaps(found))


def gaps(which: str) -> str:
    """List the largest gaps between those groups."""
    rows = [
        f"| {found.column} {line}"
        for found in _shown_groups(which)
        for line in groups_markdown(found, 3)[len(_before_gaps(found)) + 2 :]
        if line
    ]
    return "\n".join(("| by | largest gap in | highest | lowest | difference % |", "|---|---|---|---|---|", *rows))


def _shown_groups(which: str) -> list[GroupsRecord]:
    record = EvaluationRecord.load(ROOT / "results" / f"{TRAINED[which]}.json", "run make weights")
    return [found for found in record.groups or () if found.column in SHOWN]


def _before_gaps(found: GroupsRecord) -> list[str]:
    return list(takewhile(lambda line: not line.startswith("| largest gap"), groups_markdown(found, 3)))


BLOCKS: Makers = {"recalls": recalls, "groups": groups, "group gaps": gaps}
FIGURES: Makers = {
    "score": lambda which, kind: percent(scores(which)[kind]),
    "test clips": lambda which: str(result(TRAINED[which])["protocol"]["clips"]),
}
