"""What the pages take from the code and from results/: name -> function that gives Markdown.

Further words of a mark are the function's arguments: ``options recognize`` calls ``options("recognize")``.
"""

from docs.blocks import (
    agreement,
    commands,
    datasets,
    disentanglement,
    dynamics,
    engines,
    explanations,
    model,
    package,
    performance,
    quality,
    real_faces,
    recognition,
    rooms,
    scaling,
    scores,
    security,
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
    **engines.BLOCKS,
    **explanations.BLOCKS,
    **model.BLOCKS,
    **package.BLOCKS,
    **performance.BLOCKS,
    **quality.BLOCKS,
    **real_faces.BLOCKS,
    **recognition.BLOCKS,
    **rooms.BLOCKS,
    **scaling.BLOCKS,
    **scores.BLOCKS,
    **security.BLOCKS,
    **study.BLOCKS,
    **synth.BLOCKS,
}
"""Whole paragraphs, tables and lists."""

FIGURES: Makers = {
    **datasets.FIGURES,
    **engines.FIGURES,
    **explanations.FIGURES,
    **model.FIGURES,
    **package.FIGURES,
    **quality.FIGURES,
    **real_faces.FIGURES,
    **recognition.FIGURES,
    **scaling.FIGURES,
    **scores.FIGURES,
    **security.FIGURES,
}
"""Single numbers within a line."""
