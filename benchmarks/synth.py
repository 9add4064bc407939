"""Speed of SynthDFER: frames per second and core, for each preset.

Each measurement is complete: identity, behaviour, drawing, context, blur, noise and JPEG, without writing files.
Because machines differ, each is also given relative to a yardstick from the same run: how often NumPy and OpenCV copy
and blur a frame of the same size in the time of one rendered frame.

    python benchmarks/synth.py
    python benchmarks/synth.py --rig rendered --rig-data ICT-FACEKIT --clips 10 --out results/synth_speed_rendered.json
"""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from ifdd.synth import PRESETS, SynthConfig, render_clip
from ifdd.synth.rigs import RIGS, make_rig_maker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=40, help="clips per preset")
    parser.add_argument("--size", type=int, default=112, help="side of the frames in pixels")
    parser.add_argument("--out", type=Path, default=Path("results/synth_speed.json"))
    parser.add_argument("--rig", choices=tuple(RIGS), default="drawn", help="how people are drawn")
    parser.add_argument("--rig-data", type=Path, help="ICT-FaceKit, as for 'ifdd synth'")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    threadpool_limits(1)
    report: dict[str, object] = {"clips": options.clips, "size": options.size, "rig": options.rig, "presets": {}}
    make_rig = make_rig_maker(options.rig, options.rig_data)
    presets: dict[str, dict[str, float]] = {}
    for name, preset in PRESETS.items():
        config = SynthConfig(preset.behaviour, preset.scene, size=options.size, rig=options.rig)
        # What people share, such as the layouts of folds, is made once in a process; no preset is to pay for it.
        for index in range(1 if presets else options.clips):
            render_clip(config, 0, index, make_rig)
        yardstick = copies_per_second(options.size)
        start, used = time.perf_counter(), time.process_time()
        for index in range(options.clips):
            render_clip(config, 0, index, make_rig)
        frames = options.clips * config.frames
        speed = frames / (time.perf_counter() - start)
        presets[name] = {
            "frames_per_second": round(speed, 1),
            "frames_per_cpu_second": round(frames / (time.process_time() - used), 1),
            "copies_and_blurs_per_frame": round(yardstick / speed, 1),
        }
        print(f"{name:10}{presets[name]}")
    report["presets"] = presets
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def copies_per_second(size: int, repeats: int = 2000) -> float:
    """Return how many times per second a frame can be copied and blurred."""
    frame = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    start = time.perf_counter()
    for _ in range(repeats):
        cv2.GaussianBlur(frame.copy(), (5, 5), 1.0)
    return repeats / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
