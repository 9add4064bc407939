"""``ifdd convert``: convert a checkpoint of the official release; halve or weight one of ifdd."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from rich.table import Table

from ifdd.console import console
from ifdd.data.labels import LABEL_SETS
from ifdd.errors import InputError, check_range
from ifdd.files import check_writable, expand, refuse_replacing
from ifdd.model import (
    IFDD,
    Checkpoint,
    Conversion,
    convert_official,
    find_checkpoint,
    is_ours,
    load_checkpoint,
    save_checkpoint,
    weight_of_each,
)
from ifdd.records import CheckpointRecord
from ifdd.records.licences import data_licence

ENTRIES_SHOWN = 12
"""Entries listed one by one for each reason; the rest are counted."""
OFFICIAL_FPS = 25.0
OFFICIAL_STRIDES = {8: 1, 16: 1, 32: 2}
"""Frames of a clip -> step between them in the release's recipes; MAFW's use 32 frames."""


def convert(
    checkpoint: Path,
    out: Path,
    *,
    classes: Literal["dfew", "ferv39k", "mafw"] | None = None,
    frames: Literal[8, 16, 32] = 16,
    order: Literal["updater_first", "predictor_first"] = "updater_first",
    part: Literal["model", "ema"] | None = None,
    clip_seconds: float | None = None,
    half: bool = False,
    class_weights: dict[str, float] | None = None,
) -> None:
    """Convert a checkpoint of the official IFDD release to a .safetensors file of ifdd.

    Backbone, splitting, lifting and the number of classes are inferred from the names and shapes of the weights. Every
    unused entry is listed with the reason. A .safetensors file of ifdd is copied, with --half in half the size, with
    --class-weights so that it expects classes as often as you say.

    Args:
        checkpoint: Checkpoint to convert: the release's .pth file, or one of a training with its code, also Lightning's
            .ckpt, read without running any code in it; or a .safetensors file of ifdd, or a bundled one's name.
        out: File to write, with the suffix .safetensors.
        classes: Label set, which gives names and order of the classes. Default: MAFW's names for 11 classes, numbers
            for 7, because DFEW and FERV39k order theirs differently.
        frames: Frames per clip; cannot be inferred from the weights.
        order: First lifting step; cannot be inferred from the weights.
        part: Weights to use if the file holds both. Default: model.
        clip_seconds: Duration of a clip in seconds. Default: that of the release's recipes at 25 frames per second,
            0.64 for 16 frames.
        half: Store matrices and kernels as 16-bit floats, which halves the file and hardly changes the predictions.
        class_weights: How often the classes occur where an ifdd checkpoint is used, relative to what it expects now,
            such as '{neutral: 2}': its probabilities are multiplied by the weights and divided by their sum. Classes
            that are not named have 1. The bias of the classifier holds the weights, so that exported files have them.

    Raises:
        InputError: the checkpoint cannot be read, the options do not fit it, or the file cannot be written.
    """
    check_range("--clip-seconds", clip_seconds, above=0, below=math.inf)
    checkpoint, out = find_checkpoint(checkpoint), expand(out)
    if out.suffix != ".safetensors":
        raise InputError(f"cannot write {out}: name it with the suffix .safetensors")
    check_writable(out)
    refuse_replacing(out, "the checkpoint that is converted", checkpoint)
    if is_ours(checkpoint):
        if (classes, frames, order, part, clip_seconds) != (None, 16, "updater_first", None, None):
            raise InputError(
                f"{checkpoint} is an ifdd checkpoint and already complete; the only options are --half and "
                "--class-weights"
            )
        ours = load_checkpoint(checkpoint)
        record = weight_classes(ours, class_weights or {})
        save_checkpoint(
            out, ours.model, ours.classes, ours.clip_seconds, record, calibration=ours.calibration, half=half
        )
        console.print(f"Written to {out}", highlight=False, markup=False)
        return
    if class_weights:
        raise InputError("--class-weights is for a checkpoint of ifdd; convert the release's file first")
    conversion = convert_official(checkpoint, frames, len(LABEL_SETS[classes]) if classes else None, order, part)
    names = class_names_of(conversion.model, classes)
    seconds = frames * OFFICIAL_STRIDES[frames] / OFFICIAL_FPS if clip_seconds is None else clip_seconds
    licence = data_licence(classes, synthetic=False)
    record = CheckpointRecord(
        converted_from=checkpoint.name, data=classes, synthetic=False, licences=(licence,) if licence else None
    )
    save_checkpoint(out, conversion.model, names, seconds, record, half=half)
    console.print(report(conversion))
    console.print(f"Classes: {', '.join(names)}", highlight=False)
    if "class0" in names:
        console.print("Add --classes dfew or --classes ferv39k to name them.", highlight=False)
    console.print(f"Written to {out}", highlight=False, markup=False)


def weight_classes(checkpoint: Checkpoint, class_weights: Mapping[str, float]) -> CheckpointRecord:
    """Let a checkpoint's model expect classes more or less often, and return the record that says so.

    Scores in the record are left out, because they are those of other predictions.

    The weights' logarithms, times the temperature, are added to the bias of the classifier, because probabilities are
    the softmax of logits over temperature. Every probability is multiplied by its weight, and all divided by their sum.

    Args:
        checkpoint: its model is changed in place.
        class_weights: class -> weight, above 0; 1 for those that are not named.

    Raises:
        InputError: a class is unknown, or a weight is not above 0.
    """
    for name, weight in class_weights.items():
        check_range(f"--class-weights {name}", weight, above=0, below=math.inf)
    weights = weight_of_each(class_weights, checkpoint.classes, "--class-weights")
    if not class_weights:
        return checkpoint.record
    with torch.no_grad():
        checkpoint.model.head.classifier.bias.add_(torch.tensor(weights).log() * checkpoint.temperature)
    earlier = checkpoint.record.class_weights or {}
    products = {name: earlier.get(name, 1.0) * weight for name, weight in zip(checkpoint.classes, weights, strict=True)}
    return replace(
        checkpoint.record,
        class_weights={name: product for name, product in products.items() if product != 1} or None,
        validation=None,
        test=None,
        measured=None,
    )


def class_names_of(model: IFDD, classes: str | None) -> tuple[str, ...]:
    """Return the names of a converted model's classes in the order of the logits.

    Args:
        model: model with the number of classes.
        classes: name of a label set, or None.
    """
    count = model.config.num_classes
    if classes is None and count == len(LABEL_SETS["mafw"]):
        classes = "mafw"
    return LABEL_SETS[classes] if classes else tuple(f"class{index}" for index in range(count))


def report(conversion: Conversion) -> Table:
    """Return a table of the inferred configuration and of used and unused entries, for the terminal."""
    config = conversion.model.config
    parameters = sum(parameter.numel() for parameter in conversion.model.parameters())
    table = Table(title="Official checkpoint", show_header=False, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column()
    for name in ("backbone", "split", "lifting", "sampling", "frames", "size", "num_classes"):
        table.add_row(name.replace("_", " "), str(getattr(config, name)))
    table.add_row("used", f"{len(conversion.used)} entries, {parameters:,} parameters")
    table.add_row("not used", f"{len(conversion.unused)} entries", end_section=True)
    for reason, names in names_by_reason(conversion.unused).items():
        for name in names[:ENTRIES_SHOWN]:
            table.add_row(name, reason)
        if len(names) > ENTRIES_SHOWN:
            table.add_row(f"and {len(names) - ENTRIES_SHOWN} more like {names[-1]}", reason)
    return table


def names_by_reason(unused: Mapping[str, str]) -> dict[str, list[str]]:
    """Return reason -> names of the entries left out for it."""
    groups: dict[str, list[str]] = {}
    for name, reason in unused.items():
        groups.setdefault(reason, []).append(name)
    return groups
