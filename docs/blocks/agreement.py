"""Agreement with the truth of drawn crowds: results/agreement.json."""

from docs.blocks.markdown import ROOT, Makers, table
from ifdd.analysis.agreement.report import score_rows
from ifdd.records import AgreementRecord


def agreement() -> str:
    """Say what was compared, and list the scores."""
    record = AgreementRecord.load(ROOT / "results" / "agreement.json", "run benchmarks/agreement.py")
    people = sum(len(pair.people) for pair in record.pairs)
    return (
        f"The truth of {len(record.pairs)} drawn crowds with {people} people, exported as ELAN and compared with what "
        "`ifdd_tiny_synth` read (`benchmarks/agreement.py`):\n\n" + table(("score", "found"), score_rows(record))
    )


BLOCKS: Makers = {"agreement": agreement}
