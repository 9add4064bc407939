"""The settings of a SynthDFER set, and its presets."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar, get_args

from ifdd.data.labels import LABEL_SETS, canonical_label
from ifdd.errors import InputError, check_range
from ifdd.synth.behaviour.action_units import expressible

Range = tuple[float, float]
"""Lowest and highest value; each clip draws one in between."""

Repertoire = Literal["prototypical", "lifelike"]

RigName = Literal["drawn", "rendered", "both"]

BackgroundKind = Literal["plain", "gradient", "lights", "room", "outdoors", "texture"]


def _check_interval(name: str, values: Range, low: float, high: float) -> None:
    if len(values) != 2 or not low <= values[0] <= values[1] <= high:
        raise InputError(f"{name} is {list(values)}; give lowest and highest value, from {low:g} to {high:g}")


def _check_kinds(kinds: Iterable[str]) -> None:
    for kind in kinds:
        if kind not in get_args(BackgroundKind):
            known = ", ".join(get_args(BackgroundKind))
            raise InputError(f"scene.backgrounds has the unknown kind {kind!r}; use one of {known}")


def _check_repertoire(name: str) -> None:
    if name not in get_args(Repertoire):
        raise InputError(f"behaviour.repertoire is {name!r}; use one of {', '.join(get_args(Repertoire))}")


@dataclass(frozen=True)
class BehaviourConfig:
    """The behaviour of the face and head over time, besides the expression of the emotion."""

    visible: Range = (0.6, 1.0)
    """Share of the clip during which the emotion is visible (1: all of it)."""
    strength: Range = (0.8, 1.0)
    """Factor on the apex intensities of the emotion's action units."""
    speech: float = 0.3
    """Probability that the person speaks in a clip."""
    blinks: float = 0.3
    """Blinks per second."""
    gaze: float = 6.0
    """Standard deviation of the gaze direction in degrees (half of it vertically)."""
    yaw: float = 15.0
    """Largest turn of the head in degrees, to which sway is added; pitch and roll are about half as large."""
    sway: float = 3.0
    """Amplitude of the head motion within a clip in degrees, at most 15."""
    repertoire: Repertoire = "prototypical"
    """Expressions and their course: prototypical (one or few an emotion, posed), or lifelike (several, as people make
    them)."""
    speech_neutral: float | None = None
    """Probability that the person speaks in a neutral clip; None: the same as in the others."""
    squint: float = 0.0
    """Probability that the person frowns or squints for another reason than emotion: sun, effort, poor sight."""
    raised_brows: float = 0.0
    """Probability that the person holds the brows raised for another reason than emotion: emphasis, attention."""

    def __post_init__(self) -> None:
        """Check the values."""
        _check_repertoire(self.repertoire)
        _check_interval("behaviour.visible", self.visible, 0.1, 1.0)
        _check_interval("behaviour.strength", self.strength, 0.1, 1.5)
        check_range("behaviour.speech", self.speech, at_least=0, at_most=1)
        check_range("behaviour.speech_neutral", self.speech_neutral, at_least=0, at_most=1)
        check_range("behaviour.squint", self.squint, at_least=0, at_most=1)
        check_range("behaviour.raised_brows", self.raised_brows, at_least=0, at_most=1)
        check_range("behaviour.yaw", self.yaw, at_least=0, at_most=45)
        for name, most in (("blinks", 5), ("gaze", 60), ("sway", 15)):
            check_range(f"behaviour.{name}", getattr(self, name), at_least=0, at_most=most)


DRAWN_YAW = 35.0
"""Largest ``behaviour.yaw`` for which the drawn rig's heads look right, in degrees."""


