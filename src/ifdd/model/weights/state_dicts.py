"""Read pickles safely and load state dicts strictly."""

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ifdd.errors import InputError
from ifdd.model.weights.finite import check_finite


def read_pickle(path: str | Path) -> Any:
    """Read a .pth file onto the CPU. Only tensors and plain values are unpickled; no code is run.

    Raises:
        InputError: the file is missing, is damaged, or holds other objects.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"no checkpoint at {path}; check the path") from error
    except pickle.UnpicklingError as error:  # torch's message advises running the code
        raise InputError(
            f"cannot read {path} as a PyTorch checkpoint: it is damaged, or holds objects other than weights, "
            "which ifdd does not unpickle; give the file of weights as it was released"
        ) from error
    except Exception as error:  # damaged files raise almost any exception
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"cannot read {path} as a PyTorch checkpoint: {reason}; replace the file") from error


def load_strictly(
    module: nn.Module, weights: Mapping[str, Tensor], origin: str, name_at_origin: Callable[[str], str] = str
) -> None:
    """Load a state dict whose names and shapes must match the module's, and whose numbers must be finite.

    Args:
        module: the module to load into.
        weights: values by the module's parameter names.
        origin: source of the weights, for the message.
        name_at_origin: maps a name of the module to the name in ``origin``, for the message.

    Raises:
        InputError: names are missing or unknown, or shapes differ; the message lists all of them. Or a value is not
            finite.
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
    check_finite({name_at_origin(name): value for name, value in weights.items()}, origin)
    module.load_state_dict(dict(weights))
