"""What bfloat16 changes in the readings of checkpoints.

Each checkpoint reads the test clips of a manifest in 32 bits and in mixed precision; the file holds the accuracies, how
many predictions differ, and the largest difference of a probability.

    python -m benchmarks.precision ifdd_tiny_synth=synth/manifest.csv ifdd_face=weights/faces/manifest.csv
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.speed import machine
from ifdd.data.manifest import Manifest
from ifdd.errors import InputError
from ifdd.evaluation.evaluate import evaluate_checkpoint
from ifdd.evaluation.sampling import SamplingConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", metavar="CHECKPOINT=MANIFEST", help="what to read with what")
    parser.add_argument("--out", type=Path, default=Path("results/precision.json"))
    options = parser.parse_args()
    try:
        pairs = read_pairs(options.pairs)
    except InputError as error:
        parser.error(str(error))
    found = {checkpoint.stem: compare(checkpoint, manifest) for checkpoint, manifest in pairs.items()}
    report = {"machine": machine(torch.get_num_threads()), "checkpoints": found}
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def read_pairs(words: list[str]) -> dict[Path, Manifest]:
    """Return the manifest of each checkpoint.

    Raises:
        InputError: a word is not a pair, a manifest is unreadable, or two checkpoints have one name.
    """
    found: dict[Path, Manifest] = {}
    for word in words:
        checkpoint, equals, manifest = word.partition("=")
        if not equals:
            raise InputError(f"{word} is not CHECKPOINT=MANIFEST; name the clips that the checkpoint reads")
        if Path(checkpoint).stem in [path.stem for path in found]:
            raise InputError(f"two checkpoints are called {Path(checkpoint).stem}; rename one: results go by the name")
        found[Path(checkpoint)] = Manifest.read(Path(manifest))
    return found


def compare(checkpoint: Path, manifest: Manifest) -> dict[str, Any]:
    """Return the accuracies of a checkpoint in both precisions, and how much its probabilities differ."""
    exact, protocol = evaluate_checkpoint(checkpoint, manifest, SamplingConfig(), precision="32-true")
    mixed, _ = evaluate_checkpoint(checkpoint, manifest, SamplingConfig(), precision="bf16-mixed")
    differ = exact.probabilities.argmax(1) != mixed.probabilities.argmax(1)
    return {
        "clips": protocol.clips,
        "accuracy": round(exact.scores.war, 4),
        "accuracy_bf16": round(mixed.scores.war, 4),
        "predictions_that_differ": int(differ.sum()),
        "largest_difference": round(float(np.abs(exact.probabilities - mixed.probabilities).max()), 4),
    }


if __name__ == "__main__":
    main()
