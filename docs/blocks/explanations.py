"""What the checks of the heat maps gave: results/explanations.json, by ``benchmarks/explanations.py``."""

from typing import Any

from docs.blocks.markdown import Makers, percent, result, table

GROUPS = {"dynamic": "Y_D", "static": "Y_S"}
"""Group in the result file -> its name on the page."""

ORDERS = {
    "most": "its hottest pixels",
    "other_clip": "the hottest pixels of another clip's map",
    "moved": "the hottest pixels of the same map, moved",
    "least": "its coldest pixels",
}
"""Order in the result file -> what is deleted first."""

SHOWN = (0.1, 0.3, 0.5)
"""Shares deleted that the page shows."""


def deletion() -> str:
    """List the probability of the predicted class by what was deleted."""
    rows = []
    for group, symbol in GROUPS.items():
        measured = result("explanations")["deletion"].get(group)
        if measured is None:
            continue
        places = [measured["shares"].index(share) for share in SHOWN]
        for order, words in ORDERS.items():
            shown = (percent(measured[order][place]) for place in places)
            rows.append((f"{symbol}: {words}", percent(measured[order][0]), *shown))
    return table(("deleted first", "nothing deleted", *(f"{percent(share, 0)} deleted" for share in SHOWN)), rows)


def randomisation() -> str:
    """List the rank correlation of the maps with those of a destroyed model."""
    measured = result("explanations")["randomisation"]
    parts = list(next(iter(measured.values())))
    rows = [(GROUPS[group], *(f"{values[part]:.2f}" for part in parts)) for group, values in measured.items()]
    return table(("weights shuffled up to the", *parts), rows)


def gain(group: str, against: str) -> str:
    """Return how much more probability the right map loses than a wrong one, with its interval."""
    found: dict[str, Any] = result("explanations")["deletion"][group][f"against_{against}"]
    low, high = found["interval"]
    return f"{100 * found['mean']:.1f} points ({100 * low:.1f} to {100 * high:.1f})"


BLOCKS: Makers = {"explanation deletion": deletion, "explanation randomisation": randomisation}
FIGURES: Makers = {
    "explanation clips": lambda: str(result("explanations")["clips"]),
    "explanation gain": gain,
    "explanation deviation": lambda group: f"{result('explanations')['index_deviation'][group]:.4f}",
}
