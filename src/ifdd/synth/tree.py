"""SynthDFER in the layouts of the datasets that ``ifdd prepare`` reads: the same folders, lists and numbering.

docs/datasets.md describes the layouts. Each tree also has the ground truth, ``truth/<clip>.json``, which the official
datasets lack.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from ifdd.data.labels import LABEL_SETS, canonical_label
from ifdd.errors import InputError
from ifdd.files import write_text
from ifdd.synth.config import SynthConfig
from ifdd.synth.layouts import ACTED
from ifdd.synth.layouts.acted import Takes
from ifdd.synth.plan import ClipPlan, plan_clip
from ifdd.synth.render import Clip, render_plan
from ifdd.synth.rigs import DEFAULT_RIG, RigMaker

TOP_NAMES: dict[str, tuple[str, ...]] = {
    "dfew": ("Clip", "EmoLabel_DataSplit", "Annotation"),
    "ferv39k": ("2_ClipsforFaceCrop", "4_setups"),
    "mafw": ("clips", "frames", "Train & Test Set"),
    **{name: layout.top_names for name, layout in ACTED.items()},
}
"""Layout -> all files and folders at the root of the tree that the official dataset has, too."""

FOLDS = 5
"""Number of folds, disjoint in people: FERV39k tests on the first, the other datasets on each in turn."""

SCENES = ("Action", "DailyLife", "Interview", "Social")
"""Some of FERV39k's 22 scenes."""

DFEW_FRAMES = (12, 48)
"""Frames of the shortest and longest clip here; some of DFEW's are shorter than 16 frames, too."""

RESAMPLED_FRAMES = 16
"""Frames of every clip in DFEW's folder ``clip_224x224_16f``."""

FERV39K_FRAMES = (8, 47)
"""Frames of the shortest and longest clip of FERV39k."""

MAFW_FRAMES = (9, 120)
"""Frames of the shortest and longest clip here; the longest of MAFW has 727."""

MAFW_JITTER = 0.22
"""Largest offset of a face from the centre of a MAFW scene, as a share of its height."""


class TreeClip(NamedTuple):
    """One clip of a tree."""

    plan: ClipPlan
    """Person and label; ``clip_id`` is the name in the dataset's lists, ``subset`` that of fold 1."""
    path: str
    """Folder of frames or video file, relative to the root of the tree."""
    resampled_path: str | None
    """DFEW's folder of 16 frames that are spread over the clip."""
    frames: int
    fold: int
    """Number of the fold that tests on it, from 1."""


def tree_config(layout: str, config: SynthConfig) -> SynthConfig:
    """Return the settings of a tree: in MAFW, faces may be anywhere in the picture; others have only so many people.

    Raises:
        InputError: there are fewer people than folds.
    """
    if config.identities < FOLDS:
        raise InputError(f"identities is {config.identities}; each of the {FOLDS} folds needs at least one")
    if layout in ACTED:
        actors = ACTED[layout].actors
        return replace(config, identities=actors if ACTED[layout].all_actors else min(config.identities, actors))
    if layout != "mafw":
        return config
    return replace(config, scene=replace(config.scene, jitter=max(config.scene.jitter, MAFW_JITTER)))


def plan_tree(layout: str, config: SynthConfig, seed: int, count: int, format: str) -> list[TreeClip]:
    """Plan the first ``count`` clips; a larger count does not change them.

    Every class is spread evenly over the folds. Every person belongs to one fold, so that training and test people of
    a fold are disjoint.

    Raises:
        InputError: the layout has fewer takes than clips are wanted.
    """
    of_class: Counter[str] = Counter()
    in_folder: defaultdict[str, int] = defaultdict(int)
    takes = Takes(ACTED[layout], config.identities, FOLDS) if layout in ACTED else None
    clips = []
    for index in range(count):
        plan = plan_clip(config, seed, index)
        fold = 1 + (of_class[plan.label] + config.classes.index(plan.label)) % FOLDS
        of_class[plan.label] += 1
        # plan_clip draws from all people; take the nearest person of this fold.
        person = min(plan.person - plan.person % FOLDS + fold - 1, _last_person(config.identities, fold))
        rng = np.random.default_rng([seed, 16, index])
        if takes is None:
            clip_id, path, frames = _place(layout, index, plan.label, format, rng, in_folder)
        else:
            person, clip_id = takes.take(person, canonical_label(plan.label))
            path = ACTED[layout].path(clip_id)
            shortest, longest = ACTED[layout].seconds
            frames = max(1, round(config.fps * rng.uniform(shortest, longest)))
        plan = plan._replace(
            clip_id=clip_id, person=person, subject=f"s{person:04d}", subset="test" if fold == 1 else "train"
        )
        resampled = f"Clip/clip_224x224_16f/{Path(path).name}" if layout == "dfew" else None
        clips.append(TreeClip(plan, path, resampled, frames, fold))
    return clips


def _last_person(identities: int, fold: int) -> int:
    return identities - 1 - (identities - fold) % FOLDS


