"""Cutting annotated videos into clips, resumable clip by clip."""

import csv
import hashlib
import io
import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain, groupby, takewhile
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from jaxtyping import UInt8

from ifdd.console import error_console, progress_bar
from ifdd.data.annotated.videos import AnnotatedVideo, assign_subsets, find_annotated
from ifdd.errors import InputError
from ifdd.files import atomic_path, make_folder, refuse_replacing, write_text
from ifdd.names import LONGEST_NAME, Disk
from ifdd.processes import in_processes
from ifdd.video.encode import VideoWriter
from ifdd.video.frames import Frame, VideoInfo, iter_frames, probe

SHORTEST_SECONDS = 0.4
"""Shorter annotations are left out: an expression takes about half a second to show."""

SHORT_NAMES = Disk(longest=LONGEST_NAME - 30)
"""Leaves bytes for the time, the hash and the ending that follow a video's name."""


class Piece(NamedTuple):
    """A clip to cut."""

    name: str
    """Name of the file."""
    label: str
    start_seconds: float
    """In player time."""
    end_seconds: float


class _Job(NamedTuple):
    video: Path
    fps: float
    pieces: tuple[Piece, ...]


def cut_annotated(
    root: Path,
    out: Path,
    *,
    tier: str,
    renamed: Mapping[str, str],
    synonyms: bool,
    clip_seconds: float,
    workers: int,
) -> Path:
    """Cut annotated videos into clips of one label; return their table, like that of a user's own clips.

    Clips that are there already are not cut again.

    Args:
        root: see ``find_annotated``.
        out: folder for the clips and ``clips.csv``.
        tier: as ``find_annotated``.
        renamed: as ``find_annotated``.
        synonyms: as ``find_annotated``.
        clip_seconds: longest clip; longer annotations give several of equal length.
        workers: processes.

    Raises:
        InputError: a file cannot be read, an annotation does not fit its video, or there are too few people.
    """
    refuse_replacing(out / "clips.csv", "the table of annotations", root)
    videos, notes = find_annotated(root, tier, renamed, synonyms)
    jobs = [_plan(video, clip_seconds) for video in videos]
    short = sum(_is_short(each.end_seconds - each.start_seconds) for video in videos for each in video.labels)
    if short:
        notes.append(f"annotations of less than {SHORTEST_SECONDS:g} s are not used: {short}")
    for note in notes:
        error_console.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
    counts: dict[str, int] = {}
    for video, job in zip(videos, jobs, strict=True):
        counts[video.subject] = counts.get(video.subject, 0) + len(job.pieces)
    subsets = assign_subsets({person: count for person, count in counts.items() if count})
    make_folder(out)
    with progress_bar("clips") as bar:
        task = bar.add_task("cutting", total=sum(len(job.pieces) for job in jobs))
        results = in_processes(partial(_cut, out), jobs, max(1, workers), ordered=False)
        try:
            for count in results:
                bar.advance(task, count)
        finally:
            results.close()
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("path", "label", "subset", "subject"))
    for video, job in zip(videos, jobs, strict=True):
        table.writerows((each.name, each.label, subsets[video.subject], video.subject) for each in job.pieces)
    write_text(out / "clips.csv", text.getvalue(), private=True)
    return out / "clips.csv"


def _plan(video: AnnotatedVideo, clip_seconds: float) -> _Job:
    info = probe(video.path)
    return _Job(video.path, info.fps, tuple(plan_pieces(video, info, clip_seconds)))


def plan_pieces(video: AnnotatedVideo, info: VideoInfo, clip_seconds: float) -> Iterator[Piece]:
    """Yield the clips of a video; their names tell apart everything that their content depends on.

    Raises:
        InputError: an annotation does not fit the video.
    """
    status = video.path.stat()
    for each in video.labels:
        length = min(each.end_seconds, info.end_seconds) - each.start_seconds
        if each.start_seconds >= info.end_seconds or each.end_seconds > info.end_seconds + 1:
            raise InputError(
                f"{video.path} ends at {info.end_seconds:g} s, but the annotation {each.label!r} lasts from "
                f"{each.start_seconds:g} to {each.end_seconds:g} s; give the annotations of this video"
            )
        if _is_short(length):
            continue
        count = math.ceil(length / clip_seconds - 1e-6)
        for number in range(count):
            start = each.start_seconds + number * length / count
            end = each.start_seconds + (number + 1) * length / count
            made_of = f"{video.path.resolve()} {status.st_size} {status.st_mtime_ns} {start:.6f} {end:.6f}"
            digest = hashlib.sha256(made_of.encode("utf-8", "surrogateescape")).hexdigest()[:8]
            stem = SHORT_NAMES.fit(video.path.stem.encode("utf-8", "replace").decode()[:80])
            yield Piece(f"{stem}_{start:08.2f}_{digest}.mp4", each.label, start, end)


def _is_short(seconds: float) -> bool:
    return seconds < SHORTEST_SECONDS - 1e-6


def _cut(out: Path, job: _Job) -> int:
    """Write the clips of one video that are missing; return how many clips it has.

    Raises:
        InputError: the video is damaged, or a clip cannot be written or has no frames.
    """
    missing = sorted(
        (piece for piece in job.pieces if not (out / piece.name).exists()), key=lambda piece: piece.start_seconds
    )
    if not missing:
        return len(job.pieces)
    ends = [piece.end_seconds for piece in missing]

    def place_of(frame: Frame) -> int:
        place = bisect_right(ends, frame.seconds)
        return place if frame.seconds >= missing[place].start_seconds else -1

    frames = takewhile(lambda frame: frame.seconds < ends[-1], iter_frames(job.video))
    for place, own in groupby(frames, place_of):
        if place >= 0:
            _write(out / missing[place].name, own, job.fps)
    for piece in missing:
        if not (out / piece.name).exists():
            raise InputError(
                f"{job.video} shows no frame from {piece.start_seconds:g} to {piece.end_seconds:g} s, where "
                f"{piece.label!r} is annotated; correct the annotation"
            )
    return len(job.pieces)


def _write(path: Path, frames: Iterator[Frame], fps: float) -> None:
    """Write a clip; frames of another size than the first cannot be in the same file and are left out."""
    first = next(frames)
    with atomic_path(path, private=True) as temporary:
        try:
            with VideoWriter(temporary, fps, threads=1, begin_seconds=first.seconds) as writer:
                for frame in chain([first], frames):
                    if frame.image.shape == first.image.shape:
                        writer.write(_even(frame.image), frame.seconds)
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror or str(error)) from error


def _even(image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
    """Return an image with an even number of pixels each way, as mp4 needs."""
    height, width = image.shape[:2]
    return image[: height - height % 2, : width - width % 2]
