"""Files with the results of a part of a video, which an interrupted run leaves to the next one."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ifdd.files import atomic_path, parse_json
from ifdd.inference.parts import Part
from ifdd.inference.results import Boxes, FrameStatistics, RecognizedTrack, Windows
from ifdd.video.fitting import PictureSize
from ifdd.video.frames import VideoInfo

RECORD = "part"
"""Entry of the metadata: everything but the arrays."""


def write_part(part: Part, path: Path) -> None:
    """Write a part, exactly, whole or not at all; segments are left out, because joining finds them.

    Raises:
        InputError: the file cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    record = {
        "video": asdict(part.video) | {"path": str(part.video.path)},
        "tracks": [[track.id, track.start_seconds, track.end_seconds, track.windows.flaws] for track in part.tracks],
        "shot_boundaries_seconds": part.shot_boundaries_seconds,
        "turns": list(part.turns.items()),
        "before_next": [part.frames_before_next, part.damaged_before_next],
        "gaps": part.gaps,
    }
    for track in part.tracks:
        arrays |= _arrays(f"boxes.{track.id}", track.boxes) | _arrays(f"windows.{track.id}", track.windows)
    if part.statistics is not None:
        arrays |= _arrays("statistics", part.statistics)
    with atomic_path(path, private=True) as temporary:
        # save_file would report a full disk by an error of its own, without the reason
        temporary.write_bytes(save(arrays, {RECORD: json.dumps(record)}))


def read_part(path: Path) -> Part | None:
    """Read a part; None if there is none, or its file is damaged."""
    try:
        with safe_open(path, "numpy") as file:
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
            record = parse_json((file.metadata() or {})[RECORD])
        return _part(record, arrays)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return None


def _part(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Part:
    tracks = []
    for number, start, end, flaws in record["tracks"]:
        boxes = Boxes(**_columns(f"boxes.{number}", arrays))
        windows = Windows(**_columns(f"windows.{number}", arrays), flaws=tuple(flaws))
        tracks.append(RecognizedTrack(number, start, end, boxes, windows, ()))
    video: dict[str, Any] = {**record["video"]}
    video |= {name: tuple(video[name]) for name in ("notices", "files")}
    video["sizes"] = tuple(PictureSize(*size) for size in video["sizes"])
    statistics = _columns("statistics", arrays)
    frames, damaged = record["before_next"]
    return Part(
        VideoInfo(**video),
        tuple(tracks),
        tuple(record["shot_boundaries_seconds"]),
        FrameStatistics(**statistics) if statistics else None,
        dict(record["turns"]),
        frames,
        damaged,
        tuple((start, end) for start, end in record["gaps"]),
    )


def _arrays(name: str, table: Boxes | Windows | FrameStatistics) -> dict[str, np.ndarray]:
    """Return the columns of a table that are arrays, by the names that they get in the file."""
    values = {column.name: getattr(table, column.name) for column in fields(table)}
    return {
        f"{name}.{column}": np.ascontiguousarray(value)
        for column, value in values.items()
        if isinstance(value, np.ndarray)
    }


def _columns(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key.removeprefix(f"{name}."): value for key, value in arrays.items() if key.startswith(f"{name}.")}
