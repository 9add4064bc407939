"""FERV39k in its owners' layout: one split of clips named by scene, class and number.

Lists: ``4_setups/All_scenes/train_All.csv`` and ``test_All.csv``, without header, with lines like ``Crime/Angry/0063
Angry``; for single scenes, ``4_setups/22_scenes/train_Crime.csv``. Frames:
``2_ClipsforFaceCrop/Crime/Angry/0063/*.jpg``. Numbers start again in every folder, so the id of a clip is its whole
path.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from ifdd.data.datasets.listing import (
    Entry,
    Folder,
    Listing,
    Options,
    add,
    choose_variant,
    claim,
    clips_in,
    plain,
    read_lines,
    report_skipped,
    walk,
)
from ifdd.data.labels import LABEL_SETS, canonical_label
from ifdd.errors import InputError

CLASSES = LABEL_SETS["ferv39k"]
SUBSETS = ("train", "test")

FRAMES = "2_ClipsforFaceCrop"
"""The only kind of frames, and the name of its folder."""

SCENE_COUNTS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "Action": ((43, 30, 26, 276, 163, 54, 48), (11, 8, 7, 70, 41, 14, 13)),
    "Argue": ((587, 75, 56, 562, 472, 208, 162), (147, 19, 15, 141, 118, 52, 41)),
    "Business": ((182, 132, 24, 279, 405, 234, 162), (46, 33, 7, 70, 102, 59, 41)),
    "Conflict": ((592, 186, 114, 208, 348, 367, 175), (149, 47, 29, 53, 87, 92, 44)),
    "Contest": ((202, 110, 76, 507, 476, 370, 176), (51, 28, 19, 127, 120, 93, 45)),
    "Crime": ((203, 114, 106, 195, 418, 332, 126), (51, 29, 27, 49, 105, 84, 32)),
    "Crisis": ((156, 44, 92, 192, 372, 231, 106), (40, 11, 24, 48, 93, 58, 27)),
    "DailyLife": ((512, 24, 110, 386, 368, 400, 68), (128, 7, 28, 97, 93, 101, 17)),
    "ElegantArt": ((181, 56, 42, 140, 220, 282, 69), (46, 14, 11, 36, 56, 71, 18)),
    "Experiment": ((32, 8, 16, 136, 215, 8, 28), (8, 2, 4, 34, 54, 3, 8)),
    "History": ((396, 68, 164, 244, 424, 724, 131), (99, 17, 41, 61, 106, 182, 33)),
    "Interview": ((241, 72, 29, 545, 483, 232, 73), (61, 19, 8, 137, 121, 59, 19)),
    "Liveshow": ((117, 88, 14, 215, 300, 88, 81), (30, 22, 4, 54, 75, 22, 21)),
    "Medicine": ((78, 28, 57, 54, 164, 128, 40), (20, 8, 15, 14, 42, 33, 11)),
    "OfficialEvent": ((279, 68, 17, 278, 330, 86, 78), (70, 17, 5, 70, 83, 22, 20)),
    "ScholarReport": ((260, 116, 96, 419, 405, 188, 125), (66, 29, 24, 105, 102, 47, 32)),
    "School": ((422, 141, 130, 101, 292, 322, 199), (106, 36, 33, 26, 73, 81, 50)),
    "Social": ((152, 104, 22, 118, 332, 76, 88), (39, 27, 6, 30, 84, 20, 23)),
    "Speech": ((256, 121, 88, 271, 416, 185, 128), (64, 31, 22, 68, 105, 47, 32)),
    "Talkshow": ((189, 72, 40, 383, 387, 151, 164), (48, 18, 11, 96, 97, 38, 42)),
    "Terror": ((316, 88, 265, 118, 366, 377, 147), (79, 22, 67, 30, 92, 95, 37)),
    "War": ((510, 88, 96, 227, 434, 480, 128), (128, 23, 24, 57, 109, 120, 32)),
}
"""Scene -> clips per class in (train, test), counted in the lists of all scenes."""


def read_ferv39k(root: Path, options: Options) -> Listing:
    """Read both lists, for all scenes or one, and which clips are on disk.

    Raises:
        InputError: there are no lists or no frames, or the kind of frames or the scene is unknown.
    """
    scene = _scene(options.scene)
    tree = walk(root)
    variant, frames = choose_variant(tree, {FRAMES: (FRAMES,)}, options.frames, root)
    pairs = tuple((0, subset) for subset in SUBSETS)
    listing = Listing("ferv39k", "ferv39k", CLASSES, variant, pairs, published=published_counts(scene))
    report_skipped(listing, tree)
    listing.rate_reason = "FERV39k publishes no frame rate"
    listing.put_on_disk(_clips(tree, frames, scene))
    lists = _find_lists(listing, tree, scene)
    if not lists:
        raise InputError(
            f"{root} contains no lists of FERV39k; put 4_setups/All_scenes/train_All.csv and test_All.csv there"
        )
    for subset in SUBSETS:
        if subset in lists:
            _read_list(listing, *lists[subset], subset, scene, frames.path)
        else:
            listing.report("lists", "wrong", f"{subset}: no All_scenes/{subset}_All.csv; copy it from the dataset")
    return listing


def published_counts(scene: str) -> dict[tuple[int, str], tuple[int, ...]]:
    """Return (fold 0, subset) -> clips per class, of one scene or of all."""
    chosen = [SCENE_COUNTS[scene]] if scene else list(SCENE_COUNTS.values())
    return {
        (0, subset): tuple(sum(column) for column in zip(*(counts[place] for counts in chosen), strict=True))
        for place, subset in enumerate(SUBSETS)
    }


def _scene(chosen: str) -> str:
    """Return a scene in its official spelling."""
    if not chosen:
        return ""
    for scene in SCENE_COUNTS:
        if plain(scene) == plain(chosen):
            return scene
    raise InputError(f"unknown scene {chosen!r}; choose one of {', '.join(SCENE_COUNTS)}")


def _clips(tree: list[Folder], frames: Folder, scene: str) -> Iterator[tuple[str, Path]]:
    """Yield scene/class/number and path of the clips on disk."""
    below = f"{frames.relative}/" if frames.relative else ""
    for folder in tree:
        parts = folder.relative.removeprefix(below).split("/")
        if folder.relative.startswith(below) and len(parts) == 2 and scene in ("", parts[0]):
            yield from ((f"{parts[0]}/{parts[1]}/{name}", path) for name, path in clips_in(folder))


def _find_lists(listing: Listing, tree: list[Folder], scene: str) -> dict[str, tuple[Folder, str]]:
    """Return subset -> list: the scene's own if both exist, else those of all scenes."""
    of_scene = _lists_named(listing, tree, plain(scene)) if scene else {}
    return of_scene if len(of_scene) == len(SUBSETS) else _lists_named(listing, tree, "all")


