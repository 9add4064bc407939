"""Crop clips of whole scenes to the main face, upright: for MAFW and for videos without published crops.

Each clip gets a folder of JPEG frames 00001.jpg, 00002.jpg, ... and a record of what was found, ``face.json``. Frames
and record appear together or not at all, so an interrupted run resumes with the clips that lack them.

The crop is the same as in recognition. With the alignment "box", it is ``crop_face``: a square centred on the face,
its side 1.35 times the longer side of the box from forehead to chin; where the detector finds eyes, the crop is also
rotated until the line through them is level. With "landmarks", it is ``align_face``: a tighter square that shows eyes,
nose and mouth at fixed places.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from ifdd.clusters import LOCAL, Cluster, check_shared, on_cluster
from ifdd.data.clips import distinct_clips, recipe_hash
from ifdd.data.manifest import Sample
from ifdd.data.timing import durations_text, parse_durations, same_rate, timing_of
from ifdd.errors import InputError
from ifdd.faces.boxes import CropSquare, FaceBox, crop_square
from ifdd.faces.detection import FaceDetector, HaarDetector, own_model
from ifdd.faces.main_face import (
    DETECTION_SECONDS,
    Search,
    choose_tracks,
    detected_points,
    follow_face,
    search_faces,
)
from ifdd.faces.path import Place
from ifdd.faces.quality import known_turn
from ifdd.faces.similarity import Alignment, plausible_square
from ifdd.files import atomic_folder, parse_json
from ifdd.folders import is_system
from ifdd.video.encode import encode_image
from ifdd.video.fingerprint import source_stamp
from ifdd.video.fitting import Size, fit_into
from ifdd.video.frames import Frame, iter_frames
from ifdd.video.timestamps import DEFAULT_FPS

RECORD = "face.json"

_CROPS = re.compile(r"face\.json|[0-9]{5,}\.jpg")
"""Names of the files of a clip's crops."""

VERSION = 2
"""Increased when the same clip would be cropped differently; crops of other versions are made again."""

JPEG_QUALITY = 95

MINIMUM_QUALITY = 0.2
"""Faces whose turn lowers their quality below this are noted; ``ifdd recognize`` calls them uncertain."""


@dataclass(frozen=True)
class FollowedFace:
    """One face shown in the crops: one per shot, or several if the face was lost and found again."""

    first_frame: int
    """Index in the source, from 0."""
    last_frame: int
    box: tuple[float, float, float, float]
    """Median left, top, width and height in pixels of the source."""


@dataclass(frozen=True)
class FaceRecord:
    """What was found in a clip, and how much of it was kept."""

    clip_id: str
    source_frames: int
    """Number of frames in the source."""
    frames: int
    """Number of frames kept; lower if parts of the clip do not show the face."""
    face_share: float
    """Share of the searched frames in which the cropped face was found, 0 to 1."""
    people: int
    """Largest number of faces seen at the same time."""
    shots: int
    """Number of shots."""
    centre_crop: bool
    """Whether no face was found, so that the frames are centre crops of the whole images."""
    faces: tuple[FollowedFace, ...]
    """The cropped faces."""
    alignment: Alignment = "box"
    """How the faces were cropped."""
    landmark_share: float | None = None
    """Share of the detections of these faces with plausible landmarks, 0 to 1; where there are none, the crop follows
    the box. None for the alignment "box"."""
    source_fps: float | None = None
    """Frames a second of the source on average."""
    fps: float | None = None
    """Frames a second of the kept frames on average."""
    durations: str = ""
    """How long each kept frame is shown, as in the manifest; empty if they are evenly spaced."""
    turns: tuple[int, ...] = ()
    """Angles in degrees by which the followed faces are turned, to the nearest 90; the crops show them upright."""
    turn_share: float = 1.0
    """Share of the detections of these faces with a certain turn, 0 to 1."""


