"""People who walk past each other in one scene; the nearer occlude the farther."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ifdd.synth.behaviour.behaviour import Behaviour
from ifdd.synth.config import SceneConfig
from ifdd.synth.identity import Identity
from ifdd.synth.rig import FACE_CENTRE, FACE_HEIGHT, FaceState, Light, Pose
from ifdd.synth.rigs import DEFAULT_RIG
from ifdd.synth.scene import Degradation, LightCourse, make_background
from ifdd.synth.truth import unseen_share

Picture = UInt8[np.ndarray, "height width 3"]
Times = Float[np.ndarray, " times"]
Box = tuple[float, float, float, float]

SMALLEST = 0.55
"""Size of the farthest person's face relative to the nearest one's."""

FACE_LEVEL = (0.34, 0.44)
"""Distance from the upper edge of the picture to the point ``FACE_CENTRE`` head units below the middle of a face, about
its nose: least and greatest, as a share of the picture's height."""

STEPS = 1.9
"""Steps per second; the head bobs with them."""

BOB = 0.03
"""Amplitude of the bobbing, in face heights."""

TURN = 10.0
"""Largest turn of the head towards the walking direction, in degrees."""

HALF_BODY = 2.0
"""Half a person's width in head units; people farther outside the picture are not drawn."""


class Actor(NamedTuple):
    """One person of the crowd and the behaviour of their face."""

    identity: Identity
    behaviour: Behaviour


class VisibleFace(NamedTuple):
    """Where a face is in a picture, and how much of it is hidden."""

    box: Box
    """Left, top, width, height of the part within the picture, in pixels; width 0 if the face is outside."""
    occlusion: float
    """Share of the face that others occlude or that lies outside the picture."""


def walking_scene(scene: SceneConfig) -> SceneConfig:
    """Return the scene of people walking: a tripod camera without exposure, colours and resolution of its own."""
    return replace(
        scene,
        occlusion=0.0,
        zoom=(1.0, 1.0),
        shake=0.0,
        jitter=0.0,
        brightness=(0.0, 0.0),
        grey=0.0,
        resolution=(1.0, 1.0),
        blur=(0.0, scene.blur[1] / 2),
    )


def film_walkers(
    actors: Sequence[Actor],
    scene: SceneConfig,
    size: tuple[int, int],
    face: float,
    times: Times,
    rng: np.random.Generator,
) -> Iterator[tuple[Picture, list[VisibleFace]]]:
    """Yield the picture and the people's faces in it at each time.

    Args:
        actors: the people, the farthest first.
        scene: background, light and degradation; see ``walking_scene``.
        size: picture height and width in pixels.
        face: height of the nearest person's face as a share of the picture's height.
        times: evenly spaced, from 0 s.
        rng: random source of the scene and the paths.
    """
    kind = scene.backgrounds[int(rng.integers(len(scene.backgrounds)))]
    background = make_background(kind, size, rng)
    skin = np.mean([actor.identity.skin for actor in actors], axis=0)
    light = LightCourse(scene, (165 / float(np.dot(skin, (0.3, 0.59, 0.11)))) ** 0.4, rng)
    degradation = Degradation(scene, size, rng)
    shares = np.linspace(SMALLEST, 1.0, len(actors)) if len(actors) > 1 else np.ones(1)
    sides = rng.permutation(np.arange(len(actors)) % 2)
    walkers = [
        _Walker(actor, times, size, face * share * rng.uniform(0.94, 1.0), bool(side), rng)
        for actor, share, side in zip(actors, shares, sides, strict=True)
    ]
    for index, time in enumerate(times):
        picture = background.copy()
        faces = _draw(walkers, picture, index, light.at(float(time)))
        yield degradation.apply(picture), faces


