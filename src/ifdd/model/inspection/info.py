"""``ifdd info``: the size and cost of a model, part by part."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from textwrap import indent
from typing import Any

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from ifdd.console import console, error_console
from ifdd.errors import InputError, check_range
from ifdd.files import check_writable, expand, refuse_replacing, write_text
from ifdd.model.config import PRESETS
from ifdd.model.device import choose_device
from ifdd.model.ifdd import IFDD, create_model
from ifdd.model.inspection.counting import count_parts
from ifdd.model.inspection.measuring import device_name, measure_cost
from ifdd.model.weights.checkpoint import BUNDLED, Checkpoint, load_checkpoint
from ifdd.remote.hub import is_hub_address

SCHEMA_VERSION = 1

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".tar", ".onnx", ".xml", ".pt2")
"""Suffixes by which a word is a checkpoint of some kind, not a preset."""

NOT_OVERRIDES = {
    "preset": "give it as the model",
    "ablation": "give it as --ablation",
    "weights": "leave them out, because size and cost do not depend on them",
}
"""What ``--overrides`` cannot set -> what to do instead."""

LINE = 58
"""Characters of a value that stand on one line."""


def info(
    model: str | None = None,
    *,
    ablation: str = "full",
    overrides: dict[str, Any] | None = None,
    batch_size: int = 1,
    device: str = "auto",
    seconds: float = 3.0,
    out: Path | None = None,
) -> None:
    """Show a model's size and cost: parts, parameters, GMAC, memory and latency; without a model, list the presets.

    GMAC are 1e9 executed multiply-adds per clip, by torch's counter. Latency and memory are those of a forward in
    inference mode. Memory is weights, clips and the forward's peak, as seen by PyTorch's allocator: it excludes the
    Python process, PyTorch's code and scratch space inside kernels.

    Args:
        model: A preset, a .safetensors checkpoint of ifdd, a bundled one's name, or hf://USER/MODEL; without it, all
            presets are listed.
        ablation: Row of the paper's ablations: full, backbone_only, issm_only, even_odd, predictor_first, ...
        overrides: Other fields of the model's configuration to change, e.g. {size: 112}.
        batch_size: Clips per batch.
        device: Device to run the model on: auto (a CUDA GPU if there is one, otherwise the CPU), cpu, cuda, cuda:1 (the
            second GPU) or mps (the GPU of a Mac).
        seconds: Shortest time for which to repeat the forward, in seconds.
        out: JSON file to write the figures and the machine to.

    Raises:
        InputError: an option is out of range, the preset, ablation or field is unknown, the checkpoint cannot be
            read, the batch does not fit in memory, or the file cannot be written.
    """
    check_range("--batch-size", batch_size, at_least=1)
    check_range("--seconds", seconds, above=0)
    for name, remedy in NOT_OVERRIDES.items():
        if name in (overrides or {}):
            raise InputError(f"--overrides cannot set {name}; {remedy}")
    if out is not None:
        out = expand(out)
        check_writable(out)
        if model is not None:
            refuse_replacing(out, "the checkpoint that is described", expand(model))
    if model is None:
        document = describe_presets(ablation, overrides or {})
        console.print(preset_table(document))
    else:
        document = describe_model(model, ablation, overrides or {}, batch_size, choose_device(device), seconds)
        console.print(model_tables(document), highlight=False)
    if out is not None:
        write_text(out, json.dumps(document, indent=2, allow_nan=False) + "\n")
        console.print(f"Written to {out}", highlight=False, markup=False)


def describe_presets(ablation: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration and size of every preset as a JSON document; nothing is measured.

    ``{"schema_version": 1, "ablation", "overrides", "presets": {name: {"config", "parameters", "gmac": per clip}}}``.
    """
    presets = {}
    for name in PRESETS:
        with torch.device("meta"):
            config = create_model(name, ablation=ablation, **overrides).config
        parts = count_parts(config)
        presets[name] = {
            "config": asdict(config),
            "parameters": sum(part.parameters for part in parts),
            "gmac": sum(part.macs for part in parts) / 1e9,
        }
    return {"schema_version": SCHEMA_VERSION, "ablation": ablation, "overrides": overrides, "presets": presets}


