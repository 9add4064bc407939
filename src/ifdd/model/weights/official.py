"""Read checkpoints of the official IFDD release (from facts about its names and files; none of its code)."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from torch import Tensor

from ifdd.errors import InputError
from ifdd.files import expand
from ifdd.model.config import IFDDConfig, lookup
from ifdd.model.ifdd import IFDD
from ifdd.model.weights.foreign import RELEASE_STEM, read_weights, refuse_training_state
from ifdd.model.weights.pickles import keys_of
from ifdd.model.weights.state_dicts import (
    is_averaged,
    is_training_state,
    load_strictly,
    prefixes_of,
    state_dicts_in,
)
from ifdd.names import listed

logger = logging.getLogger(__name__)

Order = Literal["updater_first", "predictor_first"]
Part = Literal["model", "ema"]

OFFICIAL_NAMES = {
    "embed.conv_proj.": "backbone.conv_proj.",
    "backbone.backbone.": "backbone.",
    "backbone.PANLayer.0.": "pyramid.reduce.",
    "backbone.CatConv.": "pyramid.fuse.",
    "backbone.WaveLifts.adapt_split.dim_project.0.": "split.tokenizer.",
    "backbone.WaveLifts.adapt_split.offset_project_approx.0.": "split.static_offset.",
    "backbone.WaveLifts.adapt_split.offset_project_detail.0.": "split.dynamic_offset.",
    "backbone.WaveLifts.xa_norm.": "lifting.static_norm.",
    "backbone.WaveLifts.xd_norm.": "lifting.dynamic_norm.",
    "backbone.WaveLifts.q_a.": "lifting.updater.query.",
    "backbone.WaveLifts.kv_d.": "lifting.updater.key_value.",
    "backbone.WaveLifts.project_a.0.": "lifting.updater.project.",
    "backbone.WaveLifts.q_d.": "lifting.predictor.query.",
    "backbone.WaveLifts.kv_a.": "lifting.predictor.key_value.",
    "backbone.WaveLifts.project_d.0.": "lifting.predictor.project.",
    "backbone.WaveLifts.out_norm1.": "lifting.refinement.norm1.",
    "backbone.WaveLifts.out_norm2.": "lifting.refinement.norm2.",
    "backbone.WaveLifts.qkv.": "lifting.refinement.qkv.",
    "backbone.WaveLifts.project.0.": "lifting.refinement.project.",
    "backbone.WaveLifts.mlp.": "lifting.refinement.mlp.",
    "backbone.WaveLifts.project_compress.": "pooling.weigh.",
    "head.head.1.": "head.classifier.",
}
"""Prefix of the release's parameter names -> prefix of ifdd's."""

NEVER_READ = "never read by the release's forward"
CONSTANT = "a constant that ifdd computes"
AVERAGING = "state of the weight averaging, not a weight"
MEASURED = "left by the tool that counted the release's operations"

OFFICIAL_UNUSED = {
    "backbone.WaveLifts.spatial_pos": NEVER_READ,
    "backbone.WaveLifts.temporal_pos": NEVER_READ,
    "backbone.WaveLifts.class_pos": NEVER_READ,
    "backbone.WaveLifts.adapt_split.time_project.": NEVER_READ,
    "backbone.WaveLifts.adapt_split.index_even": CONSTANT,
    "backbone.WaveLifts.adapt_split.index_odd": CONSTANT,
    "online_model.": "the weights before averaging",
    "initted": AVERAGING,
    "step": AVERAGING,
}
"""Prefix of a name in the release's files that no ifdd model has -> reason."""

OTHERS = "other weights of the same model"
OUTSIDE = "not a part of the model"

MEASURED_NAMES = ("total_ops", "total_params")
NAMES_LISTED = 20
OLDER_ISSM = ".adapt_split.dim_project.2."
"""In the tokenizer of the release's first commit (a9e8501): two linear layers, and one softmax for both groups."""


class Conversion(NamedTuple):
    """An official checkpoint as an ifdd model, and what became of its entries."""

    model: IFDD
    """In evaluation mode."""
    used: dict[str, str]
    """The release's name -> ifdd's."""
    unused: dict[str, str]
    """The release's name -> why it is not used."""


def load_official(
    path_or_state_dict: str | Path | Mapping[str, Any],
    frames: int = 16,
    num_classes: int | None = None,
    order: Order = "updater_first",
    part: Part | None = None,
) -> IFDD:
    """Build the model of an official IFDD checkpoint, in evaluation mode.

    Backbone, ISSM, LADM and the number of classes are inferred from names and shapes; the sampling is "official".
    Unused entries are logged with the reason (logger ``ifdd.model.weights.official``, level WARNING).

    Args:
        path_or_state_dict: a .pth file of the release, or its contents: a state dict, either bare, under "model" (as
            the release saves its best epochs) or under "ema", with or without the prefix of the averaged weights.
        frames: clip length it was trained with, 8, 16 or 32; the weights do not show it.
        num_classes: expected number of classes; None accepts any.
        order: which lifting step comes first; the weights do not show it.
        part: "model" or "ema" if the file holds both; None selects "model".

    Raises:
        InputError: the file is unreadable, the number of classes differs, or a name is unknown, missing or has the
            wrong shape.
    """
    model, _, unused = convert_official(path_or_state_dict, frames, num_classes, order, part)
    if unused:
        listed = "".join(f"\n  {name}: {reason}" for name, reason in unused.items())
        logger.warning("%d entries of the official checkpoint are not used:%s", len(unused), listed)
    return model


