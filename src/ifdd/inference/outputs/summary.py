"""The results of a video as a few lines of text."""

from ifdd.inference.results import Results, Segment
from ifdd.names import counted, printable

SEGMENTS_SHOWN = 40
"""Number of segments after which further tracks are only counted."""

GOOD_QUALITY = 0.8
"""The summary shows the quality of segments below this."""


def summarize(results: Results) -> str:
    """Return the results of a video as a few lines of text."""
    video = results.video
    lines = [f"{printable(str(video.path))}: {video.duration_seconds:.1f} s, {counted(video.frames, 'frame')}"]
    lines += [f"  notice: {notice}" for notice in video.notices]
    if not results.tracks:
        lines.append("  no face found: the timeline is empty")
    else:
        tracks = counted(len(results.tracks), "track")
        lines.append(f"  {tracks} (a person within a shot), a face in {results.face_share:.0%} of the frames")
    shown = 0
    for number, track in enumerate(results.tracks):
        if shown >= SEGMENTS_SHOWN:
            lines.append(f"  and {counted(len(results.tracks) - number, 'more track')}")
            break
        shown += len(track.segments)
        lines.append(f"  track {track.id}: {track.start_seconds:.1f} to {track.end_seconds:.1f} s")
        lines += [_describe(segment) for segment in track.segments]
    return "\n".join(lines)


def _describe(segment: Segment) -> str:
    times = f"{segment.start_seconds:7.1f} to {segment.end_seconds:6.1f} s"
    line = f"    {times}  {segment.label} {segment.probability:.2f}"
    if segment.flaw:
        return f"{line} ({segment.flaw})"
    return line if segment.quality >= GOOD_QUALITY else f"{line}, quality {segment.quality:.2f}"
