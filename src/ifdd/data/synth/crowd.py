"""The crowd: several people side by side, in shots with hard cuts between them; for scoring tracking and timelines."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from ifdd.data.labels import LABEL_SETS
from ifdd.data.synth.behaviour import Behaviour
from ifdd.data.synth.config import Preset
from ifdd.data.synth.geometry import CHIN, FOREHEAD
from ifdd.data.synth.plan import person_identity
from ifdd.data.synth.render import FrameTruth, Stage
from ifdd.data.synth.story import STRANGER, StoryConfig, story_events
from ifdd.errors import InputError


@dataclass(frozen=True)
class CrowdConfig:
    """A video of a crowd.

    Raises:
        InputError: there is nobody or nothing to show.
    """

    shots: int = 3
    """Parts between two cuts; each shows other people before other backgrounds."""
    people: int = 3
    """People side by side in each shot, each before a background of their own."""
    emotions: int = 2
    """Emotions that each person shows in a shot, one after the other; neighbours in time differ."""
    person: StoryConfig = field(default_factory=lambda: StoryConfig(seconds=3.0, width=320))
    """Length of each emotion, size of each person's part of the picture, frames a second, size of the faces."""
    classes: tuple[str, ...] = LABEL_SETS["dfew"]
    """Emotions to choose from."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.shots, self.people, self.emotions) < 1:
            raise InputError(f"crowd needs shots, people and emotions of at least 1, given {self}")


class PersonTruth(NamedTuple):
    """What is true of one person in one frame."""

    person: int
    """From 1, by shot, then from left to right."""
    label: str
    box: tuple[float, float, float, float]
    """Left, top, width, height in pixels of the whole picture."""
    occlusion: float
    """Share of the face box that a hand hides."""


class CrowdFrame(NamedTuple):
    """One frame of a crowd and its truth."""

    seconds: float
    cut: bool
    """It is the first of a shot, but not of the video."""
    image: UInt8[np.ndarray, "height width 3"]
    people: tuple[PersonTruth, ...]


def render_crowd(context: Preset, seed: int, config: CrowdConfig) -> Iterator[CrowdFrame]:
    """Yield the frames of a crowd. The same arguments give the same frames.

    Args:
        context: behaviour and scene; people keep their place, and hands may cover faces.
        seed: draws people, emotions and backgrounds.
        config: the crowd.
    """
    video = config.person
    frames = round(config.emotions * video.seconds * video.fps)
    times = np.arange(frames) / video.fps
    for shot in range(config.shots):
        first = shot * config.people
        films = [_film(context, seed, config, first + place, times) for place in range(config.people)]
        for index in range(frames):
            parts, people = [], []
            for place, (labels, film) in enumerate(films):
                picture, truth = next(film)
                label = labels[min(int(times[index] / video.seconds), len(labels) - 1)]
                x, y, width, height = truth.face.box
                box = (float(x) + place * video.width, float(y), float(width), float(height))
                parts.append(picture)
                people.append(PersonTruth(first + place + 1, label, box, truth.occlusion))
            seconds = (shot * frames + index) / video.fps
            yield CrowdFrame(seconds, shot > 0 and index == 0, np.concatenate(parts, axis=1), tuple(people))


def _film(
    context: Preset, seed: int, config: CrowdConfig, number: int, times: np.ndarray
) -> tuple[list[str], Iterator[tuple[UInt8[np.ndarray, "height width 3"], FrameTruth]]]:
    """Return the emotions of one person, and picture and truth of each time."""
    rng = np.random.default_rng([seed, 22, number])
    video = config.person
    labels: list[str] = []
    while len(labels) < config.emotions:
        label = config.classes[int(rng.integers(len(config.classes)))]
        if not labels or label != labels[-1] or len(config.classes) == 1:
            labels.append(label)
    duration = config.emotions * video.seconds
    behaviour = Behaviour(story_events(labels, video, rng), context.behaviour, duration, rng)
    scene = replace(context.scene, zoom=(1.0, 1.0), shake=min(context.scene.shake, 0.002))
    unit = video.face * video.height / (CHIN - FOREHEAD)
    identity = person_identity(seed, STRANGER + number)
    stage = Stage(identity, scene, (video.height, video.width), unit, duration, "portrait", rng)
    return labels, stage.film(behaviour, times)
