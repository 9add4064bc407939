"""The story: one long video of one person showing several emotions, with ground truth, for trying recognition."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from ifdd.console import progress_bar
from ifdd.data.labels import canonical_label
from ifdd.errors import InputError, check_range
from ifdd.files import write_text
from ifdd.synth.behaviour.behaviour import Behaviour
from ifdd.synth.behaviour.course import Event
from ifdd.synth.behaviour.repertoire import draw_expression
from ifdd.synth.claim import claim_video
from ifdd.synth.config import Preset, Repertoire, RigName
from ifdd.synth.identity import Identity
from ifdd.synth.plan import person_identity
from ifdd.synth.render import Scene
from ifdd.synth.rig import FACE_HEIGHT
from ifdd.synth.rigs import DEFAULT_RIG, RigMaker
from ifdd.synth.truth import truth_record
from ifdd.video.encode import write_video

_NAME = "story_video.{0} (or crowd_video.person.{0})"
"""What messages call a field: the crowd is made of stories."""


@dataclass(frozen=True)
class StoryConfig:
    """The video of --story."""

    seconds: float = 4.0
    """Duration of each emotion in seconds."""
    width: int = 640
    """Width in pixels."""
    height: int = 360
    """Height in pixels."""
    fps: float = 25.0
    """Frame rate in frames per second."""
    face: float = 0.4
    """Height of the face as a share of the picture's height."""
    person: int | None = None
    """Number of the person. Default: one who is in no clip."""

    def __post_init__(self) -> None:
        """Check the values."""
        check_range(_NAME.format("seconds"), self.seconds, at_least=1.5, at_most=600)
        check_range(_NAME.format("fps"), self.fps, at_least=1, at_most=240)
        check_range(_NAME.format("face"), self.face, at_least=0.1, at_most=0.7)
        check_range(_NAME.format("person"), self.person, at_least=0)
        for name, pixels in (("width", self.width), ("height", self.height)):
            check_range(_NAME.format(name), pixels, at_least=64, at_most=4096)
            if pixels % 2:
                raise InputError(f"{_NAME.format(name)} is {pixels}; mp4 needs an even number of pixels")


STRANGER = 1_000_000
"""Number of the story's person: larger than any in a set."""


def story_events(
    labels: list[str], config: StoryConfig, rng: np.random.Generator, repertoire: Repertoire = "prototypical"
) -> tuple[Event, ...]:
    """Return one event per label, one after another; the face returns to rest in between."""
    events = []
    for index, label in enumerate(labels):
        start, end = index * config.seconds, (index + 1) * config.seconds
        expression = draw_expression(canonical_label(label), repertoire, rng)
        events.append(Event(canonical_label(label), start + 0.1, end - 0.1, 0.5, 0.5, expression))
    return tuple(events)


def story_context(context: Preset) -> Preset:
    """Return behaviour and scene of a story: a tripod camera and no hand, because the emotions should be visible.

    Every emotion is shown at full strength, and as long as ``StoryConfig.seconds`` says.
    """
    return Preset(
        replace(context.behaviour, yaw=min(context.behaviour.yaw, 12.0), visible=(1.0, 1.0), strength=(1.0, 1.0)),
        replace(context.scene, occlusion=0.0, zoom=(1.0, 1.0), shake=min(context.scene.shake, 0.002), jitter=0.05),
    )


def render_story(
    labels: list[str],
    context: Preset,
    seed: int,
    config: StoryConfig,
    make_rig: RigMaker = DEFAULT_RIG,
    even_skin_tones: bool = False,
) -> tuple[Identity, Iterator[tuple[UInt8[np.ndarray, "height width 3"], dict[str, Any]]]]:
    """Return the person, and the picture and truth of each frame.

    Args:
        labels: the emotions in their order.
        context: behaviour and scene; see ``story_context`` for what does not apply.
        seed: random seed.
        config: the video.
        make_rig: builds what draws the person.
        even_skin_tones: as ``SynthConfig.even_skin_tones`` of the set whose person it is.
    """
    context = story_context(context)
    duration = config.seconds * len(labels)
    rng = np.random.default_rng([seed, 21])
    events = story_events(labels, config, rng, context.behaviour.repertoire)
    behaviour = Behaviour(events, context.behaviour, duration, rng)
    identity = person_identity(seed, STRANGER if config.person is None else config.person, even_skin_tones)
    unit = config.face * config.height / FACE_HEIGHT
    scene = Scene(identity, context.scene, (config.height, config.width), unit, duration, rng, make_rig)
    times = np.arange(round(duration * config.fps)) / config.fps
    return identity, ((picture, truth_record(truth)) for picture, truth in scene.film(behaviour, times))


def write_story(
    out: Path,
    labels: list[str],
    context: Preset,
    seed: int,
    config: StoryConfig,
    make_rig: RigMaker = DEFAULT_RIG,
    even_skin_tones: bool = False,
    rig: RigName = "drawn",
) -> None:
    """Write ``story.mp4`` and ``story.json`` (segments and per-frame truth) to ``out``; see ``render_story``.

    A story of the same settings is replaced; ``rig`` is the name that is recorded among them.

    Raises:
        InputError: a label is unknown, the folder holds another story, or cannot be written.
    """
    segments = [
        {
            "start_seconds": index * config.seconds,
            "end_seconds": (index + 1) * config.seconds,
            "label": canonical_label(label),
        }
        for index, label in enumerate(labels)
    ]
    settings = {
        "schema_version": 1,
        "seed": seed,
        "rig": rig,
        "context": asdict(story_context(context)),
        "story": asdict(config),
        "fps": config.fps,
        "segments": segments,
    }
    video, truth_file = out / "story.mp4", out / "story.json"
    claim_video(video, settings)
    identity, shots = render_story(labels, context, seed, config, make_rig, even_skin_tones)
    truths: list[dict[str, Any]] = []
    with progress_bar("frames") as progress:
        task = progress.add_task("story", total=round(config.seconds * len(labels) * config.fps))

        def pictures() -> Iterator[UInt8[np.ndarray, "height width 3"]]:
            for picture, truth in shots:
                truths.append(truth)
                progress.advance(task)
                yield picture
            truth_file.unlink(missing_ok=True)  # an interruption must not leave a video next to the truth of another

        write_video(video, pictures(), config.fps)
    write_text(truth_file, json.dumps({**settings, "identity": asdict(identity), "frames": truths}))
