"""How well checkpoints read real faces: results/real_faces.json."""

from typing import Any

from docs.blocks.markdown import Makers, percent, result, table

SCOPES = {"restricted": "the folder's", "all": "all"}
"""Key in the result file -> the classes among which predictions are scored."""


def real_faces() -> str:
    """List the scores of every checkpoint."""
    rows = [
        (
            f"`{scored['checkpoint']}`",
            classes,
            _with_interval(scored[scope]["accuracy"]),
            _with_interval(scored[scope]["uar"]),
            _with_interval(scored[scope]["surest_half"]),
            f"{scored[scope]['aurc']:.3f}",
            f"{scored[scope]['ece']:.3f}",
        )
        for scored in result("real_faces")["checkpoints"]
        for scope, classes in SCOPES.items()
    ]
    return table(("checkpoint", "classes", "accuracy", "UAR", "accuracy of the surest half", "AURC", "ECE"), rows)


def _with_interval(value: dict[str, Any]) -> str:
    low, high = value["interval"]
    return f"{percent(value['value'])} ({100 * low:.1f} to {100 * high:.1f})"


BLOCKS: Makers = {"real faces": real_faces}
