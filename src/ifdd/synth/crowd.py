"""The crowd: several people in shots with cuts between them; for scoring tracking and timelines.

People stand side by side, each before a background of their own, or walk past each other before one: the nearer hide
the farther, some come in and leave at the sides.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import UInt8

from ifdd.console import progress_bar
from ifdd.data.labels import LABEL_SETS
from ifdd.errors import InputError
from ifdd.files import write_text
from ifdd.synth.behaviour import Behaviour
from ifdd.synth.config import Preset
from ifdd.synth.plan import person_identity
from ifdd.synth.render import Stage
from ifdd.synth.rig import FACE_HEIGHT
from ifdd.synth.story import STRANGER, StoryConfig, story_events
from ifdd.synth.walkers import Part, film_walkers
from ifdd.video.encode import write_video

Picture = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class CrowdConfig:
    """The video of --crowd.

    Raises:
        InputError: there is nobody or nothing to show, or transitions are longer than shots.
    """

    shots: int = 3
    """Parts between two cuts; each shows other people before other backgrounds."""
    people: int = 3
    """People in each shot."""
    emotions: int = 2
    """Emotions that each person shows in a shot, one after the other; neighbours in time differ."""
    person: StoryConfig = field(default_factory=lambda: StoryConfig(seconds=3.0, width=320))
    """Length of each emotion, size of each person's share of the picture, frames a second, size of the (nearest)
    faces."""
    classes: tuple[str, ...] = LABEL_SETS["dfew"]
    """Emotions to choose from."""
    walking: bool = False
    """People walk past each other before one background; otherwise they stand side by side, each before an own one."""
    transition: Literal["cut", "dissolve", "fade"] = "cut"
    """How shots change: at once, one showing through the other, or through black."""
    transition_seconds: float = 0.6
    """How long a dissolve or fade takes; both shots go on meanwhile."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.shots, self.people, self.emotions) < 1:
            raise InputError(f"crowd needs shots, people and emotions of at least 1, given {self}")
        if not 0 < self.transition_seconds <= self.shot_seconds / 2:
            raise InputError(
                f"crowd.transition_seconds is {self.transition_seconds}; choose more than 0 and at most half a shot"
            )

    @property
    def shot_seconds(self) -> float:
        """Length of a shot, its transitions included."""
        return self.emotions * self.person.seconds

    @property
    def overlap(self) -> int:
        """Frames that a shot shares with the next."""
        return 0 if self.transition == "cut" else round(self.transition_seconds * self.person.fps)

    @property
    def frames(self) -> int:
        """Length of the video."""
        shot = round(self.shot_seconds * self.person.fps)
        return self.shots * shot - (self.shots - 1) * self.overlap


class PersonTruth(NamedTuple):
    """What is true of one person in one frame."""

    person: int
    """From 1, by shot; then from left to right where people stand, from far to near where they walk."""
    label: str
    box: tuple[float, float, float, float]
    """Left, top, width, height in pixels, of the part within the picture; no width for those outside."""
    occlusion: float
    """Share of the face that a hand or others hide, or that lies outside the picture."""


class CrowdFrame(NamedTuple):
    """One frame of a crowd and its truth."""

    seconds: float
    cut: bool
    """It is the first of a shot, but not of the video; of a dissolve or fade, the middle."""
    image: Picture
    people: tuple[PersonTruth, ...]
    """Everybody of the shot; in a transition, of the shot that can be seen better."""


Shot = Iterator[tuple[Picture, tuple[PersonTruth, ...]]]


def render_crowd(context: Preset, seed: int, config: CrowdConfig) -> Iterator[CrowdFrame]:
    """Yield the frames of a crowd. The same arguments give the same frames.

    Args:
        context: behaviour and scene; hands may cover the faces of people who stand.
        seed: draws people, emotions, backgrounds and ways.
        config: the crowd.
    """
    film = _walking if config.walking else _standing
    shots = (film(context, seed, config, shot) for shot in range(config.shots))
    for index, (cut, image, people) in enumerate(_joined(shots, config)):
        yield CrowdFrame(index / config.person.fps, cut, image, people)


def write_crowd(out: Path, context: Preset, seed: int, config: CrowdConfig) -> None:
    """Write ``crowd.mp4`` and ``crowd.json`` (cuts, and the people of every frame) to the folder ``out``.

    Raises:
        InputError: the folder cannot be written.
    """
    truths: list[dict[str, Any]] = []
    cuts: list[float] = []
    with progress_bar("frames") as progress:
        task = progress.add_task("crowd", total=config.frames)

        def pictures() -> Iterator[Picture]:
            for frame in render_crowd(context, seed, config):
                cuts.extend([frame.seconds] if frame.cut else [])
                truths.append({"seconds": frame.seconds, "people": [_person_record(one) for one in frame.people]})
                progress.advance(task)
                yield frame.image

        write_video(out / "crowd.mp4", pictures(), config.person.fps)
    record = {
        "schema_version": 1,
        "seed": seed,
        "context": asdict(context),
        "crowd": asdict(config),
        "fps": config.person.fps,
        "cuts_seconds": cuts,
        "frames": truths,
    }
    write_text(out / "crowd.json", json.dumps(record))


