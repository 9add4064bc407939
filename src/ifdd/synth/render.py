"""Render clips from a plan: behaviour, rig and scene."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from ifdd.data.labels import canonical_label
from ifdd.synth.behaviour.behaviour import Behaviour, Moments
from ifdd.synth.behaviour.course import Event, clip_event
from ifdd.synth.config import SceneConfig, SynthConfig
from ifdd.synth.drawn.hand import draw_hand
from ifdd.synth.identity import Identity
from ifdd.synth.plan import ClipPlan, person_identity, plan_clip
from ifdd.synth.rig import CROP_SIDE, FaceState, Pose
from ifdd.synth.rigs import DEFAULT_RIG, RigMaker, make_rig_maker
from ifdd.synth.scene import (
    MARGIN,
    Degradation,
    Exposure,
    LightCourse,
    make_background,
    make_camera,
    mean_brightness,
    sample_hand,
)
from ifdd.synth.truth import FrameTruth, SceneTruth, hidden_share

Picture = UInt8[np.ndarray, "height width 3"]


class Clip(NamedTuple):
    """A rendered clip."""

    plan: ClipPlan
    frames: UInt8[np.ndarray, "frames height width 3"]
    truth: tuple[FrameTruth, ...]
    scene: SceneTruth


class Scene:
    """One person in one scene: everything that stays the same during a clip or video.

    Args:
        identity: the person.
        config: ranges to draw the scene from.
        size: picture height and width in pixels.
        unit: pixels per head unit, before the random zoom.
        duration: seconds within which the hand may appear.
        rng: random source of the scene.
        make_rig: builds what draws the person.
    """

    def __init__(
        self,
        identity: Identity,
        config: SceneConfig,
        size: tuple[int, int],
        unit: float,
        duration: float,
        rng: np.random.Generator,
        make_rig: RigMaker = DEFAULT_RIG,
    ) -> None:
        self.identity, self.size = identity, size
        height, width = size
        self.scale = unit * float(rng.uniform(*config.zoom))
        middle = np.array([width, height]) / 2
        self.place = middle - 0.5 + rng.uniform(-1, 1, 2) * config.jitter * min(size)
        kind = config.backgrounds[int(rng.integers(len(config.backgrounds)))]
        self.margin = int(np.ceil(MARGIN * max(size)))
        self.background = make_background(kind, (height + 2 * self.margin, width + 2 * self.margin), rng)
        # Like a camera's automatic exposure: brighten dark faces a little, darken very light ones.
        wanted = 165 / float(np.dot(identity.skin, (0.3, 0.59, 0.11)))
        exposure = wanted**0.3 if wanted > 1 else wanted**0.6
        self.light = LightCourse(config, exposure, rng)
        self.camera = make_camera(config, rng)
        self.hand = sample_hand(config.occlusion, duration, rng)
        self.degradation = Degradation(config, size, rng)
        further = rng.spawn(1)[0]  # a source of its own keeps the draws above as they were before these settings
        self.camera_distance = float(further.uniform(*config.lens))
        self.exposure = Exposure(config, further)
        self.rig = make_rig(identity, self.scale)
        self.truth = SceneTruth(
            kind, self.light.contrast, len(self.light.fills), self.exposure.is_grey, self.exposure.resolution
        )

    def film(self, behaviour: Behaviour, times: Float[np.ndarray, " times"]) -> Iterator[tuple[Picture, FrameTruth]]:
        """Yield the picture and its truth at each time (seconds)."""
        moments = behaviour.at(times)
        for index, shift in enumerate(self.camera.offset(times) * min(self.size)):
            yield self._frame(moments, index, float(times[index]), shift)

    def _frame(
        self, moments: Moments, index: int, time: float, shift: Float[np.ndarray, "2"]
    ) -> tuple[Picture, FrameTruth]:
        across, down = (self.margin - round(float(value)) for value in shift)
        picture = self.background[down : down + self.size[0], across : across + self.size[1]].copy()
        yaw, pitch, roll = (float(angles[index]) for angles in (moments.yaw, moments.pitch, moments.roll))
        pose = Pose(yaw, pitch, roll, float(self.place[0] + shift[0]), float(self.place[1] + shift[1]), self.scale)
        gaze = (float(moments.gaze[index, 0]), float(moments.gaze[index, 1]))
        light = self.light.at(time)
        activation = moments.activation[index].astype(np.float32)
        face = self.rig.draw(picture, FaceState(activation, pose, gaze, light, self.camera_distance))
        hidden = 0.0
        if self.hand is not None:
            before = picture.copy()
            if draw_hand(picture, self.hand, time, self.identity.skin, pose, light) > 0:
                hidden = hidden_share(before, picture, face.box)
        exposed = self.exposure.apply(picture, face.box)
        truth = FrameTruth(
            time,
            activation,
            float(moments.intensity[index]),
            yaw,
            pitch,
            roll,
            gaze,
            float(moments.speech[index]),
            hidden,
            face,
            (float(light.direction[0]), float(light.direction[1]), float(light.direction[2])),
            mean_brightness(exposed, face.box),
        )
        return self.degradation.apply(exposed), truth


def render_clip(config: SynthConfig, seed: int, index: int, make_rig: RigMaker | None = None) -> Clip:
    """Render clip ``index`` of the set with this seed; the same arguments give the same bytes.

    Args:
        config: the set.
        seed: random seed of the set.
        index: number of the clip.
        make_rig: builds what draws the person; None for the rig of ``config``.

    Raises:
        InputError: the rig is not installed, or its geometry is not available.

    Example:
        >>> from ifdd.synth import SynthConfig, render_clip
        >>> clip = render_clip(SynthConfig(size=48, frames=4), seed=1, index=0)
        >>> clip.frames.shape, clip.plan.label, clip.truth[1].seconds
        ((4, 48, 48, 3), 'disgust', 0.1)
    """
    maker = make_rig_maker(config.rig, None) if make_rig is None else make_rig
    return render_plan(plan_clip(config, seed, index), config, seed, (config.size, config.size), maker)


def clip_habits(plan: ClipPlan, config: SynthConfig, seed: int) -> tuple[str, ...]:
    """Return the names of the habits that the person of a planned clip shows in it, without rendering it."""
    return _behave(plan, config, np.random.default_rng([seed, 15, plan.number]), lambda event: event).habits


def render_plan(
    plan: ClipPlan,
    config: SynthConfig,
    seed: int,
    size: tuple[int, int],
    make_rig: RigMaker = DEFAULT_RIG,
    change: Callable[[Event], Event] = lambda event: event,
) -> Clip:
    """Render a planned clip in pictures of height and width ``size``.

    The face is as large as in square pictures of ``config.size``, whatever ``size`` is. ``change`` may give the emotion
    another course; everything else stays as it was drawn.
    """
    rng = np.random.default_rng([seed, 15, plan.number])
    behaviour = _behave(plan, config, rng, change)
    duration = config.frames / config.fps
    identity = person_identity(seed, plan.person, config.even_skin_tones)
    scene = Scene(identity, config.scene, size, config.size / CROP_SIDE, duration, rng, make_rig)
    shots = list(scene.film(behaviour, np.arange(config.frames) / config.fps))
    return Clip(plan, np.stack([picture for picture, _ in shots]), tuple(truth for _, truth in shots), scene.truth)


def _behave(
    plan: ClipPlan, config: SynthConfig, rng: np.random.Generator, change: Callable[[Event], Event]
) -> Behaviour:
    duration = config.frames / config.fps
    events = clip_event(canonical_label(plan.label), config.behaviour, duration, rng)
    return Behaviour(tuple(change(event) for event in events), config.behaviour, duration, rng)
