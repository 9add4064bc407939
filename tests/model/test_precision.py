"""bfloat16 in inference: nearly the same outputs, in 32 bits, and the model is left as it is."""

import pytest
import torch
from torch import nn

from ifdd.model import IFDD, TorchEngine, create_model

UNITS = (1, 4, 12)


def small(backbone: str) -> IFDD:
    torch.manual_seed(0)
    return create_model("ifdd_tiny", 7, backbone=backbone, frames=8, size=32, action_units=UNITS)


@pytest.mark.parametrize("backbone", ["s3d_tiny", "mvit_tiny"])
def test_bfloat16_changes_little_and_returns_32_bits(backbone: str) -> None:
    model, clips = small(backbone), torch.rand(3, 3, 8, 32, 32)
    with torch.inference_mode():
        exact, mixed = TorchEngine(model)(clips), TorchEngine(model, "bf16-mixed")(clips)
    for name, values in exact._asdict().items():
        other = getattr(mixed, name)
        assert other.dtype == torch.float32
        assert not torch.equal(other, values)
    torch.testing.assert_close(mixed.logits.softmax(1), exact.logits.softmax(1), atol=0.02, rtol=0)
    assert mixed.action_units is not None
    torch.testing.assert_close(mixed.action_units, exact.action_units, atol=0.02, rtol=0)


def test_the_model_keeps_its_layout() -> None:
    model = small("s3d_tiny")
    engine = TorchEngine(model, "bf16-mixed")
    kernels = [layer.weight for layer in model.modules() if isinstance(layer, nn.Conv3d)]
    own = [layer.weight for layer in engine.model.modules() if isinstance(layer, nn.Conv3d)]
    assert all(kernel.is_contiguous() for kernel in kernels)
    assert all(kernel.is_contiguous(memory_format=torch.channels_last_3d) for kernel in own)
    assert all(
        values.dtype == torch.float32 for values in engine.model.state_dict().values() if values.is_floating_point()
    )