def _person_record(truth: PersonTruth) -> dict[str, Any]:
    box = dict(zip(("x", "y", "width", "height"), (round(value, 2) for value in truth.box), strict=True))
    return {"person": truth.person, "label": truth.label, "box": box, "occlusion": round(truth.occlusion, 3)}


def _joined(shots: Iterator[Shot], config: CrowdConfig) -> Iterator[tuple[bool, Picture, tuple[PersonTruth, ...]]]:
    """Put shots together; the last frames of one are those in which the next one comes."""
    length, overlap = round(config.shot_seconds * config.person.fps), config.overlap
    leaving: list[tuple[Picture, tuple[PersonTruth, ...]]] = []
    for number, shot in enumerate(shots):
        kept = length if number == config.shots - 1 else length - overlap
        held = []
        for index, (image, people) in enumerate(shot):
            cut = number > 0 and index == overlap // 2
            if index < len(leaving):
                share = (index + 1) / (overlap + 1)
                image = _mixed(leaving[index][0], image, share, config.transition)
                people = people if share >= 0.5 else leaving[index][1]
            if index < kept:
                yield cut, image, people
            else:
                held.append((image, people))
        leaving = held


def _mixed(old: Picture, new: Picture, share: float, transition: str) -> Picture:
    """Return a frame of a transition, of which ``share`` is over."""
    old_share, new_share = 1 - share, share
    if transition == "fade":
        old_share, new_share = max(0.0, 1 - 2 * share), max(0.0, 2 * share - 1)
    return np.asarray(np.rint(old_share * old + new_share * new), np.uint8)


def _standing(context: Preset, seed: int, config: CrowdConfig, shot: int) -> Shot:
    """Yield picture and people of one shot of people side by side."""
    video, times, numbers = config.person, _times(config), _numbers(config, shot)
    scene = replace(context.scene, zoom=(1.0, 1.0), shake=min(context.scene.shake, 0.002))
    unit = video.face * video.height / FACE_HEIGHT
    cast, films = [], []
    for number in numbers:
        labels, part, rng = _cast(context, seed, config, number)
        cast.append(labels)
        stage = Stage(part.identity, scene, (video.height, video.width), unit, config.shot_seconds, "portrait", rng)
        films.append(stage.film(part.behaviour, times))
    for time, row in zip(times, zip(*films, strict=True), strict=True):
        people = []
        for place, (_, truth) in enumerate(row):
            x, y, width, height = truth.face.box
            box = (float(x) + place * video.width, float(y), float(width), float(height))
            people.append(PersonTruth(numbers[place], _label(cast[place], time, config), box, truth.occlusion))
        yield np.concatenate([picture for picture, _ in row], axis=1), tuple(people)


def _walking(context: Preset, seed: int, config: CrowdConfig, shot: int) -> Shot:
    """Yield picture and people of one shot of people who walk."""
    video, times, numbers = config.person, _times(config), _numbers(config, shot)
    cast = [_cast(context, seed, config, number)[:2] for number in numbers]
    size = (video.height, video.width * config.people)
    rng = np.random.default_rng([seed, 23, shot])
    film = film_walkers([part for _, part in cast], context.scene, size, video.face, times, rng)
    for time, (picture, sights) in zip(times, film, strict=True):
        yield (
            picture,
            tuple(
                PersonTruth(number, _label(labels, time, config), sight.box, sight.occlusion)
                for number, (labels, _), sight in zip(numbers, cast, sights, strict=True)
            ),
        )


def _times(config: CrowdConfig) -> np.ndarray:
    return np.arange(round(config.shot_seconds * config.person.fps)) / config.person.fps


def _numbers(config: CrowdConfig, shot: int) -> range:
    return range(1 + shot * config.people, 1 + (shot + 1) * config.people)


def _label(labels: Sequence[str], time: float, config: CrowdConfig) -> str:
    return labels[min(int(time / config.person.seconds), len(labels) - 1)]


def _cast(context: Preset, seed: int, config: CrowdConfig, number: int) -> tuple[list[str], Part, np.random.Generator]:
    """Return what one person shows, who it is and how the face moves, and what draws the rest."""
    rng = np.random.default_rng([seed, 22, number - 1])
    labels: list[str] = []
    while len(labels) < config.emotions:
        label = config.classes[int(rng.integers(len(config.classes)))]
        if not labels or label != labels[-1] or len(config.classes) == 1:
            labels.append(label)
    behaviour = Behaviour(story_events(labels, config.person, rng), context.behaviour, config.shot_seconds, rng)
    return labels, Part(person_identity(seed, STRANGER + number - 1), behaviour), rng