def _place(
    layout: str, index: int, label: str, format: str, rng: np.random.Generator, in_folder: defaultdict[str, int]
) -> tuple[str, str, int]:
    """Return a clip's name in the lists, its path in the tree and its number of frames."""
    if layout == "dfew":
        number = _dfew_number(index)
        return str(number), f"Clip/clip_224x224/{number:05d}", int(rng.integers(DFEW_FRAMES[0], DFEW_FRAMES[1] + 1))
    if layout == "ferv39k":
        folder = f"{SCENES[int(rng.integers(len(SCENES)))]}/{label.capitalize()}"
        in_folder[folder] += 1  # numbers restart in every folder
        clip_id = f"{folder}/{in_folder[folder]:04d}"
        return clip_id, f"2_ClipsforFaceCrop/{clip_id}", int(rng.integers(FERV39K_FRAMES[0], FERV39K_FRAMES[1] + 1))
    low, high = np.log(MAFW_FRAMES)
    clip_id = f"{index + 1:05d}"
    path = f"clips/{clip_id}.mp4" if format == "mp4" else f"frames/{clip_id}"
    return clip_id, path, round(float(np.exp(rng.uniform(low, high))))


def _dfew_number(index: int) -> int:
    """Return the number of a DFEW clip; every fourth number is a clip without a single label."""
    return 1 + index + index // 3


def render_tree_clip(
    layout: str, clip: TreeClip, config: SynthConfig, seed: int, make_rig: RigMaker = DEFAULT_RIG
) -> Clip:
    """Render one clip: a face crop, or a scene 1.5 times as high and, for MAFW, 2.5 times as wide as a crop."""
    size = (config.size, config.size)
    height = config.size * 3 // 4 * 2  # even, as video codecs require
    if layout == "mafw":
        size = (height, config.size * 5 // 4 * 2)
    elif layout in ACTED:
        size = (height, round(height * ACTED[layout].width / 2) * 2)
    return render_plan(clip.plan, replace(config, frames=clip.frames), seed, size, make_rig)


def resample(frames: UInt8[np.ndarray, "frames height width 3"]) -> UInt8[np.ndarray, "16 height width 3"]:
    """Return 16 frames at equal distances, the first and the last among them; short clips repeat frames.

    DFEW's are interpolated between frames; here, the nearest frame is taken.
    """
    return frames[np.linspace(0, len(frames) - 1, RESAMPLED_FRAMES).round().astype(int)]


def write_lists(out: Path, layout: str, clips: list[TreeClip], people: int, seed: int) -> None:
    """Write the dataset's lists of clips, labels and folds, or its tables.

    Args:
        out: root of the tree.
        layout: name of the layout.
        clips: all clips.
        people: number of people.
        seed: seed of the set.

    Raises:
        InputError: a file cannot be written.
    """
    if layout in ACTED:
        labelled = [(clip.plan.clip_id, canonical_label(clip.plan.label)) for clip in clips]
        ACTED[layout].write_tables(out, labelled, people, seed)
        return
    if layout == "dfew":
        _write_dfew_lists(out, clips)
        _write_votes(out, clips, seed)
    elif layout == "ferv39k":
        for subset in ("train", "test"):
            lines = [f"{c.plan.clip_id} {c.plan.label.capitalize()}" for c in clips if c.plan.subset == subset]
            write_text(out / "4_setups" / "All_scenes" / f"{subset}_All.csv", _lines(lines))
    else:
        _write_mafw_lists(out, clips)


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _folds(clips: list[TreeClip]) -> Iterable[tuple[int, str, list[TreeClip]]]:
    """Yield the fold, subset and clips of every list."""
    for fold in range(1, FOLDS + 1):
        yield fold, "train", [clip for clip in clips if clip.fold != fold]
        yield fold, "test", [clip for clip in clips if clip.fold == fold]


def _write_dfew_lists(out: Path, clips: list[TreeClip]) -> None:
    classes = LABEL_SETS["dfew"]
    for fold, subset, members in _folds(clips):
        lines = [f"{clip.plan.clip_id},{1 + classes.index(clip.plan.label)}" for clip in members]
        path = out / "EmoLabel_DataSplit" / f"{subset}(single-labeled)" / f"set_{fold}.csv"
        write_text(path, _lines(["video_name,label", *lines]))


def _write_votes(out: Path, clips: list[TreeClip], seed: int) -> None:
    """Write the votes of ten annotators: at least seven agree, or the clip has no single label."""
    classes = LABEL_SETS["dfew"]
    labels = {int(clip.plan.clip_id): clip.plan.label for clip in clips}
    lines = [",".join([*(f"{number}{name}" for number, name in enumerate(classes, 1)), "order", "label"])]
    for number in range(1, max(labels) + 1):
        rng = np.random.default_rng([seed, 17, number])
        winner = classes.index(labels[number]) if number in labels else -1
        if winner >= 0:
            shares = np.full(len(classes), 0.3 / len(classes)) + 0.7 * (np.arange(len(classes)) == winner)
            votes = rng.multinomial(3, shares)
            votes[winner] += 7
        else:
            first, second = rng.permutation(len(classes))[:2]
            votes = np.bincount([first] * 5 + [second] * 5, minlength=len(classes))
        lines.append(",".join(str(int(value)) for value in [*votes, number, winner + 1]))
    write_text(out / "Annotation" / "annotation.csv", _lines(lines))


def _write_mafw_lists(out: Path, clips: list[TreeClip]) -> None:
    for fold, subset, members in _folds(clips):
        lines = [f"{clip.plan.clip_id}.mp4 {clip.plan.label}" for clip in members]
        path = out / "Train & Test Set" / "single" / "no_caption" / f"set_{fold}" / f"{subset}.txt"
        write_text(path, "\n".join(lines))  # as in the official files: no final newline
