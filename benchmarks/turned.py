"""How often turned faces are turned upright: the faces of real videos, turned by 0 to 270 degrees.

DIR/videos contains the videos, in which everybody is upright, as for ``real_videos.py``; they are not part of the
project. Every video is turned as a whole, without any metadata, and searched as by ``ifdd recognize``. A sighting is a
face that is detected at a place where the detector finds one in the unturned picture. It is right if its turn and roll
differ from the true ones by at most 45 degrees, read if its quality is not lowered below 0.2 by an uncertain turn.
``right_untried`` counts those that lean by at most 45 degrees anyway: without the search, only these were upright.

    python benchmarks/turned.py DIR --detector-model yunet_n_640_640.onnx
"""

import argparse
import json
import math
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from ifdd.errors import InputError
from ifdd.evaluation.calibration.confidence import wilson_interval
from ifdd.faces.boxes import FaceBox, wrap_degrees
from ifdd.faces.detection import FaceDetector, YuNetDetector
from ifdd.faces.landmarks import eye_slope, head_roll, refine_landmarks
from ifdd.faces.quality import known_turn
from ifdd.faces.upright import FaceSearch
from ifdd.video.frames import Frame
from ifdd.video.shots import ShotBoundaryDetector
from ifdd.video.sources import open_video

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.real_videos import find_videos

ANGLES = (0, 45, 60, 90, 135, 180, 270)
"""Clockwise turns of the whole video."""

INTERVAL_SECONDS = 0.25
"""Time between two searches: half as many as by ``ifdd recognize``, to save time."""

RIGHT_DEGREES, LEAST_QUALITY = 45.0, 0.2

CONFIDENT = 0.6
"""Detection score from which on a face in the unturned video counts."""

Picture = UInt8[np.ndarray, "height width 3"]


class Sighting(NamedTuple):
    """One face in one searched frame of a turned video."""

    right: bool
    read: bool
    untried: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder that holds videos/, of upright people")
    parser.add_argument("--detector-model", type=Path, required=True, help="YuNet's .onnx file")
    parser.add_argument("--out", type=Path, default=Path("results/turned.json"))
    options = parser.parse_args()
    try:
        run(options)
    except InputError as error:
        parser.exit(2, f"turned: {error}\n")


