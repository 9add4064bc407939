"""Formula weights and clips in the form of the official release, so that no weights need to be shipped."""

import functools
import zlib
from typing import Any

import numpy as np
import torch

from ifdd.model import IFDD, IFDDConfig
from ifdd.model.weights.official import official_name

Config = dict[str, Any]
StateDict = dict[str, torch.Tensor]
Shapes = dict[str, tuple[int, ...]]

VARIANTS: dict[str, Config] = {
    "full": {},
    "frames_32": {"frames": 32},
    "frames_8": {"frames": 8},
    "classes_11": {"num_classes": 11},
    "mvit_s": {"backbone": "mvit_s"},
    "even_odd": {"split": "even_odd"},
    "issm_only": {"lifting": "none"},
    "predictor_first": {"lifting": "predictor_first"},
}
"""Every model that the release can build -> fields of ``IFDDConfig`` that differ from the full model."""

LIFTING = "backbone.WaveLifts."
SPLIT = "backbone.WaveLifts.adapt_split."
UNUSED_OF_LADM: Shapes = {"spatial_pos": (49, 768), "temporal_pos": (8, 768), "class_pos": (768,)}
UNUSED_OF_ISSM: Shapes = {
    "time_project.0.weight": (8, 8),
    "time_project.0.bias": (8,),
    "time_project.2.weight": (1, 8),
    "time_project.2.bias": (1,),
}
"""Entries that the release stores but never reads in its forward pass."""


def official_state_dict(**config: Any) -> StateDict:
    """A complete official state dict, including the entries that the forward pass never reads."""
    with torch.device("meta"):
        model = IFDD(IFDDConfig(sampling="official", **config))
    shapes: Shapes = {official_name(name): tuple(value.shape) for name, value in model.state_dict().items()}
    constants: StateDict = {}
    if model.config.lifting != "none":
        shapes |= {LIFTING + name: shape for name, shape in UNUSED_OF_LADM.items()}
    if model.config.split == "issm":
        shapes |= {SPLIT + name: shape for name, shape in UNUSED_OF_ISSM.items()}
        constants = {SPLIT + "index_even": torch.arange(0, 8, 2), SPLIT + "index_odd": torch.arange(1, 8, 2)}
    return {name: formula_weights(name, shape) for name, shape in shapes.items()} | constants


@functools.cache
def formula_weights(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The formula value of an official name, used for the release's outputs. Do not change it in place."""
    generator = np.random.Generator(np.random.Philox(zlib.crc32(name.encode())))
    noise = torch.from_numpy(generator.standard_normal(int(np.prod(shape)), dtype=np.float32).reshape(shape))
    if len(shape) < 2:
        return 1 + 0.1 * noise if name.endswith("weight") else 0.05 * noise
    if "rel_pos" in name or name.endswith("_pos"):
        return 0.2 * noise
    return noise / float(np.sqrt(np.prod(shape[1:])))


def formula_clip(frames: int) -> torch.Tensor:
    """The two clips used for the release's outputs."""
    generator = np.random.Generator(np.random.Philox(2024))
    return torch.from_numpy(generator.random((2, 3, frames, 224, 224), dtype=np.float32))
