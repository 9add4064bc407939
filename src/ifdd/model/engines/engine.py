"""The interface of everything that runs a trained model, and PyTorch behind it."""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ifdd.model.config import IFDDConfig
from ifdd.model.ifdd import IFDD
from ifdd.model.inference_form import inference_form

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
        model: the model.

    Example:
        >>> import torch
        >>> from ifdd.model import create_model
        >>> from ifdd.model.engines.engine import TorchEngine
        >>> engine = TorchEngine(create_model("ifdd_tiny", num_classes=5))
        >>> engine(torch.rand(2, 3, 16, 64, 64)).logits.shape
        torch.Size([2, 5])
    """

    def __init__(self, model: IFDD) -> None:
        self.model = inference_form(model.eval())

    @property
    def config(self) -> IFDDConfig:
        """The model's configuration."""
        return self.model.config

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.model.parameters()).device

    def __call__(self, clips: Clips) -> EngineOutput:
        """Run the model."""
        output = self.model(clips)
        return EngineOutput(output.logits, output.emotion, output.action_unit_logits)
