"""Draw what the two halves of a model know: docs/images/disentanglement.png from results/disentanglement.json.

python docs/make_disentanglement_figure.py [NAME]

With NAME, results/NAME.json becomes docs/images/NAME.png.
"""

import sys
from pathlib import Path

from ifdd.explanation.disentanglement.plot import write_plot
from ifdd.records import DisentanglementRecord

ROOT = Path(__file__).parents[1]


def main(name: str = "disentanglement") -> None:
    """Draw the picture of one result."""
    file = ROOT / "results" / f"{name}.json"
    record = DisentanglementRecord.load(file, "write it with ifdd disentangle")
    write_plot(record, ROOT / "docs" / "images" / f"{name}.png")


if __name__ == "__main__":
    main(*sys.argv[1:2])
