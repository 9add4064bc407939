"""Everything but the face: background, light, camera, the hand's motion, and the degradation of the picture."""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from ifdd.synth.config import BackgroundKind, SceneConfig
from ifdd.synth.rig import Light
from ifdd.video.encode import encode_image
from ifdd.video.images import decode_image

Picture = UInt8[np.ndarray, "height width 3"]
Times = Float[np.ndarray, " times"]
Direction = Float[np.ndarray, "3"]
MARGIN = 0.15
"""Margin of the background on each side as a share of the picture, which the camera shake uses."""


def make_background(kind: BackgroundKind, size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Return a random background of ``size`` (height, width) pixels."""
    height, width = size
    first, second = _muted(rng), _muted(rng)
    if kind == "plain":
        return np.broadcast_to(first.astype(np.uint8), (height, width, 3)).copy()
    if kind == "texture":
        coarse = (rng.normal(0, 18, (14, 14, 1)) + rng.normal(0, 7, (14, 14, 3))).astype(np.float32)
        noise = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        return np.clip(first + noise, 0, 255).astype(np.uint8)
    down = np.linspace(0, 1, height)[:, None, None]
    across = np.linspace(0, 1, width)[None, :, None] * float(rng.uniform(-0.5, 0.5))
    picture = np.clip(first + (second - first) * (down + across), 0, 255).astype(np.uint8)
    if kind == "gradient":
        return picture
    if kind == "lights":
        picture = (picture * 0.5).astype(np.uint8)
        for _ in range(14):
            glow = rng.uniform(90, 255, 3)
            _disc(picture, rng.uniform(0, 1, 2), rng.uniform(0.03, 0.11), 0.5 * picture.mean(axis=(0, 1)) + 0.5 * glow)
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.012 * width + 0.3))
    if kind == "room":
        for _ in range(7):
            low = rng.uniform(-0.1, 0.9, 2)
            high = low + rng.uniform(0.08, 0.45, 2)
            corners = [(round(x * width), round(y * height)) for x, y in (low, high)]
            cv2.rectangle(picture, corners[0], corners[1], _muted(rng).tolist(), -1)
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.006, 0.025)) * width))
    horizon = int(rng.uniform(0.35, 0.7) * height)
    sky, ground = np.array([170, 200, 230]) * rng.uniform(0.7, 1.08), np.array([96, 112, 70]) * rng.uniform(0.6, 1.3)
    picture[:horizon] = np.clip(sky, 0, 255)
    picture[horizon:] = np.clip(ground, 0, 255)
    for _ in range(16):
        leaf = np.clip(np.array([60, 92, 48]) * rng.uniform(0.5, 1.5, 3), 0, 255)
        _disc(
            picture,
            np.array([rng.uniform(0, 1), rng.normal(horizon / height - 0.05, 0.1)]),
            rng.uniform(0.04, 0.14),
            leaf,
        )
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.008, 0.025)) * width))


def _muted(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """Return a random colour of moderate saturation, typical of rooms and streets."""
    return np.asarray(np.clip(rng.uniform(35, 215) + rng.normal(0, 22, 3), 5, 250))


def _disc(picture: Picture, place: Float[np.ndarray, "2"], radius: float, colour: Float[np.ndarray, "3"]) -> None:
    height, width = picture.shape[:2]
    cv2.circle(
        picture,
        (round(place[0] * width), round(place[1] * height)),
        round(radius * width),
        colour.tolist(),
        -1,
        cv2.LINE_AA,
    )


class LightCourse:
    """The light of one clip: direction, colour and a slow drift.

    Args:
        config: ranges to draw the light from.
        exposure: factor on the brightness, as set by a camera.
        rng: random source.
    """

    def __init__(self, config: SceneConfig, exposure: float, rng: np.random.Generator) -> None:
        angle, around = np.deg2rad(config.light_angle) * np.sqrt(rng.random()), rng.uniform(np.pi, 2 * np.pi)
        self.direction = np.array([np.sin(angle) * np.cos(around), np.sin(angle) * np.sin(around), np.cos(angle)])
        self.contrast = contrast = float(rng.uniform(*config.light_contrast))
        level = exposure * float(rng.uniform(0.9, 1.06))
        # Lamps and skies vary from warm to cool, hardly in green.
        warm_to_cool = np.array([1.0, 0.1, -1.0])
        self.colour = (
            1.08 * contrast * level * (1 + config.light_tint * float(np.clip(rng.normal(), -1.5, 1.5)) * warm_to_cool)
        )
        self.ambient = (1 - contrast) * level * (
            1 + 0.5 * config.light_tint * float(np.clip(rng.normal(), -1.5, 1.5)) * warm_to_cool
        ) + 0.03
        self.drift = config.light_drift * rng.normal(0, 1, 2)
        self.rate, self.phase = rng.uniform(0.1, 0.6), rng.uniform(0, 2 * np.pi)
        self.fills = _fill_lights(config.fill_lights, level, rng.spawn(1)[0]) if config.fill_lights > 0 else ()

    def at(self, time: float) -> Light:
        """Return the light at ``time`` (seconds)."""
        swing = float(np.sin(2 * np.pi * self.rate * time + self.phase))
        direction = self.direction + np.array([self.drift[0] * swing, 0, 0])
        factor = 1 + self.drift[1] * swing
        return Light(
            direction / np.linalg.norm(direction),
            np.clip(self.colour * factor, 0, 1.5),
            np.clip(self.ambient * factor, 0, 1),
            self.fills,
        )


def _fill_lights(strength: float, level: float, rng: np.random.Generator) -> tuple[tuple[Direction, Direction], ...]:
    """Return direction and colour of none to two weaker lights: from the sides, from below, or behind as a rim."""
    lights = []
    for _ in range(int(rng.integers(3))):
        around, forward = rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.8)
        across = np.sqrt(1 - forward**2)
        direction = np.array([across * np.cos(around), across * np.sin(around), forward])
        tint = 1 + 0.25 * float(rng.normal()) * np.array([1.0, 0.2, -1.0])
        lights.append((direction, np.clip(level * strength * rng.uniform(0.2, 1.0) * tint, 0, 1.5)))
    return tuple(lights)


class Camera(NamedTuple):
    """The camera shake of one clip: a sum of three sines in x and in y."""

    amplitude: Float[np.ndarray, "2 3"]
    rate: Float[np.ndarray, "2 3"]
    phase: Float[np.ndarray, "2 3"]

    def offset(self, times: Times) -> Float[np.ndarray, "times 2"]:
        """Return the displacement (x, y) of the picture at ``times``, as a share of its side."""
        sines = np.sin(2 * np.pi * self.rate[..., None] * times + self.phase[..., None])
        return np.asarray(np.clip(np.sum(self.amplitude[..., None] * sines, axis=1), -MARGIN, MARGIN).T)


def make_camera(config: SceneConfig, rng: np.random.Generator) -> Camera:
    """Return a camera with random shake."""
    return Camera(rng.normal(0, config.shake, (2, 3)), rng.uniform(0.3, 3.0, (2, 3)), rng.uniform(0, 2 * np.pi, (2, 3)))


class HandCourse(NamedTuple):
    """When and where a hand occludes the face: it enters, stays and leaves."""

    start: float
    end: float
    place: tuple[float, float]
    """Position of the palm on the face, in head units from the middle of the face box."""
    turn: float
    """Rotation in degrees."""
    side: int
    """-1: left of the picture, 1: right."""

    def presence(self, time: float) -> float:
        """Return the hand's presence at ``time`` (seconds), from 0, away, to 1, on the face."""
        return float(np.clip(min((time - self.start) / 0.3, (self.end - time) / 0.3), 0, 1))


def sample_hand(probability: float, duration: float, rng: np.random.Generator) -> HandCourse | None:
    """Return, with this probability, a hand that occludes cheek, chin or mouth for 30 to 80 % of the time."""
    comes, start, length = (
        rng.random() < probability,
        float(rng.uniform(-0.2, 0.5)) * duration,
        float(rng.uniform(0.3, 0.8)) * duration,
    )
    side = int(rng.choice((-1, 1)))
    place = (side * float(rng.uniform(0.15, 0.5)), float(rng.uniform(0.35, 0.75)))
    turn = side * float(rng.uniform(-50, -15))
    return HandCourse(start, start + length, place, turn, side) if comes else None


class Degradation:
    """Blur, noise and JPEG compression, of the same strength for a whole clip."""

    def __init__(self, config: SceneConfig, size: tuple[int, int], rng: np.random.Generator) -> None:
        self.blur = float(rng.uniform(*config.blur)) * min(size)
        self.jpeg = round(float(rng.uniform(*config.jpeg)))
        strength = float(rng.uniform(*config.noise))
        self.noise = None
        if strength > 0.2:
            shape = (size[0] + 32, size[1] + 32, 3)
            self.noise = (rng.standard_normal(shape, dtype=np.float32) * strength).round().astype(np.int16)
        self.rng = rng

    def apply(self, picture: Picture) -> Picture:
        """Return the degraded picture."""
        if self.blur > 0.2:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), self.blur))
        if self.noise is not None:
            down, across = (int(value) for value in self.rng.integers(0, 32, 2))
            height, width = picture.shape[:2]
            noise = self.noise[down : down + height, across : across + width]
            picture = np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U))
        if self.jpeg <= 99:
            picture = decode_image(encode_image(picture, ".jpg", self.jpeg), "the frame")
        return picture


