"""How far results agree with a person's coding, from bins of time and from segments."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from ifdd.analysis.agreement.intervals import free, joined, union, within
from ifdd.analysis.agreement.kappa import (
    BLOCK_SECONDS,
    NOTHING,
    block_confusions,
    cohen_kappa,
    estimate,
    label_bins,
    observed_agreement,
)
from ifdd.analysis.agreement.pairing import main_last, match_labels, pair_tiers
from ifdd.analysis.agreement.segments import Stretch, match_segments, onset_errors, score_segments
from ifdd.annotations.annotation import Annotation, Annotations
from ifdd.errors import InputError
from ifdd.inference.results import RecognizedTrack, Results
from ifdd.records import AgreementPair, AgreementRecord, OnsetAgreement, SegmentAgreement
from ifdd.video.frames import VideoInfo

OVERLAPS = (0.1, 0.25, 0.5)
REMAINDER_SECONDS = 0.1
"""Shorter ends of segments in coded time are taken for inexact borders."""

UNREAD_SECONDS = 1.0
"""Less coded time outside the part that was read is taken for inexact borders."""

ONSET_OVERLAP = 0.25
"""Overlap from which segments count as the same for differences of onset."""


@dataclass(frozen=True)
class AgreementOptions:
    """How a result is compared with annotations."""

    bin_seconds: float = 0.1
    """Length of the bins of time."""
    gaps: str = ""
    """Class that the coder means where a tier has no annotation; "" if such time is not compared."""
    people: Mapping[str, str] = field(default_factory=dict)
    """Tier -> numbers of tracks, joined by ``+``."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Label of the coder -> class, or "" to leave it out."""
    synonyms: bool = False
    """Whether other spellings of an emotion mean its class."""


class Coded(NamedTuple):
    """A video that a person coded."""

    result: Path
    results: Results
    annotations: Annotations


class Person(NamedTuple):
    """One person of one video, as the coder and the result see it. Times are those of a player."""

    video: str
    tier: str
    coder: tuple[tuple[float, float, int], ...]
    """Start, end and class."""
    result: tuple[tuple[float, float, int], ...]
    """Start, end and class, or the number of classes for uncertain; none overlap."""
    end_seconds: float
    """End of the video."""


def compare_people(coded: Coded, options: AgreementOptions) -> tuple[list[Person], AgreementPair]:
    """Return the people of a video, and what was paired.

    Raises:
        InputError: the annotations do not fit the video, its people or the classes.
    """
    results, annotations = coded.results, coded.annotations
    classes = results.classes
    pairs = pair_tiers(annotations, results, options.people)
    shift, end = results.video.start_seconds, results.video.end_seconds
    read = {tier: _cut(annotations.of(tier), shift, end) for tier in pairs}
    labels = list(dict.fromkeys(each.label for spans in read.values() for each in spans))
    places = match_labels(annotations.path, labels, classes, options.renamed, options.synonyms)
    gap = _gap_class(options.gaps, classes)
    tracks = {track.id: track for track in results.tracks}
    people = []
    unread = 0.0
    for tier, numbers in pairs.items():
        spans = [(each.start_seconds, each.end_seconds, places[each.label]) for each in read[tier]]
        unread += _coded_seconds(annotations.of(tier), places) - _coded_seconds(read[tier], places)
        coder = [(first, last, place) for first, last, place in spans if place is not None]
        if gap is not None:
            taken = [(first, last) for first, last, _ in spans]
            coder += [(first, last, gap) for first, last in free(taken, shift, end)]
        found = _main_segments([tracks[number] for number in numbers], classes, shift)
        people.append(Person(str(results.video.path), tier, tuple(sorted(coder)), tuple(found), end))
    pair = AgreementPair(
        video=str(results.video.path),
        result=str(coded.result),
        annotation=str(annotations.path),
        people=pairs,
        notes=(
            *annotations.notes,
            *(f"the tier {tier!r} was left out" for tier in annotations.tiers if tier not in pairs),
            *(f"the result has no track for the tier {tier!r}" for tier, numbers in pairs.items() if not numbers),
            *_note_unread(unread, results.video),
        ),
    )
    return people, pair


def _cut(spans: Iterable[Annotation], start: float, end: float) -> list[Annotation]:
    """Return what lies between two times."""
    cut = [
        each._replace(start_seconds=max(each.start_seconds, start), end_seconds=min(each.end_seconds, end))
        for each in spans
    ]
    return [each for each in cut if each.end_seconds > each.start_seconds]


def _coded_seconds(spans: Iterable[Annotation], places: Mapping[str, int | None]) -> float:
    """Return how long annotations last, except those whose label is left out."""
    kept = (each for each in spans if places.get(each.label, 0) is not None)
    return sum((each.end_seconds - each.start_seconds for each in kept), 0.0)


def _note_unread(seconds: float, video: VideoInfo) -> tuple[str, ...]:
    """Return a note on coded time before or after the part of a video that was read, unless it is short."""
    if seconds <= UNREAD_SECONDS:
        return ()
    part = f"{video.start_seconds:g} to {video.end_seconds:g} s of {video.path}"
    check = "unless only a part was read, check that the annotations are of this video"
    return (f"{seconds:.1f} s are not compared: the result holds {part}; {check}",)