def run(options: argparse.Namespace) -> None:
    """Search everything and write the result.

    Raises:
        InputError: there are no videos.
    """
    cv2.setNumThreads(1)
    videos = find_videos(options.folder)
    detector = YuNetDetector(options.detector_model)
    rows: list[dict[str, Any]] = []
    sightings: dict[int, list[Sighting]] = {angle: [] for angle in ANGLES}
    faces = dict.fromkeys(ANGLES, 0)
    plain_seconds = search_seconds = 0.0
    for path in videos:
        frames, truth, seconds = find_truth(path, detector)
        plain_seconds += seconds
        for angle in ANGLES:
            found, seconds = search_turned(frames, angle, detector)
            search_seconds += seconds * (angle == 0)
            seen = [
                one for boxes, true in zip(found, truth, strict=True) for one in compare(boxes, true, angle, frames)
            ]
            sightings[angle] += seen
            faces[angle] += sum(map(len, truth))
            rows.append({"video": path.name, **describe(angle, seen, sum(map(len, truth)))})
            print(json.dumps(rows[-1]), flush=True)
    angles = [describe(angle, seen, faces[angle]) for angle, seen in sightings.items()]
    report = {
        "machine": {"processor": platform.machine(), "python": platform.python_version()},
        "angles": angles,
        "search_cost": round(search_seconds / plain_seconds, 3),
        "videos": rows,
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for row in angles:
        print(json.dumps(row))
    print("cost of the search, upright:", report["search_cost"])


def find_truth(path: Path, detector: FaceDetector) -> tuple[list[tuple[Frame, bool]], list[list[FaceBox]], float]:
    """Return the searched frames, the faces in the unturned picture, and the CPU time of a plain search."""
    shots, due = ShotBoundaryDetector(), 0.0
    frames, truth, taken = [], [], 0.0
    for frame in open_video(path):
        boundary = shots.is_boundary(frame.image, frame.seconds)
        if boundary or frame.seconds >= due:
            due = frame.seconds + INTERVAL_SECONDS
            started = time.process_time()
            found = detector.detect(frame.image)
            taken += time.process_time() - started
            frames.append((frame, boundary))
            truth.append([face for face in found if face.score >= CONFIDENT])
    return frames, truth, taken


def search_turned(
    frames: list[tuple[Frame, bool]], angle: int, detector: FaceDetector
) -> tuple[list[list[FaceBox]], float]:
    """Return the faces found in each frame of the turned video, with landmarks as for crops, and the CPU seconds.

    The time does not include the landmarks.
    """
    search, found, taken = FaceSearch(detector), [], 0.0
    for frame, boundary in frames:
        image = turn_picture(frame.image, angle)
        started = time.process_time()
        boxes = search.search(image, frame.seconds, boundary)
        taken += time.process_time() - started
        found.append([box._replace(landmarks=refine_landmarks(image, box, detector)) for box in boxes])
    return found, taken


def turn_picture(image: Picture, angle: int) -> Picture:
    """Turn a picture clockwise; other angles than multiples of 90 leave black corners."""
    if angle % 90 == 0:
        return np.ascontiguousarray(np.rot90(image, -angle // 90))
    height, width = image.shape[:2]
    new_width, new_height = turned_size(width, height, angle)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -angle, 1)
    matrix[:, 2] += [(new_width - width) / 2, (new_height - height) / 2]
    return np.asarray(cv2.warpAffine(image, matrix, (new_width, new_height)))


def turned_size(width: int, height: int, angle: int) -> tuple[int, int]:
    """Return width and height of a turned picture."""
    across, down = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    return round(width * across + height * down), round(height * across + width * down)


def compare(
    boxes: list[FaceBox], truth: list[FaceBox], angle: int, frames: list[tuple[Frame, bool]]
) -> Iterator[Sighting]:
    """Yield the sightings of the true faces in one turned frame."""
    height, width = frames[0][0].image.shape[:2]
    new_width, new_height = turned_size(width, height, angle)
    across, down = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    for true in truth:
        if true.landmarks is None:
            continue
        x, y = true.center[0] - width / 2, true.center[1] - height / 2
        place = new_width / 2 + across * x - down * y, new_height / 2 + down * x + across * y
        near = [box for box in boxes if box.score >= 0.5 and math.dist(box.center, place) < 0.6 * true.height]
        box = max(near, key=lambda box: box.score, default=None)
        if box is None:
            continue
        roll = angle + eye_slope(true.landmarks)
        measured = None if box.landmarks is None else head_roll(box.landmarks, box.turn)
        own = box.turn if measured is None else measured
        yield Sighting(
            abs(wrap_degrees(own - roll)) <= RIGHT_DEGREES,
            known_turn(box.certainty) >= LEAST_QUALITY,
            abs(wrap_degrees(float(roll))) <= RIGHT_DEGREES,
        )


def describe(angle: int, sightings: list[Sighting], faces: int) -> dict[str, Any]:
    """Return the shares of sightings with Wilson's interval."""
    count = len(sightings)
    right, read = sum(one.right for one in sightings), sum(one.read for one in sightings)
    wrong = sum(one.read and not one.right for one in sightings)
    return {
        "angle": angle,
        "faces": faces,
        "sightings": count,
        "right": right,
        "right_interval": [round(bound, 4) for bound in wilson_interval(right, count)] if count else None,
        "uncertain": count - read,
        "read_wrongly": wrong,
        "read_wrongly_interval": [round(bound, 4) for bound in wilson_interval(wrong, read)] if read else None,
        "right_untried": sum(one.untried for one in sightings),
    }


if __name__ == "__main__":
    main()
