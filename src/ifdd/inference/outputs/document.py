"""The JSON format, written and read; ``recognition.schema.json`` next to this file describes it."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ifdd.errors import InputError
from ifdd.files import escape_bytes, parse_json, write_pieces
from ifdd.inference.outputs.document_v1 import upgrade
from ifdd.inference.results import Boxes, ModelInfo, RecognizedTrack, Results, Segment, Windows
from ifdd.records.record import read_value
from ifdd.video.fitting import PictureSize
from ifdd.video.frames import VideoInfo

SCHEMA_VERSION = "2.0"
"""Version of the JSON format; the first number changes when a field changes or is removed."""

SECONDS, PIXELS, SHARES, QUALITY = 4, 2, 6, 4
"""Digits after the decimal point: times, positions, scores and probabilities, qualities."""

_PER_LINE = 100  # numbers or boxes per line

R = TypeVar("R", bound=Results)

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _dump(value: Any) -> str:
    """Return JSON."""
    return escape_bytes(_encode(value))


def write_document(results: Results, path: Path) -> None:
    """Write results as JSON.

    Raises:
        InputError: the path cannot be written to.
    """
    write_pieces(path, document_pieces(results), private=True)


def to_document(results: Results) -> dict[str, Any]:
    """Return results as a JSON object: seconds to 0.1 ms, pixels to 0.01, scores and probabilities to 1e-6."""
    return {**_head(results), "tracks": [_track(track) for track in results.tracks]}


def document_pieces(results: Results) -> Iterator[str]:
    """Yield the JSON text in pieces; each window and each segment has a separate line."""
    yield "{\n"
    for name, value in _head(results).items():
        yield f'"{name}": {_dump(value)},\n'
    yield '"tracks": '
    yield from _array(_track_pieces(track) for track in results.tracks)
    yield "\n}\n"


def read_document(path: Path, kind: type[R]) -> R:
    """Read results from a JSON file, in the current version of the format or an earlier one.

    Args:
        path: the file.
        kind: the class to build, ``Results`` or a subclass.

    Raises:
        InputError: the file does not exist, cannot be read, or does not hold results of ``ifdd recognize``.
    """
    try:
        document = parse_json(path.read_text(encoding="utf-8"))
        version = document["schema_version"]
        major = version.partition(".")[0]
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the path") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a result of 'ifdd recognize'; give a .json file that it wrote") from error
    if major not in ("1", SCHEMA_VERSION.partition(".")[0]):
        raise InputError(f"{path} has the form {version}, which this version of ifdd cannot read; update ifdd")
    try:
        return _read(upgrade(document) if major == "1" else document, kind)
    except KeyError as error:
        raise InputError(f"{path} is damaged: the field {error} is missing; recognize the video again") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{path} is damaged ({error}); recognize the video again") from error


def _head(results: Results) -> dict[str, Any]:
    video = results.video
    return {
        "schema_version": SCHEMA_VERSION,
        "video": {
            "path": str(video.path),
            "start_seconds": round(video.start_seconds, SECONDS),
            "duration_seconds": max(round(video.duration_seconds, SECONDS), 10**-SECONDS),
            "frames": video.frames,
            "fps": round(video.fps, 4),
            "width": video.width,
            "height": video.height,
            "damaged": video.damaged,
            "notices": list(video.notices),
            **({"sizes": [_size(size) for size in video.sizes]} if video.sizes else {}),
            **({"files": list(video.files)} if video.files else {}),
        },
        "shot_boundaries_seconds": [round(seconds, SECONDS) for seconds in results.shot_boundaries_seconds],
        "model": _model(results.model),
    }


def _size(size: PictureSize) -> dict[str, int | float]:
    return {**size._asdict(), "seconds": round(size.seconds, SECONDS)}


def _model(model: ModelInfo) -> dict[str, Any]:
    origin = {"checkpoint": model.checkpoint, "checkpoint_sha256": model.checkpoint_sha256}
    return {
        "name": model.name,
        "frames": model.frames,
        "size": model.size,
        "clip_seconds": model.clip_seconds,
        "classes": list(model.classes),
        **{name: value for name, value in origin.items() if value is not None},
        "face_detector": model.face_detector,
        **({} if model.alignment == "box" else {"alignment": model.alignment}),
        **({"action_units": list(model.action_units)} if model.action_units else {}),
        **({"class_weights": dict(model.class_weights)} if model.class_weights else {}),
        "description": dict(model.description),
        **({} if model.calibration is None else {"calibration": dict(model.calibration)}),
        **({"notice": model.notice} if model.notice else {}),
    }


def _track(track: RecognizedTrack) -> dict[str, Any]:
    return {
        **_track_head(track),
        "segments": [_segment(segment) for segment in track.segments],
        "windows": list(_windows(track.windows)),
        "boxes": {name: _numbers(values, digits) for name, values, digits in _columns(track.boxes)},
    }


def _track_pieces(track: RecognizedTrack) -> Iterator[str]:
    yield _dump(_track_head(track)).removesuffix("}") + ',\n"segments": '
    yield from _array([_dump(_segment(segment))] for segment in track.segments)
    yield ',\n"windows": '
    yield from _array([_dump(window)] for window in _windows(track.windows))
    mark = ',\n"boxes": {'
    for name, values, digits in _columns(track.boxes):
        yield f'{mark}\n"{name}": '
        yield from _number_pieces(values, digits)
        mark = ","
    yield "}}"


def _track_head(track: RecognizedTrack) -> dict[str, int | float]:
    start, end = round(track.start_seconds, SECONDS), round(track.end_seconds, SECONDS)
    return {"id": track.id, "start_seconds": start, "end_seconds": end}


def _segment(segment: Segment) -> dict[str, Any]:
    rounded = segment._replace(probability=round(segment.probability, SHARES), quality=round(segment.quality, QUALITY))
    return {
        "start_seconds": round(segment.start_seconds, SECONDS),
        "end_seconds": round(segment.end_seconds, SECONDS),
        "label": segment.label,
        "probability": rounded.probability,
        "peak_seconds": None if segment.peak_seconds is None else round(segment.peak_seconds, SECONDS),
        "quality": rounded.quality,
        "confidence": round(rounded.confidence, SHARES),  # as after reading them
        "flaw": segment.flaw,
    }


def _windows(windows: Windows) -> Iterator[dict[str, Any]]:
    for entry in windows.entries(0):
        yield {
            "start_seconds": round(entry.start_seconds, SECONDS),
            "end_seconds": round(entry.end_seconds, SECONDS),
            "probabilities": [round(value, SHARES) for value in entry.probabilities],
            "quality": round(entry.quality, QUALITY),
            "flaw": entry.flaw,
            **({"action_units": [round(value, SHARES) for value in entry.action_units]} if entry.action_units else {}),
        }


def _columns(boxes: Boxes) -> list[tuple[str, np.ndarray, int]]:
    """Return name, values and digits of each column of boxes."""
    return [
        ("frames", boxes.frames, 0),
        ("seconds", boxes.seconds, SECONDS),
        ("xyxy", boxes.xyxy, PIXELS),
        ("scores", boxes.scores, SHARES),
    ]


def _numbers(values: np.ndarray, digits: int) -> list[Any]:
    rounded: list[Any] = (np.round(values, digits) if digits else values).tolist()
    return rounded


def _number_pieces(values: np.ndarray, digits: int) -> Iterator[str]:
    """Yield a JSON array of numbers, or of rows of numbers."""
    starts = range(0, len(values), _PER_LINE)
    lines = (_dump(_numbers(values[first : first + _PER_LINE], digits))[1:-1] for first in starts)
    yield "["
    for number, line in enumerate(lines):
        yield f",\n{line}" if number else line
    yield "]"


def _array(items: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield a JSON array, given the pieces of its items."""
    mark = "["
    for item in items:
        yield mark + "\n"
        yield from item
        mark = ","
    yield "[]" if mark == "[" else "\n]"


