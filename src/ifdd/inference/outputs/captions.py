"""Captions: WebVTT (W3C) and SubRip. One cue per segment, in player time, to the millisecond."""

from collections.abc import Iterator

from ifdd.inference.outputs.style import describe, played_segments
from ifdd.inference.results import Results

NOTICE_SECONDS = 4.0
"""Duration of the model's notice at the start."""


def to_webvtt(results: Results) -> str:
    """Return WebVTT text; for a video without faces, only the header (and the model's notice, if any)."""
    cues = []
    for start, end, text in _cues(results):
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        cues.append(f"{_clock(start, '.')} --> {_clock(end, '.')}\n{escaped}\n")
    return "\n".join(["WEBVTT\n", *cues])


def to_srt(results: Results) -> str:
    """Return SubRip text; for a video without faces, "" (or only the model's notice, if any)."""
    cues = [
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n"
        for number, (start, end, text) in enumerate(_cues(results), 1)
    ]
    return "\n".join(cues)


def _cues(results: Results) -> Iterator[tuple[float, float, str]]:
    """Yield start and end in seconds and text of every cue, sorted by start."""
    if results.model.notice:
        yield 0.0, min(NOTICE_SECONDS, results.video.end_seconds), results.model.notice
    segments = [segment for track in results.tracks for segment in played_segments(results, track)]
    for segment in sorted(segments, key=lambda segment: (segment.start_seconds, segment.track)):
        text = f"#{segment.track} {describe(segment, results.classes)}"
        yield segment.start_seconds, segment.end_seconds, text


def _clock(seconds: float, point: str) -> str:
    """Return hours:minutes:seconds and milliseconds."""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"
