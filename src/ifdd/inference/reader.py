"""From clips of faces to class probabilities and intensities of action units."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ifdd.errors import InputError
from ifdd.faces.similarity import Alignment
from ifdd.model import Model, Precision, check_readings, class_probabilities, device_for, weight_of_each

CLIPS_PER_BATCH = 4
"""On a CPU, more of them need more memory and save no time."""


class Readings(NamedTuple):
    """What a model says of several clips, on the CPU."""

    probabilities: Float[Tensor, "clips classes"]
    action_units: Float[Tensor, "clips units"]
    """Intensities, 0 to 1, of the units in ``ClipReader.action_units``."""


class ClipReader:
    """Runs a model on clips, in batches, on one device.

    Args:
        checkpoint: model, class names and clip length; a checkpoint or an exported model, which runs on the CPU.
        device: "auto" (a CUDA GPU if there is one, otherwise the CPU), "cpu", "cuda", "cuda:1", "mps", or any device of
            torch.
        flip: average the results of each clip and of its mirror image.
        batch_size: clips per batch.
        precision: floating-point precision of the model.
        class_weights: class -> what its probability is multiplied by; 1 for those that are not named. Then
            probabilities are divided by their sum: the correction for other frequencies of the classes than in training
            (Saerens et al., Neural Computation 2002).

    Raises:
        InputError: the device is not available, the model cannot run in this precision, or class_weights names an
            unknown class or leaves none.
    """

    def __init__(
        self,
        checkpoint: Model,
        device: str | torch.device = "auto",
        *,
        flip: bool = False,
        batch_size: int = CLIPS_PER_BATCH,
        precision: Precision = "32-true",
        class_weights: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.device = torch.device(device_for(checkpoint, device, "device"))
        self.engine = checkpoint.engine(self.device, precision)
        self.classes = checkpoint.classes
        """Class names in the order of the probabilities."""
        self.clip_seconds = checkpoint.clip_seconds
        """Duration of a clip."""
        self.temperature = checkpoint.temperature
        """What divides the logits before the softmax."""
        self.flip = flip
        self.batch_size = batch_size
        weights = weight_of_each(class_weights, self.classes, "windows.class_weights")
        if not any(weights):
            raise InputError("windows.class_weights leaves no class: all are 0; give one a weight above 0")
        logarithms = torch.tensor(weights, dtype=torch.float64).log().float()
        self._log_weights = logarithms.to(self.device) if class_weights else None

    @property
    def frames(self) -> int:
        """Frames per clip."""
        return self.engine.config.frames

    @property
    def size(self) -> int:
        """Height and width of a clip in pixels."""
        return self.engine.config.size

    @property
    def alignment(self) -> Alignment:
        """How faces are cropped."""
        return "landmarks" if self.engine.config.alignment == "landmarks" else "box"

    @property
    def action_units(self) -> tuple[int, ...]:
        """FACS numbers of the units whose intensity the model predicts; empty without a head for them."""
        return self.engine.config.action_units

    def read(self, clips: Sequence[UInt8[np.ndarray, "frames size size 3"]]) -> Float[Tensor, "clips classes"]:
        """Return the class probabilities of RGB clips of this length and size, on the CPU."""
        return self.predict(clips).probabilities

    def predict(self, clips: Sequence[UInt8[np.ndarray, "frames size size 3"]]) -> Readings:
        """Return class probabilities and action units of RGB clips of this length and size."""
        starts = range(0, len(clips), self.batch_size)
        batches = [self.read_batch(np.stack(clips[first : first + self.batch_size])) for first in starts]
        if not batches:
            return Readings(torch.zeros(0, len(self.classes)), torch.zeros(0, len(self.action_units)))
        return Readings(*map(torch.cat, zip(*batches, strict=True)))

    @torch.inference_mode()
    def read_batch(self, clips: UInt8[np.ndarray, "clips frames size size 3"]) -> Readings:
        """Return the results of one batch of clips.

        Raises:
            InputError: the model's output is not finite.
        """
        batch = torch.from_numpy(clips).to(self.device).permute(0, 4, 1, 2, 3).float() / 255
        readings = self._run(batch)
        if self.flip:
            pairs = zip(readings, self._run(batch.flip(-1)), strict=True)
            readings = Readings(*((one + other) / 2 for one, other in pairs))
        readings = Readings(*(each.cpu() for each in readings))
        for values in readings:
            check_readings(values, "a window of the video")
        return readings

    def _run(self, batch: Float[Tensor, "clips 3 frames size size"]) -> Readings:
        output = self.engine(batch)
        units = output.action_units
        probabilities = class_probabilities(output.logits, self.temperature, self._log_weights)
        return Readings(probabilities, probabilities.new_zeros(len(batch), 0) if units is None else units)
