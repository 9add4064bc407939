"""How many windows count as still: those of living people, and those of photographs that are filmed.

DIR/videos contains videos of living people, as for ``real_videos.py``, PHOTOGRAPHS photographs of faces. Eight
photographs at a time hang on a wall and are filmed for three seconds by a fixed or a shaking camera, with flicker,
noise and strong compression. Everything is read as by ``ifdd recognize``.

    python benchmarks/still.py DIR --photographs PHOTOGRAPHS --detector-model yunet_n_640_640.onnx
"""

import argparse
import json
import math
import platform
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from jaxtyping import Float

from ifdd.errors import InputError
from ifdd.faces.detection import YuNetDetector
from ifdd.faces.quality import STILL
from ifdd.inference import Recognizer
from ifdd.video.images import decode_image, read_image_bytes

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.real_videos import find_videos

FRAMES, WIDTH, HEIGHT, TILE, MARGIN = 75, 640, 360, 160, 40

EACH = 8
"""Photographs in a video."""

KINDS = (
    "fixed",
    "fixed, low bit rate",
    "fixed, noise, low bit rate",
    "fixed, flicker",
    "shaking",
    "shaking, noise",
    "shaking, flicker",
    "shaking, low bit rate",
)
"""How photographs are filmed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder that holds videos/, of living people")
    parser.add_argument("--photographs", type=Path, required=True, help="folder of photographs of faces")
    parser.add_argument("--detector-model", type=Path, required=True, help="YuNet's .onnx file")
    parser.add_argument("--out", type=Path, default=Path("results/still.json"))
    options = parser.parse_args()
    try:
        run(options)
    except InputError as error:
        parser.exit(2, f"still: {error}\n")


def run(options: argparse.Namespace) -> None:
    """Read everything and write the result.

    Raises:
        InputError: there are no videos, or too few photographs.
    """
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    videos = find_videos(options.folder)
    photographs = sorted(options.photographs.rglob("*.jpg"))
    if len(photographs) < (needed := EACH * len(KINDS)):
        raise InputError(f"{options.photographs} has {len(photographs)} of {needed} photographs (*.jpg); add some")
    recognizer = Recognizer.from_checkpoint(detector=YuNetDetector(options.detector_model))
    random = np.random.default_rng(2)
    random.shuffle(photographs)
    windows: Counter[str] = Counter()
    still: Counter[str] = Counter()

    def read(kind: str, path: Path) -> None:
        for entry in recognizer.recognize(path).timeline:
            windows[kind] += 1
            still[kind] += entry.flaw == STILL
        print(kind, path.name, windows[kind], still[kind], flush=True)

    for path in videos:
        read("living people", path)
    with tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(KINDS):
            film(Path(folder) / f"{number}.mp4", photographs[EACH * number : EACH * (number + 1)], kind, random)
            read(f"photographs, {kind}", Path(folder) / f"{number}.mp4")
    rows = [{"kind": kind, "windows": count, "still": still[kind]} for kind, count in windows.items()]
    report = {"machine": {"processor": platform.machine(), "python": platform.python_version()}, "kinds": rows}
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def film(path: Path, photographs: Sequence[Path], kind: str, random: np.random.Generator) -> None:
    """Write a video of photographs on a wall."""
    wall = np.full((HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN, 3), 120, np.uint8)
    for number, photograph in enumerate(photographs):
        image = cv2.resize(
            decode_image(read_image_bytes(photograph), photograph.name), (TILE, TILE), interpolation=cv2.INTER_AREA
        )
        top, left = MARGIN + 10 + number // 4 * (TILE + 15), MARGIN + number % 4 * TILE
        wall[top : top + TILE, left : left + TILE] = image
    x, y = shake(random, 6, 6) + shake(random, 0.8, 1), shake(random, 5, 6) + shake(random, 0.8, 1)
    roll, zoom = shake(random, 1.2, 8), shake(random, 0.015, 10)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "36" if "low bit rate" in kind else "23", "preset": "veryfast"}
        for number in range(FRAMES):
            image = wall
            if "shaking" in kind:
                size = (wall.shape[1], wall.shape[0])
                motion = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), roll[number], 1 + zoom[number])
                motion[:, 2] += x[number], y[number]
                image = cv2.warpAffine(wall, motion, size)
            seen = image[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(float)
            if "flicker" in kind:
                seen *= 1 + 0.12 * math.sin(2 * math.pi * 8.3 * number / 25) + 0.04 * random.normal()
            if "noise" in kind:
                seen += random.normal(0, 6, seen.shape)
            frame = av.VideoFrame.from_ndarray(seen.clip(0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def shake(random: np.random.Generator, amount: float, smoothing: float) -> Float[np.ndarray, " frames"]:
    """Return a smooth random motion with a standard deviation, smoothed over a number of frames."""
    noise = cv2.GaussianBlur(random.normal(size=(FRAMES + 80, 1)), (1, 2 * int(3 * smoothing) + 1), 1, sigmaY=smoothing)
    return np.asarray(amount * noise[40 : 40 + FRAMES, 0] / noise.std())


if __name__ == "__main__":
    main()
