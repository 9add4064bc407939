"""How real the synthetic faces look to detectors made for photographs of people.

Renders clips of a preset and reports the share of near-frontal frames (yaw and pitch within 15 degrees, no occlusion)
in which YuNet and OpenCV's Haar cascade detect the face with an overlap (IoU) of at least 0.4 with the true box. The
frames are enlarged to 224 pixels and surrounded by a replicated border of 56 pixels, because both detectors expect
faces with surroundings.

    python benchmarks/synth_realism.py --detector-model yunet_n_640_640.onnx
"""

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ifdd.faces.boxes import overlap
from ifdd.synth import PRESETS, SynthConfig, render_clip

ENLARGED, BORDER = 224, 56
Box = tuple[float, float, float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector-model", type=Path, required=True, help="YuNet's ONNX file")
    parser.add_argument("--clips", type=int, default=140, help="number of clips")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="standard")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("results/synth_realism.json"))
    options = parser.parse_args()
    preset = PRESETS[options.preset]
    config = SynthConfig(preset.behaviour, preset.scene)
    side = ENLARGED + 2 * BORDER
    yunet = cv2.FaceDetectorYN.create(str(options.detector_model), "", (side, side), 0.6)
    haar = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"))
    found = {"yunet": 0, "haar": 0}
    frames = 0
    for index in range(options.clips):
        clip = render_clip(config, options.seed, index)
        for picture, truth in zip(clip.frames[::3], clip.truth[::3], strict=True):
            if max(abs(truth.yaw), abs(truth.pitch)) > 15 or truth.occlusion > 0:
                continue
            frames += 1
            image, box = enlarge(picture, truth.face.box)
            found["yunet"] += hit(yunet_boxes(yunet, image), box)
            found["haar"] += hit(haar_boxes(haar, image), box)
    report: dict[str, Any] = {
        "preset": options.preset,
        "seed": options.seed,
        "clips": options.clips,
        "near_frontal_frames": frames,
        "enlarged_to": ENLARGED,
        "border": BORDER,
        "iou": 0.4,
        "found": {name: round(count / max(frames, 1), 4) for name, count in found.items()},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


def enlarge(picture: np.ndarray, box: Box) -> tuple[np.ndarray, Box]:
    """Return the picture for the detectors (BGR), and the box in it."""
    factor = ENLARGED / picture.shape[0]
    image = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), (ENLARGED, ENLARGED), interpolation=cv2.INTER_CUBIC)
    image = cv2.copyMakeBorder(image, BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REPLICATE)
    x, y, width, height = (factor * value for value in box)
    return image, (x + BORDER, y + BORDER, width, height)


def yunet_boxes(detector: Any, image: np.ndarray) -> list[Box]:
    _, faces = detector.detect(image)
    return [] if faces is None else [(float(f[0]), float(f[1]), float(f[2]), float(f[3])) for f in faces]


def haar_boxes(detector: Any, image: np.ndarray) -> list[Box]:
    faces = detector.detectMultiScale(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), 1.1, 3, minSize=(60, 60))
    return [(float(x), float(y), float(w), float(h)) for x, y, w, h in faces]


def hit(boxes: list[Box], truth: Box) -> bool:
    return any(overlap(box, truth) >= 0.4 for box in boxes)


if __name__ == "__main__":
    main()
