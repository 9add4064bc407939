"""SynthDFER, the built-in benchmark: labelled face videos with complete ground truth (see docs/synth.md)."""

from ifdd.synth.config import PRESETS, BehaviourConfig, Preset, SceneConfig, SynthConfig
from ifdd.synth.dataset import SynthDataset
from ifdd.synth.render import RIGS, Clip, render_clip

__all__ = [
    "PRESETS",
    "RIGS",
    "BehaviourConfig",
    "Clip",
    "Preset",
    "SceneConfig",
    "SynthConfig",
    "SynthDataset",
    "render_clip",
]
