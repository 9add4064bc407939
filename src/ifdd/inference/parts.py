"""The results of the parts of a long video, and how they become those of the whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import reduce
from itertools import accumulate, compress
from math import inf
from statistics import fmean
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, Float64

from ifdd.faces.boxes import overlap
from ifdd.inference.results import Boxes, FrameStatistics, RecognizedTrack, Windows
from ifdd.video.fitting import PictureSize, SizeLog
from ifdd.video.frames import VideoInfo
from ifdd.video.sources import describe
from ifdd.video.timestamps import TIME_TOLERANCE

SAME_PERSON = 0.5
"""Mean overlap of the boxes (intersection over union) in the common frames from which two tracks are one person."""

Table = TypeVar("Table", Boxes, Windows, FrameStatistics)


@dataclass(frozen=True)
class Part:
    """What was found in a part of a video.

    Times are those of the whole video; frames and tracks are numbered within the part.
    """

    video: VideoInfo
    """The part that was read; its ``notices`` lack what the other fields tell."""
    tracks: tuple[RecognizedTrack, ...]
    """The people, by id."""
    shot_boundaries_seconds: tuple[float, ...] = ()
    """Times of the first frames of new shots."""
    statistics: FrameStatistics | None = None
    """Measurements of every frame, if requested."""
    turns: Mapping[int, int] = field(default_factory=dict)
    """Id of a track -> how far its face is turned, to the nearest 90 degrees."""
    frames_before_next: int = 0
    """Frames before the next part begins."""
    damaged_before_next: int = 0
    """Damaged packets, frames and images before the next part begins."""
    gaps: tuple[tuple[float, float], ...] = ()
    """Start and end of each stretch in which frames are missing, on the clock of a player."""


class _Border(NamedTuple):
    """Where one part ends and the next one begins."""

    seconds: float

    def is_before(self, times: Float64[np.ndarray, " times"]) -> Bool[np.ndarray, " times"]:
        """Return which times belong to the earlier part."""
        return times < self.seconds - TIME_TOLERANCE

    def begins_before(self, track: RecognizedTrack) -> bool:
        """Whether a track begins in the earlier part."""
        return track.start_seconds < self.seconds - TIME_TOLERANCE

    def ends_after(self, track: RecognizedTrack) -> bool:
        """Whether a track ends in the later part."""
        return track.end_seconds > self.seconds + TIME_TOLERANCE

    def between(self, one: RecognizedTrack, other: RecognizedTrack) -> "_Border":
        """Return where two tracks of one person meet: here, or as near as both still see the face."""
        return _Border(min(max(self.seconds, other.start_seconds), one.end_seconds))


def join_parts(parts: Sequence[Part], overlap_seconds: float) -> Part:
    """Return the whole that overlapping parts make; its segments are still to be found.

    Two parts meet in the middle third of their overlap: there, both know who is in the picture, and both see how it
    goes on. If a shot begins there, they meet at its first frame, because no track lasts beyond it; otherwise in the
    middle.

    Args:
        parts: in order of time, at least one; those without frames do not count.
        overlap_seconds: the planned length of an overlap.
    """
    parts = [part for part in parts if part.video.frames] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    origin = parts[0].video.start_seconds
    counts = accumulate((part.frames_before_next for part in parts[:-1]), initial=0)
    moved = [_counted_from(part, frames, origin) for part, frames in zip(parts, counts, strict=True)]
    return reduce(lambda earlier, later: _join(earlier, later, origin, overlap_seconds), moved)


def describe_video(part: Part) -> VideoInfo:
    """Return the description of a whole video, with everything that was noticed."""
    info = part.video
    notices = describe(info.damaged, info.notices, part.gaps, info.sizes)
    return replace(info, notices=(*notices, *_turn_notices(part.turns)))


def _turn_notices(turns: Mapping[int, int]) -> Iterator[str]:
    """Yield a line for each angle by which faces were turned upright."""
    for turn in (90, 180, 270):
        ids = sorted(track for track, turned in turns.items() if turned == turn)
        if ids and len(ids) == len(turns):
            yield f"the picture is turned by {turn} degrees (clockwise); its faces were read upright"
        elif ids:
            named = f"track{'s' if len(ids) > 1 else ''} {', '.join(map(str, ids))}"
            yield f"turned by {turn} degrees (clockwise) and read upright: {named}"


def _counted_from(part: Part, frames: int, origin_seconds: float) -> Part:
    """Return a part whose frames count from the first of the whole video, which many frames precede."""
    info, statistics = part.video, part.statistics
    tracks = [
        replace(track, boxes=replace(track.boxes, frames=track.boxes.frames + frames), segments=())
        for track in part.tracks
    ]
    if statistics is not None:
        statistics = replace(statistics, frames=statistics.frames + frames)
    sizes = info.sizes or (PictureSize(0, info.start_seconds - origin_seconds, info.width, info.height),)
    info = replace(info, sizes=tuple(size._replace(frame=size.frame + frames) for size in sizes))
    return replace(part, video=info, tracks=tuple(tracks), statistics=statistics)


def _join(earlier: Part, later: Part, origin_seconds: float, overlap_seconds: float) -> Part:
    border = _border(earlier, later, origin_seconds, overlap_seconds)
    begun = [track for track in earlier.tracks if border.begins_before(track)]
    same = _same_people(begun, later.tracks, border)
    known = {track.id: track for track in later.tracks}
    tracks: list[RecognizedTrack] = []
    turns: list[int] = []
    ends: list[float] = []  # until when the earlier part tells of a track
    ids: dict[int, int] = {}
    later_ids: dict[int, int] = {}
    for track in begun:
        ids[track.id] = len(tracks) + 1
        other = known.get(same.get(track.id, 0))
        if other is not None:
            later_ids[other.id] = ids[track.id]
        if other is None or not border.ends_after(other):
            tracks.append(track)
            turns.append(earlier.turns[track.id])
            ends.append(inf)
        else:
            own_border = border.between(track, other)
            tracks.append(_continued(track, other, own_border))
            turns.append(later.turns[other.id])
            ends.append(own_border.seconds)
    for track in later.tracks:
        if track.id not in later_ids and border.ends_after(track):
            tracks.append(track)
            turns.append(later.turns[track.id])
            ends.append(-inf)
            later_ids[track.id] = len(tracks)
    return Part(
        _joined_video(earlier, later),
        tuple(replace(track, id=number) for number, track in enumerate(tracks, 1)),
        _joined_times(earlier.shot_boundaries_seconds, later.shot_boundaries_seconds, border),
        _joined_statistics(
            _renamed(earlier.statistics, ids), _renamed(later.statistics, later_ids), [border.seconds, *ends]
        ),
        dict(enumerate(turns, 1)),
        earlier.frames_before_next + later.frames_before_next,
        earlier.damaged_before_next + later.damaged_before_next,
        tuple(sorted({*earlier.gaps, *later.gaps})),  # both find those in their overlap
    )


def _border(earlier: Part, later: Part, origin_seconds: float, overlap_seconds: float) -> _Border:
    """Return where two parts meet; where frames are missing, they may have less in common than planned, or nothing."""
    start, end = later.video.start_seconds - origin_seconds, earlier.video.end_seconds - origin_seconds
    common = max(0.0, min(overlap_seconds, end - start))
    first, last = start + common / 3, start + 2 * common / 3
    for seconds in later.shot_boundaries_seconds:
        agreed = any(abs(seconds - other) <= TIME_TOLERANCE for other in earlier.shot_boundaries_seconds)
        if agreed and first <= seconds <= last:
            return _Border(seconds)
    return _Border((first + last) / 2)


def _same_people(
    earlier: Sequence[RecognizedTrack], later: Sequence[RecognizedTrack], border: _Border
) -> dict[int, int]:
    """Return id of a track -> id of the track of the same person in the next part.

    Tracks that both go on after the border come first, because the others would appear twice there; then the best
    agreement.
    """
    pairs = []
    first = min((int(track.boxes.frames[0]) for track in later), default=0)
    for one in (track for track in earlier if track.boxes.frames[-1] >= first):
        for other in later:
            _, left, right = np.intersect1d(one.boxes.frames, other.boxes.frames, return_indices=True)
            shared = _overlaps(one.boxes.xyxy[left], other.boxes.xyxy[right])
            if shared and fmean(shared) >= SAME_PERSON:
                both_go_on = border.ends_after(one) and border.ends_after(other)
                pairs.append((not both_go_on, -sum(shared), one.id, other.id))
    same: dict[int, int] = {}
    for _, _, one_id, other_id in sorted(pairs):
        if one_id not in same and other_id not in same.values():
            same[one_id] = other_id
    return same


def _overlaps(one: Float64[np.ndarray, "boxes 4"], other: Float64[np.ndarray, "boxes 4"]) -> list[float]:
    """Return the overlap of each box of a track with that of another one in the same frame."""
    pairs = zip(_boxes(one), _boxes(other), strict=True)
    return [overlap(a, b) for a, b in pairs]


def _boxes(xyxy: Float64[np.ndarray, "boxes 4"]) -> list[tuple[float, float, float, float]]:
    """Return left, top, width and height of boxes."""
    return [(left, top, right - left, bottom - top) for left, top, right, bottom in xyxy.tolist()]


def _continued(one: RecognizedTrack, other: RecognizedTrack, border: _Border) -> RecognizedTrack:
    """Return the track of one person on both sides of a border, at which both tracks see the face."""
    boxes = _rows(
        (one.boxes, border.is_before(one.boxes.seconds)), (other.boxes, ~border.is_before(other.boxes.seconds))
    )
    before, after = border.is_before(one.windows.start_seconds), ~border.is_before(other.windows.start_seconds)
    covered = float(one.windows.end_seconds[before].max(initial=one.start_seconds))
    first = int(after.argmax()) if after.any() else len(after)
    gap = other.windows.start_seconds[first:].min(initial=other.end_seconds) > covered + TIME_TOLERANCE
    if first > 0 and gap:  # windows of a long stride that begin on either side may leave one
        after[first - 1] = True
    windows = _rows((one.windows, before), (other.windows, after))
    return RecognizedTrack(one.id, one.start_seconds, other.end_seconds, boxes, windows, ())


def _rows(*pieces: tuple[Table, Bool[np.ndarray, " _"]]) -> Table:
    """Return the chosen rows of several tables as one."""
    filled = [piece for piece in pieces if piece[1].any()] or [pieces[0]]
    columns: dict[str, Any] = {}
    for column in fields(filled[0][0]):
        values = [(getattr(table, column.name), rows) for table, rows in filled]
        if isinstance(values[0][0], tuple):
            columns[column.name] = tuple(value for cells, rows in values for value in compress(cells, rows))
        elif values[0][0] is not None:
            columns[column.name] = np.concatenate([cells[rows] for cells, rows in values])
    return type(filled[0][0])(**columns)


def _joined_times(one: Sequence[float], other: Sequence[float], border: _Border) -> tuple[float, ...]:
    before, after = np.array(one, np.float64), np.array(other, np.float64)
    return (*before[border.is_before(before)].tolist(), *after[~border.is_before(after)].tolist())


def _renamed(statistics: FrameStatistics | None, ids: Mapping[int, int]) -> FrameStatistics | None:
    if statistics is None:
        return None
    tracks = [ids.get(track, 0) for track in statistics.tracks.tolist()]
    return replace(statistics, tracks=np.array(tracks, np.int64))


def _joined_statistics(
    one: FrameStatistics | None, other: FrameStatistics | None, ends: Sequence[float]
) -> FrameStatistics | None:
    """Return the statistics of two parts, the rows of each track from the parts that give its boxes.

    Args:
        one: those of the earlier part, with the ids of the joined tracks.
        other: those of the later part.
        ends: id of a track, 0 for none -> until when its rows are those of the earlier part.
    """
    if one is None or other is None:
        return None
    is_before = [table.seconds < np.array(ends)[table.tracks] - TIME_TOLERANCE for table in (one, other)]
    joined = _rows((one, is_before[0]), (other, ~is_before[1]))
    is_empty = np.isnan(joined.scores)  # a frame in which one of the parts saw nobody
    is_kept = ~is_empty | ~np.isin(joined.frames, joined.frames[~is_empty])
    order = np.argsort(joined.frames, kind="stable")
    order = order[is_kept[order]]
    return FrameStatistics(**{column.name: getattr(joined, column.name)[order] for column in fields(joined)})


def _joined_video(earlier: Part, later: Part) -> VideoInfo:
    one, other, before = earlier.video, later.video, earlier.frames_before_next
    frames, duration = before + other.frames, other.end_seconds - one.start_seconds
    files = (*one.files[:before], *other.files)
    log = SizeLog()
    sizes = one.sizes or (PictureSize(0, 0.0, one.width, one.height),)
    for size in (*(size for size in sizes if size.frame < before), *other.sizes):
        log.add(size.frame, size.seconds, (size.width, size.height))
    return replace(
        one,
        frames=frames,
        fps=one.fps if files else frames / duration,  # images have the rate that was chosen for them
        duration_seconds=duration,
        damaged=earlier.damaged_before_next + other.damaged,
        notices=tuple(dict.fromkeys((*one.notices, *other.notices))),
        sizes=log.sizes,
        files=files,
    )