@dataclass(frozen=True)
class SceneConfig:
    """Background, light, camera, occlusion and degradation. Lengths are shares of the picture's side."""

    backgrounds: tuple[BackgroundKind, ...] = ("plain", "gradient", "lights", "room", "outdoors", "texture")
    """Kinds of background to draw from."""
    light_angle: float = 50.0
    """Largest angle between the light and the line of sight in degrees."""
    light_contrast: Range = (0.45, 0.8)
    """Share of directed light; the rest is ambient."""
    light_tint: float = 0.05
    """Strength of the light's colour cast."""
    light_drift: float = 0.05
    """Drift of the brightness within a clip."""
    shake: float = 0.006
    """Amplitude of the camera shake."""
    jitter: float = 0.03
    """Largest offset of the face from the centre."""
    zoom: Range = (0.93, 1.07)
    """Scale of the face relative to the framing of a model's input crop."""
    occlusion: float = 0.08
    """Probability that a hand occludes part of the face."""
    blur: Range = (0.0, 0.004)
    """Standard deviation of the blur."""
    noise: Range = (0.0, 5.0)
    """Standard deviation of the noise in grey levels of 255."""
    jpeg: Range = (60.0, 95.0)
    """JPEG quality of every frame; above 99: no JPEG."""
    fill_lights: float = 0.0
    """Largest strength of two further lights, relative to the first; the drawn rig has one light only."""
    lens: Range = (10.0, 10.0)
    """Distance of the camera from the face in head units, about 10 cm; that of the drawn rig is fixed."""
    brightness: Range = (0.0, 0.0)
    """Mean brightness of the face from 0 to 1 to which the camera sets its exposure; 0: leave it as it is lit."""
    grey: float = 0.0
    """Probability that the clip is black and white."""
    resolution: Range = (1.0, 1.0)
    """Factor by which the picture is reduced and enlarged again."""

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.backgrounds:
            raise InputError("scene.backgrounds is empty; name at least one kind")
        _check_kinds(self.backgrounds)
        _check_interval("scene.light_contrast", self.light_contrast, 0.0, 1.0)
        _check_interval("scene.zoom", self.zoom, 0.3, 1.4)
        _check_interval("scene.blur", self.blur, 0.0, 0.1)
        _check_interval("scene.noise", self.noise, 0.0, 100.0)
        _check_interval("scene.jpeg", self.jpeg, 1.0, 100.0)
        _check_interval("scene.lens", self.lens, 3.0, 100.0)
        _check_interval("scene.brightness", self.brightness, 0.0, 1.0)
        _check_interval("scene.resolution", self.resolution, 0.1, 1.0)
        check_range("scene.occlusion", self.occlusion, at_least=0, at_most=1)
        check_range("scene.grey", self.grey, at_least=0, at_most=1)
        check_range("scene.light_angle", self.light_angle, at_least=0, at_most=180)
        for name in ("light_tint", "light_drift", "shake", "jitter", "fill_lights"):
            check_range(f"scene.{name}", getattr(self, name), at_least=0, at_most=2)


@dataclass(frozen=True)
class Preset:
    """A level of difficulty."""

    behaviour: BehaviourConfig
    scene: SceneConfig


PRESETS: dict[str, Preset] = {
    "easy": Preset(
        BehaviourConfig(visible=(1.0, 1.0), strength=(0.9, 1.0), speech=0.0, blinks=0.15, gaze=2.0, yaw=0.0, sway=0.5),
        SceneConfig(
            backgrounds=("plain",),
            light_angle=25.0,
            light_contrast=(0.5, 0.6),
            light_tint=0.0,
            light_drift=0.0,
            shake=0.0,
            jitter=0.0,
            zoom=(1.0, 1.0),
            occlusion=0.0,
            blur=(0.0, 0.0),
            noise=(0.0, 0.0),
            jpeg=(100.0, 100.0),
        ),
    ),
    "standard": Preset(BehaviourConfig(), SceneConfig()),
    "wild": Preset(
        BehaviourConfig(
            visible=(0.35, 0.9), strength=(0.6, 1.0), speech=0.6, blinks=0.5, gaze=12.0, yaw=28.0, sway=6.0
        ),
        SceneConfig(
            light_angle=75.0,
            light_contrast=(0.4, 0.95),
            light_tint=0.15,
            light_drift=0.2,
            shake=0.015,
            jitter=0.07,
            zoom=(0.75, 1.15),
            occlusion=0.3,
            blur=(0.0, 0.012),
            noise=(0.0, 14.0),
            jpeg=(20.0, 80.0),
        ),
    ),
    "lifelike": Preset(
        BehaviourConfig(
            repertoire="lifelike",
            visible=(0.7, 1.0),
            strength=(0.75, 1.4),
            speech=0.4,
            speech_neutral=0.65,
            blinks=0.3,
            gaze=10.0,
            yaw=30.0,
            sway=5.0,
        ),
        SceneConfig(
            light_angle=75.0,
            light_contrast=(0.4, 0.95),
            light_tint=0.12,
            light_drift=0.1,
            shake=0.01,
            jitter=0.05,
            zoom=(0.9, 1.2),
            occlusion=0.1,
            blur=(0.0, 0.008),
            noise=(0.0, 9.0),
            jpeg=(30.0, 95.0),
            fill_lights=0.8,
            lens=(3.5, 15.0),
            brightness=(0.2, 0.65),
            grey=0.5,
            resolution=(0.5, 1.0),
        ),
    ),
}
"""Name -> difficulty. easy: frontal, plain background, visible throughout. standard: the benchmark. wild: strong
variation of everything. lifelike: expressions as people make them, with as much variation around them; for training."""


