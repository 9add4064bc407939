"""Does face quality predict how reliable a reading is? Drawn clips, degraded in known ways.

Each clip (SynthDFER, preset ``standard``, with its own seed for people and clips) is degraded as a whole picture,
cropped as by ``ifdd recognize``, assessed, and read by the model. The landmarks are the true ones.

    ladder   each degradation alone, in steps: the parts of the quality, and the model's accuracy
    mixed    none, one or two degradations of random strength, drawn several times per clip: accuracy by quality,
             accuracy of the best shares by quality (accuracy-rejection curve, Nadeem et al., Machine Learning in
             Systems Biology 2010), and the effect of weighting windows by it

    python benchmarks/quality.py
"""

import argparse
import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from ifdd.faces.boxes import CROP_FACTOR, FaceBox, Landmarks, crop_face
from ifdd.faces.quality import FaceQuality, TrackQuality, average
from ifdd.inference import Recognizer
from ifdd.model import DEMONSTRATION
from ifdd.synth import PRESETS, SynthConfig
from ifdd.synth.render import Clip, render_clip
from ifdd.synth.truth import FrameTruth

SEED = 777
SIDE = 160
"""Of the pictures in pixels; faces are 1/1.35 of it."""

FACE = SIDE / CROP_FACTOR
COVERAGES = (1.0, 0.8, 0.6, 0.4)
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)

Picture = np.ndarray
Draw = np.random.Generator


def shrunk(picture: Picture, face_pixels: float, rng: Draw) -> Picture:
    side = round(face_pixels * CROP_FACTOR)
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def blurred(picture: Picture, percent_of_face: float, rng: Draw) -> Picture:
    return cv2.GaussianBlur(picture, (0, 0), percent_of_face / 100 * FACE)


def smeared(picture: Picture, percent_of_face: float, rng: Draw) -> Picture:
    return cv2.blur(picture, (round(percent_of_face / 100 * FACE), 1))


def darkened(picture: Picture, factor: float, rng: Draw) -> Picture:
    """Darken a picture and add the noise of a sensor in low light."""
    return noisy(levels(picture, lambda grey: grey * factor), 1.5, rng)


def brightened(picture: Picture, factor: float, rng: Draw) -> Picture:
    return levels(picture, lambda grey: grey * factor)


def fogged(picture: Picture, contrast: float, rng: Draw) -> Picture:
    return levels(picture, lambda grey: 170 + (grey - 170) * contrast)


def noisy(picture: Picture, deviation: float, rng: Draw) -> Picture:
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(deviation)
    return np.clip(picture + noise, 0, 255).round().astype(np.uint8)


def levels(picture: Picture, curve: Callable[[np.ndarray], np.ndarray]) -> Picture:
    return cv2.LUT(picture, np.clip(curve(np.arange(256.0)).round(), 0, 255).astype(np.uint8))


class Degradation(NamedTuple):
    """A degradation of pictures, and its steps."""

    change: Callable[[Picture, float, Draw], Picture]
    steps: tuple[float, ...]
    unit: str


DEGRADATIONS: dict[str, Degradation] = {
    "shrunk": Degradation(shrunk, (96, 64, 48, 32, 24, 16, 12, 8), "pixels of the face"),
    "blurred": Degradation(blurred, (1, 2, 3, 5, 8), "standard deviation, % of the face"),
    "smeared": Degradation(smeared, (5, 10, 20), "% of the face, to the side"),
    "darkened": Degradation(darkened, (0.5, 0.35, 0.25, 0.12, 0.06), "factor"),
    "brightened": Degradation(brightened, (1.5, 2, 3, 5), "factor"),
    "fogged": Degradation(fogged, (0.5, 0.25, 0.12, 0.06), "factor on the contrast"),
    "noisy": Degradation(noisy, (10, 20, 40), "grey levels"),
}
"""Of several, those further down are applied first. A picture is shrunk last: blur is in pixels of the original."""

COMBINED: dict[str, Callable[[FaceQuality], float]] = {
    "product": lambda quality: quality.score,
    "minimum": min,
    "geometric mean": lambda quality: quality.score ** (1 / 4),
    "mean": lambda quality: sum(quality[1:]) / 4,
}


class Reading(NamedTuple):
    """The result for one clip in one state."""

    clip: int
    label: int
    probabilities: np.ndarray
    qualities: tuple[FaceQuality, ...]

    @property
    def right(self) -> bool:
        return bool(self.probabilities.argmax() == self.label)

    def quality(self, combine: Callable[[FaceQuality], float] = COMBINED["product"]) -> float:
        return sum(map(combine, self.qualities)) / len(self.qualities)


