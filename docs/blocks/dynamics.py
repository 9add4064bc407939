"""Whether models use dynamics: results/dynamics.json."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from docs.blocks.markdown import ROOT, Makers, table
from ifdd.evaluation.stress.transforms import STRESSES
from ifdd.records import ChangeRecord, Estimate, PairsRecord, StressCurve, StressPoint, StressRecord

RESULT = ROOT / "results" / "dynamics.json"
PICTURE = ROOT / "docs" / "images" / "dynamics.png"
NOT_MEASURED = "*Nothing is measured yet: run benchmarks/dynamics.py.*"


def report() -> Any:
    """Return the result file; None if nothing is measured."""
    return json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else None


def stress_records(found: Any) -> dict[str, StressRecord]:
    """Return model -> scores on changed clips."""
    return {model["name"]: StressRecord.read(model["stress"], RESULT.name) for model in found["models"]}


def pairs_records(found: Any) -> dict[str, PairsRecord]:
    """Return model -> results on minimal pairs."""
    return {model["name"]: PairsRecord.read(model["pairs"], RESULT.name) for model in found["models"] if model["pairs"]}


def changes() -> str:
    """List the changes and their strengths."""
    rows = (
        (f"`{name}`", each.meaning, ", ".join(f"{strength:g}" for strength in each.strengths), each.unit)
        for name, each in STRESSES.items()
    )
    return table(("change", "what happens to the clip", "strengths", "in"), rows)


def stress() -> str:
    """List what the strongest changes cost each model."""
    if (found := report()) is None:
        return NOT_MEASURED
    models = stress_records(found)
    rows = [("WAR of the unchanged clips, %", *(_score(record.war) for record in models.values()))]
    for number, curve in enumerate(next(iter(models.values())).curves):
        for place in _strongest(curve):
            points = [record.curves[number].points[place] for record in models.values()]
            rows.append((_words(curve, points[0]), *(_difference(point.result.war_difference) for point in points)))
    return table(("change", *models), rows)


def pairs() -> str:
    """List accuracy, changed predictions and distances on minimal pairs, a table each."""
    if (found := report()) is None:
        return NOT_MEASURED
    models = pairs_records(found)
    conditions = [each.condition for each in next(iter(models.values())).conditions]
    cells: dict[str, Callable[[ChangeRecord], str]] = {
        "WAR, %": lambda result: _score(result.war),
        "pairs whose prediction differs from that for `onset`, %": lambda result: f"{100 * result.changed.value:.1f}",
        "mean total variation distance from `onset`, 0 to 1": lambda result: f"{result.distance.value:.3f}",
    }
    parts = []
    for heading, cell in cells.items():
        rows = [(name, *(cell(each.result) for each in record.conditions)) for name, record in models.items()]
        parts.append(table((heading, *conditions), rows))
    return "\n\n".join(parts)


def curves() -> str:
    """Show the picture of the curves."""
    if report() is None:
        return NOT_MEASURED
    return f"![WAR of each model over the strength of each change](images/{PICTURE.name})"


def method() -> str:
    """Say what was measured, with what."""
    if (found := report()) is None:
        return NOT_MEASURED
    first = next(iter(stress_records(found).values()))
    seeds = sorted({len(model["checkpoints"]) for model in found["models"]})
    many = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    clips, of_pairs = found["clips"], found["pairs"]
    pairs_words = f", and {of_pairs['clips']} clips of minimal pairs" if of_pairs else ""
    return (
        f"{clips['clips']} clips of {clips['subjects']} people{pairs_words}; {many} trainings of each model, whose "
        f"predictions are pooled. In brackets: {100 * first.level:g} % intervals from {first.resamples} paired "
        f"resamples of {first.resampled}; they cover the choice of test clips, not further trainings. Measured on "
        f"{found['machine']['device']} in {found['seconds'] / 60:.0f} minutes by\n\n```\n{found['command']}\n```"
    )


def _strongest(curve: StressCurve) -> Sequence[int]:
    """Return the places of the strongest change, or of both ends if the unchanged clip lies between them."""
    strengths = [point.strength for point in curve.points]
    return (0, len(strengths) - 1) if min(strengths) < curve.neutral < max(strengths) else (len(strengths) - 1,)


def _words(curve: StressCurve, point: StressPoint) -> str:
    name = curve.name.replace("_", " ")
    return name if len(curve.points) == 1 else f"{name}, {point.strength:g} ({STRESSES[curve.name].unit})"


def _score(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f}" + _range(estimate)


def _difference(estimate: Estimate) -> str:
    return f"{100 * estimate.value:+.1f}" + _range(estimate)


def _range(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f" ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


BLOCKS: Makers = {
    "dynamics changes": changes,
    "dynamics curves": curves,
    "dynamics method": method,
    "dynamics pairs": pairs,
    "dynamics stress": stress,
}
