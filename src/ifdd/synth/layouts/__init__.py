"""SynthDFER in the layouts of CREMA-D and RAVDESS, whose names tell actor, emotion and take."""

from ifdd.synth.layouts.acted import ActedLayout
from ifdd.synth.layouts.cremad import CREMAD
from ifdd.synth.layouts.ravdess import RAVDESS

ACTED: dict[str, ActedLayout] = {"cremad": CREMAD, "ravdess": RAVDESS}
"""Layout -> how it names its clips."""

__all__ = ["ACTED", "ActedLayout"]
