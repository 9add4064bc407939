"""The rooms of the package: what each is for, what it imports, and its size."""

from pathlib import Path

from docs.blocks.markdown import ROOT, Makers, code, table
from docs.imports import LEAVES, modules, room, room_arrows

SOURCE = ROOT / "src"

PURPOSES = {
    "command_line": "turns typed functions into commands: options, help, mistakes",
    "video": "decodes videos, folders, streams, cameras; finds shot boundaries",
    "faces": "detects faces, tracks, aligns, rates them",
    "model": "IFDD: one file for each box of the paper's figure",
    "data": "turns datasets into manifests, and clips into tensors",
    "synth": "SynthDFER, the built-in benchmark",
    "evaluation": "scores models on manifests; reports the protocol",
    "export": "writes checkpoints for other engines",
    "training": "trains and cross-validates; the only room with Lightning",
    "inference": "reads timelines of expressions from videos",
    "annotations": "reads what people coded, from ELAN, Praat, BORIS and tables",
    "analysis": "turns timelines into tables, and compares them with people's coding",
    "app": "shows videos, timelines and the camera on a page in the browser",
    "explanation": "shows what the model looks at, and whether it disentangles",
    "diagnosis": "checks the installation for ifdd doctor",
    "reporting": "writes pages of results, several runs side by side",
    "sharing": "publishes checkpoints on the Hugging Face Hub, with a model card",
}
"""Room -> what it is for."""

STEP = 500
"""Sizes are rounded to so many lines, so that a page does not change with every line of code."""


def lines(names: set[str]) -> int:
    """Return the number of lines of some rooms, rounded."""
    found = {name: file for name, file in modules(SOURCE).items() if room(name) in names}
    count = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in found.values())
    return max(round(count / STEP), 1) * STEP


def rooms() -> str:
    """List the rooms, those that import nothing first."""
    arrows = room_arrows(SOURCE)
    rows = [("leaves: " + ", ".join(map(code, sorted(LEAVES))), "shared basics", "", f"{lines(LEAVES):,}")]
    for name in layers(arrows):
        imported = ", ".join(map(code, sorted(arrows[name])))
        rows.append((code(name), purpose(name), imported, f"{lines({name}):,}"))
    return table(("room", "what it does", "imports", "lines, about"), rows)


def layers(arrows: dict[str, set[str]]) -> dict[str, int]:
    """Return room -> length of the longest chain of imports below it, lowest first."""
    depth: dict[str, int] = {}

    def measure(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max(map(measure, arrows[name]), default=-1)
        return depth[name]

    return dict(sorted(((name, measure(name)) for name in arrows), key=lambda item: (item[1], item[0])))


def purpose(name: str) -> str:
    """Return what a room is for.

    Raises:
        KeyError: nobody has said yet.
    """
    if name not in PURPOSES:
        raise KeyError(
            f"say in {Path(__file__).name} what the room {name!r} is for, and give it a place in the picture"
        )
    return PURPOSES[name]


BLOCKS: Makers = {"rooms": rooms}
