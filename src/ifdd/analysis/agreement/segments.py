"""Agreement of segments: F1 at a minimum overlap in time, as in temporal segmentation (Lea et al., CVPR 2017)."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from statistics import median
from typing import NamedTuple


class Stretch(NamedTuple):
    """One person shows one expression."""

    person: Hashable
    start_seconds: float
    end_seconds: float
    label: str


class SegmentScores(NamedTuple):
    """How well segments agree with the truth."""

    f1: float
    """Of segments; 1 if there are none on either side."""
    precision: float
    recall: float
    onset_errors: tuple[float, ...]
    """Found start minus true start in seconds, for matched segments except each person's first."""

    @property
    def median_onset_error(self) -> float | None:
        """Median of the absolute onset errors in seconds; None if there are none."""
        return median(abs(error) for error in self.onset_errors) if self.onset_errors else None


def score_segments(truth: Sequence[Stretch], found: Sequence[Stretch], minimum_overlap: float = 0.5) -> SegmentScores:
    """Compare segments with true ones: correct ones have the same person and label and overlap enough in time.

    Each true segment is matched at most once, with the segment that overlaps it most.

    Args:
        truth: what each person shows.
        found: segments, with persons in place of tracks.
        minimum_overlap: minimum intersection over union of the times, above 0.

    Example:
        >>> from ifdd.analysis.agreement.segments import Stretch, score_segments
        >>> truth = [Stretch(1, 0.0, 4.0, "happy"), Stretch(1, 4.0, 8.0, "sad")]
        >>> scores = score_segments(truth, [Stretch(1, 0.0, 4.5, "happy"), Stretch(1, 4.5, 8.0, "sad")])
        >>> scores.f1, scores.onset_errors
        (1.0, (0.5,))
    """
    matches = match_segments(truth, found, minimum_overlap)
    errors = onset_errors(truth, [stretch.start_seconds for stretch in found], matches)
    right = len(matches)
    return SegmentScores(
        _share(2 * right, len(truth) + len(found)), _share(right, len(found)), _share(right, len(truth)), errors
    )


def match_segments(truth: Sequence[Stretch], found: Sequence[Stretch], minimum_overlap: float) -> dict[int, int]:
    """Return place of a true segment -> place of the segment that it is matched with; see ``score_segments``."""
    alike = _by_person_and_label(found)
    candidates = sorted(
        (-shared, i, j)
        for i, true in enumerate(truth)
        for j in alike[true.person, true.label]
        if (shared := _overlap_in_time(true, found[j])) >= minimum_overlap
    )
    matches: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in candidates:
        if i not in matches and j not in taken:
            matches[i] = j
            taken.add(j)
    return matches


def onset_errors(
    truth: Sequence[Stretch], onsets: Sequence[float | None], matches: Mapping[int, int]
) -> tuple[float, ...]:
    """Return found start minus true start in seconds, for matched segments except each person's first.

    Args:
        truth: what each person shows.
        onsets: where each segment that was found begins; None if that is not known.
        matches: see ``match_segments``.
    """
    firsts: dict[Hashable, float] = {}
    for stretch in truth:
        firsts[stretch.person] = min(stretch.start_seconds, firsts.get(stretch.person, stretch.start_seconds))
    return tuple(
        onset - truth[i].start_seconds
        for i, j in matches.items()
        if truth[i].start_seconds > firsts[truth[i].person] and (onset := onsets[j]) is not None
    )


def score_time(truth: Sequence[Stretch], found: Sequence[Stretch]) -> float:
    """Return the share of people's time with the correct expression, 0 to 1; 1 without people.

    Args:
        truth: what each person shows.
        found: segments that do not overlap each other within a person.
    """
    alike = _by_person_and_label(found)
    right = sum(_shared_time(true, found[j]) for true in truth for j in alike[true.person, true.label])
    return _share(right, sum(stretch.end_seconds - stretch.start_seconds for stretch in truth))


def _by_person_and_label(found: Sequence[Stretch]) -> defaultdict[tuple[Hashable, str], list[int]]:
    """Return person and label -> places of their segments; many videos have many people."""
    places: defaultdict[tuple[Hashable, str], list[int]] = defaultdict(list)
    for place, stretch in enumerate(found):
        places[stretch.person, stretch.label].append(place)
    return places


def _overlap_in_time(a: Stretch, b: Stretch) -> float:
    shared = _shared_time(a, b)
    whole = a.end_seconds - a.start_seconds + b.end_seconds - b.start_seconds - shared
    return shared / whole if shared else 0.0


def _shared_time(a: Stretch, b: Stretch) -> float:
    return max(0.0, min(a.end_seconds, b.end_seconds) - max(a.start_seconds, b.start_seconds))


def _share(part: int | float, whole: int | float) -> float:
    return part / whole if whole else 1.0