class Cropped(NamedTuple):
    """The result of cropping a dataset."""

    samples: list[Sample]
    """The samples whose clip could be read, with the folder of crops as path and the number of crops as frames."""
    records: dict[str, FaceRecord]
    """Clip id -> what was found, for every readable clip."""
    unreadable: dict[str, str]
    """Clip id -> why it could not be read; ``samples`` does not contain these clips."""

    @property
    def without_face(self) -> list[str]:
        """Ids of the clips without a face, which are kept as centre crops."""
        return [clip_id for clip_id, record in self.records.items() if record.centre_crop]

    @property
    def uncertain_turn(self) -> list[str]:
        """Ids of the clips in which it mostly remained uncertain which way up the face is."""
        records = self.records.items()
        return [clip_id for clip_id, record in records if not record.centre_crop and record.turn_share < 0.5]

    @property
    def without_landmarks(self) -> list[str]:
        """Ids of the clips that should be aligned by landmarks, but have a face without any; it follows the box."""
        records = self.records.items()
        return [clip_id for clip_id, record in records if not record.centre_crop and record.landmark_share == 0]


class _Clip(NamedTuple):
    """A clip to crop."""

    clip_id: str
    path: Path
    fps: float | None
    durations: str

    @property
    def folder_fps(self) -> float:
        """Frames a second of a folder of images; videos have their own times."""
        return self.fps if self.fps is not None and self.path.is_dir() else DEFAULT_FPS

    def end(self, seconds: Sequence[float]) -> float | None:
        """Return the end of the last of the frames that begin at ``seconds``, if it is stated; else None."""
        if self.durations:
            return seconds[-1] + parse_durations(self.durations)[-1]
        return seconds[-1] + 1 / self.folder_fps if self.path.is_dir() else None

    def frames(self) -> Iterator[Frame]:
        """Yield the frames with their times; those of images are stated, or assumed.

        Raises:
            InputError: the clip is unreadable, or has another number of frames than stated times.
        """
        if not (self.durations and self.path.is_dir()):
            yield from iter_frames(self.path, self.folder_fps)
            return
        starts = np.concatenate([[0.0], np.cumsum(parse_durations(self.durations))]).tolist()
        count = 0
        for count, frame in enumerate(iter_frames(self.path), start=1):
            yield frame._replace(seconds=starts[min(count, len(starts)) - 1])
        if count != len(starts) - 1:
            raise InputError(f"{self.path} has {count} frames, but durations of {len(starts) - 1}; correct the table")


@dataclass(frozen=True)
class _Settings:
    """What determines the crops of a clip, apart from the clip."""

    size: int
    alignment: Alignment
    interval_seconds: float
    detector: Callable[[], FaceDetector]

    def recipe(self, clip: "_Clip") -> str:
        """Return the hash of everything that determines the crops and is known without decoding the clip."""
        detector = _build(self.detector)
        how = [self.size, self.alignment, self.interval_seconds, detector.name, clip.folder_fps]
        times = ["end", clip.durations] if clip.durations else []  # earlier crops lack the end of the last frame
        model = own_model(detector)
        return recipe_hash([VERSION, source_stamp(clip.path), *how, *times, *([model] if model else [])])


