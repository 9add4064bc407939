"""The device a model runs on."""

import torch

from ifdd.errors import InputError


def choose_device(name: str) -> str:
    """Return the named device, or for "auto" the best one of this machine.

    Args:
        name: "auto", "cpu" or "cuda".

    Raises:
        InputError: the machine has no such device.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: PyTorch sees no GPU here; use --device cpu")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name