def describe_model(
    model: str, ablation: str, overrides: dict[str, Any], batch_size: int, device: str, seconds: float
) -> dict[str, Any]:
    """Return everything that ``ifdd info`` shows of a model as a JSON document.

    ``{"schema_version": 1, "model": preset or file, "ablation", "overrides", "config", "parameters": {"trainable",
    "total"}, "gmac": per clip, "parts": [{"name", "shapes": for one clip, "parameters", "gmac"}], "batch": {"size",
    "latency_seconds": {"median", "iqr", "runs"}, "clips_per_second", "gflops": 1e9 floating-point operations per
    second, "memory_bytes": {"weights", "clips", "activations", "total"}}, "machine": {"device", "threads",
    "torch", "matmul_gflops"}, "checkpoint": {"classes", "clip_seconds", "calibration": or
    null, "description"} or null}``.
    """
    network, checkpoint = _load(model, ablation, overrides)
    parts = count_parts(network.config)
    macs = sum(part.macs for part in parts)
    with error_console.status(f"measuring {model} on batches of {batch_size} clips ..."):
        cost = measure_cost(network, batch_size, device, seconds)
    return {
        "schema_version": SCHEMA_VERSION,
        "model": model,
        "ablation": ablation,
        "overrides": overrides,
        "config": asdict(network.config),
        "parameters": {
            "trainable": sum(value.numel() for value in network.parameters() if value.requires_grad),
            "total": sum(value.numel() for value in network.parameters()),
        },
        "gmac": macs / 1e9,
        "parts": [
            {
                "name": part.name,
                "shapes": [list(shape) for shape in part.shapes],
                "parameters": part.parameters,
                "gmac": part.macs / 1e9,
            }
            for part in parts
        ],
        "batch": {
            "size": batch_size,
            "latency_seconds": {"median": cost.latency, "iqr": cost.latency_iqr, "runs": cost.runs},
            "clips_per_second": batch_size / cost.latency,
            "gflops": 2 * macs * batch_size / cost.latency / 1e9,
            "memory_bytes": {
                "weights": cost.weights,
                "clips": cost.clips,
                "activations": cost.activations,
                "total": cost.weights + cost.clips + cost.activations,
            },
        },
        "machine": {
            "device": device_name(device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "matmul_gflops": cost.matmul / 1e9,
        },
        "checkpoint": checkpoint
        and {
            "classes": list(checkpoint.classes),
            "clip_seconds": checkpoint.clip_seconds,
            "calibration": checkpoint.calibration and checkpoint.calibration.plain(),
            "description": checkpoint.record.plain(),
        },
    }


def _load(model: str, ablation: str, overrides: dict[str, Any]) -> tuple[IFDD, Checkpoint | None]:
    """Return the model in evaluation mode, and its checkpoint if it comes from one."""
    file = model in BUNDLED or is_hub_address(model) or Path(model).suffix in SUFFIXES or expand(model).exists()
    if model in PRESETS or not file:
        return create_model(model, ablation=ablation, **overrides).eval(), None
    if ablation != "full" or overrides:
        raise InputError(f"{model} is a checkpoint, which is complete: leave out --ablation and --overrides")
    checkpoint = load_checkpoint(model)
    return checkpoint.model.eval(), checkpoint


def preset_table(document: dict[str, Any]) -> Table:
    """Return the table of presets for the terminal."""
    table = Table(title="Presets", box=SIMPLE_HEAD)
    for name in ("preset", "backbone", "clip"):
        table.add_column(name, no_wrap=True)
    for name in ("parameters", "GMAC"):
        table.add_column(name, justify="right")
    for name, preset in document["presets"].items():
        config = preset["config"]
        table.add_row(name, config["backbone"], _clip(config), f"{preset['parameters']:,}", f"{preset['gmac']:.2f}")
    return table


def model_tables(document: dict[str, Any]) -> Group:
    """Return the parts, the cost of a batch and, for a checkpoint, its description."""
    whole, gmac = document["parameters"]["total"], document["gmac"]
    variant = "" if document["ablation"] == "full" else f", {document['ablation']}"
    table = Table(title=f"{document['model']}{variant}: output and cost of each part, per clip", box=SIMPLE_HEAD)
    table.add_column("part", no_wrap=True)
    table.add_column("output", no_wrap=True)
    for name in ("parameters", "%", "GMAC", "%"):
        table.add_column(name, justify="right")
    for part in document["parts"]:
        counts = _percent(part["parameters"] / whole), f"{part['gmac']:.3f}", _percent(part["gmac"] / gmac)
        table.add_row(part["name"], _shapes(part["shapes"]), f"{part['parameters']:,}", *counts)
    table.add_section()
    table.add_row("whole model", f"{document['config']['num_classes']}", f"{whole:,}", "", f"{gmac:.3f}", "")
    details = Table.grid(padding=(0, 2))
    details.add_column(no_wrap=True)
    details.add_column(overflow="fold")  # hashes are longer than a line
    for name, value in (*_cost_rows(document), *_checkpoint_rows(document["checkpoint"])):
        details.add_row(name, escape(value))
    return Group(table, details)


def _cost_rows(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    config, batch, machine = document["config"], document["batch"], document["machine"]
    latency, memory = batch["latency_seconds"], batch["memory_bytes"]
    mebibytes = {name: f"{value / 2**20:.1f} MiB" for name, value in memory.items()}
    yield "model", f"{config['backbone']}, clips of {_clip(config)}"
    yield "input", f"alignment {config['alignment']}, standardization {config['standardization']}"
    yield "parameters", f"{document['parameters']['total']:,}, {document['parameters']['trainable']:,} trainable"
    yield "GMAC", f"{document['gmac']:.2f} per clip ({2 * document['gmac']:.2f} GFLOP)"
    yield (
        f"latency, batch of {batch['size']}",
        f"{1e3 * latency['median']:.1f} ms (median of {latency['runs']}, interquartile range "
        f"{1e3 * latency['iqr']:.1f} ms): {batch['clips_per_second']:.2f} clips/s",
    )
    yield (
        "arithmetic",
        f"{batch['gflops']:.0f} GFLOP/s; a large float32 matrix product here: {machine['matmul_gflops']:.0f}",
    )
    yield (
        f"memory, batch of {batch['size']}",
        f"{mebibytes['total']}: weights {mebibytes['weights']}, clips {mebibytes['clips']}, "
        f"forward {mebibytes['activations']}",
    )
    yield "machine", f"{machine['device']}, {machine['threads']} CPU threads, torch {machine['torch']}"


def _checkpoint_rows(checkpoint: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    if checkpoint is None:
        return
    yield "classes", ", ".join(checkpoint["classes"])
    yield "clip", f"{checkpoint['clip_seconds']:g} s, which is the window of recognize"
    yield "calibration", _block(checkpoint["calibration"])
    for name, value in checkpoint["description"].items():
        if name != "recipe":  # long, and in --out
            yield name, _block(value)


def _block(value: Any) -> str:
    """Format a value of the description; if that is long, entries of mappings have lines of their own."""
    line = _plain(value)
    if len(line) <= LINE or not isinstance(value, dict | list):
        return line
    if isinstance(value, list):
        blocks = list(map(_block, value))
        return ("\n\n" if any("\n" in block for block in blocks) else "\n").join(blocks)
    lines = []
    for name, each in value.items():
        block = _block(each)
        lines.append(f"{name}\n{indent(block, '  ')}" if "\n" in block else f"{name} {block}")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    """Format a value of the description on one line."""
    if isinstance(value, list):
        return "; ".join(map(_plain, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items())
    return f"{value:.4g}" if isinstance(value, float) else "none" if value is None else str(value)


def _clip(config: dict[str, Any]) -> str:
    return f"{config['frames']} x {config['size']} x {config['size']}"


def _shapes(shapes: list[list[int]]) -> str:
    """Format shapes, as "2 of 196 x 768" if they are equal."""
    each = [" x ".join(map(str, shape)) for shape in shapes]
    return f"{len(each)} of {each[0]}" if len(each) > 1 and len(set(each)) == 1 else ", ".join(each)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