def _lists_named(listing: Listing, tree: list[Folder], wanted: str) -> dict[str, tuple[Folder, str]]:
    """Return subset -> list of a scene or of "all": train_All.csv, or train.csv in a folder of that name."""
    found: dict[str, tuple[Folder, str]] = {}
    for folder in tree:
        inside = plain(folder.path.name) in (wanted, f"{wanted}scenes")
        for name in folder.files:
            match = re.fullmatch(r"(train|test)(.*)\.(csv|txt)", name.lower())
            if match is not None and (plain(match[2]) == wanted or (inside and not match[2])):
                claim(listing, found, match[1], folder, name)
    return found


def _read_list(listing: Listing, folder: Folder, name: str, subset: str, scene: str, frames: Path) -> None:
    """Read one list; if a scene is chosen, lines of other scenes are ignored."""
    for number, line in read_lines(listing, folder, name):
        where = f"{folder.relative}/{name}, line {number}"
        parts = re.split(r"[ \t,;]+", line)
        places = parts[0].replace("\\", "/").strip("/").split("/")
        if len(parts) != 2 or len(places) != 3:
            listing.drop_line(where, f"{line!r} is not 'Scene/Class/number Class'; correct the line")
            continue
        if scene and places[0] != scene:
            continue
        clip_id, label = "/".join(places), parts[1]
        entry = Entry(clip_id, label, subset, 0, where, listing.on_disk.get(clip_id, frames.joinpath(*places)))
        if add(listing, entry) and canonical_label(label) != _folders_label(places[1]):
            message = (
                f"{where}: clip {clip_id} is labelled {label}, but is in the folder {places[1]}; check which is right"
            )
            listing.report("agreement", "wrong", message, clip_id)


def _folders_label(name: str) -> str:
    """Return the label that a folder's name means."""
    try:
        return canonical_label(name)
    except InputError:
        return name
