"""The form for inference: the same outputs, fewer operations, the given model untouched."""

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


def test_a_model_in_training_is_refused() -> None:
    with pytest.raises(ValueError, match="call eval"):
        inference_form(create_model("ifdd_tiny").train())


def test_a_model_without_batch_norms_is_returned_as_it_is() -> None:
    model = create_model("ifdd_tiny", backbone="mvit_tiny").eval()
    assert inference_form(model) is model
