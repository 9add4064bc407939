"""What the pages take from the code and from results/: name -> function that gives Markdown.

Further words of a mark are the function's arguments: ``options recognize`` calls ``options("recognize")``.
"""

from collections.abc import Callable

from docs.blocks import commands, datasets, model, quality, recognition, rooms, scores, synth

BLOCKS: dict[str, Callable[..., str]] = {
    **commands.BLOCKS,
    **datasets.BLOCKS,
    **model.BLOCKS,
    **quality.BLOCKS,
    **recognition.BLOCKS,
    **rooms.BLOCKS,
    **scores.BLOCKS,
    **synth.BLOCKS,
}
"""Whole paragraphs, tables and lists."""

FIGURES: dict[str, Callable[..., str]] = {
    **datasets.FIGURES,
    **model.FIGURES,
    **quality.FIGURES,
    **recognition.FIGURES,
    **scores.FIGURES,
}
"""Single numbers within a line."""
