"""A training step on a GPU: the settings of ``optimization`` beside float32, and the chip's measured bf16 rate.

A step is what ``ifdd train`` does with a batch: uint8 clips from pinned memory to the GPU, augmentation there, forward,
loss, backward and AdamW. Every setting is measured in the same process, ``--rounds`` times in turns; ratios are taken
within a round, reported are medians and quartiles. float32, their base, is always measured. The floating-point
operations of a step are those that ``torch.utils.flop_counter`` sees in the float32 step; the chip's rate is that of a
large matrix product in bfloat16.

    python -m benchmarks.gpu                      # results/gpu_MACHINE.json
    python -m benchmarks.gpu --presets ifdd_small --settings bf16 --rounds 3    # merged into the file
"""

import argparse
import json
import platform
import re
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import one_hot
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed import chosen, earlier_report, ratio
from ifdd.data.transforms import AugmentationConfig, ClipAugmentation
from ifdd.errors import InputError
from ifdd.model import IFDDLoss, create_model
from ifdd.model.inspection.measuring import device_name
from ifdd.training.config import OptimizationConfig
from ifdd.training.engine.network import prepare_network
from ifdd.training.layer_decay import transformer_blocks

PRESETS = {"ifdd_mvit_xs": 16, "ifdd_s3d": 16, "ifdd_small": 96, "ifdd_tiny": 96}
"""Preset -> clips of a step."""


@dataclass(frozen=True)
class Setting:
    """How a step is computed."""

    optimization: OptimizationConfig
    only: str = ""
    """cnn or transformer: for which backbones it is meant."""


BASE = "float32"

SETTINGS = {
    BASE: Setting(OptimizationConfig()),
    "bf16": Setting(OptimizationConfig(precision="bf16-mixed")),
    "bf16 channels last": Setting(OptimizationConfig(precision="bf16-mixed", channels_last=True), "cnn"),
    "bf16 checkpointed": Setting(
        OptimizationConfig(precision="bf16-mixed", activation_checkpointing=True), "transformer"
    ),
    "bf16 compiled": Setting(OptimizationConfig(precision="bf16-mixed", compile=True)),
}
"""Name -> setting."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", default=",".join(PRESETS), help=f"some of {', '.join(PRESETS)}")
    parser.add_argument("--settings", default=",".join(SETTINGS), help=f"some of {', '.join(SETTINGS)}; {BASE} always")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement, at least")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, help="clips of a step; those of PRESETS if left out")
    parser.add_argument("--out", type=Path, help="file to merge into; results/gpu_MACHINE.json if left out")
    options = parser.parse_args()
    device = torch.device(options.device)
    out = options.out or Path("results") / f"gpu_{re.sub(r'[^a-z0-9]+', '_', device_name(options.device).lower())}.json"
    about = {
        "device": device_name(options.device),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    try:
        batches = {name: options.batch or PRESETS[name] for name in chosen("preset", options.presets, PRESETS)}
        names = {BASE, *chosen("setting", options.settings, SETTINGS)}
        earlier = earlier_report(out, about)
        refuse_mixing(out, earlier, options.rounds, batches)
    except InputError as error:
        parser.error(str(error))
    # the shares of all rows are those of one rate
    rate = 1e12 * earlier["bf16_teraflop_per_second"] if earlier else matrix_rate(device)
    found = earlier.get("presets", {})
    for preset, batch in batches.items():
        settings = {name: setting for name, setting in SETTINGS.items() if name in names}
        measured = measure(preset, settings, batch, device, rate, options)
        kept = found[preset]["settings"] if preset in found else {}
        found[preset] = measured | {"settings": kept | measured["settings"]}
        print(preset, json.dumps(measured), flush=True)
        report = {
            "machine": about,
            "bf16_teraflop_per_second": rate / 1e12,
            "rounds": options.rounds,
            "presets": found,
        }
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def refuse_mixing(out: Path, earlier: dict[str, Any], rounds: int, batches: dict[str, int]) -> None:
    """Check that settings can be merged into an earlier report.

    Raises:
        InputError: it has another number of rounds, or a preset another batch.
    """
    if earlier.get("rounds", rounds) != rounds:
        raise InputError(f"{out} has {earlier['rounds']} rounds; give that as --rounds, or another --out")
    for preset, batch in batches.items():
        before = earlier.get("presets", {}).get(preset, {}).get("batch", batch)
        if before != batch:
            raise InputError(f"{out} has batches of {before} for {preset}; give that as --batch, or another --out")


def measure(
    preset: str,
    settings: dict[str, Setting],
    batch: int,
    device: torch.device,
    rate: float,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Return the figures of one preset."""
    kind = "cnn" if transformer_blocks(create_model(preset)) is None else "transformer"
    steps, memory, operations = {}, {}, 0
    for name, setting in settings.items():
        if setting.only in ("", kind):
            steps[name] = make_step(preset, setting.optimization, batch, device)
            if name == BASE:
                with FlopCounterMode(display=False) as counter:
                    steps[name]()
                operations = counter.get_total_flops()
            for _ in range(3):
                steps[name]()
            memory[name] = peak_megabytes(steps[name], device)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.rounds):
        for name, step in steps.items():
            seconds[name].append(time_step(step, options.seconds, device))
    return {
        "batch": batch,
        "gigaflop": round(operations / 1e9, 1),
        "settings": {
            name: {
                "clips_per_second": batch / statistics.median(seconds[name]),
                "speedup": ratio(seconds[BASE], seconds[name]),
                "share_of_rate": operations / statistics.median(seconds[name]) / rate,
                "peak_megabytes": memory[name],
            }
            for name in steps
        },
    }


