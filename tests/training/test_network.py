"""Options that change how a network computes, and nothing that it computes."""

import pytest
import torch

from ifdd import IFDD, create_model
from ifdd.errors import InputError
from ifdd.training.config import OptimizationConfig
from ifdd.training.engine.network import prepare_network


def gradients(network: IFDD, clip: torch.Tensor) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)  # dropout and stochastic depth are drawn again in the backward pass
    network.zero_grad()
    network.train()(clip).logits.square().sum().backward()
    return {name: value.grad.clone() for name, value in network.named_parameters() if value.grad is not None}


@pytest.mark.parametrize(
    ("backbone", "option"), [("mvit_tiny", "activation_checkpointing"), ("s3d_tiny", "channels_last")]
)
def test_neither_names_nor_gradients_change(backbone: str, option: str) -> None:
    torch.manual_seed(0)
    network, clip = create_model("ifdd_tiny", 3, backbone=backbone, size=32), torch.rand(2, 3, 16, 32, 32)
    names, before = list(network.state_dict()), gradients(network, clip)
    prepare_network(network, OptimizationConfig(**{option: True}))  # type: ignore[arg-type]
    assert list(network.state_dict()) == names
    after = gradients(network, clip)
    assert after.keys() == before.keys()
    for name, value in before.items():
        assert (after[name] - value).norm() <= 1e-3 * value.norm() + 1e-7, name


def test_checkpointed_blocks_keep_less() -> None:
    network, clip = create_model("ifdd_tiny", 3, backbone="mvit_tiny", size=32), torch.rand(1, 3, 16, 32, 32)

    def kept() -> int:
        sizes: list[int] = []

        def keep(value: torch.Tensor) -> torch.Tensor:
            sizes.append(value.nbytes)
            return value

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
            network(clip)
        return sum(sizes)

    before = kept()
    prepare_network(network, OptimizationConfig(activation_checkpointing=True))
    assert kept() < 0.6 * before


def test_only_transformers_have_blocks_to_compute_again() -> None:
    with pytest.raises(InputError, match="needs a transformer, and the backbone s3d_tiny has no blocks; leave it out"):
        prepare_network(create_model("ifdd_tiny", 3), OptimizationConfig(activation_checkpointing=True))
