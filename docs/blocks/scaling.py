"""What trainings survive: results/kills.json."""

from docs.blocks.markdown import ROOT, Makers, result, table

RESULT = ROOT / "results" / "kills.json"
NOT_MEASURED = "*Nothing is measured yet: run benchmarks/kills.py.*"

WAYS = {
    "kill": "kill -9 at random moments",
    "terminate": "SIGTERM at random moments",
    "worker": "kill -9 of a process that loads clips",
    "disk": "a disk that is full at a random size of the files",
    "damage": "kill -9, then a changed byte in `resume.ckpt`",
}
"""Kinds of the result -> words of the page."""


def kills() -> str:
    """List in which ways trainings were ended, how often, and how many runs differed afterwards."""
    if not RESULT.exists():
        return NOT_MEASURED
    found = result("kills")["kinds"]
    rows = [
        (words, str(found[kind]["ended"]), str(found[kind]["runs"]), str(len(found[kind]["different"])))
        for kind, words in WAYS.items()
        if kind in found
    ]
    return table(("ended by", "times", "trainings", "files that differed"), rows)


BLOCKS: Makers = {"kills": kills}
