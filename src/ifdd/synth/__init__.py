"""SynthDFER, the built-in benchmark: labelled face videos with complete ground truth (see docs/synth.md)."""

from ifdd.synth.config import PRESETS, BehaviourConfig, Preset, SceneConfig, SynthConfig
from ifdd.synth.dataset import SynthDataset
from ifdd.synth.render import Clip, render_clip
from ifdd.synth.rig import Rig

__all__ = [
    "PRESETS",
    "BehaviourConfig",
    "Clip",
    "Preset",
    "Rig",
    "SceneConfig",
    "SynthConfig",
    "SynthDataset",
    "render_clip",
]
