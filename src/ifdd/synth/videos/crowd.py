"""The crowd: several people in several shots, for evaluating tracking and timelines.

People stand side by side, each before a different background, or walk past each other before a shared one, where the
nearer occlude the farther and people enter and leave at the sides.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import UInt8

from ifdd.console import progress_bar
from ifdd.data.labels import LABEL_SETS, canonical_label
from ifdd.errors import InputError, check_range
from ifdd.files import write_text
from ifdd.synth.behaviour.action_units import expressible
from ifdd.synth.behaviour.behaviour import Behaviour
from ifdd.synth.claim import claim_video
from ifdd.synth.config import Preset
from ifdd.synth.plan import person_identity
from ifdd.synth.render import Scene
from ifdd.synth.rig import FACE_HEIGHT
from ifdd.synth.truth import unseen_share
from ifdd.synth.videos.story import STRANGER, StoryConfig, story_events
from ifdd.synth.videos.walkers import Actor, film_walkers, walking_scene
from ifdd.video.encode import write_video

Picture = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class CrowdConfig:
    """The video of --crowd.

    Raises:
        InputError: a number is below 1, transitions are longer than half a shot or shorter than a frame, an emotion is
            unknown, there are none, or a person is chosen.
    """

    shots: int = 3
    """Number of shots; each shows different people before different backgrounds."""
    people: int = 3
    """People per shot."""
    emotions: int = 2
    """Emotions that each person shows in a shot, one after another; consecutive ones differ."""
    person: StoryConfig = field(default_factory=lambda: StoryConfig(seconds=3.0, width=320))
    """Length of each emotion, size of each person's part of the picture, frame rate, size of the (nearest) faces."""
    classes: tuple[str, ...] = LABEL_SETS["dfew"]
    """Emotions to draw from."""
    walking: bool = False
    """People walk past each other before one background; otherwise each stands before a separate one, side by side."""
    transition: Literal["cut", "dissolve", "fade"] = "cut"
    """Transition between shots: a hard cut, a dissolve, or a fade through black."""
    transition_seconds: float = 0.6
    """Length of a dissolve or fade in seconds; both shots continue during it."""

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("shots", "people", "emotions"):
            check_range(f"crowd_video.{name}", getattr(self, name), at_least=1)
        if not self.classes:
            raise InputError("crowd_video.classes is empty; name at least one emotion")
        for name in self.classes:
            expressible(name)
        if self.person.person is not None:
            raise InputError("crowd_video.person.person is set, but a crowd consists of strangers; leave it out")
        check_range("crowd_video.transition_seconds", self.transition_seconds, above=0, at_most=self.shot_seconds / 2)
        if self.transition != "cut" and self.overlap < 1:
            raise InputError(
                f"crowd_video.transition_seconds is {self.transition_seconds:g}, less than one frame; "
                f"give at least {1 / self.person.fps:g}, or crowd_video.transition cut"
            )

    @property
    def shot_seconds(self) -> float:
        """Length of a shot in seconds, including its transitions."""
        return self.emotions * self.person.seconds

    @property
    def overlap(self) -> int:
        """Number of frames that consecutive shots share."""
        return 0 if self.transition == "cut" else round(self.transition_seconds * self.person.fps)

    @property
    def frames(self) -> int:
        """Number of frames of the video."""
        shot = round(self.shot_seconds * self.person.fps)
        return self.shots * shot - (self.shots - 1) * self.overlap


class PersonTruth(NamedTuple):
    """The ground truth of one person in one frame."""

    person: int
    """Number from 1, by shot; within a shot from left to right if people stand, from far to near if they walk."""
    label: str
    box: tuple[float, float, float, float]
    """Left, top, width, height of the part within the picture, in pixels; width 0 if the face is outside."""
    occlusion: float
    """Share of the face that a hand or others occlude, or that lies outside the (part of the) picture."""


class CrowdFrame(NamedTuple):
    """One frame of a crowd and its ground truth."""

    seconds: float
    cut: bool
    """Whether a new shot begins here: its first frame after a cut, the middle of a dissolve or fade."""
    image: Picture
    people: tuple[PersonTruth, ...]
    """All people of the shot; in a transition, of the more visible shot."""


Shot = Iterator[tuple[Picture, tuple[PersonTruth, ...]]]


def crowd_context(context: Preset, config: CrowdConfig) -> Preset:
    """Return behaviour and scene of a crowd, whose emotions are at full strength, as in a story."""
    behaviour = replace(context.behaviour, visible=(1.0, 1.0), strength=(1.0, 1.0))
    if config.walking:
        return Preset(behaviour, walking_scene(context.scene))
    return Preset(behaviour, replace(context.scene, zoom=(1.0, 1.0), shake=min(context.scene.shake, 0.002)))


def render_crowd(context: Preset, seed: int, config: CrowdConfig) -> Iterator[CrowdFrame]:
    """Yield the frames of a crowd; the same arguments give the same frames.

    Args:
        context: behaviour and scene; hands occlude only the faces of standing people.
        seed: random seed of people, emotions, backgrounds and paths.
        config: the crowd.
    """
    film = _walking if config.walking else _standing
    context = crowd_context(context, config)
    shots = (film(context, seed, config, shot) for shot in range(config.shots))
    for index, (cut, image, people) in enumerate(_joined(shots, config)):
        yield CrowdFrame(index / config.person.fps, cut, image, people)


