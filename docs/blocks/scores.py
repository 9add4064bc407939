"""Scores of the models trained on SynthDFER."""

from typing import Any

from docs.blocks.markdown import Makers, percent, result, table

TRAINED = {"demo": "synth_tiny", "bundled": "ifdd_tiny_synth"}
"""What a page calls a model -> its result file."""


def scores(which: str) -> dict[str, Any]:
    """Return the scores of a model."""
    found: dict[str, Any] = result(TRAINED[which])["scores"]
    return found


def recalls(which: str) -> str:
    """List the recall of every class."""
    found = scores(which)["recalls"]
    return table(("recall", *found), [("", *map(percent, found.values()))])


BLOCKS: Makers = {"recalls": recalls}
FIGURES: Makers = {
    "score": lambda which, kind: percent(scores(which)[kind]),
    "test clips": lambda which: str(result(TRAINED[which])["protocol"]["clips"]),
}
