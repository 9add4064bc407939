"""Write what torchvision's networks compute for formula weights: python -m tests.helpers.kinetics_outputs FILE.json.

Needs torchvision, which ifdd itself does not: the tests read the file.
"""

import json
import sys
from pathlib import Path

import torchvision  # type: ignore[import-not-found, import-untyped, unused-ignore]
from torch import nn

from tests.helpers.kinetics import Outputs, kinetics_clip, kinetics_weights, outputs


def rounded(measured: Outputs) -> dict[str, list[list[float]]]:
    """Round to eight digits, the precision of float32."""
    return {name: [[float(f"{x:.8g}") for x in row] for row in rows] for name, rows in measured._asdict().items()}


def with_formula(network: nn.Module) -> nn.Module:
    network.load_state_dict(kinetics_weights(network.state_dict()))
    return network


def main() -> None:
    s3d = with_formula(torchvision.models.video.s3d())
    mvit = with_formula(torchvision.models.video.mvit_v2_s())
    clip = kinetics_clip()
    results = {
        "mvit_v2_s": rounded(outputs(mvit, "mvit_v2_s", clip)),
        "s3d": rounded(outputs(s3d, "s3d", clip)),
    }
    # as in ifdd's backbone: the two late max-pools keep the temporal size
    third, last = s3d.get_submodule("features.7"), s3d.get_submodule("features.13")
    assert isinstance(third, nn.MaxPool3d)
    assert isinstance(last, nn.MaxPool3d)
    third.stride = last.stride = last.kernel_size = (1, 2, 2)
    results["s3d_keeping_time"] = rounded(outputs(s3d, "s3d", clip))
    weights = {
        "mvit_v2_s": torchvision.models.video.MViT_V2_S_Weights.KINETICS400_V1,
        "s3d": torchvision.models.video.S3D_Weights.KINETICS400_V1,
    }
    public = {
        name: {"url": weight.url, "mean": weight.transforms().mean, "std": weight.transforms().std}
        for name, weight in weights.items()
    }
    names = {
        name: {key: list(value.shape) for key, value in network.state_dict().items()}
        for name, network in (("mvit_v2_s", mvit), ("s3d", s3d))
    }
    version = torchvision.__version__.split("+")[0]
    written = {"torchvision": version, "public": public, "names": names, **results}
    Path(sys.argv[1]).write_text(json.dumps(written) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
