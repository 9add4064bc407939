"""Make the picture of docs/evidence.md: what the bundled demonstration makes of a drawn clip.

python docs/make_explain_figure.py
"""

from dataclasses import replace
from pathlib import Path

import ifdd
from ifdd.explanation.figure import write_picture
from ifdd.model import DEMONSTRATION, load_checkpoint
from ifdd.synth import SynthConfig, render_clip

PICTURE = Path(__file__).parent / "images" / "explanation.png"
SEED, INDEX = 3, 8
"""A clip that the demonstration was not trained on, whose person is surprised in its middle."""


def main() -> None:
    """Make the picture."""
    loaded = load_checkpoint(DEMONSTRATION)
    config = loaded.model.config
    drawn = render_clip(SynthConfig(size=config.size, frames=config.frames, fps=10.0), SEED, INDEX)
    explanation = ifdd.explain(loaded, drawn.frames, source="a drawn clip", label=drawn.plan.label)
    write_picture([replace(explanation, checkpoint=DEMONSTRATION)], PICTURE)


if __name__ == "__main__":
    main()
