"""Time the small models whose accuracy ``ifdd study`` has measured, to choose the preset between tiny and the paper's.

    ifdd study benchmarks/sizes.yaml --jobs 2      # trains them: results/sizes_study.json
    python -m benchmarks.sizes                     # on an idle machine: results/sizes.json
    python docs/make_sizes_figure.py               # the picture

A clip is timed in the form for inference, in float32 on one thread. The models take turns, round after round.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.speed import clips, machine, ratio, take_turns
from ifdd.model import IFDD, create_model, inference_form
from ifdd.training.study.baselines import register_baselines

CLASSES = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path("results/sizes_study.json"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("results/sizes.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    report = measure(json.loads(options.study.read_text(encoding="utf-8")), options.rounds)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for name, row in report["models"].items():
        print(f"{name:12} {1000 * row['seconds']:7.1f} ms  {row['accuracy']:.1%}")


def measure(study: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Return accuracy, size and latency of every variant of a study, the latency also as a ratio to the reference's.

    Args:
        study: the file of ``ifdd study``.
        rounds: number of times that each model reads a clip.
    """
    settings = study["settings"]
    register_baselines(settings["baselines"])
    models = {name: build(settings, name) for name in settings["variants"]}
    with torch.inference_mode():
        times = take_turns({name: partial(model, clips(model.config, 1)) for name, model in models.items()}, rounds)
    cells = {cell["variant"]: cell for cell in study["cells"]}
    rows = {
        name: {
            "frames": model.config.frames,
            "size": model.config.size,
            "parameters": study["models"][name]["parameters"],
            "gmac": round(study["models"][name]["gmac"], 3),
            "accuracy": round(cells[name]["mean"], 4),
            "accuracies": [round(war, 4) for war in cells[name]["war"]],
            "seconds": round(median(times[name]), 5),
            "to_reference": ratio(times[name], times[settings["reference"]]),
        }
        for name, model in models.items()
        if name in cells
    }
    return {"machine": machine(1), "rounds": rounds, "reference": settings["reference"], "models": rows}


def build(settings: dict[str, Any], variant: str) -> IFDD:
    """Return an untrained model of a variant, in its form for inference."""
    options = settings["options"] | settings["variants"][variant]
    torch.manual_seed(0)
    model = create_model(options["model.preset"], CLASSES, **options.get("model.overrides", {}))
    return inference_form(model.eval())


if __name__ == "__main__":
    main()