class Exposure:
    """The camera's exposure, its colours and its resolution, the same for a whole clip.

    Args:
        config: ranges to draw from.
        rng: random source.
    """

    def __init__(self, config: SceneConfig, rng: np.random.Generator) -> None:
        self.brightness = float(rng.uniform(*config.brightness))
        self.is_grey = bool(rng.random() < config.grey)
        self.resolution = float(rng.uniform(*config.resolution))
        self._gain: float | None = None

    def apply(self, picture: Picture, box: tuple[float, float, float, float]) -> Picture:
        """Return the picture, exposed for the face in the ``box`` (left, top, width, height) of the first frame."""
        if self.brightness > 0:
            if self._gain is None:
                self._gain = self.brightness / max(mean_brightness(picture, box), 0.02)
            picture = np.asarray(cv2.convertScaleAbs(picture, alpha=self._gain))
        if self.is_grey:
            picture = np.asarray(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
        if self.resolution < 0.98:
            size = picture.shape[1::-1]
            small = cv2.resize(picture, None, fx=self.resolution, fy=self.resolution, interpolation=cv2.INTER_AREA)
            picture = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR))
        return picture


def mean_brightness(picture: Picture, box: tuple[float, float, float, float]) -> float:
    """Return the mean of a box from 0 to 1; of the whole picture if the box lies outside."""
    left, top, width, height = (round(value) for value in box)
    part = picture[max(top, 0) : top + height, max(left, 0) : left + width]
    return float((part if part.size else picture).mean()) / 255