def write_crowd(out: Path, context: Preset, seed: int, config: CrowdConfig) -> None:
    """Write ``crowd.mp4`` and ``crowd.json`` (cuts, and the people of every frame) to the folder ``out``.

    A crowd of the same settings is replaced.

    Raises:
        InputError: the folder holds another crowd, or cannot be written.
    """
    settings = {
        "schema_version": 1,
        "seed": seed,
        "context": asdict(crowd_context(context, config)),
        "crowd": asdict(config),
        "fps": config.person.fps,
    }
    video, truth_file = out / "crowd.mp4", out / "crowd.json"
    claim_video(video, settings)
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
            truth_file.unlink(missing_ok=True)  # an interruption must not leave a video next to the truth of another

        write_video(video, pictures(), config.person.fps)
    write_text(truth_file, json.dumps({**settings, "cuts_seconds": cuts, "frames": truths}))


def _person_record(truth: PersonTruth) -> dict[str, Any]:
    box = dict(zip(("x", "y", "width", "height"), (round(value, 2) for value in truth.box), strict=True))
    return {"person": truth.person, "label": truth.label, "box": box, "occlusion": round(truth.occlusion, 3)}


def _joined(shots: Iterator[Shot], config: CrowdConfig) -> Iterator[tuple[bool, Picture, tuple[PersonTruth, ...]]]:
    """Join the shots; in a transition, the last frames of one are mixed with the first of the next."""
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
    """Return the frame of a transition at ``share`` (0 to 1) of its length."""
    old_share, new_share = 1 - share, share
    if transition == "fade":
        old_share, new_share = max(0.0, 1 - 2 * share), max(0.0, 2 * share - 1)
    return np.asarray(np.rint(old_share * old + new_share * new), np.uint8)


def _standing(context: Preset, seed: int, config: CrowdConfig, shot: int) -> Shot:
    """Yield the pictures and people of one shot of people side by side."""
    video, times, numbers = config.person, _times(config), _numbers(config, shot)
    unit = video.face * video.height / FACE_HEIGHT
    cast, films = [], []
    for number in numbers:
        labels, actor, rng = _cast(context, seed, config, number)
        cast.append(labels)
        scene = Scene(actor.identity, context.scene, (video.height, video.width), unit, config.shot_seconds, rng)
        films.append(scene.film(actor.behaviour, times))
    for time, row in zip(times, zip(*films, strict=True), strict=True):
        people = []
        for place, (_, truth) in enumerate(row):
            x, y, width, height = truth.face.box
            box = (float(x) + place * video.width, float(y), float(width), float(height))
            occlusion = unseen_share(truth.face.outside, truth.occlusion)
            people.append(PersonTruth(numbers[place], _label(cast[place], time, config), box, occlusion))
        yield np.concatenate([picture for picture, _ in row], axis=1), tuple(people)


def _walking(context: Preset, seed: int, config: CrowdConfig, shot: int) -> Shot:
    """Yield the pictures and people of one shot of people walking."""
    video, times, numbers = config.person, _times(config), _numbers(config, shot)
    cast = [_cast(context, seed, config, number)[:2] for number in numbers]
    size = (video.height, video.width * config.people)
    rng = np.random.default_rng([seed, 23, shot])
    film = film_walkers([actor for _, actor in cast], context.scene, size, video.face, times, rng)
    for time, (picture, faces) in zip(times, film, strict=True):
        yield (
            picture,
            tuple(
                PersonTruth(number, _label(labels, time, config), face.box, face.occlusion)
                for number, (labels, _), face in zip(numbers, cast, faces, strict=True)
            ),
        )


def _times(config: CrowdConfig) -> np.ndarray:
    return np.arange(round(config.shot_seconds * config.person.fps)) / config.person.fps


def _numbers(config: CrowdConfig, shot: int) -> range:
    return range(1 + shot * config.people, 1 + (shot + 1) * config.people)


def _label(labels: Sequence[str], time: float, config: CrowdConfig) -> str:
    return labels[min(int(time / config.person.seconds), len(labels) - 1)]


def _cast(context: Preset, seed: int, config: CrowdConfig, number: int) -> tuple[list[str], Actor, np.random.Generator]:
    """Return the labels that one person shows, the person, and the random source for their scene."""
    rng = np.random.default_rng([seed, 22, number - 1])
    labels: list[str] = []
    classes = tuple(map(canonical_label, config.classes))
    while len(labels) < config.emotions:
        label = classes[int(rng.integers(len(classes)))]
        if not labels or label != labels[-1] or len(set(classes)) == 1:
            labels.append(label)
    events = story_events(labels, config.person, rng, context.behaviour.repertoire)
    behaviour = Behaviour(events, context.behaviour, config.shot_seconds, rng)
    return labels, Actor(person_identity(seed, STRANGER + number - 1), behaviour), rng
