"""The page of an explanation: one self-contained HTML file, for one model or several under each other."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ifdd.explanation.explained import ExplainedClip, Group
from ifdd.explanation.overlays import DYNAMIC_COLOUR, STATIC_COLOUR, heat_frames, strip
from ifdd.pages import image_uri, render

CELL = 64
"""Width of a frame in the drawing of the indexes; the template draws in the same units."""

COLOURS = {
    "dynamic_light": "#b8430a",
    "static_light": "#1c63b8",
    "dynamic_dark": "#ff9a5c",
    "static_dark": "#7db8f5",
}
"""The groups' colours as text, with enough contrast to a light and to a dark page."""

LOWEST, HIGHEST = np.array((242, 246, 250)), np.array((16, 92, 70))
"""RGB of the smallest and the largest correlation."""


def explanation_page(explanations: Sequence[ExplainedClip]) -> str:
    """Return the HTML text of a page.

    Args:
        explanations: of the same clip by one model, or by several.

    Raises:
        InputError: Jinja2 is not installed.
    """
    sources = list(dict.fromkeys(each.source for each in explanations if each.source))
    names = ", ".join(each.checkpoint or "a model" for each in explanations)
    return render(
        "explanation/explanation.html",
        heading=f"Explanation of {sources[0]}" if sources else "Explanation of a clip",
        lead=f"What {names} made of it: the frames sampled, where the evidence lies, and the probabilities.",
        colours=COLOURS,
        parts=[_part(each, named=sources[:1]) for each in explanations],
    )


def _part(explanation: ExplainedClip, named: Sequence[str]) -> dict[str, Any]:
    """Return the values of one model's section; a source that the heading has named is not repeated."""
    lines = (
        "" if explanation.source in named else explanation.source,
        f"Labelled {explanation.label}" if explanation.label else "",
    )
    name = explanation.checkpoint or "model"
    chosen = explanation.classes[explanation.target]
    covered = len(explanation.frames) // len(explanation.correlation)
    return {
        "name": name,
        "title": f"{name}: {chosen} {explanation.probabilities[explanation.target]:.0%}",
        "source": ". ".join(each for each in lines if each),
        "notices": explanation.notices,
        "count": len(explanation.frames),
        "frames": image_uri(strip(explanation.frames)),
        "markers": _markers(explanation.groups),
        "markers_text": _markers_text(explanation.groups),
        "heat": [
            _heat_row(explanation, group, kind)
            for group, kind in zip(explanation.groups, ("dynamic", "static"), strict=False)
        ],
        "probabilities": [
            {
                "name": each,
                "percent": f"{share:.0%}",
                "width": round(float(share) * 100, 1),
                "chosen": index == explanation.target,
            }
            for index, (each, share) in enumerate(zip(explanation.classes, explanation.probabilities, strict=True))
        ],
        "correlation": _cells(explanation.correlation) if explanation.has_correlation else [],
        "covered": "one frame of the clip" if covered == 1 else f"{covered} frames of the clip",
    }


def _markers(groups: Sequence[Group]) -> dict[str, list[float]] | None:
    """Return the places of the indexes in the drawing; None in a model that does not split."""
    places = [
        [round((float(at) + 0.5) * CELL, 1) for at in group.positions]
        for group in groups
        if group.positions is not None
    ]
    return dict(zip(("dynamic", "static"), places, strict=True)) if places else None


def _markers_text(groups: Sequence[Group]) -> str:
    """Return the same in words."""
    named = (
        f"{kind} index at frames {', '.join(f'{at:.1f}' for at in group.positions)}"
        for kind, group in zip(("dynamic", "static"), groups, strict=False)
        if group.positions is not None
    )
    return "; ".join(named)


def _heat_row(explanation: ExplainedClip, group: Group, kind: str) -> dict[str, str]:
    row = {"name": group.name, "group": kind, "missing": group.missing, "uri": "", "alt": ""}
    if group.heat is None:
        return row
    colour = DYNAMIC_COLOUR if kind == "dynamic" else STATIC_COLOUR
    per_frame = group.heat.sum((1, 2))
    most = sorted(np.argsort(per_frame)[-3:].tolist())
    uri = image_uri(strip(heat_frames(explanation.frames, group.heat, colour)))
    alt = f"Heat map of {group.name}; most of it lies in the frames {', '.join(map(str, most))}"
    return row | {"uri": uri, "alt": alt}


def _cells(matrix: np.ndarray) -> list[list[dict[str, str]]]:
    """Return the correlations as texts and colours."""
    low, high = float(matrix.min()), float(matrix.max())
    return [[_cell(float(value), (float(value) - low) / max(high - low, 1e-12)) for value in row] for row in matrix]


def _cell(value: float, share: float) -> dict[str, str]:
    red, green, blue = (LOWEST + (HIGHEST - LOWEST) * share).round().astype(int).tolist()
    ink = "#ffffff" if share > 0.77 else "#111111"
    return {"text": f"{value:.2g}", "background": f"rgb({red} {green} {blue})", "ink": ink}
