"""Clips of whole scenes become clips of one upright face: MAFW, and videos of one's own.

Each clip gets a folder of JPEG frames 00001.jpg, 00002.jpg, ... and in it ``face.json``, which says what was found.
Frames and record appear together or not at all, so an interrupted run goes on with the clips that lack them.

The crop is the one that recognition gives the model, ``crop_face``: a square round the face, its side 1.35 times
the longer side of the box from forehead to chin; and beyond that turned upright by the line through the eyes, where the
detector finds eyes.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.data.manifest import Sample
from ifdd.errors import InputError
from ifdd.faces.detection import CROP_FACTOR, FaceBox, FaceDetector, HaarDetector, crop_face
from ifdd.faces.main_face import Place, Search, choose_tracks, follow_face, search_faces, sightings
from ifdd.files import atomic_folder
from ifdd.processes import in_processes
from ifdd.video.fingerprint import source_stamp
from ifdd.video.frames import iter_frames

RECORD = "face.json"
VERSION = 1
"""Raised when the same clip would be cropped differently; crops of other versions are made anew."""

JPEG_QUALITY = 95


@dataclass(frozen=True)
class FollowedFace:
    """A face that the crops show; one in each shot, more where it was lost and found again."""

    first_frame: int
    """Number in the source, from 0."""
    last_frame: int
    box: tuple[float, float, float, float]
    """Median left, top, width and height in pixels of the source."""


@dataclass(frozen=True)
class FaceRecord:
    """What was found in a clip and what became of it."""

    clip_id: str
    source_frames: int
    """Frames of the source."""
    frames: int
    """Frames kept: fewer, where parts of the clip do not show the face."""
    face_share: float
    """Share of the searched frames, 0 to 1, in which the face was found that the crops show."""
    people: int
    """Most faces seen at the same time."""
    shots: int
    """Parts between two cuts."""
    centre_crop: bool
    """No face was found: the frames are the middle squares of the whole pictures."""
    faces: tuple[FollowedFace, ...]
    """The faces that the crops show."""


class Cropped(NamedTuple):
    """All clips cropped."""

    samples: list[Sample]
    """Those given whose clip could be read, with the folder of crops as path, and the number of crops."""
    records: dict[str, FaceRecord]
    """Clip id -> what was found, for every clip that could be read."""
    unreadable: dict[str, str]
    """Clip id -> why it could not be read; these clips are in no sample."""

    @property
    def without_face(self) -> list[str]:
        """Ids of the clips in which no face was found, which are kept as they are, cut to a square."""
        return [clip_id for clip_id, record in self.records.items() if record.centre_crop]


def crop_faces(
    samples: Sequence[Sample],
    folder: Path,
    *,
    size: int = 224,
    detector: Callable[[], FaceDetector] = HaarDetector,
    workers: int = 1,
    advance: Callable[[int], object] = lambda count: None,
) -> Cropped:
    """Crop the main face of every clip into a folder of frames; clips cropped by an earlier run are kept.

    A clip that several samples share, in several folds, is cropped once.

    Args:
        samples: clips of whole scenes.
        folder: where the folders ``<clip id>/`` go.
        size: side of the crops in pixels.
        detector: builds the detector in each process, for instance a ``DetectorChoice``.
        workers: number of processes.
        advance: called with the number of clips done, for a progress bar; those of earlier runs count too.

    Raises:
        InputError: one clip id stands for two videos or is no name for a folder; the detector cannot be built; or the
            folder cannot be written.
    """
    clips = _distinct_clips(samples, folder)
    name = detector().name
    records: dict[str, FaceRecord] = {}
    unreadable: dict[str, str] = {}
    for clip_id, path in clips.items():
        record = _finished(folder / clip_id, _recipe(path, size, name))
        if record is not None:
            records[clip_id] = record
    advance(len(records))
    missing = [(clip_id, path) for clip_id, path in clips.items() if clip_id not in records]
    # Closing stops the workers at once when the loop is interrupted.
    with closing(in_processes(partial(_crop_clip, folder, size, detector), missing, workers)) as done:
        for clip_id, result in done:
            if isinstance(result, FaceRecord):
                records[clip_id] = result
            else:
                unreadable[clip_id] = result
            advance(1)
    cropped = [
        replace(sample, path=folder / sample.clip_id, frames=records[sample.clip_id].frames)
        for sample in samples
        if sample.clip_id in records
    ]
    return Cropped(cropped, {clip_id: records[clip_id] for clip_id in clips if clip_id in records}, unreadable)


def _distinct_clips(samples: Sequence[Sample], folder: Path) -> dict[str, Path]:
    clips: dict[str, Path] = {}
    for sample in samples:
        path = clips.setdefault(sample.clip_id, sample.path)
        if path != sample.path:
            raise InputError(
                f"clip {sample.clip_id!r} is {path}, and also {sample.path}; give different clips different ids"
            )
    root = folder.resolve()
    places = {(folder / clip_id).resolve(): clip_id for clip_id in clips}
    outer = {parent for place in places for parent in place.parents}
    for place, clip_id in places.items():
        if root not in place.parents or place in outer:
            raise InputError(f"clip id {clip_id!r} is no name for a folder of its own below {folder}; rename the clip")
    return clips


def _recipe(path: Path, size: int, detector: str) -> str:
    """Return a hash of everything that decides about the crops, as far as it can be known without reading the clip."""
    return hashlib.sha256(json.dumps([VERSION, source_stamp(path), size, detector]).encode()).hexdigest()


def _finished(target: Path, recipe: str) -> FaceRecord | None:
    """Return the record of a clip cropped in the same way earlier, None if there is none or frames are missing."""
    try:
        content = json.loads((target / RECORD).read_text(encoding="utf-8"))
        if content.pop("recipe") != recipe:
            return None
        faces = tuple(FollowedFace(**{**face, "box": tuple(face["box"])}) for face in content.pop("faces"))
        record = FaceRecord(**content, faces=faces)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if sum(1 for _ in target.glob("*.jpg")) == record.frames else None


@lru_cache(maxsize=1)
def _build(detector: Callable[[], FaceDetector]) -> FaceDetector:
    return detector()


def _crop_clip(
    folder: Path, size: int, detector: Callable[[], FaceDetector], clip: tuple[str, Path]
) -> tuple[str, FaceRecord | str]:
    """Crop one clip, in two passes over its video; return its id and its record, or why it cannot be read."""
    clip_id, path = clip
    faces = _build(detector)
    recipe = _recipe(path, size, faces.name)
    try:
        search = search_faces(iter_frames(path), faces)
    except InputError as error:
        return clip_id, str(error)
    places = follow_face(search)
    record = _make_record(clip_id, search, places)
    content: dict[str, Any] = {"recipe": recipe, **asdict(record)}
    with atomic_folder(folder / clip_id) as temporary:
        for number, image in enumerate(_cropped_frames(path, places or _middles(search), size), start=1):
            _, code = cv2.imencode(
                ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY)
            )
            (temporary / f"{number:05d}.jpg").write_bytes(code.tobytes())
        (temporary / RECORD).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return clip_id, record


def _cropped_frames(path: Path, places: Sequence[Place], size: int) -> Iterator[UInt8[np.ndarray, "size size 3"]]:
    wanted = {place.frame: place for place in places}
    for frame in iter_frames(path):
        if frame.index in wanted:
            yield crop_face(frame.image, wanted[frame.index].box, size, wanted[frame.index].roll)


def _middles(search: Search) -> list[Place]:
    """Return the middle square of every frame."""
    side = min(search.width, search.height) / CROP_FACTOR
    box = FaceBox((search.width - side) / 2, (search.height - side) / 2, side, side, 0.0)
    return [Place(frame, box, 0.0) for frame in range(len(search.seconds))]


def _make_record(clip_id: str, search: Search, places: Sequence[Place]) -> FaceRecord:
    tracks = [track for shot in choose_tracks(search) for track in shot]
    seen = {point.frame for track in tracks for point in sightings(track)}
    faces = []
    for track in tracks:
        boxes = np.array([point.box[:4] for point in sightings(track)])
        left, top, width, height = (round(float(value), 1) for value in np.median(boxes, axis=0))
        faces.append(FollowedFace(track.points[0].frame, track.points[-1].frame, (left, top, width, height)))
    return FaceRecord(
        clip_id,
        source_frames=len(search.seconds),
        frames=len(places) or len(search.seconds),
        face_share=round(len(seen) / len(search.looked), 4),
        people=search.people,
        shots=len(search.shots),
        centre_crop=not places,
        faces=tuple(faces),
    )
