"""Checkpoints in and out: ours, and the official release's."""

import json
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ifdd.errors import InputError
from ifdd.files import atomic_path
from ifdd.model.config import IFDDConfig
from ifdd.model.ifdd import IFDD

FORMAT = "ifdd-checkpoint-1"
"""What a checkpoint file of ours says of itself."""


class Checkpoint(NamedTuple):
    """A model that is ready to use, and what is known about it."""

    model: IFDD
    """In evaluation mode; its ``config`` gives frames, size and normalisation."""
    classes: tuple[str, ...]
    """Class names in the order of the logits."""
    clip_seconds: float
    """The time that one clip of ``model.config.frames`` frames spans."""
    description: dict[str, Any]
    """Where the weights come from: training data, settings, scores."""


def save_checkpoint(
    path: Path, model: IFDD, classes: Iterable[str], clip_seconds: float, description: Mapping[str, Any]
) -> None:
    """Write a complete checkpoint, one .safetensors file, whole or not at all.

    Args:
        path: the file.
        model: weights and configuration.
        classes: class names in the order of the logits.
        clip_seconds: the time that one clip spans, in seconds.
        description: anything that JSON can hold: training data, settings, scores.

    Raises:
        InputError: the number of classes is not the model's, or the file cannot be written.
    """
    names = list(classes)
    if len(names) != model.config.num_classes:
        raise InputError(f"the model has {model.config.num_classes} classes, given {len(names)} names: {names}")
    metadata = {
        "format": FORMAT,
        "config": json.dumps(asdict(model.config)),
        "classes": json.dumps(names),
        "clip_seconds": json.dumps(clip_seconds),
        "description": json.dumps(dict(description)),
    }
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    try:
        with atomic_path(path) as temporary:
            save_file(weights, temporary, metadata)
    except SafetensorError as error:  # how this library reports a full disk
        raise InputError(f"cannot write {path}: {error}; free space or choose another folder") from error


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of ours.

    Raises:
        InputError: the file is missing, unreadable, not an ifdd checkpoint, or its weights do not fit its config.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError as error:
        raise InputError(f"no checkpoint at {path}; train one with 'ifdd train'") from error
    except (SafetensorError, OSError) as error:
        raise InputError(f"cannot read {path} as a .safetensors checkpoint: {error}") from error
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path} is not an ifdd checkpoint (format {metadata.get('format')!r}, expected {FORMAT!r})")
    model = IFDD(_config_from_json(metadata["config"], path))
    _load_strictly(model, weights, str(path))
    return Checkpoint(
        model.eval(),
        tuple(json.loads(metadata["classes"])),
        json.loads(metadata["clip_seconds"]),
        json.loads(metadata["description"]),
    )


def _config_from_json(text: str, path: str | Path) -> IFDDConfig:
    values: dict[str, Any] = json.loads(text)
    unknown = values.keys() - {field.name for field in fields(IFDDConfig)}
    if unknown:
        raise InputError(f"{path} was written by another version of ifdd: unknown model options {sorted(unknown)}")
    for name in ("mean", "std"):
        values[name] = tuple(values[name])
    return IFDDConfig(**values)


def _load_strictly(model: IFDD, weights: Mapping[str, Tensor], origin: str) -> None:
    expected = model.state_dict()
    problems = [f"missing {name}" for name in expected.keys() - weights.keys()]
    problems += [f"unknown {name}" for name in weights.keys() - expected.keys()]
    problems += [
        f"{name} has shape {tuple(weights[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in expected.keys() & weights.keys()
        if weights[name].shape != expected[name].shape
    ]
    if problems:
        raise InputError(f"the weights of {origin} do not fit the model: {'; '.join(sorted(problems))}")
    model.load_state_dict(dict(weights))


# --- the official release ---------------------------------------------------------------------------------

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
"""Prefix of the release's names -> prefix of ours."""

OFFICIAL_UNUSED = (
    "backbone.WaveLifts.spatial_pos",
    "backbone.WaveLifts.temporal_pos",
    "backbone.WaveLifts.class_pos",
    "backbone.WaveLifts.adapt_split.time_project.",
    "backbone.WaveLifts.adapt_split.index_even",
    "backbone.WaveLifts.adapt_split.index_odd",
)
"""Names that the release stores and its forward does not read, or that are constants."""


def load_official(
    state_dict_or_path: Mapping[str, Any] | str | Path,
    frames: int = 16,
    order: Literal["updater_first", "predictor_first"] = "updater_first",
) -> IFDD:
    """Build the model of an official IFDD checkpoint, in evaluation mode.

    Backbone, ISSM, LADM and the number of classes are read off names and shapes; the sampling is the official.

    Args:
        state_dict_or_path: a .pth file of the release, or its state dict, bare or under "model".
        frames: the clip length it was trained for, which its weights do not tell.
        order: which lifting step comes first, which its weights do not tell either.

    Raises:
        InputError: the file is unreadable, or a name is unknown, missing or of another shape.
    """
    official, origin = _official_state_dict(state_dict_or_path)
    weights: dict[str, Tensor] = {}
    unknown = []
    for name, value in official.items():
        if name.startswith(OFFICIAL_UNUSED):
            continue
        prefix = max((prefix for prefix in OFFICIAL_NAMES if name.startswith(prefix)), key=len, default=None)
        if prefix is None:
            unknown.append(name)
        else:
            weights[OFFICIAL_NAMES[prefix] + name.removeprefix(prefix)] = value
    if unknown:
        raise InputError(f"{origin} holds names that no IFDD release has: {', '.join(sorted(unknown))}")
    model = IFDD(_infer_official_config(weights, origin, frames, order))
    _load_strictly(model, weights, origin)
    return model.eval()


def _official_state_dict(given: Mapping[str, Any] | str | Path) -> tuple[dict[str, Tensor], str]:
    origin = "the state dict"
    if isinstance(given, (str, Path)):
        origin = str(given)
        try:
            given = torch.load(given, map_location="cpu", weights_only=True)
        except FileNotFoundError as error:
            raise InputError(f"no checkpoint at {origin}") from error
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
            raise InputError(f"cannot read {origin} as a PyTorch checkpoint: {str(error).splitlines()[0]}") from error
    if isinstance(given, Mapping) and isinstance(given.get("model"), Mapping):
        given = given["model"]
    if not isinstance(given, Mapping) or not all(isinstance(value, Tensor) for value in given.values()):
        raise InputError(f"{origin} holds no state dict, bare or under 'model'")
    return {name.removeprefix("module."): value for name, value in given.items()}, origin


def _infer_official_config(
    weights: Mapping[str, Tensor],
    origin: str,
    frames: int,
    order: Literal["updater_first", "predictor_first"],
) -> IFDDConfig:
    if "head.classifier.weight" not in weights:
        raise InputError(f"{origin} has no classifier 'head.head.1.weight': it is no IFDD checkpoint")
    blocks = sum(name.endswith(".norm1.weight") and name.startswith("backbone.blocks.") for name in weights)
    by_blocks = {10: "mvit_xs", 16: "mvit_s"}
    if blocks not in by_blocks:
        raise InputError(f"{origin} has {blocks} backbone blocks; the release's variants have {list(by_blocks)}")
    return IFDDConfig(
        backbone=by_blocks[blocks],
        num_classes=weights["head.classifier.weight"].shape[0],
        frames=frames,
        split="issm" if "split.tokenizer.weight" in weights else "even_odd",
        lifting=order if "lifting.updater.query.weight" in weights else "none",
        sampling="official",
    )
