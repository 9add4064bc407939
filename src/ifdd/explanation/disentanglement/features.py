"""The frozen features of every clip, and what ISSM selected, in one pass of the model.

Every kind of features is pooled in the same way, by the mean over the tokens (positions in time and space), so that
probes of X, Y_S and Y_D have equally many inputs. ``moments`` adds the standard deviation over the tokens: more of how
features vary within the clip. The model's own pooling of Y_D is learned for emotions; the mean favours none.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader

from ifdd.data.dataset import ClipDataset, ViewBatch, collate_views, plain_input_error
from ifdd.errors import InputError
from ifdd.model import IFDD, IFDDOutput, Lifted, check_readings
from ifdd.model.issm import official_position
from ifdd.model.layers import maps_to_tokens

Pooling = Literal["mean", "moments"]

BACKBONE, CONTEXT, EMOTION = "backbone", "context", "emotion"
"""Names of the features: X, the pyramid of the backbone's stages; Y_S; Y_D."""


class ClipFeatures(NamedTuple):
    """What the model computes of each clip."""

    features: dict[str, Float[np.ndarray, "clips width"]]
    """Name of the features -> one row a clip; a model without a split has only those of the backbone."""
    static_position: Float[np.ndarray, "clips half"]
    """Frame positions of the features at which the static group was sampled, 0 to T - 1."""
    dynamic_position: Float[np.ndarray, "clips half"]
    correct: float
    """Share of the clips that the model recognises."""


def pool(tokens: Float[Tensor, "batch tokens channels"], how: Pooling) -> Float[Tensor, "batch width"]:
    """Pool tokens to one row a clip: their mean, or their mean and standard deviation."""
    tokens = tokens.float()
    return tokens.mean(1) if how == "mean" else torch.cat([tokens.mean(1), tokens.std(1, correction=0)], 1)


@torch.inference_mode()
def extract_features(
    model: IFDD,
    dataset: ClipDataset,
    pooling: Pooling = "mean",
    batch_size: int = 16,
    workers: int = 0,
    advance: Callable[[int], object] = lambda count: None,
) -> ClipFeatures:
    """Compute the features of every clip.

    Args:
        model: the model; it is switched to evaluation mode and stays on its device.
        dataset: clips with one view each.
        pooling: from tokens to one row a clip.
        batch_size: clips per batch.
        workers: worker processes that load clips.
        advance: called with the number of clips done, for a progress bar.

    Raises:
        InputError: a video cannot be read, or the model's output is not finite.
    """
    model.eval()
    device = next(model.parameters()).device
    rows: dict[str, list[Tensor]] = {}
    positions: tuple[list[Tensor], list[Tensor]] = ([], [])
    correct = 0
    batch: ViewBatch
    try:
        with _tokens(model) as tokens:
            for batch in DataLoader(dataset, batch_size, num_workers=workers, collate_fn=collate_views):
                output: IFDDOutput = model(batch.views.to(device).float() / 255)
                check_readings(output.logits, "a clip")
                correct += int((output.logits.argmax(1).cpu() == batch.targets).sum())
                for name, each in tokens.items():
                    rows.setdefault(name, []).append(pool(each, pooling).cpu())
                for found, position in zip(positions, _positions(model, output), strict=True):
                    found.append(position)
                advance(len(batch.targets))
    except InputError as error:
        raise plain_input_error(error) from None
    static, dynamic = (torch.cat(each).numpy() for each in positions)
    features = {name: torch.cat(each).double().numpy() for name, each in rows.items()}
    return ClipFeatures(features, static, dynamic, correct / len(dataset))


def has_halves(model: IFDD) -> bool:
    """Return whether the model has a static and a dynamic half."""
    return model.config.split != "none"


@contextmanager
def _tokens(model: IFDD) -> Iterator[dict[str, Tensor]]:
    """Yield name -> tokens, filled in by every forward pass."""
    found: dict[str, Tensor] = {}

    def keep_backbone(module: object, stages: object, features: Tensor) -> None:
        found[BACKBONE] = maps_to_tokens(features)

    def keep_lifted(module: object, groups: object, lifted: Lifted) -> None:
        found[CONTEXT], found[EMOTION] = lifted.context, lifted.emotion

    hooks = [model.pyramid.register_forward_hook(keep_backbone)]
    if has_halves(model):
        hooks.append(model.lifting.register_forward_hook(keep_lifted))
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _positions(model: IFDD, output: IFDDOutput) -> tuple[Tensor, Tensor]:
    """Return the positions at which the two groups were sampled."""
    frames = model.backbone.stages[-1].frames
    official = model.config.split == "issm" and model.config.sampling == "official"
    static, dynamic = (
        (official_position(index, frames) if official else index).float().clamp(0, frames - 1).cpu()
        for index in output.split[:2]
    )
    return static, dynamic
