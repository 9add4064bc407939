"""Explain a clip: ``ifdd.explain`` and the explanation that it gives."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from ifdd.errors import InputError
from ifdd.explanation.attribution import attribute, sampled_positions
from ifdd.explanation.explained import ExplainedClip
from ifdd.explanation.figure import plot_explanations
from ifdd.model import IFDD, Checkpoint, check_values, load_checkpoint
from ifdd.model.backbones import origin

if TYPE_CHECKING:
    import matplotlib.figure

Clip = Float[Tensor, "3 time height width"] | Shaped[np.ndarray, "..."]


@dataclass(frozen=True, eq=False)
class Explanation(ExplainedClip):
    """What a model made of one clip, and where it looked.

    Example:
        >>> import ifdd
        >>> from ifdd.synth import SynthConfig, render_clip
        >>> drawn = render_clip(SynthConfig(size=64, frames=16, fps=10.0), seed=1, index=0)
        >>> explanation = ifdd.explain("ifdd_tiny_synth", drawn.frames)
        >>> explanation.classes[explanation.target], explanation.correlation.shape
        ('disgust', (8, 8))
        >>> figure = explanation.plot()
    """

    def plot(self) -> "matplotlib.figure.Figure":
        """Draw the explanation; see ``ifdd.explanation.figure``.

        Raises:
            InputError: matplotlib is not installed.
        """
        return plot_explanations([self])


def explain(
    model: IFDD | Checkpoint | str | Path,
    clip: Clip,
    target: int | str | None = None,
    *,
    classes: Sequence[str] | None = None,
    source: str = "",
    label: str = "",
) -> Explanation:
    """Explain what a model makes of a clip: the frames it sampled, where it looked, and the class probabilities.

    Args:
        model: a model, which is left in evaluation mode; a loaded checkpoint; a .safetensors file; or the name of a
            bundled checkpoint.
        clip: RGB frames of a face, as many and as large as the model takes: 8 bits (time, height, width, 3), or
            values in [0, 1] (3, time, height, width).
        target: the class to explain, by name or index; by default the most probable one.
        classes: class names, if ``model`` does not know them.
        source: where the clip comes from, for titles.
        label: the clip's true class, for titles.

    Raises:
        InputError: the checkpoint cannot be read, the clip does not fit it, or does not know the class.

    Example:
        >>> import torch
        >>> import ifdd
        >>> clip = torch.rand(3, 16, 64, 64, generator=torch.Generator().manual_seed(0))
        >>> explanation = ifdd.explain("ifdd_tiny_synth", clip, target="happy")
        >>> explanation.dynamic.shape, explanation.static_index.shape
        ((16, 64, 64), (4,))
    """
    if isinstance(model, str | Path):
        found = explain(load_checkpoint(model), clip, target, classes=classes, source=source, label=label)
        return replace(found, checkpoint=Path(model).name)
    network = model.model if isinstance(model, Checkpoint) else model
    if isinstance(model, Checkpoint):
        classes = classes or model.classes
    names = _class_names(network, classes)
    tensor = _as_tensor(clip)
    temperature = model.temperature if isinstance(model, Checkpoint) else 1.0
    attribution = attribute(network.eval(), tensor, _class_index(target, names), temperature)
    split = attribution.output.split
    static, dynamic = sampled_positions(network, split)
    return Explanation(
        frames=(tensor.permute(1, 2, 3, 0) * 255).round().byte().cpu().numpy(),
        correlation=split.correlation[0].float().cpu().numpy(),
        static_index=static.numpy(),
        dynamic_index=dynamic.numpy(),
        dynamic=attribution.dynamic,
        static=attribution.static,
        probabilities=attribution.probabilities,
        classes=names,
        target=attribution.target,
        config=network.config,
        source=source,
        label=label,
        origin=origin(network.backbone)[0],
        synthetic=isinstance(model, Checkpoint) and bool(model.record.synthetic),
    )


def _as_tensor(clip: Clip) -> Float[Tensor, "3 time height width"]:
    if isinstance(clip, np.ndarray):
        if not (clip.dtype == np.uint8 and clip.ndim == 4 and clip.shape[3] == 3):
            raise InputError(
                "a clip as an array has time x height x width x 3 values of uint8, given "
                f"{' x '.join(map(str, clip.shape))} of {clip.dtype}; convert it"
            )
        return torch.from_numpy(clip.copy()).permute(3, 0, 1, 2).float() / 255
    check_values(clip)
    return clip.float().clamp(0, 1)


def _class_names(model: IFDD, classes: Sequence[str] | None) -> tuple[str, ...]:
    count = model.config.num_classes
    names = tuple(classes or (f"class {number}" for number in range(count)))
    if len(names) != count:
        raise InputError(f"the model has {count} classes, given {len(names)} names: {', '.join(names)}")
    return names


def _class_index(target: int | str | None, classes: Sequence[str]) -> int | None:
    if not isinstance(target, str):
        return target
    if target not in classes:
        raise InputError(f"there is no class {target!r} to explain; the checkpoint has {', '.join(classes)}")
    return list(classes).index(target)
