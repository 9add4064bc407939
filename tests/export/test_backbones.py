"""Every kind of backbone is exported with batches of any size."""

from pathlib import Path

import pytest
import torch

from ifdd.export.artifacts import OnnxArtifact
from ifdd.export.program import output_names, trace
from ifdd.model import BACKBONES, create_model
from ifdd.model.engines import onnx_file

SMALL = ("s3d_tiny", "mvit_tiny", "vit_tiny", "lgi_former_tiny")
"""The smallest of each kind."""


def test_every_kind_is_tried() -> None:
    assert {name.split("_")[0] for name in BACKBONES} == {name.split("_")[0] for name in SMALL}


@pytest.mark.slow
@pytest.mark.parametrize("backbone", SMALL)
def test_batches_of_any_size_give_the_outputs_of_the_model(backbone: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = create_model("ifdd_tiny", 7, frames=8, size=32, backbone=backbone).eval()
    program, file = trace(model), tmp_path / "model.onnx"
    OnnxArtifact.convert(program, output_names(model)).write(file, lambda weights: "{}")
    session, run = onnx_file.start(file, 1), program.module()
    for count in (1, 3):
        clips = torch.rand(count, 3, 8, 32, 32)
        with torch.inference_mode():
            expected = model(clips).logits
        assert expected.std() > 1e-3  # the comparison means something
        torch.testing.assert_close(run(clips)[0], expected, atol=1e-4, rtol=0)
        torch.testing.assert_close(torch.from_numpy(session.run(clips.numpy())[0]), expected, atol=1e-4, rtol=0)
