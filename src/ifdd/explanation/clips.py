"""The clip to explain: one window of a person in a video, a clip of a manifest, or frames of a face."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from rich.progress import Progress as Bar

from ifdd.data.manifest import Manifest, Sample
from ifdd.errors import InputError
from ifdd.evaluation.sampling import dataset_for, training_sampling
from ifdd.faces.detection import DetectorChoice
from ifdd.faces.tracking import TrackingOptions
from ifdd.inference.batch.worker import progress_of
from ifdd.inference.pipeline import follow_ahead
from ifdd.inference.reader import ClipReader
from ifdd.inference.results import TimelineEntry
from ifdd.inference.stream import Stream
from ifdd.inference.windows import Window, WindowOptions
from ifdd.model import Checkpoint
from ifdd.names import counted
from ifdd.video.frames import probe
from ifdd.video.sources import SourceOptions, open_video


class ChosenClip(NamedTuple):
    """A clip, as a model takes it, and where it comes from."""

    frames: UInt8[np.ndarray, "time size size 3"]
    """RGB."""
    source: str
    """Description for a title."""
    label: str = ""
    """True class; "" if unknown."""
    person: int | None = None
    """Number of the person in a video, as ``ifdd recognize`` counts."""
    middle_seconds: float | None = None
    """Middle of the window in a video."""


@dataclass(frozen=True)
class VideoReading:
    """How windows are found in a video: the same way as by ``ifdd recognize``."""

    detector: DetectorChoice
    source: SourceOptions
    tracking: TrackingOptions
    device: str


def clip_of_video(
    video: str,
    checkpoint: Checkpoint,
    reading: VideoReading,
    person: int | None = None,
    at: float | None = None,
    bar: Bar | None = None,
) -> ChosenClip:
    """Choose a window of a video.

    Args:
        video: anything that ``ifdd recognize`` reads.
        checkpoint: determines frames, size, alignment and duration of the window.
        reading: how faces are found and followed.
        person: number of the person; None chooses among all.
        at: a time of the video, in seconds from the first frame that is read; chosen is the window whose middle is
            nearest, then the most confident. None chooses the most confident window: probability times face quality.
        bar: shows the progress.

    Raises:
        InputError: the video is unreadable, has no face, no such person or nobody at that time; or the person is not
            in sight long enough.
    """
    best: tuple[tuple[float, ...], Window] | None = None
    people = set()
    for window, entry in _windows(video, checkpoint, reading, bar):
        people.add(window.track)
        if person not in (None, window.track) or not _is_at(window, at):
            continue
        sureness = max(entry.probabilities) * entry.quality
        rank = (-abs(_middle(window) - at), sureness) if at is not None else (sureness,)
        if best is None or rank > best[0]:
            best = (rank, window)
    if best is None:
        raise InputError(_nobody(video, people, person, at))
    window = best[1]
    name = Path(video).name
    source = f"{name}, person {window.track}, {window.start_seconds:.1f} to {window.end_seconds:.1f} s"
    _check_length(len(np.unique(window.clip, axis=0)), len(window.clip), source)
    return ChosenClip(np.ascontiguousarray(window.clip), source, "", window.track, _middle(window))


def clip_of_manifest(manifest: Manifest, clip_id: str, checkpoint: Checkpoint) -> ChosenClip:
    """Read a clip of a manifest, its frames sampled as in training.

    Raises:
        InputError: the clip is unreadable, is not listed, or is too short.
    """
    sample = next((one for one in manifest.samples if one.clip_id == clip_id), None)
    if sample is None:
        raise InputError(f"{manifest.path} has no clip {clip_id!r}; take a clip_id from its first column")
    return ChosenClip(_read(sample, checkpoint), f"{manifest.path.name}, clip {clip_id}", sample.label)


def clip_of_faces(path: Path, checkpoint: Checkpoint) -> ChosenClip:
    """Read a folder or a video of face crops, as datasets have them: no face is searched.

    Raises:
        InputError: it is unreadable or too short.
    """
    info = probe(path)
    fps = None if path.is_dir() else info.fps  # images have no times
    sample = Sample(path.name, path, info.frames, checkpoint.classes[0], "test", fps=fps)
    return ChosenClip(_read(sample, checkpoint), path.name)


def _read(sample: Sample, checkpoint: Checkpoint) -> UInt8[np.ndarray, "time size size 3"]:
    dataset = dataset_for(checkpoint, [sample], training_sampling(checkpoint.record), classes=[sample.label])
    _check_length(len(np.unique(dataset.frame_indices(0))), checkpoint.config.frames, str(sample.path))
    clip, _ = dataset[0]
    return torch.as_tensor(clip).permute(1, 2, 3, 0).numpy()


def _check_length(frames: int, wanted: int, source: str) -> None:
    """Refuse a clip of which several frames of the features would show one picture."""
    if frames < wanted // 2:
        raise InputError(
            f"{source}: has {counted(frames, 'different picture')}, too short to explain; the checkpoint takes "
            f"{wanted} frames and needs at least {wanted // 2} to show a course"
        )


def _windows(
    video: str, checkpoint: Checkpoint, reading: VideoReading, bar: Bar | None
) -> Iterator[tuple[Window, TimelineEntry]]:
    """Yield the windows of a video and their results, as ``Recognizer.recognize`` computes them."""
    opened, options = open_video(video, reading.source), WindowOptions()
    reader = ClipReader(checkpoint, reading.device, batch_size=options.batch_size)
    stream = Stream(reader, reading.detector(), reading.tracking, options, least_windows=options.batch_size)
    with progress_of(opened, bar) as on_frame, closing(follow_ahead(opened, stream)) as followed:
        for progress, windows in followed:
            yield from _read_windows(stream, windows)
            if on_frame is not None:
                on_frame(progress)
    yield from _read_windows(stream, stream.take_rest(opened.info().duration_seconds))


def _read_windows(stream: Stream, windows: list[Window]) -> Iterable[tuple[Window, TimelineEntry]]:
    return zip(windows, stream.read_windows(windows), strict=True)


def _middle(window: Window) -> float:
    return (window.start_seconds + window.end_seconds) / 2


def _is_at(window: Window, at: float | None) -> bool:
    return at is None or window.start_seconds <= at <= window.end_seconds


def _nobody(video: str, people: set[int], person: int | None, at: float | None) -> str:
    """Return why no window can be explained."""
    if not people:
        return f"{video}: no face found; for frames that are faces already, add --faces"
    numbers = ", ".join(map(str, sorted(people)))
    if person is not None and person not in people:
        return f"{video} has no person {person}; it has {numbers}"
    who = "nobody is" if person is None else f"person {person} is not"
    return f"{video}: {who} in sight at {at:g} s; 'ifdd recognize' lists the people and their times"