LARGEST = 1e12
"""Beyond all times in seconds, numbers of frames and places in pixels."""

_VIDEO: dict[str, Any] = {
    **dict.fromkeys(("frames", "width", "height", "damaged"), int),
    **dict.fromkeys(("fps", "duration_seconds", "start_seconds"), float),
    **dict.fromkeys(("notices", "files"), tuple[str, ...]),
    "path": str,
}
_MODEL: dict[str, Any] = {
    **dict.fromkeys(("name", "face_detector", "alignment", "notice", "checkpoint", "checkpoint_sha256"), str),
    **dict.fromkeys(("frames", "size"), int),
    **dict.fromkeys(("description", "calibration"), dict[str, Any]),
    "clip_seconds": float,
    "classes": tuple[str, ...],
    "action_units": tuple[int, ...],
    "class_weights": dict[str, float],
}
_SIZE: dict[str, Any] = {**dict.fromkeys(("frame", "width", "height"), int), "seconds": float}
_TRACK: dict[str, Any] = {"id": int, "start_seconds": float, "end_seconds": float}
_SEGMENT: dict[str, Any] = {
    **dict.fromkeys(("start_seconds", "end_seconds", "probability", "quality"), float),
    **dict.fromkeys(("label", "flaw"), str),
    "peak_seconds": float | None,
}


