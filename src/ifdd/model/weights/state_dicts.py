"""State dicts: pickles read safely, names and shapes loaded strictly."""

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ifdd.errors import InputError


def read_pickle(path: str | Path) -> Any:
    """Read a .pth file onto the CPU; only tensors and plain values are unpickled, no code is run.

    Raises:
        InputError: the file is missing, damaged, or holds anything else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"no checkpoint at {path}") from error
    except pickle.UnpicklingError as error:  # its own message advises to run the code
        raise InputError(
            f"cannot read {path} as a PyTorch checkpoint: it is damaged, or holds objects other than weights, "
            "which ifdd does not unpickle"
        ) from error
    except Exception as error:  # a damaged file raises nearly everything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"cannot read {path} as a PyTorch checkpoint: {reason}") from error


def load_strictly(
    module: nn.Module, weights: Mapping[str, Tensor], origin: str, name_at_origin: Callable[[str], str] = str
) -> None:
    """Load a state dict that must fit name by name and shape by shape.

    Args:
        module: takes the values.
        weights: values under the module's names.
        origin: where they come from, for the message.
        name_at_origin: turns a name of the module into the one that ``origin`` uses, for the message.

    Raises:
        InputError: names are missing or unknown, or shapes differ; the message lists them all.
    """
    expected = module.state_dict()
    problems = [f"missing {name_at_origin(name)}" for name in expected.keys() - weights.keys()]
    problems += [f"unknown {name_at_origin(name)}" for name in weights.keys() - expected.keys()]
    problems += [
        f"{name_at_origin(name)} has shape {tuple(weights[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in expected.keys() & weights.keys()
        if weights[name].shape != expected[name].shape
    ]
    if problems:
        raise InputError(f"the weights of {origin} do not fit the model: {'; '.join(sorted(problems))}")
    module.load_state_dict(dict(weights))
