"""How closely ifdd reproduces the official release's model and torchvision's Kinetics-400 networks.

Official weights were never published, so a formula generates state dicts with the official names, and the clips. Every
model that the release can build is loaded as a user loads it (``load_official``), run, and compared with
``tests/model/weights/release_outputs.json``; the plain Kinetics-400 networks with
``tests/model/weights/kinetics_outputs.json``. ``tests/helpers/release_outputs.py`` and
``tests/helpers/kinetics_outputs.py`` explain the origin of those numbers. Reported are the largest absolute
differences.

    python benchmarks/release.py
"""

import argparse
import json
import logging
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ifdd.model.backbones.s3d import S3DClassifier, s3d
from ifdd.model.weights.kinetics import kinetics_classifier, load_kinetics

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.helpers.kinetics import kinetics_clip, outputs
from tests.helpers.official import VARIANTS, formula_clip
from tests.model.weights.test_kinetics import TORCHVISION, formula_file
from tests.model.weights.test_official import COMPARED, RELEASE, load, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="threads of torch, which affect rounding")
    parser.add_argument("--out", type=Path, default=Path("results/release_differences.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.getLogger("ifdd").setLevel(logging.ERROR)  # what the release stores and never reads is known
    report: dict[str, Any] = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
        "release": {variant: release(variant) for variant in VARIANTS},
        "kinetics": kinetics(),
    }
    options.out.write_text(json.dumps(report, indent=2) + "\n")


def release(variant: str) -> dict[str, float]:
    """Return the largest difference of each quantity from the release's."""
    model = load(VARIANTS[variant])
    given, differences = run(model, formula_clip(model.config.frames)), {}
    for name in COMPARED:
        if name in RELEASE[variant]:
            expected = torch.tensor(RELEASE[variant][name])
            ours = given[name][..., :: given[name].shape[-1] // expected.shape[-1]]  # of some every 8th is kept
            differences[name] = rounded((ours - expected).abs().max().item())
    print(variant, differences)
    return differences


def kinetics() -> dict[str, dict[str, float]]:
    """Return the largest differences of the plain networks, and of S3D with the strides of ifdd's backbone."""
    with tempfile.TemporaryDirectory() as folder:
        files = {network: formula_file(Path(folder), network) for network in ("mvit_v2_s", "s3d")}
        keeping_time = kinetics_classifier("s3d", files["s3d"])
        assert isinstance(keeping_time, S3DClassifier)
        backbone = s3d(16, 224, 0.0)
        load_kinetics(backbone, "s3d", files["s3d"])
        keeping_time.features = backbone.features
        return {
            "mvit_v2_s": from_torchvision("mvit_v2_s", "mvit_v2_s", kinetics_classifier("mvit_s", files["mvit_v2_s"])),
            "s3d": from_torchvision("s3d", "s3d", kinetics_classifier("s3d", files["s3d"])),
            "s3d_keeping_time": from_torchvision("s3d_keeping_time", "s3d", keeping_time),
        }


def from_torchvision(reference: str, network: str, model: nn.Module) -> dict[str, float]:
    measured = outputs(model, network, kinetics_clip())._asdict()
    differences = {
        name: rounded(float(np.abs(np.array(values) - np.array(TORCHVISION[reference][name])).max()))
        for name, values in measured.items()
    }
    print(reference, differences)
    return differences


def rounded(difference: float) -> float:
    return float(f"{difference:.2g}")


if __name__ == "__main__":
    main()
