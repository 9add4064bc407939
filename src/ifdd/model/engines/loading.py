"""Load a model for use: a checkpoint, or a file that 'ifdd export' wrote."""

from pathlib import Path

import torch

from ifdd.errors import InputError
from ifdd.model.device import check_device_name, choose_device
from ifdd.model.engines.exported import ExportedModel, load_exported
from ifdd.model.engines.forms import form_of
from ifdd.model.weights.checkpoint import Checkpoint, find_checkpoint, load_checkpoint

Model = Checkpoint | ExportedModel
"""A trained model in any form."""


def load_model(path: str | Path) -> Model:
    """Read a checkpoint or an exported model.

    Args:
        path: a .safetensors file, the name of a bundled checkpoint, ``hf://USER/MODEL``, or a file that 'ifdd export'
            wrote.

    Raises:
        InputError: the file is missing, unreadable or not of ifdd, or its engine is not installed.

    Example:
        >>> from ifdd.model import load_model
        >>> load_model("ifdd_tiny_synth").engine("cpu").config.frames
        16
    """
    file = find_checkpoint(path)
    return load_checkpoint(file) if form_of(file) is None else load_exported(file)


def device_for(model: Model, name: str | torch.device, option: str = "--device") -> str:
    """Return the device that a model runs on, see ``choose_device``; an exported one runs on the CPU.

    Raises:
        InputError: the machine lacks the device, or the model cannot run on it.
    """
    if isinstance(model, Checkpoint):
        return choose_device(name, option)
    if check_device_name(name, option).partition(":")[0] not in ("auto", "cpu"):
        raise InputError(
            f"{option} is {name}, but {model.path} runs on the CPU; use {option} cpu, or the checkpoint that it was "
            "exported from"
        )
    return "cpu"
