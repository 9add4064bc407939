"""Scores of the models trained on SynthDFER."""

from typing import Any

from docs.blocks.markdown import ROOT, Makers, percent, result, table
from ifdd.evaluation.groups.report import groups_markdown
from ifdd.records import EvaluationRecord

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
    """List the results by skin tone and age of rendered people."""
    record = EvaluationRecord.load(ROOT / "results" / f"{TRAINED[which]}.json", "run make weights")
    return "\n".join(
        line for found in record.groups or () if found.column in SHOWN for line in groups_markdown(found, 4)
    )


BLOCKS: Makers = {"recalls": recalls, "groups": groups}
FIGURES: Makers = {
    "score": lambda which, kind: percent(scores(which)[kind]),
    "test clips": lambda which: str(result(TRAINED[which])["protocol"]["clips"]),
}