def _gap_class(name: str, classes: Sequence[str]) -> int | None:
    if name and name not in classes:
        raise InputError(f"--gaps {name} is not a class of the result; it has {', '.join(classes)}")
    return classes.index(name) if name else None


def _main_segments(
    tracks: Sequence[RecognizedTrack], classes: Sequence[str], shift: float
) -> list[tuple[float, float, int]]:
    """Return the segments of tracks in order: at any time, those of the longest track that has one then."""
    found: list[tuple[float, float, int]] = []
    for track in reversed(main_last(tracks)):
        segments = [
            (segment.start_seconds + shift, segment.end_seconds + shift, _place(segment.label, classes))
            for segment in track.segments
        ]
        found += [part for each in segments for part in within(each, free(found, each[0], each[1]))]
    return sorted(found)


def _place(label: str, classes: Sequence[str]) -> int:
    return classes.index(label) if label in classes else len(classes)


def measure_agreement(
    people: Sequence[Person], pairs: Sequence[AgreementPair], classes: Sequence[str], bin_seconds: float, command: str
) -> AgreementRecord:
    """Return how far the results of all people agree with the coder.

    Args:
        people: see ``compare_people``.
        pairs: their videos.
        classes: of the results.
        bin_seconds: length of the bins of time.
        command: the command, for the record.

    Raises:
        InputError: no coded time is left to compare.
    """
    coder, result, blocks = _binned(people, bin_seconds)
    coded = coder != NOTHING
    if not coded.any():
        raise InputError(
            "no coded time is left to compare; give labels that are classes, in time that was read, or --gaps CLASS"
        )
    uncertain = len(classes)
    answered = np.where(result == uncertain, NOTHING, result)
    with_uncertain = block_confusions(coder, result, blocks, uncertain + 1)
    without = block_confusions(coder, answered, blocks, uncertain + 1)
    truth, found, starts = _compared(people, classes)
    segments = [(overlap, score_segments(truth, found, overlap)) for overlap in OVERLAPS]
    onsets = onset_errors(truth, starts, match_segments(truth, found, ONSET_OVERLAP))
    return AgreementRecord(
        command=command,
        pairs=tuple(pairs),
        classes=tuple(classes),
        bin_seconds=bin_seconds,
        coded_seconds=round(float(coded.sum() * bin_seconds), 4),
        covered=float((result[coded] != NOTHING).mean()),
        answered=float((answered[coded] != NOTHING).mean()),
        kappa=estimate(cohen_kappa, without),
        kappa_uncertain=estimate(cohen_kappa, with_uncertain),
        agreement=estimate(observed_agreement, without),
        confusion=tuple(tuple(int(count) for count in row) for row in with_uncertain.sum(0)[:uncertain]),
        segments=tuple(
            SegmentAgreement(overlap, scores.f1, scores.precision, scores.recall) for overlap, scores in segments
        ),
        onsets=_describe_onsets(onsets),
    )


def _binned(
    people: Sequence[Person], bin_seconds: float
) -> tuple[Int64[np.ndarray, " bins"], Int64[np.ndarray, " bins"], Int64[np.ndarray, " bins"]]:
    """Return the label of the coder and of the result, and the block, of every bin of every person."""
    coder, result, blocks = [], [], []
    first_block = 0
    for person in people:
        count = max(1, int(np.ceil(person.end_seconds / bin_seconds - 1e-6)))
        middles = (np.arange(count) + 0.5) * bin_seconds
        coder.append(label_bins(person.coder, middles))
        result.append(label_bins(person.result, middles))
        blocks.append(first_block + (middles // BLOCK_SECONDS).astype(np.int64))
        first_block = int(blocks[-1][-1]) + 1
    return np.concatenate(coder), np.concatenate(result), np.concatenate(blocks)


def _compared(
    people: Sequence[Person], classes: Sequence[str]
) -> tuple[list[Stretch], list[Stretch], list[float | None]]:
    """Return the segments of the coder, those of the result in coded time, and where the latter begin.

    Equal neighbours are one segment, and uncertain is none. The result is cut to the time that is coded; what only
    reaches into it by less than ``REMAINDER_SECONDS`` is left out. A cut segment begins where it did before, and a
    later part of it has no beginning.
    """
    truth: list[Stretch] = []
    found: list[Stretch] = []
    onsets: list[float | None] = []
    for number, person in enumerate(people):
        truth += [Stretch(number, start, end, classes[place]) for start, end, place in joined(person.coder)]
        coded = union(person.coder)
        for whole in joined([each for each in person.result if each[2] < len(classes)]):
            onset: float | None = whole[0]
            for start, end, place in within(whole, coded):
                if (start, end) in (whole[:2], *coded) or end - start >= REMAINDER_SECONDS:
                    found.append(Stretch(number, start, end, classes[place]))
                    onsets.append(onset)
                onset = None
    return truth, found, onsets


def _describe_onsets(differences: Sequence[float]) -> OnsetAgreement | None:
    if not differences:
        return None
    low, middle, high = (float(value) for value in np.quantile(differences, (0.25, 0.5, 0.75)))
    return OnsetAgreement(len(differences), median=middle, low=low, high=high)
