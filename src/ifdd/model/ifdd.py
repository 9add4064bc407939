"""IFDD: the paper's figure, box by box (arXiv 2412.13168, Fig. 2)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ifdd.errors import InputError
from ifdd.model.backbones import BACKBONES, Backbone
from ifdd.model.config import (
    ABLATIONS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    PRESETS,
    SHARES_OF_FRAMES,
    IFDDConfig,
    from_plain,
    lookup,
)
from ifdd.model.head import ActionUnitHead, Head
from ifdd.model.issm import ISSM, EvenOddSplit, NoSplit
from ifdd.model.ladm import (
    HEADS,
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
from ifdd.model.weights.kinetics import KINETICS
from ifdd.model.weights.pretrained import load_backbone, takes_weights

ROUNDING = 1e-3
"""How far a value may lie outside [0, 1]: the error of resizing in half precision."""

STANDARD_MEAN, STANDARD_STD = 0.48, 0.21
"""Mean and standard deviation of a standardised clip, before values outside [0, 1] are clamped."""

SMALLEST_STD = 0.02
"""Added to a clip's standard deviation, so that noise in a blank clip is not amplified without limit."""


SURROUNDINGS, SMALLEST_LOCAL_STD = 0.3, 0.05
"""Side of a pixel's surroundings as a share of the frame's, and what is added to their standard deviation."""


def standardize_clip(
    clip: Float[Tensor, "batch 3 frames height width"],
) -> Float[Tensor, "batch 3 frames height width"]:
    """Bring the light of every clip to one mean and standard deviation, and clamp it to [0, 1].

    (x - mean) / (std + ``SMALLEST_STD``) * ``STANDARD_STD`` + ``STANDARD_MEAN``, with one mean and one standard
    deviation over all channels, frames and pixels, so that differences between frames and between colours remain.
    Deviation: neither the paper nor the official code has it.

    Args:
        clip: RGB in [0, 1].
    """
    axes = (1, 2, 3, 4)
    mean, std = clip.mean(axes, keepdim=True), clip.std(axes, correction=0, keepdim=True)
    return ((clip - mean) / (std + SMALLEST_STD) * STANDARD_STD + STANDARD_MEAN).clamp(0, 1)


def standardize_grey(
    clip: Float[Tensor, "batch 3 frames height width"],
) -> Float[Tensor, "batch 3 frames height width"]:
    """Replace every pixel by the mean of its colours, then :func:`standardize_clip`; the three channels are equal."""
    return standardize_clip(clip.mean(1, keepdim=True).expand_as(clip))


def standardize_local(
    clip: Float[Tensor, "batch 3 frames height width"],
) -> Float[Tensor, "batch 3 frames height width"]:
    """:func:`standardize_grey`, then bring the surroundings of every pixel to one mean and standard deviation.

    A pixel's surroundings are a square of ``SURROUNDINGS`` of the side around it in all frames, so that differences
    between frames remain, but neither shadows nor the tone of the skin do.
    """
    grey = standardize_grey(clip)[:, :1]
    half = round(grey.shape[-1] * SURROUNDINGS / 2)
    mean = _box_mean(grey.mean(2), half)
    std = (_box_mean((grey**2).mean(2), half) - mean**2).clamp(0).sqrt()
    standard = (grey - mean[:, :, None]) / (std[:, :, None] + SMALLEST_LOCAL_STD) * STANDARD_STD + STANDARD_MEAN
    return standard.clamp(0, 1).expand_as(clip)


def _box_mean(
    image: Float[Tensor, "batch channels height width"], half: int
) -> Float[Tensor, "batch channels height width"]:
    """Return the mean of the square of side 2 * half + 1 around each pixel; what lies outside does not count."""
    for kernel, padding in (((2 * half + 1, 1), (half, 0)), ((1, 2 * half + 1), (0, half))):
        image = F.avg_pool2d(image, kernel, 1, padding, count_include_pad=False)
    return image


STANDARDIZATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda clip: clip,
    "clip": standardize_clip,
    "grey": standardize_grey,
    "local": standardize_local,
}
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
    """The model of the paper's Fig. 2: backbone, pyramid aggregation, ISSM, LADM, pooling, head.

    Deviations: the normalisation of the clip is part of the model (``config.standardization``, ``config.mean``,
    ``config.std``); the official code uses none. With ``config.action_units`` a second head predicts action units.

    Args:
        config: architecture and input; see :class:`IFDDConfig`.

    Raises:
        InputError: the configuration names an unknown backbone, or its stages do not fit the pyramid.

    Example:
        >>> import torch
        >>> from ifdd.model import IFDD, PRESETS
        >>> model = IFDD(PRESETS["ifdd_tiny"]).eval()
        >>> output = model(torch.rand(2, 3, 16, 64, 64))
        >>> output.logits.shape, output.split.static_index.shape
        (torch.Size([2, 7]), torch.Size([2, 4]))
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
        # Last, so that the other weights start the same with and without it.
        self.action_units = ActionUnitHead(shape.channels, len(config.action_units)) if config.action_units else None
        self.register_buffer("mean", as_column(config.mean), persistent=False)
        self.register_buffer("std", as_column(config.std), persistent=False)

    def forward(self, clip: Float[Tensor, "batch 3 frames height width"]) -> IFDDOutput:
        """Compute the logits of a batch of clips, and the quantities that explain them.

        Only the clip's shape and dtype are checked on a GPU: reading its values there would make every forward wait.
        On the CPU the values are checked too, in well under 1 % of the time of the smallest model. Clips decoded to
        uint8 and divided by 255 lie in [0, 1] by construction; for others call :func:`check_values` once, where they
        enter.

        Args:
            clip: RGB in [0, 1], ``config.frames`` frames of ``config.size`` x ``config.size`` pixels, of any
                floating-point dtype; normalised here.

        Raises:
            InputError: the clip has the wrong shape or an integer dtype, or, on the CPU, values outside [0, 1].
        """
        check_clip(clip, (3, self.config.frames, self.config.size, self.config.size))
        standard = STANDARDIZATIONS[self.config.standardization](clip.to(self.mean.dtype))
        features = self.pyramid(self.backbone((standard - self.mean) / self.std))
        static, dynamic, split = self.split(features)
        lifted = self.lifting(maps_to_tokens(static), maps_to_tokens(dynamic))
        emotion = self.pooling(lifted.emotion)
        residual = lifting_residual(features, lifted.context)
        units = None if self.action_units is None else self.action_units(emotion)
        return IFDDOutput(self.head(emotion), emotion, residual, split, units)


def check_clip(clip: Tensor, shape: tuple[int, ...]) -> None:
    """Check shape and type of a batch of clips, and on the CPU its values.

    Args:
        clip: the batch.
        shape: channels, frames, height and width that the model takes.

    Raises:
        InputError: one of them does not fit.
    """
    if tuple(clip.shape[1:]) != shape:
        raise InputError(
            f"this model takes clips of shape (batch, {', '.join(map(str, shape))}), given {tuple(clip.shape)}"
        )
    if not clip.is_floating_point():
        raise InputError(
            f"this model takes clips of floating-point values in [0, 1], given {clip.dtype}; divide 8-bit values by 255"
        )
    if clip.is_cpu and not torch.compiler.is_compiling():
        check_values(clip)


def check_values(clip: Tensor) -> None:
    """Check that a clip holds RGB values in [0, 1], up to rounding; NaN is refused too.

    For the place where clips enter a program. On a GPU it waits until the clip has been computed.

    Args:
        clip: floating-point values, of any shape.

    Raises:
        InputError: a value lies outside [0, 1].
    """
    if clip.numel() == 0:
        return
    lowest, highest = torch.stack(clip.detach().aminmax()).tolist()
    if not (lowest >= -ROUNDING and highest <= 1 + ROUNDING):  # this form refuses NaN
        raise InputError(
            f"clips must hold RGB values in [0, 1], given values from {lowest:.4g} to {highest:.4g}; "
            "divide 8-bit values by 255, and leave the normalisation to the model"
        )


def check_stages(name: str, stages: Sequence[StageShape]) -> None:
    """Check that a backbone's stages fit pyramid, ISSM and LADM.

    Raises:
        InputError: there are fewer than two stages; the last two differ in frames, or their sizes are not multiples;
            or the last one has an odd number of frames or channels that the heads cannot share.
    """
    if len(stages) < 2:
        raise InputError(f"backbone {name!r} has {len(stages)} stage; the pyramid needs at least two")
    finer, last = stages[-2:]
    ratio = finer.height // last.height
    if finer != (finer.channels, last.frames, ratio * last.height, ratio * last.width):
        raise InputError(
            f"backbone {name!r}: the last stage {tuple(last)} must have the frames of the one before, {tuple(finer)}, "
            "and divide its height and width by the same number"
        )
    if last.frames % 2 or last.channels % HEADS:
        raise InputError(
            f"backbone {name!r}: the last stage {tuple(last)} needs an even number of frames "
            f"and channels divisible by {HEADS}"
        )


def _normalization(backbone: str) -> dict[str, Any]:
    """Return the mean and standard deviation that a backbone's public weights expect, if it has any."""
    if takes_weights(backbone):
        return {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    public = KINETICS.get(backbone)
    return {} if public is None else {"mean": public.mean, "std": public.std}


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
        weights: initial weights of the backbone: "kinetics400" downloads torchvision's public file once; for the
            backbones ``vit_b`` and ``lgi_former``, "videomae_kinetics" or another name in
            ``ifdd.model.PUBLISHED``; a path names a copy of such a file; None initialises all weights at random.
            With public weights the model normalises clips as they expect, unless ``overrides`` has ``mean`` or
            ``std``. For a checkpoint of ifdd use :func:`~ifdd.model.load_checkpoint` instead.
        **overrides: other fields of :class:`IFDDConfig`, for instance ``size=112``.

    Raises:
        InputError: the preset, the ablation or a field is unknown, a value is outside its range, an override
            contradicts the ablation, the ablation's receptive field is that of another number of feature frames, or the
            weights cannot be downloaded or read.

    Example:
        >>> from ifdd.model import create_model
        >>> model = create_model("ifdd_tiny", num_classes=11, ablation="even_odd")
        >>> model.config.split, model.config.num_classes
        ('even_odd', 11)
    """
    base = lookup(PRESETS, preset, "preset")
    for name in overrides:
        lookup(asdict(base), name, "model option")
    row = lookup(ABLATIONS, ablation, "ablation")
    for name in row.keys() & overrides.keys():
        if overrides[name] != row[name]:
            raise InputError(
                f"ablation {ablation!r} sets {name} to {row[name]!r}, but {name} {overrides[name]!r} is requested; "
                "leave one of them out"
            )
    chosen = row | from_plain(overrides)
    if weights is not None:
        chosen = _normalization(chosen.get("backbone", base.backbone)) | chosen
    model = IFDD(replace(base, num_classes=num_classes, **chosen))
    if ablation in SHARES_OF_FRAMES:
        _check_receptive_field(model, ablation)
    if weights is not None:
        load_backbone(model.get_submodule("backbone"), model.config.backbone, weights)
    return model


def _check_receptive_field(model: IFDD, ablation: str) -> None:
    """Check that a receptive field given as a share of T is that share of the model's feature frames."""
    divisor, frames = SHARES_OF_FRAMES[ablation], model.backbone.stages[-1].frames
    if frames != divisor * model.config.receptive_field:
        raise InputError(
            f"ablation {ablation!r} stands for L = T / {divisor} with T = 8 feature frames, but this model has "
            f"{frames}; take the ablation 'full' with receptive_field {frames / divisor:g}"
        )
