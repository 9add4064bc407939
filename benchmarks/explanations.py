"""Check the heat maps of a checkpoint on clips that it was not trained on: deletion and randomised weights.

    ifdd synth checks --clips 70 --seed 3 --validation 0 --test 0.9
    python benchmarks/explanations.py ifdd_tiny_synth checks/manifest.csv

Deletion: the probability of the predicted class after the hottest pixels of each clip get its mean colour, against the
coldest ones, against the same map moved to a random place, and against the map of the clip before. Randomised weights:
rank correlation of the maps with those of the same model whose weights were shuffled, from the classifier down.
Deviation of the indexes: how much each sampled position differs between clips, in frames of the features.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from ifdd.data.dataset import ClipDataset
from ifdd.data.manifest import read_manifest
from ifdd.explanation.attribution import HeatMap, attribute, sampled_positions
from ifdd.explanation.checks import SHARES, deletion_test, randomisation_test
from ifdd.files import file_sha256
from ifdd.model import choose_device, find_checkpoint, load_checkpoint

GROUPS = ("dynamic", "static")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a .safetensors file, or the name of a bundled checkpoint")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("results/explanations.json"))
    options = parser.parse_args()
    report = measure(options.checkpoint, options.manifest, options.device)
    report["command"] = f"python benchmarks/explanations.py {options.checkpoint} {options.manifest}"
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def measure(checkpoint: str, manifest: Path, device: str = "auto") -> dict[str, object]:
    """Return what the tests give on the test clips of a manifest."""
    chosen = choose_device(device)
    loaded = load_checkpoint(checkpoint)
    model = loaded.model.to(chosen)
    samples = read_manifest(manifest, "test")
    dataset = ClipDataset(samples, loaded.classes, model.config.frames, model.config.size)
    deletions: dict[str, list[Float[np.ndarray, "orders steps"]]] = {group: [] for group in GROUPS}
    correlations: dict[str, list[Float[np.ndarray, " steps"]]] = {group: [] for group in GROUPS}
    positions: dict[str, list[Float[np.ndarray, " positions"]]] = {group: [] for group in GROUPS}
    before: dict[str, HeatMap] = {}
    parts: tuple[str, ...] = ()
    for number in range(len(dataset)):
        clip = dataset[number][0].float() / 255
        attribution = attribute(model, clip)
        shuffled = randomisation_test(model, clip, attribution.target, seed=number)
        parts = shuffled.parts
        static, dynamic = sampled_positions(model, attribution.output.split)
        for group, sampled in {"static": static, "dynamic": dynamic}.items():
            positions[group].append(sampled.numpy())
        for group in GROUPS:
            heat = getattr(attribution, group)
            if heat.any():
                correlations[group].append(getattr(shuffled, group))
                if group in before:
                    found = deletion_test(model, clip, heat, attribution.target, seed=number)
                    other = deletion_test(model, clip, before[group], attribution.target, seed=number)
                    deletions[group].append(np.stack([found.most, found.least, found.random, other.most]))
                before[group] = heat
        print(f"{number + 1} of {len(dataset)}", end="\r", flush=True)
    spread = {group: float(np.std(rows, axis=0).mean()) for group, rows in positions.items()}
    return {
        "checkpoint": {"name": Path(checkpoint).name, "sha256": file_sha256(find_checkpoint(checkpoint))},
        "clips": len(dataset),
        "machine": {"processor": platform.machine(), "python": platform.python_version(), "device": str(chosen)},
        "versions": {"torch": torch.__version__},
        "index_deviation": {group: round(value, 4) for group, value in spread.items()},
        "deletion": {group: _deletion(curves) for group, curves in deletions.items() if curves},
        "randomisation": {
            group: {
                part: round(float(np.mean(column)), 4)
                for part, column in zip(parts, zip(*rows, strict=True), strict=True)
            }
            for group, rows in correlations.items()
            if rows
        },
    }


def _deletion(curves: list[Float[np.ndarray, "orders steps"]]) -> dict[str, object]:
    """Return the mean curves of several clips, and how much better the map is than the two wrong ones."""
    most, least, moved, other = (np.stack(rows).astype(np.float64) for rows in zip(*curves, strict=True))
    means = {"most": most, "least": least, "moved": moved, "other_clip": other}
    return {
        "clips": len(curves),
        "shares": list(SHARES),
        **{name: curve.mean(axis=0).round(4).tolist() for name, curve in means.items()},
        "against_moved": _gain(most, moved),
        "against_other_clip": _gain(most, other),
    }


def _gain(right: Float[np.ndarray, "clips steps"], wrong: Float[np.ndarray, "clips steps"]) -> dict[str, object]:
    """Return the probability that the right map loses more than the wrong one, with its 95 % interval over clips."""
    gains = (wrong - right)[:, 1:].mean(axis=1)
    draws = np.random.default_rng(0).choice(gains, (10_000, len(gains))).mean(axis=1)
    interval = np.percentile(draws, (2.5, 97.5)).round(4).tolist()
    return {"mean": round(float(gains.mean()), 4), "interval": interval, "clips_better": int((gains > 0).sum())}


if __name__ == "__main__":
    main()
