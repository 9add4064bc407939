"""From clips of faces to class probabilities."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ifdd.faces.similarity import Alignment
from ifdd.model import Checkpoint, choose_device, class_probabilities


class ClipReader:
    """Runs a model on clips, in batches, on one device.

    Args:
        checkpoint: model, class names and clip length.
        device: "auto" (a GPU if there is one), "cpu", "cuda", or any device of torch.
        flip: average the probabilities of each clip and of its mirror image.
        batch_size: clips per batch.

    Raises:
        InputError: the device is not available.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str | torch.device = "auto",
        *,
        flip: bool = False,
        batch_size: int = 8,
    ) -> None:
        self.device = torch.device(choose_device(device) if isinstance(device, str) else device)
        self.model = checkpoint.model.to(self.device).eval()
        self.classes = checkpoint.classes
        """Class names in the order of the probabilities."""
        self.clip_seconds = checkpoint.clip_seconds
        """Duration of a clip."""
        self.temperature = checkpoint.temperature
        """What divides the logits before the softmax."""
        self.flip = flip
        self.batch_size = batch_size

    @property
    def frames(self) -> int:
        """Frames per clip."""
        return self.model.config.frames

    @property
    def size(self) -> int:
        """Height and width of a clip in pixels."""
        return self.model.config.size

    @property
    def alignment(self) -> Alignment:
        """How faces are cropped."""
        return "landmarks" if self.model.config.alignment == "landmarks" else "box"

    def read(self, clips: Sequence[UInt8[np.ndarray, "frames size size 3"]]) -> Float[Tensor, "clips classes"]:
        """Return the class probabilities of RGB clips of this length and size, on the CPU."""
        starts = range(0, len(clips), self.batch_size)
        batches = [self.read_batch(np.stack(clips[first : first + self.batch_size])) for first in starts]
        return torch.cat(batches) if batches else torch.zeros(0, len(self.classes))

    @torch.inference_mode()
    def read_batch(self, clips: UInt8[np.ndarray, "clips frames size size 3"]) -> Float[Tensor, "clips classes"]:
        """Return the class probabilities of one batch of clips."""
        batch = torch.from_numpy(clips).to(self.device).permute(0, 4, 1, 2, 3).float() / 255
        probabilities = class_probabilities(self.model(batch).logits, self.temperature)
        if self.flip:
            mirrored = class_probabilities(self.model(batch.flip(-1)).logits, self.temperature)
            probabilities = (probabilities + mirrored) / 2
        return probabilities.cpu()