def crop_faces(
    samples: Sequence[Sample],
    folder: Path,
    *,
    size: int = 224,
    alignment: Alignment = "box",
    interval_seconds: float = DETECTION_SECONDS,
    detector: Callable[[], FaceDetector] = HaarDetector,
    workers: int | None = 1,
    cluster: Cluster = LOCAL,
    advance: Callable[[int], object] = lambda count: None,
    replacing: Callable[[], object] = lambda: None,
) -> Cropped:
    """Crop the main face of every clip into a folder of frames; valid crops of an earlier run are kept.

    A clip that several samples share, for instance in several folds, is cropped once.

    Args:
        samples: clips of whole scenes.
        folder: receives one folder ``<clip id>/`` per clip.
        size: side of the crops in pixels.
        alignment: crop around the box, or by landmarks.
        interval_seconds: time from one search for faces to the next; short clips of small pictures need few.
        detector: builds a detector in each process, for example a ``DetectorChoice``.
        workers: number of processes; None for one per core, or as many as a cluster has room for.
        cluster: where they run; all its machines must share the clips and the folder.
        advance: called with the number of finished clips, for a progress bar; clips of earlier runs count too.
        replacing: called once before any clip is cropped, if that replaces crops of other clips or settings.

    Raises:
        InputError: one clip id stands for two videos or is not a valid folder name; the crops would replace the clips
            or other files; the detector cannot be built; or the folder cannot be written.
    """
    distinct = distinct_clips(samples)
    clips = {clip_id: _Clip(clip_id, each.path, each.fps, each.durations) for clip_id, each in distinct.items()}
    _check_folder_names(clips, folder)
    settings = _Settings(size, alignment, interval_seconds, detector)
    records: dict[str, FaceRecord] = {}
    unreadable: dict[str, str] = {}
    recipes = {clip_id: settings.recipe(clip) for clip_id, clip in clips.items()}
    for clip_id, recipe in recipes.items():
        record = _finished(folder / clip_id, recipe)
        if record is not None:
            records[clip_id] = record
    advance(len(records))
    missing = [clip for clip_id, clip in clips.items() if clip_id not in records]
    _refuse_to_replace(missing, folder)
    if any(_is_other(folder / clip.clip_id, recipes[clip.clip_id]) for clip in missing):
        replacing()
    # Closing stops the workers at once when the loop is interrupted.
    with closing(on_cluster(partial(_crop_clip, folder, settings), missing, workers, cluster)) as done:
        for clip_id, result in done:
            if isinstance(result, FaceRecord):
                check_shared([folder / clip_id / RECORD], cluster)
                records[clip_id] = result
            else:
                unreadable[clip_id] = result
            advance(1)
    refused = {clip_id: unreadable[clip_id] for clip_id in clips if clip_id in unreadable}
    cropped = [
        _cropped_sample(sample, folder, records[sample.clip_id]) for sample in samples if sample.clip_id in records
    ]
    return Cropped(cropped, {clip_id: records[clip_id] for clip_id in clips if clip_id in records}, refused)


def _cropped_sample(sample: Sample, folder: Path, record: FaceRecord) -> Sample:
    """Return the sample of the crops, at the rate that is stated for the clip if the file has another."""
    fps, durations, stated = record.fps, record.durations, sample.fps
    is_video = not sample.path.is_dir()  # images have the stated rate already
    if is_video and fps and stated and record.source_fps and not same_rate(record.source_fps, stated):
        faster = stated / record.source_fps
        fps = fps * faster
        durations = durations and durations_text(each / faster for each in parse_durations(durations))
    return replace(sample, path=folder / sample.clip_id, frames=record.frames, fps=fps, durations=durations)


def _check_folder_names(clips: Iterable[str], folder: Path) -> None:
    """Refuse clip ids whose folders would lie outside ``folder`` or inside one another."""
    root = folder.resolve()
    places: dict[Path, str] = {}
    for clip_id in clips:
        other = places.setdefault((folder / clip_id).resolve(), clip_id)
        if other != clip_id:
            raise InputError(f"clips {other!r} and {clip_id!r} would be one folder in {folder}; rename one")
    outer = {parent for place in places for parent in place.parents}
    for place, clip_id in places.items():
        if root not in place.parents or place in outer:
            raise InputError(
                f"clip id {clip_id!r} is not a valid name for a separate folder in {folder}; rename the clip"
            )


def _refuse_to_replace(clips: Sequence[_Clip], folder: Path) -> None:
    """Refuse to put crops where the clips themselves or other files are."""
    for clip in clips:
        target, source = (folder / clip.clip_id).resolve(), clip.path.resolve()
        if source == target or source in target.parents or target in source.parents:
            raise InputError(
                f"the crops of clip {clip.clip_id} would replace its frames in {source}; choose another OUT"
            )
        files = target.iterdir() if target.is_dir() else ()
        other = next((file for file in files if not (_CROPS.fullmatch(file.name) or is_system(file.name))), None)
        if other is not None:
            raise InputError(f"{other} is not a crop, and would be lost; remove it or choose another OUT")


def _finished(target: Path, recipe: str) -> FaceRecord | None:
    """Return the record of a clip cropped with the same recipe; None if the record, times or frames are missing."""
    try:
        content = _read_record(target)
        if content.pop("recipe") != recipe:
            return None
        faces = tuple(FollowedFace(**{**face, "box": tuple(face["box"])}) for face in content.pop("faces"))
        turns = tuple(content.pop("turns"))
        record = FaceRecord(**content, faces=faces, turns=turns)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if sum(1 for _ in target.glob("*.jpg")) == record.frames else None


