"""Which tier of the annotations belongs to which tracks of the result, and which label to which class."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ifdd.annotations.annotation import Annotations
from ifdd.data.labels import known_label
from ifdd.errors import InputError
from ifdd.inference.results import UNCERTAIN, RecognizedTrack, Results
from ifdd.names import listed

_NUMBERED = re.compile(r"(track|person|face|#)?\s*([1-9][0-9]*)", re.IGNORECASE)
"""The number of a track; P07 and 07 are codes of people."""


def pair_tiers(annotations: Annotations, results: Results, people: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Return tier -> tracks.

    Chosen tiers come first. Otherwise tiers that are called after the number of a track, as in the files that ifdd
    writes, belong to that track, or to none if the result lacks it, and others are left out; a single tier that is not
    belongs to all tracks together.

    Args:
        annotations: those of the video.
        results: of the video.
        people: tier -> numbers of tracks, joined by ``+``; other tiers are then left out.

    Raises:
        InputError: a tier or a track does not exist, or it is not clear which tracks a tier belongs to.
    """
    numbers = {track.id for track in results.tracks}
    if people:
        return {tier: _chosen(tier, tracks, annotations, numbers) for tier, tracks in people.items()}
    named = {tier: match for tier in annotations.tiers if (match := _NUMBERED.fullmatch(tier.strip()))}
    if any(match[1] or int(match[2]) in numbers for match in named.values()):  # else they number people
        return {tier: (int(match[2]),) if int(match[2]) in numbers else () for tier, match in named.items()}
    if len(annotations.tiers) == 1:
        return {annotations.tiers[0]: tuple(sorted(numbers))}
    tiers, tracks = ", ".join(map(repr, annotations.tiers)), listed(list(map(str, sorted(numbers))), 9)
    raise InputError(
        f"{annotations.path} has the tiers {tiers}, and the result the tracks {tracks or 'none'}; say which "
        "belong together with --people 'TIER=1,OTHER=2+3'"
    )


def _chosen(tier: str, words: str, annotations: Annotations, numbers: set[int]) -> tuple[int, ...]:
    if tier not in annotations.tiers:
        raise InputError(
            f"--people: {annotations.path} has no tier {tier!r}; it has {', '.join(map(repr, annotations.tiers))}"
        )
    tracks = tuple(int(word) if word.strip().isdecimal() else -1 for word in words.split("+"))
    for track in tracks:
        if track not in numbers:
            raise InputError(
                f"--people {tier}={words}: the result has no such track; it has {listed(sorted(map(str, numbers)), 9)}"
            )
    return tracks


def match_labels(
    path: Path, labels: Sequence[str], classes: Sequence[str], renamed: Mapping[str, str], synonyms: bool
) -> dict[str, int | None]:
    """Return label of the coder -> number of the class; None for labels that are left out, as ``UNCERTAIN`` is.

    Args:
        path: file of the annotations.
        labels: those that occur.
        classes: classes of the result.
        renamed: label -> name of a class, or "" to leave it out.
        synonyms: whether other spellings of an emotion mean its class.

    Raises:
        InputError: a label is not a class.
    """
    places = {name.casefold(): number for number, name in enumerate(classes)}
    if synonyms:
        places |= {known: n for n, name in enumerate(classes) if (known := known_label(name)) is not None}
    found: dict[str, int | None] = {}
    unknown = []
    for label in labels:
        name = renamed.get(label.strip(), label)
        known = known_label(name) if synonyms else None
        place = places.get(name.strip().casefold(), places.get(known or ""))
        if label.strip() == UNCERTAIN or not name:
            found[label] = None
        elif place is None:
            unknown.append(label)
        else:
            found[label] = place
    if unknown:
        raise InputError(
            f"{path} has the labels {listed(unknown, 9)}, which are no classes of the result ({', '.join(classes)}); "
            "add --synonyms for other spellings, or --rename 'LABEL=CLASS,OTHER=' (nothing behind = leaves a label out)"
        )
    return found


def main_last(tracks: Sequence[RecognizedTrack]) -> list[RecognizedTrack]:
    """Return tracks with the longest one last, which counts where several are there at a time."""
    return sorted(tracks, key=lambda track: (track.end_seconds - track.start_seconds, -track.id))
