"""What the study found: results/study.json and results/study_gpu.json."""

from collections.abc import Sequence
from typing import Any

from docs.blocks.markdown import ROOT, Makers, result, table

SIGNIFICANT = 0.05
"""Largest corrected p-value that counts as a difference."""


def _result(name: str) -> dict[str, Any] | None:
    """Return a study; None if it has not been run."""
    if not (ROOT / "results" / f"{name}.json").exists():
        return None
    found: dict[str, Any] = result(name)
    return found if found["cells"] else None


def _without(name: str) -> str:
    return f"There are no results yet: run `ifdd study configs/{name}.yaml`."


def accuracies(name: str = "study") -> str:
    """List the accuracy of every variant at every share of the clip."""
    study = _result(name)
    if study is None:
        return _without(name)
    shares = study["settings"]["sets"]["visible"]
    cells = {(cell["variant"], cell["visible"]): cell for cell in study["cells"]}
    compared = {(each["variant"], each["visible"]): each for each in study["comparisons"]}
    header = ("model", "parameters", "GMAC", *(f"visible {100 * share:g} %" for share in shares))
    rows = [
        (
            _title(study, variant),
            f"{size['parameters'] / 1e6:.2f} M",
            f"{size['gmac']:.3f}" if size["gmac"] < 1 else f"{size['gmac']:.2f}",
            *(_accuracy(cells.get((variant, share)), compared.get((variant, share))) for share in shares),
        )
        for variant, size in study["models"].items()
        if any((variant, share) in cells for share in shares)
    ]
    return table(header, rows)


def _title(study: dict[str, Any], variant: str) -> str:
    return f"{variant.replace('_', ' ')}{' (baseline)' if study['models'][variant]['baseline'] else ''}"


def _accuracy(cell: dict[str, Any] | None, compared: dict[str, Any] | None) -> str:
    if cell is None:
        return ""
    reach = "" if cell["interval"] is None else f" ± {100 * (cell['interval'][1] - cell['mean']):.1f}"
    mark = "*" if compared is not None and compared["p_holm"] < SIGNIFICANT else ""
    return f"{100 * cell['mean']:.1f}{reach}{mark}"


def differences(name: str = "study") -> str:
    """List every difference from the reference."""
    study = _result(name)
    if study is None:
        return _without(name)
    rows = [
        (
            _title(study, each["variant"]),
            f"{100 * each['visible']:g} %",
            len(each["seeds"]),
            _points(each["difference"]) + _reach(each["interval"]),
            "" if each["effect_size"] is None else f"{each['effect_size']:+.2f}",
            _p(each["p"]),
            _p(each["p_holm"]),
        )
        for each in study["comparisons"]
    ]
    return table(("model", "visible", "seeds", "points more than the full model", "d_z", "p", "p, Holm"), rows)


def _reach(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f" ({' to '.join(map(_points, interval))})"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def setup(name: str = "study") -> str:
    """Say what was run."""
    study = _result(name)
    if study is None:
        return _without(name)
    sets = study["settings"]["sets"]
    runs = sum(len(cell["seeds"]) for cell in study["cells"])
    first = study["comparisons"][0] if study["comparisons"] else None
    tested = "" if first is None else f", {first['clips']} of them for the test, of {first['people']} people"
    return (
        f"`{study['command']}` on {study['machine']['device']}: {runs} runs; sets of {sets['clips']} clips{tested}; "
        f"{len(study['comparisons'])} comparisons."
    )


BLOCKS: Makers = {
    "study accuracies": accuracies,
    "study differences": differences,
    "study setup": setup,
}