def _is_other(target: Path, recipe: str) -> bool:
    """Whether a folder has crops of another recipe."""
    try:
        return bool(_read_record(target)["recipe"] != recipe)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _read_record(target: Path) -> Any:
    return parse_json((target / RECORD).read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _build(detector: Callable[[], FaceDetector]) -> FaceDetector:
    return detector()


def _crop_clip(folder: Path, settings: _Settings, clip: _Clip) -> tuple[str, FaceRecord | str]:
    """Crop one clip in two passes over its video; return its id and its record, or why it cannot be read."""
    clip_id, path = clip.clip_id, clip.path
    detector = _build(settings.detector)
    try:
        search = search_faces(clip.frames(), detector, settings.alignment, settings.interval_seconds)
    except InputError as error:
        return clip_id, str(error)
    places = follow_face(search, settings.alignment)
    record = _make_record(clip, search, places, settings.alignment)
    content: dict[str, Any] = {"recipe": settings.recipe(clip), **asdict(record)}
    crops = _cropped_frames(path, places or _centre_squares(search), (search.width, search.height), settings.size)
    with atomic_folder(folder / clip_id, private=True) as temporary:
        for number, image in enumerate(crops, start=1):
            (temporary / f"{number:05d}.jpg").write_bytes(encode_image(image, ".jpg", JPEG_QUALITY))
        (temporary / RECORD).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return clip_id, record


def _cropped_frames(
    path: Path, places: Sequence[Place], canvas: Size, size: int
) -> Iterator[UInt8[np.ndarray, "size size 3"]]:
    """Yield the crops; the places are in pixels of the first frame, and other sizes are cropped as they are."""
    wanted = {place.frame: place for place in places}
    for frame in iter_frames(path):
        if frame.index in wanted:
            fit = fit_into((frame.image.shape[1], frame.image.shape[0]), canvas)
            yield crop_square(frame.image, wanted[frame.index].square.placed(fit.inverse), size)


def _centre_squares(search: Search) -> list[Place]:
    """Return the centre square of every frame."""
    side = float(min(search.width, search.height))
    left, top = (search.width - side) / 2, (search.height - side) / 2
    box, square = FaceBox(left, top, side, side, 0.0), CropSquare(search.width / 2, search.height / 2, side)
    return [Place(frame, box, square) for frame in range(len(search.seconds))]


def _make_record(clip: _Clip, search: Search, places: Sequence[Place], alignment: Alignment) -> FaceRecord:
    tracks = [track for shot in choose_tracks(search) for track in shot]
    points = [point for track in tracks for point in detected_points(track)]
    detected = {point.frame for point in points}
    aligned = sum(plausible_square(point.box.landmarks, point.box) is not None for point in points)
    certain = sum(known_turn(point.box.certainty) >= MINIMUM_QUALITY for point in points)
    faces = []
    for track in tracks:
        boxes = np.array([point.box[:4] for point in detected_points(track)])
        left, top, width, height = (round(float(value), 1) for value in np.median(boxes, axis=0))
        faces.append(FollowedFace(track.points[0].frame, track.points[-1].frame, (left, top, width, height)))
    end = clip.end(search.seconds)
    kept = timing_of(search.seconds, [place.frame for place in places] or None, end)
    return FaceRecord(
        clip.clip_id,
        source_frames=len(search.seconds),
        frames=len(places) or len(search.seconds),
        face_share=round(len(detected) / len(search.searched), 4),
        people=search.people,
        shots=len(search.shots),
        centre_crop=not places,
        faces=tuple(faces),
        alignment=alignment,
        landmark_share=None if alignment == "box" else round(aligned / max(len(points), 1), 4),
        source_fps=timing_of(search.seconds, end=end).fps,
        fps=kept.fps,
        durations=kept.durations,
        turns=tuple(sorted({round(detected_points(track)[-1].box.turn / 90) % 4 * 90 for track in tracks} - {0})),
        turn_share=round(certain / len(points), 4) if points else 1.0,
    )
