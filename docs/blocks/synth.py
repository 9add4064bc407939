"""SynthDFER: its presets, its settings, and what was measured."""

from collections.abc import Callable

from docs.blocks.markdown import Makers, code, field_meanings, percent, result, table
from ifdd.synth import PRESETS, BehaviourConfig, Preset, SceneConfig

DETECTORS = {"yunet": "YuNet (score of at least 0.6)", "haar": "Haar cascade (frontal face, OpenCV)"}

ROWS: dict[str, Callable[[Preset], str]] = {
    "repertoire": lambda preset: preset.behaviour.repertoire,
    "share of the clip that shows the emotion": lambda preset: span(preset.behaviour.visible),
    "strength at the apex": lambda preset: span(preset.behaviour.strength),
    "probability of speech": lambda preset: f"{preset.behaviour.speech:g}",
    "probability of speech, neutral clips": lambda preset: f"{neutral_speech(preset):g}",
    "blinks per second": lambda preset: f"{preset.behaviour.blinks:g}",
    "largest turn of the head": lambda preset: f"{preset.behaviour.yaw:g}°",
    "head motion within a clip": lambda preset: f"{preset.behaviour.sway:g}°",
    "kinds of background": lambda preset: str(len(preset.scene.backgrounds)),
    "largest angle of the light to the line of sight": lambda preset: f"{preset.scene.light_angle:g}°",
    "probability of a hand in front of the face": lambda preset: f"{preset.scene.occlusion:g}",
    "zoom": lambda preset: span(preset.scene.zoom),
    "noise (grey levels of 255)": lambda preset: span(preset.scene.noise),
    "JPEG quality": lambda preset: "none" if preset.scene.jpeg[0] > 99 else span(preset.scene.jpeg),
}
"""What distinguishes the presets."""


def neutral_speech(preset: Preset) -> float:
    """Return the probability of speech in a neutral clip."""
    behaviour = preset.behaviour
    return behaviour.speech if behaviour.speech_neutral is None else behaviour.speech_neutral


def span(values: tuple[float, float]) -> str:
    """Return a range in words."""
    low, high = values
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def presets() -> str:
    """Compare the presets."""
    return table(("", *PRESETS), ((name, *map(show, PRESETS.values())) for name, show in ROWS.items()))


def settings(owner: type) -> str:
    """List the fields of a group of settings with the values of ``standard``."""
    defaults = owner()
    rows = []
    for name, text in field_meanings(owner).items():
        value = getattr(defaults, name)
        numbers = isinstance(value, tuple) and isinstance(value[0], float)
        rows.append(
            (code(name), span(value) if numbers else ", ".join(value) if isinstance(value, tuple) else value, text)
        )
    return table(("setting", "standard", "meaning"), rows)


def detectors() -> str:
    """List the shares of drawn faces that detectors of real faces find."""
    found = result("synth_realism")["found"]
    return table(("detector", "found"), ((words, percent(found[name])) for name, words in DETECTORS.items()))


def speed(file: str = "synth_speed") -> str:
    """List the speed of a rig, from its result file."""
    rows = (
        (name, f"{measured['frames_per_second']:.0f}", f"{measured['copies_and_blurs_per_frame']:.0f}")
        for name, measured in result(file)["presets"].items()
    )
    return table(("preset", "frames per second", "copies and blurs per frame"), rows)


BLOCKS: Makers = {
    "synth presets": presets,
    "behaviour settings": lambda: settings(BehaviourConfig),
    "scene settings": lambda: settings(SceneConfig),
    "detectors on drawings": detectors,
    "synth speed": speed,
}