def _checked(values: dict[str, Any], kinds: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the known values of an object after checking their types; later versions may have added others.

    Raises:
        InputError: a value has another type, or is a number that is not finite.
    """
    return {name: read_value(kinds[name], value, f"{where}.{name}") for name, value in values.items() if name in kinds}


def _finite(values: Any) -> np.ndarray:
    """Return numbers as an array.

    Raises:
        ValueError: they are not numbers, not finite, too large, or rows differ in length.
    """
    array = np.array(values)
    if array.dtype.kind not in "iuf" or not (np.abs(array := array.astype(np.float64)) < LARGEST).all():
        raise ValueError("a number is missing, not finite, or too large")
    return array


def _read(document: dict[str, Any], kind: type[R]) -> R:
    model = _checked({"action_units": [], **document["model"]}, _MODEL, "model")
    widths = len(model["classes"]), len(model["action_units"])
    video = _checked({"files": [], **document["video"]}, _VIDEO, "video")
    sizes = [_checked(size, _SIZE, "video.sizes") for size in document["video"].get("sizes", ())]
    for name in ("frames", "fps", "duration_seconds"):
        if video[name] <= 0:
            raise ValueError(f"video.{name} is {video[name]}")
    if video["files"] and len(video["files"]) != video["frames"]:
        raise ValueError(f"video.files has {len(video['files'])} names for {video['frames']} frames")
    return kind(
        video=VideoInfo(**video, sizes=tuple(PictureSize(**size) for size in sizes)),
        model=ModelInfo(**model),
        tracks=tuple(_read_track(track, *widths) for track in document["tracks"]),
        shot_boundaries_seconds=tuple(_finite(document["shot_boundaries_seconds"]).reshape(-1).tolist()),
    )


def _read_track(track: dict[str, Any], classes: int, units: int) -> RecognizedTrack:
    head = _checked({name: track[name] for name in _TRACK}, _TRACK, "tracks")
    found = RecognizedTrack(
        **head,
        boxes=_read_boxes(track["boxes"], head["id"]),
        windows=_read_windows(track["windows"], classes, units),
        segments=tuple(_read_segment(head["id"], segment) for segment in track["segments"]),
    )
    if not len(found.boxes):
        raise ValueError(f"track {found.id} has no boxes")
    if found.segments and not len(found.windows):
        raise ValueError(f"track {found.id} has segments, but no windows")
    if (found.windows.end_seconds <= found.windows.start_seconds).any():
        raise ValueError(f"a window of track {found.id} does not end after it begins")
    if any(segment.end_seconds < segment.start_seconds for segment in found.segments):
        raise ValueError(f"a segment of track {found.id} ends before it begins")
    return found


def _read_boxes(boxes: dict[str, Any], track: int) -> Boxes:
    columns = {name: _finite(boxes[name]) for name in ("frames", "seconds", "xyxy", "scores")}
    if len({len(column) for column in columns.values()}) > 1:
        listed = ", ".join(f"{name} has {len(column)}" for name, column in columns.items())
        raise ValueError(f"boxes of track {track} differ in length: {listed}")
    frames = columns["frames"].astype(np.int64)
    if (frames != columns["frames"]).any():
        raise ValueError(f"boxes of track {track} have fractions of frames")
    return Boxes(frames, columns["seconds"], columns["xyxy"].reshape(-1, 4), columns["scores"])


def _read_windows(windows: list[dict[str, Any]], classes: int, units: int) -> Windows:
    def column(name: str) -> np.ndarray:
        return _finite([window[name] for window in windows])

    return Windows(
        column("start_seconds"),
        column("end_seconds"),
        column("probabilities").reshape(-1, classes),
        column("quality"),
        tuple(read_value(str, window["flaw"], "windows.flaw") for window in windows),
        column("action_units").reshape(-1, units) if units and windows else None,
    )


def _read_segment(track: int, segment: dict[str, Any]) -> Segment:
    return Segment(track=track, **_checked(segment, _SEGMENT, "segments"))
