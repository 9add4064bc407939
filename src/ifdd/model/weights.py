"""Checkpoints of ours, in and out."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ifdd.errors import InputError
from ifdd.files import atomic_path
from ifdd.model.config import IFDDConfig
from ifdd.model.ifdd import IFDD
from ifdd.model.state_dicts import load_strictly

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
    load_strictly(model, weights, str(path))
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
