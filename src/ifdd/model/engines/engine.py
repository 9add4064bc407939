"""The interface of everything that runs a trained model, and PyTorch behind it."""

from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ifdd.model.config import IFDDConfig
from ifdd.model.ifdd import IFDD
from ifdd.model.inference_form import inference_form
from ifdd.model.layers import store_channels_last

Precision = Literal["32-true", "bf16-mixed"]
"""Floating-point precision of a forward pass: 32 bits, or bfloat16 where PyTorch's autocast uses it."""

Clips = Float[Tensor, "batch 3 frames height width"]


class EngineOutput(NamedTuple):
    """What every engine computes."""

    logits: Float[Tensor, "batch classes"]
    emotion: Float[Tensor, "batch channels"]
    """The pooled emotion features: the classifier's input."""
    action_unit_logits: Float[Tensor, "batch units"] | None = None
    """One for each of ``config.action_units``; None without such units."""

    @property
    def action_units(self) -> Float[Tensor, "batch units"] | None:
        """Intensity of each action unit, 0 to 1, in 32 bits; None without such units."""
        return None if self.action_unit_logits is None else self.action_unit_logits.float().sigmoid()


@runtime_checkable
class Engine(Protocol):
    """Runs one trained model on batches of any size."""

    @property
    def config(self) -> IFDDConfig:
        """The model's configuration."""
        ...

    @property
    def device(self) -> torch.device:
        """Where clips are best placed before a call."""
        ...

    def __call__(self, clips: Clips) -> EngineOutput:
        """Read clips of RGB in [0, 1], with the frames and size of the configuration."""
        ...


class TorchEngine:
    """Runs a model in PyTorch, in its form for inference, on the device where it is.

    Args:
        model: the model; it is put into evaluation mode.
        precision: 32-true, or bf16-mixed, which is faster on processors with instructions for bfloat16 and on GPUs, and
            slower elsewhere. What is returned is 32-bit in any case.

    Example:
        >>> import torch
        >>> from ifdd.model import create_model
        >>> from ifdd.model.engines.engine import TorchEngine
        >>> engine = TorchEngine(create_model("ifdd_tiny", num_classes=5))
        >>> engine(torch.rand(2, 3, 16, 64, 64)).logits.shape
        torch.Size([2, 5])
    """

    def __init__(self, model: IFDD, precision: Precision = "32-true") -> None:
        self.model = inference_form(model.eval())
        self.precision: Precision = precision
        self.channels_last = precision == "bf16-mixed" and self.model is not model  # a CNN, and a copy of it
        if self.channels_last:
            store_channels_last(self.model)

    @property
    def config(self) -> IFDDConfig:
        """The model's configuration."""
        return self.model.config

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.model.parameters()).device

    def __call__(self, clips: Clips) -> EngineOutput:
        """Run the model; a caller that needs no gradients turns them off.

        Args:
            clips: RGB in [0, 1], on the device of the weights.

        Raises:
            InputError: the shape, the dtype or, on the CPU, the values do not fit the model.
        """
        if self.channels_last:
            clips = clips.contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16-mixed"):
            output = self.model(clips)
        units = output.action_unit_logits
        return EngineOutput(output.logits.float(), output.emotion.float(), None if units is None else units.float())