def convert_official(
    path_or_state_dict: str | Path | Mapping[str, Any],
    frames: int = 16,
    num_classes: int | None = None,
    order: Order = "updater_first",
    part: Part | None = None,
) -> Conversion:
    """Build the model like :func:`load_official`, and return it with what became of every entry.

    Raises:
        InputError: as in :func:`load_official`.
    """
    lookup(dict.fromkeys(get_args(Order)), order, "order")
    official, origin = _read(path_or_state_dict, part)
    prefix, others = _prefixes(official, part)
    used: dict[str, str] = {}
    unused: dict[str, str] = {}
    unknown = []
    for name in official:
        bare = name.removeprefix(prefix)
        if not name.startswith(prefix):
            unused[name] = _reason_unused(name) or (OTHERS if name.startswith(tuple(others)) else OUTSIDE)
        elif our_name := _our_name(bare):
            used[name] = our_name
        elif reason := _reason_unused(bare):
            unused[name] = reason
        else:
            unknown.append(name)
    if any(OLDER_ISSM in name for name in unknown):
        raise InputError(f"{origin} has the ISSM of the release's first commit, which ifdd does not support")
    if unknown:
        raise InputError(f"{origin} holds names unknown to the IFDD release: {listed(sorted(unknown), NAMES_LISTED)}")
    weights = {our_name: official[name] for name, our_name in used.items()}
    config = _infer_config(weights, origin, frames, order)
    if num_classes not in (None, config.num_classes):
        raise InputError(f"{origin} has {config.num_classes} classes, expected {num_classes}")
    model = IFDD(config)
    load_strictly(model, weights, origin, official_name)
    return Conversion(model.eval(), used, unused)


def official_name(name: str) -> str:
    """Return the release's name of an ifdd parameter."""
    for theirs, ours in OFFICIAL_NAMES.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise KeyError(name)


def _our_name(official: str) -> str | None:
    theirs = max((each for each in OFFICIAL_NAMES if official.startswith(each)), key=len, default=None)
    if theirs is None or official.endswith(MEASURED_NAMES):
        return None
    return OFFICIAL_NAMES[theirs] + official.removeprefix(theirs)


def _reason_unused(official: str) -> str | None:
    if official.endswith(MEASURED_NAMES):
        return MEASURED
    return next((reason for start, reason in OFFICIAL_UNUSED.items() if official.startswith(start)), None)


def _read(given: str | Path | Mapping[str, Any], part: Part | None) -> tuple[dict[str, Tensor], str]:
    """Return the state dict, and what messages call its source."""
    origin = "the state dict"
    if isinstance(given, (str, Path)):
        origin = str(given)
        given = read_weights(expand(given))
    elif is_training_state(given):
        raise refuse_training_state(origin)
    found = state_dicts_in(given)
    chosen = [path for path in found if part is None or (path and is_averaged(path) == (part == "ema"))]
    if part == "ema" and not chosen:  # or they have a prefix of their own
        chosen = [path for path, each in found.items() if any(map(_is_average, prefixes_of(each, RELEASE_STEM)))]
    if not chosen and (found or part is not None):
        raise InputError(f"{origin} holds no weights under {part!r}; it holds {keys_of(given)}")
    if not chosen:
        raise InputError(
            f"{origin} holds no state dict, bare or under 'model', 'state_dict' or 'ema'; it holds {keys_of(given)}"
        )
    return found[chosen[0]], origin


def _prefixes(official: Mapping[str, Tensor], part: Part | None) -> tuple[str, tuple[str, ...]]:
    """Return the prefix of the names, and those of other weights of the model in the same file.

    It is "ema_model." in averaged weights, "module." in parallel ones, "model." in Lightning's, usually "".
    """
    found = prefixes_of(official, RELEASE_STEM) or [""]
    averaged = [each for each in found if _is_average(each)]
    plain = [each for each in found if each not in averaged and not each.startswith("online_model.")]
    first = averaged if part == "ema" else plain
    prefix = (first or found)[0]
    return prefix, tuple(each for each in found if each != prefix)


def _is_average(prefix: str) -> bool:
    return any(word in ("ema", "ema_model", "model_ema", "averaged_model") for word in prefix.split("."))


def _infer_config(
    weights: Mapping[str, Tensor],
    origin: str,
    frames: int,
    order: Order,
) -> IFDDConfig:
    if "head.classifier.weight" not in weights:
        raise InputError(f"{origin} has no classifier 'head.head.1.weight': it is not an IFDD checkpoint")
    blocks = sum(name.endswith(".norm1.weight") and name.startswith("backbone.blocks.") for name in weights)
    by_blocks = {10: "mvit_xs", 16: "mvit_s"}
    if blocks not in by_blocks:
        raise InputError(f"{origin} has {blocks} backbone blocks; the release's models have 10 or 16")
    return IFDDConfig(
        backbone=by_blocks[blocks],
        num_classes=weights["head.classifier.weight"].shape[0],
        frames=frames,
        split="issm" if any(name.startswith("split.") for name in weights) else "even_odd",
        lifting=order if any(name.startswith("lifting.") for name in weights) else "none",
        sampling="official",
    )
