"""Formula weights and clips for the plain Kinetics-400 networks, and the outputs to compare."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from tests.helpers.official import formula_weights

STAGE_MODULES = {
    "mvit_v2_s": ("blocks.0", "blocks.2", "blocks.13", "norm"),
    "s3d": ("features.3", "features.6", "features.12", "features.15"),
}
"""torchvision's name of a network -> its modules at the end of each stage."""


class Outputs(NamedTuple):
    """The compared outputs of a network."""

    logits: list[list[float]]
    stages: list[list[float]]
    """Mean and standard deviation of each stage's output."""


def kinetics_weights(state_dict: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Values from the names and shapes of a state dict; variances close to those after a ReLU, counts unchanged."""
    values = {}
    for name, value in state_dict.items():
        formula = formula_weights(name, tuple(value.shape)) if value.is_floating_point() else value
        values[name] = 0.5 + 2 * formula.abs() if name.endswith("running_var") else formula
    return values


def kinetics_clip(size: int = 224) -> torch.Tensor:
    """Two normalised clips of 16 frames with coloured squares 8 pixels wide."""
    generator = np.random.Generator(np.random.Philox(2024))
    squares = torch.from_numpy(generator.standard_normal((2, 3, 16, size // 8, size // 8), dtype=np.float32))
    return squares.repeat_interleave(8, dim=3).repeat_interleave(8, dim=4)


def stage_statistics(maps: torch.Tensor) -> list[float]:
    return [maps.mean().item(), maps.std(correction=0).item()]


def outputs(network: nn.Module, name: str, clip: torch.Tensor) -> Outputs:
    """Run a network with torchvision's module names on a clip."""
    stages = []

    def record(module: nn.Module, given: object, output: torch.Tensor | tuple[torch.Tensor, object]) -> None:
        stages.append(stage_statistics(output[0] if isinstance(output, tuple) else output))

    hooks = [network.get_submodule(module).register_forward_hook(record) for module in STAGE_MODULES[name]]
    with torch.inference_mode():
        logits = network.eval()(clip)
    for hook in hooks:
        hook.remove()
    return Outputs(logits.tolist(), stages)
