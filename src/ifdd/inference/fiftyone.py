"""Results as a sample of FiftyOne (https://docs.voxel51.com), which shows and searches videos with labels.

Its conventions: frames count from 1, boxes are (left, top, width, height) as shares of the frame, a temporal detection
holds its first and its last frame.
"""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ifdd.errors import InputError
from ifdd.inference.outputs.frames import FrameRow, frame_rows
from ifdd.inference.outputs.style import name_of
from ifdd.inference.results import RecognizedTrack, Results
from ifdd.video.timestamps import TIME_TOLERANCE

if TYPE_CHECKING:
    import fiftyone

NO_READING = "face"
"""Label of a face in frames that no segment covers."""


def to_fiftyone(results: Results) -> "fiftyone.Sample":
    """Return the results as a sample of FiftyOne.

    Raises:
        InputError: FiftyOne is not installed, the results lack the size of the frames, or their source is not a video
            file.
    """
    fo = _import_fiftyone()
    video = results.video
    if not video.width or not video.height:
        raise InputError(f"{video.path}: these results lack the frame size; recognize the video again")
    path = Path(video.path).absolute()
    sample = fo.Sample(filepath=str(path))
    if video.files or sample.media_type != "video":
        raise InputError(f"{video.path}: FiftyOne shows video files only; convert it to .mp4 and recognize that")
    sample["metadata"] = fo.VideoMetadata(
        frame_width=video.width,
        frame_height=video.height,
        frame_rate=video.fps,
        total_frame_count=video.frames,
        duration=video.duration_seconds,
    )
    segments = [detection for track in results.tracks for detection in _segments(fo, results, track)]
    sample["expressions"] = fo.TemporalDetections(detections=segments)
    faces: dict[int, list[Any]] = {}
    for track in results.tracks:
        for row in frame_rows(results, track):
            faces.setdefault(row.frame + 1, []).append(_face(fo, results, row))
    for number, found in sorted(faces.items()):
        sample.frames[number] = fo.Frame(faces=fo.Detections(detections=found))
    return sample


def _import_fiftyone() -> ModuleType:
    try:
        import fiftyone
    except ModuleNotFoundError as error:
        message = "a sample of FiftyOne needs fiftyone, which is not installed: pip install 'ifdd[fiftyone]'"
        raise InputError(message) from error
    module: ModuleType = fiftyone
    return module


def _segments(fo: ModuleType, results: Results, track: RecognizedTrack) -> Iterator[Any]:
    """Yield the segments of a track that cover at least one frame."""
    for segment in track.segments:
        edges = (segment.start_seconds - TIME_TOLERANCE, segment.end_seconds - TIME_TOLERANCE)
        first, last = np.searchsorted(track.boxes.seconds, edges)
        if first < last:
            yield fo.TemporalDetection(
                label=name_of(segment, results.classes),
                support=[int(track.boxes.frames[first]) + 1, int(track.boxes.frames[last - 1]) + 1],
                confidence=segment.probability,
                person=track.id,
                quality=segment.quality,
                flaw=segment.flaw,
            )


def _face(fo: ModuleType, results: Results, row: FrameRow) -> Any:
    """Return a face in one frame; its box is cut at the border of the frame."""
    size = np.array([results.video.width, results.video.height] * 2)
    left, top, right, bottom = np.clip(np.array(row.box) / size, 0, 1).tolist()
    probabilities = dict(zip(results.classes, row.probabilities, strict=False))
    return fo.Detection(
        label=row.label or NO_READING,
        bounding_box=[left, top, right - left, bottom - top],
        index=row.track,
        confidence=probabilities.get(row.label, max(row.probabilities, default=None)),
        probabilities=probabilities,
        score=row.score,
        quality=row.quality,
    )
