"""Trace a model to a program of torch.export that takes batches of any size."""

import warnings

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ifdd.errors import InputError
from ifdd.model import IFDD, EngineOutput

EXAMPLE_BATCH = 2
"""Clips in the traced batch; a batch of one would be taken for a fixed size."""


class Outputs(nn.Module):
    """The outputs of a model that an exported file has: logits, emotion features and, if there are any, action units.

    Args:
        model: the model.
    """

    def __init__(self, model: IFDD) -> None:
        super().__init__()
        self.model = model

    def forward(self, clip: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs in their order."""
        output = self.model(clip)
        units = output.action_unit_logits
        return (output.logits, output.emotion) if units is None else (output.logits, output.emotion, units)


def output_names(model: IFDD) -> tuple[str, ...]:
    """Return the names of the outputs in their order."""
    return EngineOutput._fields if model.config.action_units else EngineOutput._fields[:2]


def trace(model: IFDD) -> ExportedProgram:
    """Return a model as a program whose input ``clip`` is a batch of any size.

    Args:
        model: the model, on the CPU; it is switched to evaluation mode.

    Raises:
        InputError: a part of the model cannot be traced, such as a custom backbone.
    """
    config = model.config
    example = torch.zeros(EXAMPLE_BATCH, 3, config.frames, config.size, config.size)
    shapes = {"clip": {0: Dim("batch", min=1)}}
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about torch's own code
            program = torch.export.export(Outputs(model).eval(), (example,), dynamic_shapes=shapes)
    except Exception as error:  # whatever a custom backbone does
        raise InputError(
            f"this model cannot be exported: {first_line(error)}; its forward must not depend on the values or the "
            "number of the clips"
        ) from error
    program.example_inputs = None  # they would be stored as a pickle
    return program


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, shortened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
