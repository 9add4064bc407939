"""RAVDESS as its archives unpack: speech and song of 24 actors in eight emotions.

``Actor_01/01-01-03-02-01-01-01.mp4``, at any depth: modality (01 sound and picture, 02 picture alone, 03 sound alone),
channel (01 speech, 02 song), emotion, intensity, statement, repetition, actor (odd: male). Files of modality 01 and 02
have the same pictures, so only one of them is taken, 02 where both exist; a clip's id is the name without the modality.

RAVDESS has no lists and no folds. All combinations exist, apart from strong neutral clips, disgust and surprise in
song, and the songs of actor 18, so missing files are noticed. ``actors`` has the rule for the folds.
"""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from ifdd.data.datasets.actors import PAIRS, ActedClip, add_clips
from ifdd.data.datasets.listing import Folder, Listing, Options, report_skipped, walk
from ifdd.data.labels import LABEL_SETS, canonical_label
from ifdd.errors import InputError
from ifdd.video.suffixes import VIDEO_SUFFIXES

FRAMES = "videos"
"""The only kind of frames."""

CLASSES = LABEL_SETS["ravdess"]

CHANNELS: dict[str, dict[str, str]] = {
    "speech": {"01": "speech"},
    "song": {"02": "song"},
    "both": {"01": "speech", "02": "song"},
}
"""Choice -> code in a file's name -> channel."""

CALM = ("keep", "neutral", "drop")
"""What becomes of the clips of calm: a class of its own, neutral, or left out."""

EMOTIONS = {f"{number:02d}": canonical_label(name) for number, name in enumerate(CLASSES, start=1)}
"""Code in a file's name -> canonical label."""

INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "kids", "02": "dogs"}
"""Code -> "Kids are talking by the door" or "Dogs are sitting by the door"."""

ACTORS = tuple(f"{number:02d}" for number in range(1, 25))

FILE_NAME = re.compile(r"(0[12])-((0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1[0-9]|2[0-4]))")
"""Modality, clip id, channel, emotion, intensity, statement, repetition, actor."""


def read_ravdess(root: Path, options: Options) -> Listing:
    """Read which clips of the chosen channel are on disk, and which are missing.

    Raises:
        InputError: there are no videos of the channel, or a choice is unknown.
    """
    if options.channel not in CHANNELS:
        raise InputError(f"unknown channel {options.channel!r}; choose one of {', '.join(CHANNELS)}")
    if options.calm not in CALM:
        raise InputError(f"unknown choice {options.calm!r} for calm; choose one of {', '.join(CALM)}")
    label_set = "ravdess" if options.calm == "keep" else "dfew"
    listing = Listing("ravdess", label_set, LABEL_SETS[label_set], FRAMES, PAIRS)
    tree = walk(root)
    report_skipped(listing, tree)
    listing.put_on_disk(_chosen(_videos(tree), options))
    if not listing.on_disk:
        raise InputError(
            f"{root} contains no {options.channel} videos of RAVDESS; unpack Video_Speech_Actor_01.zip and the others "
            "there, to Actor_01/02-01-03-02-01-01-01.mp4"
        )
    clip_ids = set(listing.on_disk)
    if not (root / "synth.json").exists():  # a tree of SynthDFER has only some of the combinations
        clip_ids |= {clip_id for clip_id in official_clips(options.channel) if _is_taken(clip_id, options)}
    sexes = {actor: sex_of(actor) for actor in ACTORS}
    add_clips(listing, (_clip(listing, root, clip_id, options.calm) for clip_id in sorted(clip_ids)), sexes)
    return listing


def sex_of(actor: str) -> str:
    """Return the sex of an actor: odd numbers are men."""
    return "male" if int(actor) % 2 else "female"


def official_clips(channel: str) -> list[str]:
    """Return the ids of all clips of a channel: 1,440 of speech, 1,012 of song."""
    found = []
    codes = product(ACTORS, CHANNELS[channel], EMOTIONS, INTENSITIES, STATEMENTS, ("01", "02"))
    for actor, code, emotion, intensity, statement, repetition in codes:
        label, song = EMOTIONS[emotion], code == "02"
        absent = (label == "neutral" and intensity == "02") or (
            song and (actor == "18" or label in ("disgust", "surprise"))
        )
        if not absent:
            found.append(f"{code}-{emotion}-{intensity}-{statement}-{repetition}-{actor}")
    return found


def _videos(tree: list[Folder]) -> Iterator[tuple[str, str, Path]]:
    """Yield modality, clip id and path of every video with pictures."""
    for folder in tree:
        for name in folder.files:
            match = FILE_NAME.fullmatch(name.rpartition(".")[0])
            if match is not None and name.lower().endswith(VIDEO_SUFFIXES):
                yield match[1], match[2], folder.path / name


def _chosen(videos: Iterator[tuple[str, str, Path]], options: Options) -> Iterator[tuple[str, Path]]:
    """Yield id and path of the clips to take, each in one modality."""
    taken = [video for video in videos if _is_taken(video[1], options)]
    silent = {clip_id for modality, clip_id, _ in taken if modality == "02"}
    for modality, clip_id, path in taken:
        if modality == "02" or clip_id not in silent:
            yield clip_id, path


def _is_taken(clip_id: str, options: Options) -> bool:
    channel, emotion, *_ = clip_id.split("-")
    return channel in CHANNELS[options.channel] and not (options.calm == "drop" and EMOTIONS[emotion] == "calm")


def _clip(listing: Listing, root: Path, clip_id: str, calm: str) -> ActedClip:
    channel, emotion, intensity, statement, repetition, actor = clip_id.split("-")
    source = listing.on_disk.get(clip_id, root / f"Actor_{actor}" / f"02-{clip_id}.mp4")
    label = EMOTIONS[emotion]
    facts = {
        "sex": sex_of(actor),
        "intensity": INTENSITIES[intensity],
        "channel": CHANNELS["both"][channel],
        "statement": STATEMENTS[statement],
        "repetition": str(int(repetition)),
    }
    where = f"{source.parent.name}/{source.name}"
    label = "neutral" if label == "calm" and calm == "neutral" else label
    return ActedClip(clip_id, actor, label, where, source, tuple(facts.items()))
