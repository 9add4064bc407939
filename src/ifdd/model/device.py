"""Where a model runs."""

import torch

from ifdd.errors import InputError


def choose_device(name: str) -> str:
    """Return the device that "auto" means on this machine, or the named one.

    Args:
        name: "auto", "cpu" or "cuda".

    Raises:
        InputError: there is no such device here.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: PyTorch sees no GPU here; use --device cpu")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name
