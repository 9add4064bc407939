"""How well faces can be read: results/quality.json."""

from typing import Any

from docs.blocks.markdown import Makers, percent, result, table

DEGRADATIONS = {
    "as drawn": ("none", 0.0),
    "face of 32 pixels": ("shrunk", 32),
    "face of 16 pixels": ("shrunk", 16),
    "blurred by 3 % of the face": ("blurred", 3),
    "motion blur of 20 % of the face": ("smeared", 20),
    "light x 0.35": ("darkened", 0.35),
    "light x 0.12": ("darkened", 0.12),
    "light x 3, blown out": ("brightened", 3),
    "contrast x 0.25": ("fogged", 0.25),
    "noise of 40 grey levels": ("noisy", 40),
    "heads turned by up to 35 degrees": ("turned", 35.0),
    "a hand in front of the face": ("hand", 1.0),
}
"""Clips as the page calls them -> degradation and step in the result file."""


def mixed() -> Any:
    """Return what was measured on clips with mixed degradations."""
    return result("quality")["mixed"]


def ladder() -> str:
    """List quality and accuracy of degraded clips."""
    measured = {(row["degradation"], row["step"]): row for row in result("quality")["ladder"]}
    rows = []
    for words, key in DEGRADATIONS.items():
        rows.append((words, f"{measured[key]['quality']:.2f}", percent(measured[key]["war"])))
    return table(("clips", "quality", "correct"), rows)


def fifths() -> str:
    """List accuracy and probability of five equal parts of the readings, by quality."""
    parts = mixed()["quintiles"]
    rows = (
        ("correct", *(percent(part["war"]) for part in parts)),
        ("the model's own probability", *(f"{part['probability']:.2f}" for part in parts)),
    )
    return table(("quality", *(f"{part['quality']:.2f}" for part in parts)), rows)


def limit() -> Any:
    """Return what the default limit of the quality leaves out."""
    return next(row for row in mixed()["thresholds"] if row["minimum_quality"] == 0.2)


def readings_per_clip() -> int:
    """Return how often every clip was read."""
    return int(mixed()["readings"] // result("quality")["clips"]["count"])


BLOCKS: Makers = {"quality ladder": ladder, "quality fifths": fifths}
FIGURES: Makers = {
    "quality clips": lambda: str(result("quality")["clips"]["count"]),
    "quality readings": lambda: str(readings_per_clip()),
    "quality correct": lambda: percent(mixed()["war"]),
    "quality best": lambda by: percent(mixed()["rejection"][by]["40%"]),
    "quality mean": lambda of: f"{mixed()[f'mean_{of}']:.2f}",
    "quality pairs": lambda kind: percent(mixed()["pairs"][f"war_{kind}"]),
    "quality below limit": lambda: percent(1 - limit()["kept"]),
    "quality correct below limit": lambda: percent(limit()["war_left_out"]),
    "quality area": lambda of: f"{mixed()['rejection'][of]['area']:.3f}",
    "quality milliseconds": lambda size: f"{result('quality')['milliseconds_a_crop'][size]:.2f}",
}
