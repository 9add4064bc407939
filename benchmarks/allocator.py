"""A training step on the CPU with freed memory kept, and with freed memory returned to the system.

Every round measures both ways, each in a process of its own, because the setting cannot be taken back. The ratio is
taken within a round; reported are the median and the quartiles.

    python -m benchmarks.allocator
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed import ratio
from ifdd.model.inspection.measuring import device_name

SUBJECTS = (("ifdd_tiny", 16), ("ifdd_small", 8), ("ifdd_mvit_xs", 1))
"""Presets and batch sizes."""

STEP = """
import json, resource, sys, time
import torch
from ifdd.allocator import keep_freed_memory
from ifdd.model import IFDDLoss, create_model

way, preset, batch, threads, steps = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
if way == "kept":
    assert keep_freed_memory()
torch.set_num_threads(threads)
torch.manual_seed(0)
model = create_model(preset, num_classes=7).train()
loss = IFDDLoss(model.config)
optimizer = torch.optim.AdamW(model.parameters(), fused=True)
clips = torch.rand(batch, 3, model.config.frames, model.config.size, model.config.size)
labels = torch.nn.functional.one_hot(torch.arange(batch) % 7, 7).float()

def step():
    optimizer.zero_grad()
    loss(model(clips), labels).total.backward()
    optimizer.step()

step()
before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
for _ in range(steps):
    step()
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "seconds": (time.perf_counter() - started) / steps,
    "system_seconds": (used.ru_stime - before.ru_stime) / steps,
    "page_faults": (used.ru_minflt - before.ru_minflt) / steps,
    "peak_megabytes": used.ru_maxrss * 1024 / 1e6,
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="steps of each measurement")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--out", type=Path, default=Path("results/allocator.json"))
    options = parser.parse_args()
    found = {}
    for preset, batch in SUBJECTS:
        rounds = [
            {way: measure(way, preset, batch, options) for way in ("returned", "kept")} for _ in range(options.rounds)
        ]
        returned, kept = ([each[way] for each in rounds] for way in ("returned", "kept"))
        found[preset] = {
            "batch": batch,
            "returned_to_kept": ratio(*([each["seconds"] for each in way] for way in (returned, kept))),
            "returned": medians(returned),
            "kept": medians(kept),
        }
        print(preset, found[preset], flush=True)
    report = {
        "machine": {"processor": device_name("cpu"), "system": platform.platform(), "threads": options.threads},
        "torch": torch.__version__,
        "rounds": options.rounds,
        "steps": options.steps,
        "presets": found,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def measure(way: str, preset: str, batch: int, options: argparse.Namespace) -> dict[str, float]:
    """Return what a training step takes in a new process."""
    words = [way, preset, str(batch), str(options.threads), str(options.steps)]
    done = subprocess.run([sys.executable, "-c", STEP, *words], check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def medians(rounds: list[dict[str, float]]) -> dict[str, Any]:
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


if __name__ == "__main__":
    main()