def _draw(walkers: "list[_Walker]", picture: Picture, index: int, light: Light) -> list[VisibleFace]:
    """Draw the people from far to near, and measure how much of each face the others occlude."""
    full: list[Box] = []
    outside: list[float] = []
    hidden: list[Bool[np.ndarray, "rows columns"]] = []
    for walker in walkers:
        before = picture.copy()
        box, away = walker.draw(picture, index, light)
        for (rows, columns), mask in zip(map(_region, full), hidden, strict=True):
            mask |= np.any(picture[rows, columns] != before[rows, columns], axis=-1)
        rows, columns = _region(box)
        full.append(box)
        outside.append(away)
        hidden.append(np.zeros(picture[rows, columns].shape[:2], bool))
    return [
        VisibleFace(box, unseen_share(away, float(mask.mean()) if mask.size else 1.0))
        for box, away, mask in zip(full, outside, hidden, strict=True)
    ]


def _region(box: Box) -> tuple[slice, slice]:
    left, top, width, height = (round(value) for value in box)
    return slice(top, top + height), slice(left, left + width)


class _Walker:
    """One person walking."""

    def __init__(
        self, actor: Actor, times: Times, size: tuple[int, int], face: float, leftwards: bool, rng: np.random.Generator
    ) -> None:
        height, width = size
        self.scale = face * height / FACE_HEIGHT
        self.rig = DEFAULT_RIG(actor.identity, self.scale)
        self.moments = actor.behaviour.at(times)
        across = _course(times, width, HALF_BODY * self.scale, rng)
        self.across = width - across if leftwards else across
        speed = np.gradient(self.across, times) if len(times) > 1 else np.zeros(1)
        pace = np.clip(speed / (face * height), -1, 1)
        bob = BOB * face * height * np.abs(pace) * np.sin(2 * np.pi * STEPS * times + rng.uniform(0, 2 * np.pi))
        self.down = height * rng.uniform(*FACE_LEVEL) - FACE_CENTRE * self.scale + bob
        self.yaw = np.clip(self.moments.yaw + TURN * pace, -28, 28)

    def draw(self, picture: Picture, index: int, light: Light) -> tuple[Box, float]:
        """Draw the person; return the face box within the picture and the share of it that lies outside."""
        width, x = picture.shape[1], float(self.across[index])
        reach = HALF_BODY * self.scale
        if not -reach < x < width + reach:
            return (0.0, 0.0, 0.0, 0.0), 1.0
        moments = self.moments
        pitch, roll = float(moments.pitch[index]), float(moments.roll[index])
        pose = Pose(float(self.yaw[index]), pitch, roll, x, float(self.down[index]), self.scale)
        gaze = (float(moments.gaze[index, 0]), float(moments.gaze[index, 1]))
        truth = self.rig.draw(picture, FaceState(moments.activation[index].astype(np.float32), pose, gaze, light))
        return truth.box, truth.outside


def _course(times: Times, width: int, reach: float, rng: np.random.Generator) -> Times:
    """Return the horizontal position, in pixels, of a person who comes from the left, at each time.

    With probability 0.6 the person walks through the picture, with 0.2 turns back, with 0.2 stays.
    """
    end = float(times[-1]) if len(times) > 1 else 1.0
    kind = rng.random()
    if kind < 0.6:
        marks = [0.0, end]
        places = [rng.uniform(-reach, 0.3 * width), rng.uniform(0.7 * width, width + reach)]
    elif kind < 0.8:
        marks = [0.0, end * rng.uniform(0.4, 0.6), end]
        places = [rng.uniform(-reach, 0.2 * width), rng.uniform(0.4, 0.8) * width, rng.uniform(-reach, 0.3 * width)]
    else:
        middle = rng.uniform(0.2, 0.8) * width
        marks, places = [0.0, end / 2, end], [middle, middle + rng.normal(0, 0.03) * width, middle]
    position = np.interp(times, marks, places)
    sway = 0.1 * reach * np.sin(2 * np.pi * rng.uniform(0.2, 0.5) * times + rng.uniform(0, 2 * np.pi))
    return np.asarray(position + sway)
