"""``ifdd info``: what a model costs; its parts, counted, and a batch, measured.

GMAC: 1e9 multiply-adds a clip, half the floating-point operations that ``torch.utils.flop_counter`` counts: matrix
products and convolutions, not norms, activations, softmax, pooling and interpolation. The forward that is counted
runs on the meta device, without values. There torch takes fused attention apart into its two products; on the CPU
its counter overlooks that operation (torch 2.13), which would hide 16.55 GMAC of ``ifdd_mvit_xs`` in its backbone and
0.18 in LADM.

Counted is what runs. The fused attention of the MViT backbones works on queries, keys and values that are widened by
position codes and padded: 96 channels a head become 128 or 144. That costs 4.97 of the 52.82 GMAC of ``ifdd_mvit_xs``
and saves time all the same. At the heads' own width the same model counts 47.86 GMAC (95.71 GFLOP), which is the
release's measured 47.9 (95.7); a test computes both.

Parameters: the release's 37,577,123 hold 44,625 that its forward never reads (three position tables and a projection
over time in its LADM and ISSM). Ours has the other 37,532,498.
"""

import json
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

from ifdd.console import console, error_console
from ifdd.errors import InputError
from ifdd.files import write_text
from ifdd.model.config import PRESETS, IFDDConfig
from ifdd.model.device import choose_device
from ifdd.model.ifdd import IFDD, create_model
from ifdd.model.outputs import StageShape
from ifdd.model.weights.checkpoint import BUNDLED, Checkpoint, load_checkpoint

SCHEMA_VERSION = 1
MATMUL_SIZE = {"cpu": 2048, "cuda": 8192}
"""Rows and columns of the float32 matrices whose product tells how fast the machine is."""


class Part(NamedTuple):
    """A box of the figure, or a stage of the backbone."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    """What it gives for one clip, a shape a tensor."""
    parameters: int
    macs: int
    """Multiply-adds for one clip."""


class Cost(NamedTuple):
    """A forward of one batch in inference mode, measured."""

    batch_size: int
    latency: float
    """Median in seconds."""
    latency_iqr: float
    """Interquartile range in seconds."""
    runs: int
    """Timed runs, or blocks of runs where one is too short to be timed."""
    weights: int
    """Bytes of parameters and buffers."""
    clips: int
    """Bytes of the batch."""
    activations: int
    """Largest number of bytes that the forward holds at once, beside weights and clips."""
    matmul: float
    """Floating-point operations a second in a large float32 matrix product, measured before and after the model."""


def info(
    model: str | None = None,
    *,
    ablation: str = "full",
    overrides: dict[str, Any] | None = None,
    batch_size: int = 1,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    seconds: float = 3.0,
    out: Path | None = None,
) -> None:
    """Show a model's size and cost: parts, parameters, GMAC, memory and latency; without a model, list the presets.

    GMAC are 1e9 multiply-adds a clip by torch's own counter, as executed. Latency and memory are those of a forward
    in inference mode. Memory is weights, clips and the most that a forward holds at once, as PyTorch's allocator sees
    it: without the Python process, PyTorch's own code and the scratch space inside of kernels.

    Args:
        model: A preset, a .safetensors checkpoint of ifdd, or the one that ships with it, ifdd_tiny_synth; all presets
            without it.
        ablation: Row of the paper's ablations: full, backbone_only, issm_only, even_odd, predictor_first, ...
        overrides: Further fields of the model's configuration that differ from the preset, e.g. {size: 112}.
        batch_size: Clips that the model sees at once.
        device: Where the model runs; auto takes a GPU if there is one.
        seconds: Least time to repeat the forward for, in seconds.
        out: JSON file for the same figures, with the machine; not written without it.

    Raises:
        InputError: an option is out of range, the preset, ablation or field is unknown, the checkpoint cannot be
            read, the batch does not fit into memory, or the file cannot be written.
    """
    if batch_size < 1:
        raise InputError(f"--batch-size is {batch_size}; it must be at least 1")
    if seconds <= 0:
        raise InputError(f"--seconds is {seconds}; it must be positive")
    if model is None:
        document = describe_presets(ablation, overrides or {})
        console.print(preset_table(document))
    else:
        document = describe_model(model, ablation, overrides or {}, batch_size, choose_device(device), seconds)
        console.print(model_tables(document), highlight=False)
    if out is not None:
        write_text(out, json.dumps(document, indent=2) + "\n")
        console.print(f"Written to {out}", highlight=False)


def describe_presets(ablation: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """Return every preset's configuration and size, as JSON can hold it; nothing is measured.

    ``{"schema_version": 1, "ablation", "overrides", "presets": {name: {"config", "parameters", "gmac": a clip}}}``.
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
    """Return everything that ``ifdd info`` shows of a model, as JSON can hold it.

    ``{"schema_version": 1, "model": preset or file, "ablation", "overrides", "config", "parameters": {"trainable",
    "total"}, "gmac": a clip, "parts": [{"name", "shapes": for a clip, "parameters", "gmac"}], "batch": {"size",
    "latency_seconds": {"median", "iqr", "runs"}, "clips_per_second", "gflops": floating-point operations a
    second / 1e9, "memory_bytes": {"weights", "clips", "activations", "total"}}, "machine": {"device", "threads",
    "torch", "matmul_gflops"}, "checkpoint": {"classes", "clip_seconds", "description"} or null}``.
    """
    network, checkpoint = _load(model, ablation, overrides)
    parts = count_parts(network.config)
    macs = sum(part.macs for part in parts)
    with error_console.status(f"measuring {model} with {batch_size} clips at once ..."):
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
            "device": _device_name(device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "matmul_gflops": cost.matmul / 1e9,
        },
        "checkpoint": checkpoint
        and {
            "classes": list(checkpoint.classes),
            "clip_seconds": checkpoint.clip_seconds,
            "description": checkpoint.description,
        },
    }


