"""The form for inference: the same outputs, fewer operations, the given model untouched."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from ifdd.model import create_model, inference_form


def unlike_new(model: nn.Module) -> nn.Module:
    """Give the batch norms statistics and weights as after a training; those of a new model change nothing."""
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm3d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            for values in (norm.running_mean, norm.bias.data):
                values.normal_(0, 0.2)
            for values in (norm.running_var, norm.weight.data):
                values.uniform_(0.5, 2)
    return model.eval()


@pytest.mark.parametrize(("preset", "size"), [("ifdd_tiny", 64), ("ifdd_small", 32), ("ifdd_s3d", 32)])
def test_outputs_are_the_same_and_no_batch_norm_is_left(preset: str, size: int) -> None:
    torch.manual_seed(0)
    model = unlike_new(create_model(preset, size=size))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    form, clips = inference_form(model), torch.rand(2, 3, 16, size, size)
    with torch.inference_mode():
        torch.testing.assert_close(form(clips).logits, model(clips).logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(form(clips).emotion, model(clips).emotion, atol=1e-4, rtol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm3d) for module in form.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert any(isinstance(module, nn.BatchNorm3d) for module in model.modules())


class Residual(nn.Sequential):
    """A convolution and a batch norm with something between them."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        convolution, norm = self
        return norm(maps + convolution(maps))


class DoubledConv(nn.Conv3d):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(input)


def hooked() -> nn.Conv3d:
    convolution = nn.Conv3d(4, 4, 1)
    convolution.register_forward_hook(lambda module, given, maps: maps.relu())
    return convolution


@pytest.mark.parametrize(
    "build",
    [
        lambda: Residual(nn.Conv3d(4, 4, 1), nn.BatchNorm3d(4)),
        lambda: nn.Sequential(DoubledConv(4, 4, 1), nn.BatchNorm3d(4)),
        lambda: nn.Sequential(hooked(), nn.BatchNorm3d(4)),
    ],
)
def test_what_lies_between_convolution_and_norm_is_kept(build: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    layers, maps = unlike_new(build()), torch.randn(2, 4, 3, 3, 3)
    with torch.inference_mode():
        torch.testing.assert_close(inference_form(layers)(maps), layers(maps))


def test_a_model_in_training_is_refused() -> None:
    with pytest.raises(ValueError, match="call eval"):
        inference_form(create_model("ifdd_tiny").train())


def test_a_model_without_batch_norms_is_returned_as_it_is() -> None:
    model = create_model("ifdd_tiny", backbone="mvit_tiny").eval()
    assert inference_form(model) is model
