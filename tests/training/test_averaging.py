"""The moving average of the weights is what is validated and saved, index tables included."""

from typing import Any, cast

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer

from ifdd.training.engine.averaging import AveragedWeights


class Tables(LightningModule):
    """A weight, a statistic, and a table of indices as of relative positions, which is in no file."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("index", torch.arange(1700), persistent=False)


@pytest.mark.parametrize("decay", [0.9, 0.9999])
def test_indices_stay_whole_while_weights_are_averaged(decay: float) -> None:
    module = Tables()
    averaged = AveragedWeights(decay)
    averaged.setup(Trainer(accelerator="cpu", logger=False), module, "fit")
    model = cast(Any, averaged)._average_model
    expected = torch.zeros(2)
    for step in range(5):
        with torch.no_grad():
            module.weight.fill_(float(step))
            cast(torch.Tensor, module.mean).fill_(float(step))
        model.update_parameters(module)
        expected = torch.full((2,), float(step)) if step == 0 else decay * expected + (1 - decay) * step
    torch.testing.assert_close(model.module.weight, expected)
    torch.testing.assert_close(model.module.mean, expected)
    assert torch.equal(model.module.index, torch.arange(1700))


def test_the_average_lies_where_the_model_will_be(monkeypatch: pytest.MonkeyPatch) -> None:
    averaged, trainer = AveragedWeights(0.9), Trainer(accelerator="cpu", logger=False)
    monkeypatch.setattr(type(trainer.strategy), "root_device", property(lambda _: torch.device("meta")))
    averaged.setup(trainer, Tables(), "fit")
    assert cast(Any, averaged)._average_model.module.weight.device.type == "meta"
