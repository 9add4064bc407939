"""What all pictures and captions share: a colour for each class, a row for each person, words for a segment."""

from collections.abc import Sequence

from ifdd.inference.recognition import Recognition, RecognizedTrack
from ifdd.inference.segments import UNCERTAIN, Segment

UNCERTAIN_COLOR = (125, 130, 138)
"""Colour (RGB) of a stretch in which the model abstains; it is hatched too."""

_COLORS: dict[tuple[str, ...], tuple[int, int, int]] = {
    ("happy", "happiness"): (240, 200, 40),
    ("sad", "sadness"): (20, 90, 190),
    ("neutral",): (165, 170, 175),
    ("angry", "anger"): (200, 50, 20),
    ("surprise", "surprised"): (95, 200, 245),
    ("disgust", "disgusted"): (0, 130, 95),
    ("fear", "fearful"): (120, 55, 130),
    ("contempt",): (241, 146, 94),
    ("anxiety",): (129, 13, 255),
    ("helplessness",): (178, 255, 211),
    ("disappointment",): (122, 82, 48),
}
"""Names of an emotion -> RGB. Chosen to differ in lightness where the colour-blind see no difference of hue."""


def class_colors(classes: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """Return class name -> RGB; names that are no known emotion get the colours that are left, in turn.

    Above eleven classes colours repeat, so that pictures write the names too.
    """
    known = {name: color for names, color in _COLORS.items() for name in names}
    colors = {name: known[name] for name in classes if name in known}
    left = [color for color in _COLORS.values() if color not in colors.values()] or list(_COLORS.values())
    others = [name for name in classes if name not in known]
    colors |= {name: left[index % len(left)] for index, name in enumerate(others)}
    return {name: colors[name] for name in classes}


def assign_rows(tracks: Sequence[RecognizedTrack]) -> dict[int, int]:
    """Return track id -> row, from 0; tracks that follow each other share a row, those at one time never do."""
    rows: dict[int, int] = {}
    free_from: list[float] = []
    for track in sorted(tracks, key=lambda track: (track.start_seconds, track.id)):
        row = next((row for row, end in enumerate(free_from) if end <= track.start_seconds), len(free_from))
        free_from[row:] = [track.end_seconds, *free_from[row + 1 :]]
        rows[track.id] = row
    return rows


def played_segments(recognition: Recognition) -> list[Segment]:
    """Return the segments with the times of a player, whose clock begins with the sound if that comes first."""
    shift = recognition.video.start_seconds
    return [
        s._replace(start_seconds=s.start_seconds + shift, end_seconds=s.end_seconds + shift)
        for s in recognition.segments
    ]


def is_abstention(segment: Segment, classes: Sequence[str]) -> bool:
    """Whether the model named none of its classes."""
    return segment.label not in classes


def name_of(segment: Segment, classes: Sequence[str]) -> str:
    """Return the name of the segment's class on one line, or the word for an abstention."""
    return UNCERTAIN if is_abstention(segment, classes) else " ".join(segment.label.split())


def describe(segment: Segment, classes: Sequence[str]) -> str:
    """Return the words for a segment, such as ``happy 83%`` or ``uncertain (badly lit)``, on one line."""
    name = name_of(segment, classes)
    if is_abstention(segment, classes):
        return f"{name} ({segment.flaw})" if segment.flaw else name
    return f"{name} {segment.probability:.0%}"
