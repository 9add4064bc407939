"""Speed of the engines of 'ifdd export' against PyTorch.

    python -m benchmarks.exported prepare engines                   # exports every preset, once
    python -m benchmarks.engines engines ifdd_tiny --batch 1        # and for every preset and batch

The engines run in turn, round after round, because other programs of the machine slow all of them down: the ratio to
PyTorch is that of the same round. PyTorch runs the model in its form for inference, as 'ifdd recognize' does. Weights
are random, which changes no speed. Each call adds its result to results/engines.json, if that was measured with the
same threads and software.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

# as the command ifdd sets it, before torch is imported
os.environ.setdefault("GOMP_SPINCOUNT", "20000")
import numpy as np
import torch

from benchmarks.speed import earlier_report
from ifdd.errors import InputError
from ifdd.model import IFDD, PRESETS, TorchEngine, create_model, inference_form
from ifdd.model.engines import onnx_file, openvino_file
from ifdd.model.inspection.measuring import device_name

BASELINE = "pytorch"
OUT = Path("results/engines.json")
PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime", "openvino", "numpy")

Run = Callable[[np.ndarray], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what 'python -m benchmarks.exported prepare' wrote")
    parser.add_argument("preset", choices=PRESETS)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60, help="how long to measure after everything has started")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="time torch.compile too")
    parser.add_argument("--out", type=Path, default=OUT, help="file to add the result to")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        refuse_mixing(options.out, options.threads)
        refuse_missing(options.folder, options.preset)
    except InputError as error:
        parser.error(str(error))
    runs = dict(engines(options.folder, options.preset, options.threads, options.compile))
    found = measure(options.preset, runs, options.batch, options.seconds)
    add(options.out, "timings", f"{options.preset} {options.batch}", found)


def refuse_mixing(out: Path, threads: int) -> None:
    """Check that a result can be added to a file.

    Raises:
        InputError: the file is of another machine or other software, or its times of another number of threads.
    """
    timings = earlier_report(out, machine()).get("timings", {}).values()
    if others := {each["threads"] for each in timings} - {threads}:
        raise InputError(f"{out} was measured with {max(others)} threads; give that as --threads, or another --out")


def refuse_missing(folder: Path, preset: str) -> None:
    """Check that there are engines to compare.

    Raises:
        InputError: the folder has no exported file of the preset.
    """
    if not any(folder.glob(f"{preset}_*")):
        raise InputError(
            f"{folder} has no exported {preset}; run 'python -m benchmarks.exported prepare {folder} {preset}' first"
        )


def add(out: Path, part: str, name: str, found: dict[str, Any]) -> None:
    """Add a result to a file."""
    report = earlier_report(out, machine()) | {"machine": machine()}
    report.setdefault(part, {})[name] = found
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """Return the hardware and software that the speeds depend on."""
    return {
        "processor": device_name("cpu"),
        "cores": os.cpu_count(),
        "spin_count": os.environ["GOMP_SPINCOUNT"],
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def network(preset: str) -> IFDD:
    """Return an untrained model, the same in every call."""
    torch.manual_seed(0)
    return create_model(preset).eval()


def engines(folder: Path, preset: str, threads: int, compiled: bool) -> Iterator[tuple[str, Run]]:
    """Yield every engine with its name, PyTorch first."""
    yield BASELINE, in_torch(TorchEngine(network(preset)))
    if compiled:
        yield "torch.compile", in_torch(torch.compile(inference_form(network(preset))))
    for suffix, start in {"onnx": onnx_file.start, "xml": openvino_file.start}.items():
        for file in sorted(folder.glob(f"{preset}_*.{suffix}")):
            yield file.stem.removeprefix(f"{preset}_"), start(file, threads).run


def in_torch(model: Any) -> Run:
    @torch.inference_mode()
    def run(clips: np.ndarray) -> object:
        return model(torch.from_numpy(clips)).logits

    return run


def measure(preset: str, runs: dict[str, Run], batch: int, seconds: float) -> dict[str, Any]:
    """Return median times and the ratios to PyTorch within each round: median and the middle half."""
    config = PRESETS[preset]
    shape = (batch, 3, config.frames, config.size, config.size)
    clips = np.random.default_rng(0).random(shape, dtype=np.float32)
    for run in runs.values():
        run(clips)
        run(clips)
    times: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[BASELINE]) < 3:
        for name, run in runs.items():
            start = time.perf_counter()
            run(clips)
            times[name].append(time.perf_counter() - start)
    found = {}
    for name, taken in times.items():
        ratios = np.array(times[BASELINE]) / np.array(taken)
        found[name] = {
            "milliseconds_per_clip": round(1000 * median(taken) / batch, 2),
            "ratio": round(float(np.median(ratios)), 2),
            "ratio_middle_half": np.percentile(ratios, (25, 75)).round(2).tolist(),
        }
    return {
        "preset": preset,
        "batch": batch,
        "threads": torch.get_num_threads(),
        "rounds": len(times[BASELINE]),
        "engines": found,
    }


if __name__ == "__main__":
    main()
