"""People who walk past each other before one background: the nearer hide the farther."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ifdd.synth.behaviour import Behaviour
from ifdd.synth.config import SceneConfig
from ifdd.synth.drawn.portrait import PortraitRig
from ifdd.synth.identity import Identity
from ifdd.synth.rig import FACE_CENTRE, FACE_HEIGHT, FaceState, Light, Pose
from ifdd.synth.scene import LightCourse, Transmission, make_background

Picture = UInt8[np.ndarray, "height width 3"]
Times = Float[np.ndarray, " times"]
Box = tuple[float, float, float, float]

SMALLEST = 0.55
"""Size of the farthest person's face relative to the nearest one's."""

EYE_LEVEL = (0.34, 0.44)
"""Height at which faces are, as a share of the picture's."""

STEPS = 1.9
"""Steps a second; the head bobs with them."""

BOB = 0.03
"""How far it bobs, in heights of the face."""

TURN = 10.0
"""Degrees by which the head turns to where the person walks."""

HALF_BODY = 2.0
"""Half a person's width in head units: further out nobody is in the picture."""


class Part(NamedTuple):
    """One person of the crowd: who, and what the face does."""

    identity: Identity
    behaviour: Behaviour


class Sight(NamedTuple):
    """Where a face is, and how much of it cannot be seen."""

    box: Box
    """Left, top, width, height of the part within the picture, pixels; no width outside it."""
    occlusion: float
    """Share of the face that others hide or that lies outside the picture."""


def film_walkers(
    parts: Sequence[Part],
    scene: SceneConfig,
    size: tuple[int, int],
    face: float,
    times: Times,
    rng: np.random.Generator,
) -> Iterator[tuple[Picture, list[Sight]]]:
    """Yield a picture, and where each person is in it, for each time.

    Args:
        parts: the people, the farthest first.
        scene: background, light and transmission.
        size: picture height and width in pixels.
        face: height of the nearest person's face as a share of the picture's.
        times: seconds from 0 on, evenly spaced.
        rng: draws the scene, and who walks where.
    """
    kind = scene.backgrounds[int(rng.integers(len(scene.backgrounds)))]
    background = make_background(kind, size, rng)
    skin = np.mean([part.identity.skin for part in parts], axis=0)
    light = LightCourse(scene, (165 / float(np.dot(skin, (0.3, 0.59, 0.11)))) ** 0.4, rng)
    transmission = Transmission(replace(scene, blur=(0.0, scene.blur[1] / 2)), size, rng)
    shares = np.linspace(SMALLEST, 1.0, len(parts)) if len(parts) > 1 else np.ones(1)
    sides = rng.permutation(np.arange(len(parts)) % 2)
    walkers = [
        _Walker(part, times, size, face * share * rng.uniform(0.94, 1.0), bool(side), rng)
        for part, share, side in zip(parts, shares, sides, strict=True)
    ]
    for index, time in enumerate(times):
        picture = background.copy()
        sights = _draw(walkers, picture, index, light.at(float(time)))
        yield transmission.apply(picture), sights


def _draw(walkers: "list[_Walker]", picture: Picture, index: int, light: Light) -> list[Sight]:
    """Draw the people one over the other, and see what is left of those behind."""
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
        Sight(box, 1 - (1 - away) * (1 - float(mask.mean()) if mask.size else 0.0))
        for box, away, mask in zip(full, outside, hidden, strict=True)
    ]


def _region(box: Box) -> tuple[slice, slice]:
    left, top, width, height = (round(value) for value in box)
    return slice(top, top + height), slice(left, left + width)


class _Walker:
    """One person on the way."""

    def __init__(
        self, part: Part, times: Times, size: tuple[int, int], face: float, leftwards: bool, rng: np.random.Generator
    ) -> None:
        height, width = size
        self.scale = face * height / FACE_HEIGHT
        self.rig = PortraitRig(part.identity, self.scale)
        self.moments = part.behaviour.at(times)
        across = _course(times, width, HALF_BODY * self.scale, rng)
        self.across = width - across if leftwards else across
        speed = np.gradient(self.across, times) if len(times) > 1 else np.zeros(1)
        pace = np.clip(speed / (face * height), -1, 1)
        bob = BOB * face * height * np.abs(pace) * np.sin(2 * np.pi * STEPS * times + rng.uniform(0, 2 * np.pi))
        self.down = height * rng.uniform(*EYE_LEVEL) - FACE_CENTRE * self.scale + bob
        self.yaw = np.clip(self.moments.yaw + TURN * pace, -28, 28)

    def draw(self, picture: Picture, index: int, light: Light) -> tuple[Box, float]:
        """Draw the person; return the face's box within the picture and its share outside."""
        width, x = picture.shape[1], float(self.across[index])
        reach = HALF_BODY * self.scale
        if not -reach < x < width + reach:
            return (0.0, 0.0, 0.0, 0.0), 1.0
        moments = self.moments
        pitch, roll = float(moments.pitch[index]), float(moments.roll[index])
        pose = Pose(float(self.yaw[index]), pitch, roll, x, float(self.down[index]), self.scale)
        gaze = (float(moments.gaze[index, 0]), float(moments.gaze[index, 1]))
        truth = self.rig.draw(picture, FaceState(moments.activation[index].astype(np.float32), pose, gaze, light))
        jaw = truth.landmarks[:17, 0]
        whole = float(jaw.max() - jaw.min())
        return truth.box, float(np.clip(1 - truth.box[2] / whole, 0, 1))


def _course(times: Times, width: int, reach: float, rng: np.random.Generator) -> Times:
    """Return where a person who comes from the left is at each time, in pixels.

    Three in five walk through the picture, one in five turns round in it, one in five stays.
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
