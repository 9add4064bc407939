"""Folds by actor for datasets that have none, from a rule that anybody can repeat.

The rule: sort the actors by sex ("female" before "male") and then by id, and deal them to folds 1 to 5 in turn, like
cards. The test clips of a fold are those of its actors. Of the actors of the next fold (after 5 comes 1), in the same
order, every second one, beginning with the first, is for validation. All other actors are for training. So no actor is
in two subsets of a fold, every clip is tested once, and both sexes are spread evenly.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ifdd.data.datasets.listing import Entry, Listing
from ifdd.data.manifest import SUBSETS

FOLDS = (1, 2, 3, 4, 5)

PAIRS = tuple((fold, subset) for fold in FOLDS for subset in SUBSETS)
"""The (fold, subset) pairs of such a dataset."""

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""Beginning of the text file that a clone without Git LFS has in place of a large file."""
POINTER_BYTES = 200
"""Pointers are smaller than this; most have about 130 bytes."""


class ActedClip(NamedTuple):
    """A clip of one actor, before it is put in the folds."""

    clip_id: str
    actor: str
    label: str
    """Canonical name; empty if the clip has no label."""
    where: str
    source: Path
    attributes: tuple[tuple[str, str], ...]
    votes: str = ""
    problem: str = ""
    """Why the clip is excluded; empty if it is not."""


def deal_actors(sexes: Mapping[str, str]) -> dict[int, dict[str, str]]:
    """Return fold -> actor -> subset.

    Args:
        sexes: actor's id -> "female" or "male".

    Example:
        >>> from ifdd.data.datasets.actors import deal_actors
        >>> folds = deal_actors({"01": "male", "02": "female", "03": "male", "04": "female", "05": "male"})
        >>> folds[1]
        {'02': 'test', '04': 'validation', '01': 'train', '03': 'train', '05': 'train'}
    """
    order = sorted(sexes, key=lambda actor: (sexes[actor], actor))
    hands = [order[start :: len(FOLDS)] for start in range(len(FOLDS))]
    folds = {}
    for place, fold in enumerate(FOLDS):
        validated = hands[(place + 1) % len(FOLDS)][::2]
        subsets = dict.fromkeys(order, "train") | dict.fromkeys(validated, "validation")
        folds[fold] = subsets | dict.fromkeys(hands[place], "test")
    return folds


def add_clips(listing: Listing, clips: Iterable[ActedClip], sexes: Mapping[str, str]) -> None:
    """Add every clip to the subset of its actor in each fold; those with a problem are excluded from all.

    Args:
        listing: receives the lines.
        clips: clips of known actors.
        sexes: as for ``deal_actors``.
    """
    clips = list(clips)
    for fold, subsets in deal_actors(sexes).items():
        for clip in clips:
            entry = Entry(
                clip_id=clip.clip_id,
                label=clip.label,
                subset=subsets[clip.actor],
                fold=fold,
                where=clip.where,
                source=clip.source,
                subject=clip.actor,
                votes=clip.votes,
                attributes=clip.attributes,
            )
            if clip.problem:
                listing.exclude(entry, clip.problem)
            else:
                listing.entries.append(entry)
    for fold, subset in sorted(set(PAIRS) - {(entry.fold, entry.subset) for entry in listing.entries}):
        message = f"fold {fold}, {subset}: no clips of its actors; add the clips of more actors"
        listing.report("lists", "note" if subset == "validation" else "wrong", message)


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is the pointer that Git leaves where Git LFS has not fetched the content."""
    try:
        return path.stat().st_size < POINTER_BYTES and path.read_bytes().startswith(LFS_POINTER)
    except OSError:
        return False
