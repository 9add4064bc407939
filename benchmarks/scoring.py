"""Scores for tracks against a ground truth known frame by frame: pure functions of numbers.

Identities are scored by IDF1 (Ristani et al., ECCV 2016 workshops): people and tracks are matched once for the whole
video so that as many boxes as possible agree; a box counts only if its person and track are a match. This needs SciPy,
which comes with the extra ``[train]``.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from ifdd.errors import InputError
from ifdd.faces.boxes import overlap

Box = tuple[float, float, float, float]
"""Left, top, width, height in pixels."""

FrameBoxes = Mapping[int, Box]
"""Id -> box of that face in one frame."""


class IdentityScores(NamedTuple):
    """How well tracks keep people apart."""

    idf1: float
    """2 correct / (true boxes + found boxes), 0 to 1; 1 if there is nobody and nobody was found."""
    precision: float
    """Share of the found boxes that are correct; 1 if none was found."""
    recall: float
    """Share of the true boxes that were found under their own id; 1 if there are none."""
    switches: int
    """How often a person's track changes from one sighting to the next."""
    pairs: dict[int, int]
    """Id of each track that matches a person -> that person."""


def score_identities(
    truth: Sequence[FrameBoxes],
    found: Sequence[FrameBoxes],
    minimum_overlap: float = 0.5,
    hidden: Sequence[FrameBoxes] | None = None,
) -> IdentityScores:
    """Compare tracks with people, frame by frame.

    Args:
        truth: the people in each frame.
        found: the tracks in each frame; as many frames.
        minimum_overlap: intersection over union at which two boxes show the same face.
        hidden: people who need not be found: boxes on them and on nobody in ``truth`` are ignored; as many frames.

    Raises:
        InputError: the numbers of frames differ, or SciPy is not installed.
    """
    hidden = [{}] * len(truth) if hidden is None else hidden
    if not len(truth) == len(found) == len(hidden):
        raise InputError(
            f"the truth has {len(truth)} frames and the tracks have {len(found)} (hidden {len(hidden)}); "
            "give those of the same video"
        )
    found = [
        {
            track: box
            for track, box in tracks.items()
            if not _covers(box, unasked, minimum_overlap) or _covers(box, people, minimum_overlap)
        }
        for people, unasked, tracks in zip(truth, hidden, found, strict=True)
    ]
    agree: Counter[tuple[int, int]] = Counter()
    last: dict[int, int] = {}
    switches = 0
    for people, tracks in zip(truth, found, strict=True):
        overlaps = {(p, t): overlap(people[p], tracks[t]) for p in people for t in tracks}
        near = {pair: shared for pair, shared in overlaps.items() if shared >= minimum_overlap}
        agree.update(near.keys())
        for person, track in _pair_greedily(near).items():
            switches += last.get(person, track) != track
            last[person] = track
    pairs, right = _pair(agree)
    people_count, track_count = sum(map(len, truth)), sum(map(len, found))
    return IdentityScores(
        _share(2 * right, people_count + track_count),
        _share(right, track_count),
        _share(right, people_count),
        switches,
        pairs,
    )


def _pair(agree: Mapping[tuple[int, int], int]) -> tuple[dict[int, int], int]:
    """Return track -> person such that as many boxes as possible agree, and their number."""
    if not agree:
        return {}, 0
    try:
        from scipy.optimize import linear_sum_assignment
    except ModuleNotFoundError as error:
        raise InputError("scoring tracks needs SciPy; install it with: pip install 'ifdd[train]'") from error
    people, tracks = sorted({person for person, _ in agree}), sorted({track for _, track in agree})
    counts: Int64[np.ndarray, "people tracks"] = np.array([[agree.get((p, t), 0) for t in tracks] for p in people])
    rows, columns = linear_sum_assignment(counts, maximize=True)
    pairs = {tracks[j]: people[i] for i, j in zip(rows, columns, strict=True) if counts[i, j] > 0}
    return pairs, int(counts[rows, columns].sum())


def _pair_greedily(overlaps: Mapping[tuple[int, int], float]) -> dict[int, int]:
    """Return person -> track in one frame, the largest overlap first."""
    pairs: dict[int, int] = {}
    for person, track in sorted(overlaps, key=lambda pair: -overlaps[pair]):
        if person not in pairs and track not in pairs.values():
            pairs[person] = track
    return pairs


def _covers(box: Box, people: FrameBoxes, minimum_overlap: float) -> bool:
    return any(overlap(box, other) >= minimum_overlap for other in people.values())


def _share(part: int | float, whole: int | float) -> float:
    return part / whole if whole else 1.0