class Reader:
    """Degrades, crops, assesses and reads clips."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer = recognizer

    def read(self, clip: Clip, changes: Mapping[str, float], rng: Draw) -> Reading:
        track, crops, qualities = TrackQuality(), [], []
        for picture, truth in zip(clip.frames, clip.truth, strict=True):
            for name, step in sorted(changes.items(), key=lambda item: list(DEGRADATIONS)[::-1].index(item[0])):
                picture = DEGRADATIONS[name].change(picture, step, rng)
            box = whole(len(picture), five_points(truth, len(picture) / SIDE))
            crops.append(crop_face(picture, box, self.recognizer.reader.size))
            qualities.append(track.update(crops[-1], box))
        probabilities = self.recognizer.reader.read([np.stack(crops)])[0].numpy()
        label = self.recognizer.classes.index(clip.plan.label)
        return Reading(clip.plan.number, label, probabilities, tuple(qualities))


def whole(side: int, landmarks: Landmarks) -> FaceBox:
    """Return the face box whose crop is the whole picture."""
    face = side / CROP_FACTOR
    return FaceBox((side - face) / 2, (side - face) / 2, face, face, 1.0, landmarks)


def five_points(truth: FrameTruth, scale: float) -> Landmarks:
    """Return eyes, nose and mouth corners from the 68 landmarks."""
    points = truth.face.landmarks * scale
    chosen = (points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54])
    return Landmarks(*((float(x), float(y)) for x, y in chosen))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default=DEMONSTRATION, help="a model of the seven basic emotions")
    parser.add_argument("--clips", type=int, default=147)
    parser.add_argument("--draws", type=int, default=6, help="mixed degradations per clip")
    parser.add_argument("--out", type=Path, default=Path("results/quality.json"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    recognizer = Recognizer.from_checkpoint(options.checkpoint, NoDetector())
    reader = Reader(recognizer)
    clips = list(draw_clips(options.clips))
    ladder = list(climb(reader, clips))
    ladder += [row(reader, "hand", 1.0, draw_clips(options.clips, occlusion=1.0))]
    turned = list(draw_clips(options.clips, yaw=35.0))
    ladder += [row(reader, "turned", 35.0, turned)]
    mixed = list(mix(reader, clips, options.draws))
    report = {
        "machine": {"processor": platform.machine(), "python": platform.python_version()},
        "clips": {"count": len(clips), "preset": "standard", "seed": SEED, "side": SIDE},
        "checkpoint": {
            key: getattr(recognizer.model_info, key)
            for key in ("name", "frames", "size", "clip_seconds", "checkpoint_sha256")
        },
        "milliseconds_a_crop": {str(side): measure_speed(side) for side in (64, 224)},
        "units": {name: degradation.unit for name, degradation in DEGRADATIONS.items()},
        "pose_correlation": round(pose_correlation(turned), 3),
        "ladder": ladder,
        "mixed": score(mixed),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for line in ladder:
        print(*(f"{value:>10}" for value in line.values()))
    print(json.dumps(report["mixed"], indent=1))


class NoDetector:
    """Returns the faces where they were drawn."""

    name = "truth"

    def detect(self, image: np.ndarray) -> list[FaceBox]:
        return []


def draw_clips(count: int, occlusion: float = 0.0, yaw: float | None = None) -> Iterator[Clip]:
    context = PRESETS["standard"]
    behaviour = context.behaviour if yaw is None else replace(context.behaviour, yaw=yaw)
    config = SynthConfig(behaviour, replace(context.scene, occlusion=occlusion), size=SIDE)
    return (render_clip(config, SEED, index) for index in range(count))


def climb(reader: Reader, clips: Sequence[Clip]) -> Iterator[dict[str, Any]]:
    """Yield a row for the original clips, and one for every step of every degradation."""
    yield row(reader, "none", 0.0, clips)
    for name, degradation in DEGRADATIONS.items():
        for step in degradation.steps:
            yield row(reader, name, step, clips, {name: step})


def row(
    reader: Reader, name: str, step: float, clips: Sequence[Clip] | Iterator[Clip], changes: Mapping[str, float] = {}
) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    readings = [reader.read(clip, changes, rng) for clip in clips]
    parts = average([quality for reading in readings for quality in reading.qualities])
    return {
        "degradation": name,
        "step": step,
        "war": share(reading.right for reading in readings),
        "probability": share(reading.probabilities.max() for reading in readings),
        "quality": share(reading.quality() for reading in readings),
        **{part: round(value, 4) for part, value in parts._asdict().items() if part != "seen"},
    }


def mix(reader: Reader, clips: Sequence[Clip], draws: int) -> Iterator[Reading]:
    """Read every clip in several states: none, one or two degradations."""
    for clip in clips:
        rng = np.random.default_rng([SEED, clip.plan.number])
        for _ in range(draws):
            names = rng.choice(list(DEGRADATIONS), int(rng.integers(3)), replace=False).tolist()
            yield reader.read(clip, {name: float(rng.choice(DEGRADATIONS[name].steps)) for name in names}, rng)


def score(readings: Sequence[Reading]) -> dict[str, Any]:
    right = np.array([reading.right for reading in readings], float)
    probability = np.array([reading.probabilities.max() for reading in readings], float)
    scores = {name: np.array([r.quality(combine) for r in readings]) for name, combine in COMBINED.items()}
    quality = scores["product"]
    orders = {**scores, "probability": probability, "confidence": probability * quality}
    return {
        "readings": len(readings),
        "war": share(right),
        "mean_probability": share(probability),
        "mean_confidence": share(probability * quality),
        "quintiles": [
            {"quality": share(quality[part]), "war": share(right[part]), "probability": share(probability[part])}
            for part in np.array_split(np.argsort(quality, kind="stable"), 5)
        ],
        "rejection": {name: rejection(right, order) for name, order in orders.items()},
        "thresholds": [threshold(right, quality, least) for least in THRESHOLDS],
        "pairs": pairs(readings),
    }


def rejection(right: np.ndarray, order: np.ndarray) -> dict[str, Any]:
    """Return the accuracy of the best shares, and its mean over all shares (area under the curve)."""
    best_first = right[np.argsort(-order, kind="stable")]
    curve = best_first.cumsum() / np.arange(1, len(right) + 1)
    counts = [math.ceil(coverage * len(right)) for coverage in COVERAGES]
    return {
        "area": round(float(curve.mean()), 4),
        **{
            f"{coverage:.0%}": round(float(curve[count - 1]), 4)
            for coverage, count in zip(COVERAGES, counts, strict=True)
        },
    }


def threshold(right: np.ndarray, quality: np.ndarray, least: float) -> dict[str, Any]:
    kept = quality >= least
    return {
        "minimum_quality": least,
        "kept": share(kept),
        "war": share(right[kept]),
        "war_left_out": share(right[~kept]),
    }


def pairs(readings: Sequence[Reading]) -> dict[str, Any]:
    """Read every clip twice, in two states, and average, as for two windows that cover the same instant."""
    plain, weighted = [], []
    for one, other in combinations(readings, 2):
        if one.clip == other.clip:
            weights = one.quality(), other.quality()
            plain.append((one.probabilities + other.probabilities).argmax() == one.label)
            mean = weights[0] * one.probabilities + weights[1] * other.probabilities
            weighted.append(mean.argmax() == one.label)
    return {"count": len(plain), "war_plain": share(plain), "war_weighted": share(weighted)}


def pose_correlation(clips: Sequence[Clip]) -> float:
    """Return the correlation of the pose score with the true cos(yaw) cos(pitch)."""
    truths = [truth for clip in clips for truth in clip.truth]
    asked = [math.cos(math.radians(truth.yaw)) * math.cos(math.radians(truth.pitch)) for truth in truths]
    found = [TrackQuality().update(BLANK, whole(SIDE, five_points(truth, 1.0))).pose for truth in truths]
    return float(np.corrcoef(asked, found)[0, 1])


BLANK = np.zeros((64, 64, 3), np.uint8)


def measure_speed(side: int, repetitions: int = 500) -> float:
    crop = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    track, box = TrackQuality(), FaceBox(0.0, 0.0, 90.0, 90.0, 1.0)
    started = time.process_time()
    for _ in range(repetitions):
        track.update(crop, box)
    return round(1000 * (time.process_time() - started) / repetitions, 3)


def share(values: Any) -> float:
    """Return the mean; 0 without values."""
    numbers = np.array(list(values), float)
    return round(float(numbers.mean()), 4) if len(numbers) else 0.0


if __name__ == "__main__":
    main()
