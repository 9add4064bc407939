"""Probabilities of clips: every view is classified, and the views of a clip are averaged."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ifdd.data.dataset import ViewBatch, collate_views, plain_input_error
from ifdd.errors import InputError
from ifdd.model import IFDD, Engine, TorchEngine, check_readings, class_probabilities

Classifier = Callable[[UInt8[Tensor, "views 3 time height width"]], Float32[Tensor, "views classes"]]
"""From views of clips to their probabilities, on the CPU."""


class Predictions(NamedTuple):
    """The predictions for a set of clips."""

    probabilities: Float32[np.ndarray, "clips classes"]
    """Mean probabilities over the views of each clip, 0 to 1."""
    targets: Int64[np.ndarray, " clips"]
    """Index of each clip's class."""
    views: Int64[np.ndarray, " clips"]
    """Number of views of each clip."""


def classifier_of(model: IFDD | Engine, temperature: float = 1.0) -> Classifier:
    """Return the classifier that a model is; the model is switched to evaluation mode and stays on its device.

    Args:
        model: the model, or what runs it.
        temperature: what divides the logits before the softmax; see ``Checkpoint.temperature``.
    """
    engine: Engine = TorchEngine(model) if isinstance(model, IFDD) else model

    def classify(views: Tensor) -> Tensor:
        logits = engine(views.to(engine.device).float() / 255).logits
        return class_probabilities(logits, temperature).cpu()

    return classify


@torch.inference_mode()
def predict(
    classify: Classifier,
    clips: Dataset[tuple[Tensor, int]],
    clip_ids: Sequence[str],
    batch_size: int = 16,
    workers: int = 0,
    advance: Callable[[int], object] = lambda count: None,
) -> Predictions:
    """Classify every clip of a dataset.

    Args:
        classify: the classifier.
        clips: items as those of ``ClipDataset``: a clip or its views, and the index of the class.
        clip_ids: name of each clip, for messages.
        batch_size: clips per batch, and the maximum number of views in one call of the classifier.
        workers: worker processes that load clips.
        advance: called with the number of clips done, for a progress bar.

    Raises:
        InputError: a video cannot be read, or a probability is not finite.
    """
    loader = DataLoader(clips, batch_size=batch_size, num_workers=workers, collate_fn=collate_views)
    probabilities: list[Tensor] = []
    targets: list[Tensor] = []
    views: list[Tensor] = []
    done = 0
    batch: ViewBatch
    try:
        for batch in loader:
            of_views = torch.cat([classify(part) for part in batch.views.split(batch_size)])
            counts = batch.owners.bincount(minlength=len(batch.targets))
            sums = torch.zeros(len(counts), of_views.shape[1]).index_add(0, batch.owners, of_views)
            mean = sums / counts[:, None]
            for clip_id, row in zip(clip_ids[done : done + len(mean)], mean, strict=True):
                check_readings(row, f"clip {clip_id!r}")
            probabilities.append(mean)
            targets.append(batch.targets)
            views.append(counts)
            done += len(counts)
            advance(len(counts))
    except InputError as error:
        raise plain_input_error(error) from None
    return Predictions(torch.cat(probabilities).numpy(), torch.cat(targets).numpy(), torch.cat(views).numpy())
