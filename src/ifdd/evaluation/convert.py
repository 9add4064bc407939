"""``ifdd convert``: a checkpoint of the official release becomes one of ours; one of ours becomes smaller."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from rich.table import Table

from ifdd.console import console
from ifdd.data.labels import LABEL_SETS
from ifdd.errors import InputError
from ifdd.model import IFDD, Conversion, convert_official, load_checkpoint, save_checkpoint
from ifdd.records import CheckpointRecord

ENTRIES_SHOWN = 12
"""Entries that are listed one by one for a reason; the others are counted."""
OFFICIAL_FPS = 25.0
OFFICIAL_STRIDES = {8: 1, 16: 1, 32: 2}
"""Frames of a clip -> step between them in the release's recipes (32 frames are MAFW's)."""


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
) -> None:
    """Turn a checkpoint of the official IFDD release into a .safetensors file of ifdd.

    Backbone, splitting, lifting and the number of classes are read off the names and shapes; every entry that is not
    used is listed with the reason. A .safetensors file of ifdd can be stored in half its size with --half true.

    Args:
        checkpoint: The release's .pth file, read without running any code that it may hold; or one of ifdd.
        out: The .safetensors file to write.
        classes: Label set that the checkpoint was trained on, which names its classes; without it 11 classes get
            MAFW's names, 7 are numbered, for DFEW and FERV39k number theirs differently.
        frames: Frames of a clip that it was trained for; the weights do not tell.
        order: Lifting step that comes first; the weights do not tell.
        part: Weights to take from a file that holds both; model without it.
        clip_seconds: Time that a clip spans in seconds; without it that of the release's recipes at 25 frames a
            second, 0.64 for 16 frames.
        half: Store matrices and kernels as 16-bit floats: half the size, nearly the same answers.

    Raises:
        InputError: the checkpoint cannot be read, the options do not fit it, or the file cannot be written.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"cannot write {out}: name it with the suffix .safetensors")
    if checkpoint.suffix == ".safetensors":
        if (classes, frames, order, part, clip_seconds) != (None, 16, "updater_first", None, None):
            raise InputError(f"{checkpoint} is a checkpoint of ifdd, which is complete: give no option but --half true")
        ours = load_checkpoint(checkpoint)
        save_checkpoint(out, ours.model, ours.classes, ours.clip_seconds, ours.record, half=half)
        console.print(f"Written to {out}", highlight=False)
        return
    conversion = convert_official(checkpoint, frames, len(LABEL_SETS[classes]) if classes else None, order, part)
    names = class_names_of(conversion.model, classes)
    seconds = frames * OFFICIAL_STRIDES[frames] / OFFICIAL_FPS if clip_seconds is None else clip_seconds
    if seconds <= 0:
        raise InputError(f"--clip-seconds must be positive, given {seconds}")
    record = CheckpointRecord(converted_from=checkpoint.name, data=classes, synthetic=False)
    save_checkpoint(out, conversion.model, names, seconds, record, half=half)
    console.print(report(conversion))
    console.print(f"Classes: {', '.join(names)}", highlight=False)
    if "class0" in names:
        console.print("Add --classes dfew or --classes ferv39k to name them.", highlight=False)
    console.print(f"Written to {out}", highlight=False)


def class_names_of(model: IFDD, classes: str | None) -> tuple[str, ...]:
    """Return the names of a converted model's classes in the order of the logits.

    Args:
        model: gives the number of classes.
        classes: name of a label set, or None.
    """
    count = model.config.num_classes
    if classes is None and count == len(LABEL_SETS["mafw"]):
        classes = "mafw"
    return LABEL_SETS[classes] if classes else tuple(f"class{index}" for index in range(count))


def report(conversion: Conversion) -> Table:
    """Return what was recognised and what became of every entry, for the terminal."""
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
    """Return reason -> the names that were left out for it."""
    groups: dict[str, list[str]] = {}
    for name, reason in unused.items():
        groups.setdefault(reason, []).append(name)
    return groups
