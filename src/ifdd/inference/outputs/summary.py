"""The results of a video as a few lines to read."""

from collections import defaultdict

from ifdd.inference.recognition import Recognition
from ifdd.inference.segments import Segment

MANY_SEGMENTS = 40
"""After this number of segments, those of further people are not told of one by one."""

GOOD_QUALITY = 0.8
"""Below it, the summary tells how well a face can be read."""


def summarize(recognition: Recognition) -> str:
    """Return the results of a video as a few lines to read."""
    video = recognition.video
    frames = "1 frame" if video.frames == 1 else f"{video.frames} frames"
    lines = [f"{video.path}: {video.duration_seconds:.1f} s, {frames}"]
    lines += [f"  notice: {notice}" for notice in video.notices]
    if not recognition.tracks:
        lines.append("  no face found: the timeline is empty")
    else:
        count = len(recognition.tracks)
        lines.append(
            f"  {count} {'track' if count == 1 else 'tracks'} (a person between two cuts), a face in "
            f"{recognition.face_share:.0%} of the frames"
        )
    by_track: dict[int, list[Segment]] = defaultdict(list)
    for segment in recognition.segments:
        by_track[segment.track].append(segment)
    told = 0
    for number, track in enumerate(recognition.tracks):
        if told >= MANY_SEGMENTS:
            lines.append(f"  and {len(recognition.tracks) - number} more tracks")
            break
        told += len(by_track[track.id])
        lines.append(f"  track {track.id}: {track.start_seconds:.1f} to {track.end_seconds:.1f} s")
        lines += [_describe(segment) for segment in by_track[track.id]]
    return "\n".join(lines)


def _describe(segment: Segment) -> str:
    times = f"{segment.start_seconds:7.1f} to {segment.end_seconds:6.1f} s"
    line = f"    {times}  {segment.label} {segment.probability:.2f}"
    if segment.flaw:
        return f"{line} ({segment.flaw})"
    return line if segment.quality >= GOOD_QUALITY else f"{line}, quality {segment.quality:.2f}"
