"""Faces found by YuNet in ONNX Runtime against OpenCV's engine: the difference, and the speed.

    python benchmarks/detection.py VIDEO... --detector-model yunet_n_640_640.onnx

Every frame searched is shown to both engines, as large as ``ifdd recognize`` searches it and as small as where it knows
the faces. They take turns, because other programs of the machine slow both down: the ratio is that of the same picture.
One thread each.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from statistics import quantiles
from typing import Any

import cv2
import numpy as np

from ifdd.errors import InputError
from ifdd.faces.boxes import FaceBox
from ifdd.faces.detection import YuNetDetector
from ifdd.faces.upright.search import COARSE_SIDE
from ifdd.video.frames import iter_frames

EVERY = 10
"""One frame of so many is searched."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--detector-model", type=Path, required=True, help="YuNet's .onnx file")
    parser.add_argument("--frames", type=int, default=600, help="frames of each video, at most")
    parser.add_argument("--out", type=Path, default=Path("results/detection.json"))
    options = parser.parse_args()
    try:
        run(options)
    except InputError as error:
        parser.exit(2, f"detection: {error}\n")


def run(options: argparse.Namespace) -> None:
    """Compare the engines and write the result.

    Raises:
        InputError: a video cannot be read, or there are too few frames.
    """
    cv2.setNumThreads(1)
    check_pictures(options.videos, options.frames)
    report = {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
        "versions": {name: version(name) for name in ("onnxruntime", "opencv-python-headless")},
        "videos": len(options.videos),
        "sizes": compare(options.videos, options.detector_model, options.frames),
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def check_pictures(videos: Sequence[Path], frames: int) -> None:
    """Check that there are enough pictures for quartiles.

    Raises:
        InputError: there are fewer than two, or a video cannot be read.
    """
    if len(list(islice(images(videos, frames), 2))) < 2:
        raise InputError(f"there are fewer than two frames to search, one of {EVERY}; give longer videos")


def compare(videos: Sequence[Path], model: Path, frames: int) -> dict[str, Any]:
    """Return what both engines find in the pictures of each size, and how long they take."""
    runtime, opencv = YuNetDetector(model), YuNetDetector(model, runtime=False)
    found: dict[str, dict[str, Any]] = {}
    for name, shrink in SIZES.items():
        pictures = 0
        other_counts, pixels, scores, ratios = 0, [0.0], [0.0], []
        for image in map(shrink, images(videos, frames)):
            seconds, (ours, theirs) = zip(*(clocked(detector, image) for detector in (runtime, opencv)), strict=True)
            pictures += 1
            ratios.append(seconds[1] / seconds[0])
            if len(ours) != len(theirs):
                other_counts += 1
                continue
            pixels += [np.abs(numbers(a) - numbers(b)).max() for a, b in zip(ours, theirs, strict=True)]
            scores += [abs(a.score - b.score) for a, b in zip(ours, theirs, strict=True)]
        low, middle, high = quantiles(ratios, n=4)
        found[name] = {
            "pictures": pictures,
            "faces": len(pixels) - 1,
            "pictures_with_other_counts": other_counts,
            "largest_difference_pixels": float(max(pixels)),
            "largest_difference_of_scores": max(scores),
            "times_opencv": {"median": round(middle, 2), "quartiles": [round(low, 2), round(high, 2)]},
        }
    return found


def images(videos: Sequence[Path], frames: int) -> Iterator[np.ndarray]:
    """Yield the frames to be searched."""
    for video in videos:
        yield from (frame.image for frame in islice(iter_frames(video), 0, frames, EVERY))


def small(image: np.ndarray) -> np.ndarray:
    """Return a picture as small as where the faces are known."""
    scale = COARSE_SIDE / max(image.shape[:2])
    return image if scale >= 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


SIZES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"full": lambda image: image, "small": small}


def clocked(detector: YuNetDetector, image: np.ndarray) -> tuple[float, list[FaceBox]]:
    """Return the seconds of CPU time of a search, and the faces."""
    detector.detect(image)  # OpenCV prepares itself for every new size
    begun = time.process_time()
    faces = detector.detect(image)
    return time.process_time() - begun, faces


def numbers(face: FaceBox) -> np.ndarray:
    """Return the box and the landmarks of a face."""
    assert face.landmarks is not None
    return np.array([face.x, face.y, face.width, face.height, *np.ravel(face.landmarks)])


if __name__ == "__main__":
    main()