def make_step(preset: str, optimization: OptimizationConfig, batch: int, device: torch.device) -> Callable[[], None]:
    """Return a function that makes one training step."""
    torch.manual_seed(0)
    model = create_model(preset, num_classes=7)
    prepare_network(model, optimization)
    model.to(device).train()
    augment, loss = ClipAugmentation(AugmentationConfig()).to(device), IFDDLoss(model.config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    size, frames = model.config.size, model.config.frames
    clips = torch.randint(0, 256, (batch, 3, frames, size, size), dtype=torch.uint8)
    clips = clips.pin_memory() if device.type == "cuda" else clips
    labels = one_hot(torch.arange(batch) % 7, 7).float().to(device)
    layout = torch.channels_last_3d if optimization.channels_last else torch.contiguous_format
    is_mixed = optimization.precision == "bf16-mixed"

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        clip = augment(clips.to(device, non_blocking=True)).contiguous(memory_format=layout)
        with torch.autocast(device.type, torch.bfloat16) if is_mixed else nullcontext():
            total = loss(model(clip), labels).total
        total.backward()
        optimizer.step()

    return step


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def time_step(step: Callable[[], None], seconds: float, device: torch.device) -> float:
    """Return the mean time of a step in seconds."""
    synchronize(device)
    started, count = time.perf_counter(), 0
    while count < 3 or time.perf_counter() - started < seconds:
        step()
        count += 1
        if count % 4 == 0:
            synchronize(device)  # otherwise the queue runs ahead of the clock
    synchronize(device)
    return (time.perf_counter() - started) / count


def peak_megabytes(step: Callable[[], None], device: torch.device) -> float | None:
    """Return the peak of a step besides what was allocated before: weights and optimisers of all settings."""
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    synchronize(device)
    return round((torch.cuda.max_memory_allocated() - before) / 1e6)


def matrix_rate(device: torch.device) -> float:
    """Return the operations per second of a large matrix product in bfloat16."""
    side = 8192 if device.type == "cuda" else 512
    one, other = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        torch.mm(one, other)
    rates = []
    for _ in range(5):
        synchronize(device)
        started = time.perf_counter()
        for _ in range(10):
            torch.mm(one, other)
        synchronize(device)
        rates.append(20 * side**3 / (time.perf_counter() - started))
    return statistics.median(rates)


if __name__ == "__main__":
    main()
