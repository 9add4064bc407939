"""What the pages take from the code and from results/: name -> function that gives Markdown.

Further words of a mark are the function's arguments: ``options recognize`` calls ``options("recognize")``.
"""

from docs.blocks import (
    agreement,
    commands,
    datasets,
    disentanglement,
    dynamics,
    explanations,
    model,
    quality,
    real_faces,
    recognition,
    rooms,
    scores,
    study,
    synth,
)
from docs.blocks.markdown import Makers

BLOCKS: Makers = {
    **agreement.BLOCKS,
    **commands.BLOCKS,
    **datasets.BLOCKS,
    **dynamics.BLOCKS,
    **disentanglement.BLOCKS,
    **explanations.BLOCKS,
    **model.BLOCKS,
    **quality.BLOCKS,
    **real_faces.BLOCKS,
    **recognition.BLOCKS,
    **rooms.BLOCKS,
    **scores.BLOCKS,
    **study.BLOCKS,
    **synth.BLOCKS,
}
"""Whole paragraphs, tables and lists."""

FIGURES: Makers = {
    **datasets.FIGURES,
    **explanations.FIGURES,
    **model.FIGURES,
    **quality.FIGURES,
    **recognition.FIGURES,
    **scores.FIGURES,
}
"""Single numbers within a line."""
