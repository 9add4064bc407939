"""IFDD: the paper's figure, box by box (arXiv 2412.13168, Fig. 2)."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, TypeVar

from jaxtyping import Float
from torch import Tensor, nn

from ifdd.errors import InputError
from ifdd.model.backbones import BACKBONES, Backbone
from ifdd.model.config import PRESETS, IFDDConfig
from ifdd.model.head import Head
from ifdd.model.issm import ISSM, EvenOddSplit, NoSplit
from ifdd.model.ladm import LADM, MeanPooling, NoLifting, PredictorFirstLADM, TokenPooling, lifting_residual
from ifdd.model.layers import as_column, maps_to_tokens
from ifdd.model.outputs import IFDDOutput, StageShape
from ifdd.model.pyramid import PyramidAggregation

Value = TypeVar("Value")

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
        InputError: the configuration names a backbone that does not exist.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: IFDDConfig) -> None:
        super().__init__()
        self.config = config
        build = lookup(BACKBONES, config.backbone, "backbone")
        self.backbone: Backbone = build(config.frames, config.size, config.drop_path)
        shape = self.backbone.stages[-1]
        self.pyramid = PyramidAggregation(self.backbone.stages[-2], shape)
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
            clip: RGB in [0, 1], ``config.frames`` frames of ``config.size`` x ``config.size`` pixels;
                normalised here.

        Raises:
            InputError: the clip has another number of frames or another size.
        """
        self._check(clip)
        features = self.pyramid(self.backbone((clip - self.mean) / self.std))
        static, dynamic, split = self.split(features)
        lifted = self.lifting(maps_to_tokens(static), maps_to_tokens(dynamic))
        emotion = self.pooling(lifted.emotion)
        residual = self._residual(features, lifted.context)
        return IFDDOutput(self.head(emotion), emotion, residual, split)

    def _residual(self, features: Tensor, context: Tensor) -> Float[Tensor, "batch height width"]:
        if isinstance(self.lifting, NoLifting):
            return features.new_zeros(features.shape[0], *features.shape[3:])
        return lifting_residual(features, context)

    def _check(self, clip: Tensor) -> None:
        expected = (3, self.config.frames, self.config.size, self.config.size)
        if tuple(clip.shape[1:]) != expected:
            raise InputError(
                f"this model takes clips of shape (batch, {', '.join(map(str, expected))}), given {tuple(clip.shape)}"
            )


def create_model(preset: str, num_classes: int = 7, **overrides: Any) -> IFDD:
    """Build a model with fresh weights.

    Args:
        preset: a name in ``ifdd.model.PRESETS``.
        num_classes: number of emotion classes.
        **overrides: other fields of :class:`IFDDConfig`, for instance ``split="even_odd"`` or ``frames=32``.

    Raises:
        InputError: an unknown preset or field, or a value outside its range.
    """
    base = lookup(PRESETS, preset, "preset")
    for name in overrides:
        lookup(asdict(base), name, "model option")
    return IFDD(replace(base, num_classes=num_classes, **overrides))


def lookup(table: Mapping[str, Value], name: str, kind: str) -> Value:
    """Return ``table[name]``.

    Raises:
        InputError: there is no such name; the message lists the names and the nearest.
    """
    if name not in table:
        nearest = difflib.get_close_matches(name, table, 1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise InputError(f"unknown {kind} {name!r}, choose one of {', '.join(table)}{hint}")
    return table[name]