@dataclass(frozen=True)
class SynthConfig:
    """One SynthDFER set, except for its seed and number of clips."""

    behaviour: BehaviourConfig = field(default_factory=BehaviourConfig)
    scene: SceneConfig = field(default_factory=SceneConfig)
    label_set: str = "dfew"
    """Names and order of the classes: dfew, ferv39k or mafw."""
    size: int = 112
    """Side of the square frames in pixels."""
    frames: int = 16
    """Frames per clip."""
    fps: float = 10.0
    """Frame rate in frames per second."""
    balance: Literal["uniform", "dfew"] = "uniform"
    """Class sizes: uniform, or in the proportions of DFEW's first test set."""
    identities: int = 400
    """Number of people; no person is in two subsets."""
    validation: float = 0.1
    """Share of clips and people in the validation subset."""
    test: float = 0.2
    """Share of clips and people in the test subset."""
    rig: RigName = "drawn"
    """How people are drawn. Unlike those of the drawn rig, the people of the others are as often very dark as light."""

    def __post_init__(self) -> None:
        """Check the values."""
        if self.label_set not in LABEL_SETS:
            raise InputError(f"unknown label set {self.label_set!r}; use one of {', '.join(LABEL_SETS)}")
        for name in self.classes:
            expressible(name)
        if self.balance not in ("uniform", "dfew"):
            raise InputError(f"balance is {self.balance!r}; use one of uniform, dfew")
        if self.balance == "dfew" and set(self.emotions) != set(map(canonical_label, LABEL_SETS["dfew"])):
            raise InputError(f"balance dfew has 7 classes, label set {self.label_set} has others; use uniform")
        if self.rig not in get_args(RigName):
            raise InputError(f"rig is {self.rig!r}; use one of {', '.join(get_args(RigName))}")
        if self.rig != "rendered" and self.behaviour.yaw > DRAWN_YAW:
            raise InputError(
                f"behaviour.yaw is {self.behaviour.yaw:g}; the drawn rig turns heads by at most {DRAWN_YAW:g} degrees"
            )
        check_range("size", self.size, at_least=32, at_most=1024)
        check_range("frames", self.frames, at_least=1)
        check_range("fps", self.fps, at_least=1, at_most=240)
        check_range("validation", self.validation, at_least=0, at_most=1)
        check_range("test", self.test, at_least=0, at_most=1)
        if self.validation + self.test >= 1:
            raise InputError(
                f"validation {self.validation:g} + test {self.test:g} leave nothing for training; "
                "their sum must be below 1"
            )
        if min(self.subset_people().values()) < 1:
            raise InputError(f"identities is {self.identities}; each subset needs people of its own, at least 1")

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the label set's order."""
        return LABEL_SETS[self.label_set]

    @property
    def even_skin_tones(self) -> bool:
        """Whether skin tones are spread evenly from light to dark."""
        return self.rig != "drawn"

    @property
    def emotions(self) -> tuple[str, ...]:
        """Canonical names of the classes."""
        return tuple(canonical_label(name) for name in self.classes)

    def subset_people(self) -> dict[str, int]:
        """Return the number of people of each non-empty subset."""
        validation = round(self.validation * self.identities)
        test = round(self.test * self.identities)
        people = {"train": self.identities - validation - test}
        if self.validation > 0:
            people["validation"] = validation
        if self.test > 0:
            people["test"] = test
        return people


Settings = TypeVar("Settings", BehaviourConfig, SceneConfig)


def changed(settings: Settings, changes: dict[str, Any], option: str) -> Settings:
    """Return the settings with the changes given on the command line or in a YAML file.

    Args:
        settings: the settings to change.
        changes: field -> new value.
        option: name of the group of settings, for messages.

    Raises:
        InputError: a field does not exist, or a value is invalid.
    """
    known = [field.name for field in fields(settings)]
    values: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in known:
            raise InputError(f"{option}.{name} does not exist; use one of {', '.join(known)}")
        old = getattr(settings, name)
        try:
            if isinstance(old, tuple) and isinstance(value, str):
                raise TypeError
            if isinstance(old, str):
                values[name] = str(value)
            elif name == "speech_neutral" and value is None:
                values[name] = None
            else:
                values[name] = tuple(type(old[0])(item) for item in value) if isinstance(old, tuple) else float(value)
            if name != "backgrounds" and isinstance(old, tuple) and len(value) != len(old):
                raise ValueError
        except (TypeError, ValueError):
            wanted = f"a list, such as [{', '.join(map(str, old))}]" if isinstance(old, tuple) else "a number"
            raise InputError(f"{option}.{name} is {value!r}; it must be {wanted}") from None
    _check_kinds(values.get("backgrounds", ()))
    if "repertoire" in values:
        _check_repertoire(values["repertoire"])
    return replace(settings, **values)
