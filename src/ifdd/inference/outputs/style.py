"""Shared by plots, videos and captions: colours of classes, rows of tracks, texts of segments."""

from collections.abc import Sequence

from ifdd.inference.results import UNCERTAIN, RecognizedTrack, Results, Segment

UNCERTAIN_COLOUR = (125, 130, 138)
"""Colour (RGB) of segments in which the model abstains; they are also hatched."""

_COLOURS: dict[tuple[str, ...], tuple[int, int, int]] = {
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
    ("calm",): (140, 200, 120),
}
"""Names of an emotion -> RGB; the colours differ in lightness where colour-blind people see the same hue."""


def class_colours(classes: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """Return class name -> RGB; unknown names get the remaining colours in order.

    Above twelve classes, colours repeat; pictures therefore show names too.
    """
    known = {name: colour for names, colour in _COLOURS.items() for name in names}
    colours = {name: known[name] for name in classes if name in known}
    left = [colour for colour in _COLOURS.values() if colour not in colours.values()] or list(_COLOURS.values())
    others = [name for name in classes if name not in known]
    colours |= {name: left[index % len(left)] for index, name in enumerate(others)}
    return {name: colours[name] for name in classes}


def assign_rows(tracks: Sequence[RecognizedTrack]) -> dict[int, int]:
    """Return track id -> row, from 0; tracks that do not overlap in time share rows."""
    rows: dict[int, int] = {}
    free_from: list[float] = []
    for track in sorted(tracks, key=lambda track: (track.start_seconds, track.id)):
        row = next((row for row, end in enumerate(free_from) if end <= track.start_seconds), len(free_from))
        free_from[row:] = [track.end_seconds, *free_from[row + 1 :]]
        rows[track.id] = row
    return rows


def played_segments(results: Results, track: RecognizedTrack) -> list[Segment]:
    """Return the segments of a track in player time, which starts with the sound if that starts first."""
    shift = results.video.start_seconds
    return [
        s._replace(start_seconds=s.start_seconds + shift, end_seconds=s.end_seconds + shift) for s in track.segments
    ]


def is_abstention(segment: Segment, classes: Sequence[str]) -> bool:
    """Whether the model abstained from naming a class."""
    return segment.label not in classes


def name_of(segment: Segment, classes: Sequence[str]) -> str:
    """Return the name of the segment's class on one line, or ``UNCERTAIN``."""
    return UNCERTAIN if is_abstention(segment, classes) else " ".join(segment.label.split())


def describe(segment: Segment, classes: Sequence[str]) -> str:
    """Return the text for a segment on one line, such as ``happy 83%`` or ``uncertain (badly lit)``."""
    name = name_of(segment, classes)
    if is_abstention(segment, classes):
        return f"{name} ({segment.flaw})" if segment.flaw else name
    return f"{name} {segment.probability:.0%}"
