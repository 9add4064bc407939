"""Parameters and multiply-adds of a model, part by part.

GMAC: 1e9 multiply-adds per clip, half the floating-point operations that ``torch.utils.flop_counter`` counts: matrix
products and convolutions, but not norms, activations, softmax, pooling and interpolation. The forward counted runs on
the meta device, without values. There torch decomposes fused attention into its two products; on the CPU its counter
misses that operation (torch 2.13), which would hide 16.55 GMAC of ``ifdd_mvit_xs`` in the backbone and 0.18 in LADM.

The counts are those of the executed operations. The fused attention of the MViT backbones widens queries, keys and
values by position codes and padding: 96 channels per head become 128 or 144. This costs 4.97 GMAC of ``ifdd_mvit_xs``,
and still saves time. Keys and values are computed only where pooling reads them, which spares 1.06 GMAC; together this
makes 51.76 GMAC. At the heads' own width and with all keys and values the same model counts 47.86 GMAC (95.71 GFLOP),
the release's measured 47.9 (95.7); tests compute all of these.

Parameters: the release's 37,577,123 include 44,625 that its forward never reads (three position tables in LADM and a
projection over time in ISSM). ifdd's model has the remaining 37,532,498.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ifdd.model.config import IFDDConfig
from ifdd.model.ifdd import IFDD
from ifdd.model.outputs import StageShape


class Part(NamedTuple):
    """The size and cost of a box of the figure, or of a stage of the backbone."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    """Shapes of its output tensors for one clip."""
    parameters: int
    macs: int
    """Multiply-adds per clip."""


def count_parts(config: IFDDConfig) -> list[Part]:
    """Return the parts of a model in the order of the figure; they add up to the whole.

    The backbone is divided into its stages if it declares where they end (``stage_ends``, the index of the last of its
    ``blocks`` in each) or if the output sizes of its blocks show it (:func:`stage_ends`): stage 1 includes the stem,
    the last stage whatever follows the last block. Otherwise the backbone is one part.
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
    sizes = {name: outputs[each] for name, each in blocks.items()}
    for number, shape, names in _stages(model.backbone.stages, sizes, getattr(model.backbone, "stage_ends", None)):
        own = {f"backbone.{name}": blocks[name] for name in names}
        stages.append(part(f"backbone stage {number}", (tuple(shape),), own))
    if sum(stage.parameters for stage in stages) != whole.parameters or sum(each.macs for each in stages) != whole.macs:
        stages = [whole]  # some of the work happens outside the blocks
    return [*stages, *(part(name, outputs[module], {name: module}) for name, module in boxes.items())]


def _blocks(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield name and module of the children, descending into plain lists and sequences."""
    for name, child in module.named_children():
        if type(child) in (nn.ModuleList, nn.Sequential):
            yield from _blocks(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


def stage_ends(stages: tuple[StageShape, ...], sizes: list[int]) -> list[int] | None:
    """Return the index of the last block of each stage, or None if the sizes do not show it.

    A stage ends with the last block whose output has as many elements as its map, with or without a class token.

    Args:
        stages: shapes of the backbone's maps.
        sizes: number of elements of each block's output for one clip, in the order of the blocks.
    """
    ends = []
    for stage in stages:
        positions = stage.frames * stage.height * stage.width
        fitting = {stage.channels * positions, stage.channels * (positions + 1)}
        ends.append(max((index for index, size in enumerate(sizes) if size in fitting), default=-1))
    rising = all(first < second for first, second in zip([-1, *ends], ends, strict=False))
    return [*ends[:-1], len(sizes) - 1] if rising else None


def _stages(
    stages: tuple[StageShape, ...], outputs: dict[str, tuple[tuple[int, ...], ...]], declared: list[int] | None
) -> Iterator[tuple[int, StageShape, list[str]]]:
    """Yield number, shape and block names of each stage; nothing if neither the backbone nor its blocks show them."""
    names = list(outputs)
    sizes = [torch.Size(shapes[0]).numel() if len(shapes) == 1 else 0 for shapes in outputs.values()]
    if declared is not None and all(f"blocks.{end}" in outputs for end in declared):
        ends: list[int] | None = [*(names.index(f"blocks.{end}") for end in declared[:-1]), len(names) - 1]
    else:
        ends = stage_ends(stages, sizes)
    start = 0
    for number, (shape, end) in enumerate(zip(stages, ends or [], strict=False), 1):
        yield number, shape, names[start : end + 1]
        start = end + 1
