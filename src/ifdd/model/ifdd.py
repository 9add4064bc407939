"""IFDD: the paper's figure, box by box (arXiv 2412.13168, Fig. 2)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ifdd.errors import InputError
from ifdd.model.backbones import BACKBONES, Backbone
from ifdd.model.config import ABLATIONS, PRESETS, IFDDConfig, from_plain, lookup
from ifdd.model.head import Head
from ifdd.model.issm import ISSM, EvenOddSplit, NoSplit
from ifdd.model.ladm import (
    CLASSIFIER_PREFIXES,
    LADM,
    MeanPooling,
    NoLifting,
    PredictorFirstLADM,
    TokenPooling,
    lifting_residual,
)
from ifdd.model.layers import as_column, maps_to_tokens
from ifdd.model.outputs import IFDDOutput, StageShape
from ifdd.model.pyramid import PyramidAggregation
from ifdd.model.weights.kinetics import KINETICS, load_kinetics

ROUNDING = 1e-3
"""How far a value may lie outside [0, 1]: what resizing in half precision leaves."""

SPLITS: dict[str, Callable[[IFDDConfig, StageShape], nn.Module]] = {
    "issm": lambda config, shape: ISSM(shape, config.receptive_field, config.sampling),
    "even_odd": lambda config, shape: EvenOddSplit(),
    "none": lambda config, shape: NoSplit(),
}
LIFTINGS: dict[str, Callable[[IFDDConfig, StageShape], nn.Module]] = {
    "updater_first": lambda config, shape: LADM(shape.channels, config.drop_path),
    "predictor_first": lambda config, shape: PredictorFirstLADM(shape.channels, config.drop_path),
    "none": lambda config, shape: NoLifting(),
}


class IFDD(nn.Module):
    """Backbone, pyramid aggregation, ISSM, LADM, head: a clip to logits and to what explains them.

    Raises:
        InputError: the configuration names a backbone that does not exist or whose stages do not fit.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: IFDDConfig) -> None:
        super().__init__()
        self.config = config
        build = lookup(BACKBONES, config.backbone, "backbone")
        self.backbone: Backbone = build(config.frames, config.size, config.drop_path)
        check_stages(config.backbone, self.backbone.stages)
        finer, shape = self.backbone.stages[-2:]
        self.pyramid = PyramidAggregation(finer, shape)
        self.split = SPLITS[config.split](config, shape)
        self.lifting = LIFTINGS[config.lifting](config, shape)
        group_tokens = shape.frames // 2 * shape.height * shape.width
        self.pooling = (
            MeanPooling() if config.split == "none" else TokenPooling(group_tokens, bias=config.lifting == "none")
        )
        self.head = Head(shape.channels, config.num_classes, config.dropout)
        self.register_buffer("mean", as_column(config.mean), persistent=False)
        self.register_buffer("std", as_column(config.std), persistent=False)

    def forward(self, clip: Float[Tensor, "batch 3 frames height width"]) -> IFDDOutput:
        """Recognise clips.

        Args:
            clip: RGB in [0, 1], ``config.frames`` frames of ``config.size`` x ``config.size`` pixels, of any
                floating-point type; normalised here. The check of the values waits for a GPU to have them.

        Raises:
            InputError: the clip has another number of frames or another size, or values that are no RGB in [0, 1].
        """
        self._check(clip)
        features = self.pyramid(self.backbone((clip.to(self.mean.dtype) - self.mean) / self.std))
        static, dynamic, split = self.split(features)
        lifted = self.lifting(maps_to_tokens(static), maps_to_tokens(dynamic))
        emotion = self.pooling(lifted.emotion)
        residual = lifting_residual(features, lifted.context)
        return IFDDOutput(self.head(emotion), emotion, residual, split)

    def _check(self, clip: Tensor) -> None:
        expected = (3, self.config.frames, self.config.size, self.config.size)
        if tuple(clip.shape[1:]) != expected:
            raise InputError(
                f"this model takes clips of shape (batch, {', '.join(map(str, expected))}), given {tuple(clip.shape)}"
            )
        if not clip.is_floating_point():
            raise InputError(f"this model takes clips of floating-point values in [0, 1], given {clip.dtype}")
        if clip.is_meta or clip.numel() == 0 or torch.compiler.is_compiling():
            return  # no values, or none yet
        lowest, highest = torch.stack(clip.detach().aminmax()).tolist()
        if not (lowest >= -ROUNDING and highest <= 1 + ROUNDING):  # so that NaN is refused as well
            raise InputError(f"this model takes RGB values in [0, 1], given values from {lowest:.4g} to {highest:.4g}")


def check_stages(name: str, stages: Sequence[StageShape]) -> None:
    """Check what pyramid, ISSM and LADM ask of a backbone, so that a new one fails with a reason.

    Raises:
        InputError: fewer than two stages, sizes that are no multiples, or frames or channels that cannot be divided.
    """
    if len(stages) < 2:
        raise InputError(f"backbone {name!r} has {len(stages)} stage; the pyramid needs two")
    finer, last = stages[-2:]
    ratio = finer.height // last.height
    if finer != (finer.channels, last.frames, ratio * last.height, ratio * last.width):
        raise InputError(
            f"backbone {name!r}: the last stage {tuple(last)} must have the frames of the one before, {tuple(finer)}, "
            "and divide its height and width by the same number"
        )
    if last.frames % 2 or last.channels % CLASSIFIER_PREFIXES:
        raise InputError(
            f"backbone {name!r}: the last stage {tuple(last)} needs an even number of frames "
            f"and channels divisible by {CLASSIFIER_PREFIXES}"
        )


def create_model(
    preset: str,
    num_classes: int = 7,
    ablation: str = "full",
    weights: str | Path | None = None,
    **overrides: Any,
) -> IFDD:
    """Build a model.

    Args:
        preset: a name in ``ifdd.model.PRESETS``.
        num_classes: number of emotion classes.
        ablation: a name in ``ifdd.model.ABLATIONS``.
        weights: initial weights of the backbone: "kinetics400" fetches torchvision's public file once, a path
            reads it from there; None draws all weights anew. The model then normalises clips as those weights
            expect, unless ``overrides`` has ``mean`` or ``std``.
        **overrides: other fields of :class:`IFDDConfig`, for instance ``size=112``.

    Raises:
        InputError: an unknown preset, ablation or field, a value outside its range,
            an override that contradicts the ablation, or weights that cannot be had.
    """
    base = lookup(PRESETS, preset, "preset")
    for name in overrides:
        lookup(asdict(base), name, "model option")
    row = lookup(ABLATIONS, ablation, "ablation")
    for name in row.keys() & overrides.keys():
        if overrides[name] != row[name]:
            raise InputError(
                f"ablation {ablation!r} means {name} {row[name]!r}, but {name} {overrides[name]!r} is asked for: "
                "leave one of them out"
            )
    chosen = row | from_plain(overrides)
    public = None if weights is None else KINETICS.get(chosen.get("backbone", base.backbone))
    if public is not None:
        chosen = {"mean": public.mean, "std": public.std} | chosen
    model = IFDD(replace(base, num_classes=num_classes, **chosen))
    if weights is not None:
        load_kinetics(model.get_submodule("backbone"), model.config.backbone, weights)
    return model