def _load(model: str, ablation: str, overrides: dict[str, Any]) -> tuple[IFDD, Checkpoint | None]:
    """Return the model in evaluation mode, and the checkpoint that it comes from."""
    if model.endswith((".pth", ".pt")):
        raise InputError(f"{model} is no checkpoint of ifdd; 'ifdd convert' makes one of an official checkpoint")
    if not model.endswith(".safetensors") and model not in BUNDLED:
        return create_model(model, ablation=ablation, **overrides).eval(), None
    if ablation != "full" or overrides:
        raise InputError(f"{model} is a checkpoint, which is complete: leave out --ablation and --overrides")
    checkpoint = load_checkpoint(model)
    return checkpoint.model.eval(), checkpoint


# --- counted ----------------------------------------------------------------------------------------------


def count_parts(config: IFDDConfig) -> list[Part]:
    """Return the parts of a model in the order of the figure; they add up to the whole.

    The backbone's stages are told apart where its blocks show them (``stage_ends``): stage 1 begins with the stem, the
    last stage ends with what follows the last block. Otherwise the backbone is one part.
    """
    with torch.device("meta"):
        model = IFDD(config).eval()
        clip = torch.empty(1, 3, config.frames, config.size, config.size)
    boxes = dict(model.named_children())  # in the order of the figure
    blocks = dict(_blocks(model.backbone))  # type: ignore[arg-type]
    outputs: dict[nn.Module, tuple[tuple[int, ...], ...]] = {}

    def keep_shapes(module: nn.Module, _: Any, output: Any) -> None:
        tensors = output if isinstance(output, tuple) else (output,)
        outputs[module] = tuple(tuple(each.shape[1:]) for each in tensors if isinstance(each, Tensor))

    for module in {*boxes.values(), *blocks.values()}:
        module.register_forward_hook(keep_shapes)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(clip)
    counts = counter.get_flop_counts()

    def part(label: str, shapes: tuple[tuple[int, ...], ...], modules: dict[str, nn.Module]) -> Part:
        parameters = sum(value.numel() for module in modules.values() for value in module.parameters())
        flops = sum(sum(counts.get(f"IFDD.{name}", {}).values()) for name in modules)
        return Part(label, shapes, parameters, flops // 2)

    whole = part("backbone", (tuple(model.backbone.stages[-1]),), {"backbone": boxes.pop("backbone")})
    stages: list[Part] = []
    for number, shape, names in _stages(model.backbone.stages, {name: outputs[each] for name, each in blocks.items()}):
        own = {f"backbone.{name}": blocks[name] for name in names}
        stages.append(part(f"backbone stage {number}", (tuple(shape),), own))
    if sum(stage.parameters for stage in stages) != whole.parameters or sum(each.macs for each in stages) != whole.macs:
        stages = [whole]  # something happens outside of the blocks
    return [*stages, *(part(name, outputs[module], {name: module}) for name, module in boxes.items())]


def _blocks(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield name and module of the children; plain lists and sequences are unfolded."""
    for name, child in module.named_children():
        if type(child) in (nn.ModuleList, nn.Sequential):
            yield from _blocks(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


def stage_ends(stages: tuple[StageShape, ...], sizes: list[int]) -> list[int] | None:
    """Return the index of the last block of each stage, or None where the blocks do not show it.

    Args:
        stages: shapes of the backbone's maps.
        sizes: number of elements that each block gives for a clip, in the order of the blocks. A stage ends with
            the last block that gives as many as its map has, with or without a class token.
    """
    ends = []
    for stage in stages:
        positions = stage.frames * stage.height * stage.width
        fitting = {stage.channels * positions, stage.channels * (positions + 1)}
        ends.append(max((index for index, size in enumerate(sizes) if size in fitting), default=-1))
    rising = all(first < second for first, second in zip([-1, *ends], ends, strict=False))
    return [*ends[:-1], len(sizes) - 1] if rising else None


def _stages(
    stages: tuple[StageShape, ...], outputs: dict[str, tuple[tuple[int, ...], ...]]
) -> Iterator[tuple[int, StageShape, list[str]]]:
    """Yield number, shape and names of the blocks of each stage; nothing where the blocks do not show the stages."""
    names = list(outputs)
    sizes = [torch.Size(shapes[0]).numel() if len(shapes) == 1 else 0 for shapes in outputs.values()]
    start = 0
    for number, (shape, end) in enumerate(zip(stages, stage_ends(stages, sizes) or [], strict=False), 1):
        yield number, shape, names[start : end + 1]
        start = end + 1


# --- measured ---------------------------------------------------------------------------------------------


def measure_cost(model: IFDD, batch_size: int, device: str, seconds: float) -> Cost:
    """Measure time and memory of a forward in inference mode, after a first one that does not count.

    Args:
        model: is moved to ``device``.
        batch_size: clips at once; random values in [0, 1].
        device: "cpu" or "cuda".
        seconds: least time to repeat the forward for; the matrix product takes up to a second beside.

    Raises:
        InputError: the batch does not fit into memory.
    """
    config = model.config
    with _memory_limit(batch_size, device), torch.inference_mode():
        model = model.to(device).eval()
        clips = torch.rand(batch_size, 3, config.frames, config.size, config.size, device=device)
        model(clips)
        matmul_before = _time_matmul(device, min(seconds, 1.0) / 2)
        forward = _time("model(clips)", {"model": model, "clips": clips}, seconds)
        matmul_after = _time_matmul(device, min(seconds, 1.0) / 2)
        activations = _peak_on_cuda(model, clips) if device == "cuda" else _peak_on_cpu(model, clips)
    return Cost(
        batch_size,
        forward.quantile(0.5).item(),
        (forward.quantile(0.75) - forward.quantile(0.25)).item(),
        len(forward),
        sum(value.nbytes for value in (*model.parameters(), *model.buffers())),
        clips.nbytes,
        activations,
        2 * MATMUL_SIZE[device] ** 3 / torch.cat([matmul_before, matmul_after]).quantile(0.5).item(),
    )


def _time(statement: str, names: dict[str, Any], seconds: float) -> Tensor:
    """Return seconds a run, for blocks of runs: at least ``seconds`` in all, longer where they scatter, 3 blocks."""
    timer = Timer(statement, globals=names, num_threads=torch.get_num_threads())
    times = timer.adaptive_autorange(min_run_time=seconds, max_run_time=4 * seconds).times
    while len(times) < 3:
        times += timer.timeit(1).times
    return torch.tensor(times, dtype=torch.float64)


def _time_matmul(device: str, seconds: float) -> Tensor:
    matrix = torch.rand(MATMUL_SIZE[device], MATMUL_SIZE[device], device=device)
    return _time("matrix @ matrix", {"matrix": matrix}, seconds)


def _peak_on_cuda(model: nn.Module, clips: Tensor) -> int:
    """Return the most bytes that a forward allocates at once."""
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    model(clips)
    return torch.cuda.max_memory_allocated() - before


def _peak_on_cpu(model: nn.Module, clips: Tensor) -> int:
    """Return the most bytes that a forward allocates at once.

    From the profiler's record of every allocation. The process's resident memory would say something else: it stays
    where it was when the forward reuses what earlier work gave back, and grows by what malloc keeps.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's notices
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        model(clips)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        record.export_chrome_trace(str(file))
        events = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
    changes = [(event["ts"], event["args"]["Bytes"]) for event in events if event["name"] == "[memory]"]
    now = peak = 0
    for _, change in sorted(changes, key=lambda each: each[0]):
        now += change
        peak = max(peak, now)
    return peak


@contextmanager
def _memory_limit(batch_size: int, device: str) -> Iterator[None]:
    """Say in one line that a batch is too large."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        raise InputError(
            f"a batch of {batch_size} clips does not fit into the memory of {_device_name(device)}; "
            "choose a smaller --batch-size"
        ) from error


def _device_name(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    processors = Path("/proc/cpuinfo")  # Linux only
    lines = processors.read_text(encoding="utf-8").splitlines() if processors.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


# --- shown ------------------------------------------------------------------------------------------------


def preset_table(document: dict[str, Any]) -> Table:
    """Return the list of presets for the terminal."""
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
    """Return the parts, the cost of a batch and, for a checkpoint, where it comes from."""
    whole, gmac = document["parameters"]["total"], document["gmac"]
    variant = "" if document["ablation"] == "full" else f", {document['ablation']}"
    table = Table(title=f"{document['model']}{variant}: what each part gives for a clip, and costs", box=SIMPLE_HEAD)
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
    for name, value in (*_cost_rows(document), *_checkpoint_rows(document["checkpoint"])):
        details.add_row(name, value)
    return Group(table, details)


def _cost_rows(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    config, batch, machine = document["config"], document["batch"], document["machine"]
    latency, memory = batch["latency_seconds"], batch["memory_bytes"]
    mebibytes = {name: f"{value / 2**20:.1f} MiB" for name, value in memory.items()}
    yield "model", f"{config['backbone']}, clips of {_clip(config)}"
    yield "parameters", f"{document['parameters']['total']:,}, {document['parameters']['trainable']:,} trainable"
    yield "GMAC", f"{document['gmac']:.2f} a clip ({2 * document['gmac']:.2f} GFLOP)"
    yield (
        f"latency, batch of {batch['size']}",
        f"{1e3 * latency['median']:.1f} ms (median of {latency['runs']}, quartiles {1e3 * latency['iqr']:.1f} ms "
        f"apart): {batch['clips_per_second']:.2f} clips/s",
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
    yield "clip", f"{checkpoint['clip_seconds']:g} s"
    for name, value in checkpoint["description"].items():
        if name != "recipe":  # long, and in --out
            yield name, _plain(value)


def _plain(value: Any) -> str:
    """Return a value of the description in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _clip(config: dict[str, Any]) -> str:
    return f"{config['frames']} x {config['size']} x {config['size']}"


def _shapes(shapes: list[list[int]]) -> str:
    """Return "2 of 196 x 768" for two equal shapes."""
    each = [" x ".join(map(str, shape)) for shape in shapes]
    return f"{len(each)} of {each[0]}" if len(each) > 1 and len(set(each)) == 1 else ", ".join(each)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
