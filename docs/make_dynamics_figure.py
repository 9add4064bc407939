"""Make the picture of docs/evidence.md: the curves of results/dynamics.json.

python docs/make_dynamics_figure.py
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from docs.blocks.dynamics import PICTURE, RESULT, report, stress_records
from ifdd.evaluation.stress.picture import write_curves


def main() -> None:
    """Make the picture."""
    found = report()
    if found is None:
        sys.exit(f"{RESULT} is missing; run benchmarks/dynamics.py first")
    write_curves(PICTURE, stress_records(found))


if __name__ == "__main__":
    main()
