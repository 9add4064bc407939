"""Draw the figure of docs/model.md: IFDD's boxes, their sizes read from a real forward pass.

python docs/make_model_figure.py [OUT.png]
"""

# ruff: noqa: RUF001 -- the signs for times and minus are meant
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.text import Text
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ifdd.data.labels import LABEL_SETS
from ifdd.model import BACKBONES, IFDD, IFDDOutput, create_model
from ifdd.synth import PRESETS, SynthConfig, render_clip

PICTURE = Path(__file__).parent / "images" / "model.png"
PRESET, CLIP, LABEL = "ifdd_mvit_xs", 21, "surprise"
WIDTH, HEIGHT = 900, 806
"""Units of the drawing: the pixels of a page; the picture has twice as many."""

# Okabe and Ito's colours, which all kinds of sight tell apart
STATIC, DYNAMIC, LOSS = "#0072B2", "#D55E00", "#8A5A83"
INK, FAINT, PAPER, TINT = "#222222", "#666666", "white", "#F4F4F1"


class Trace(NamedTuple):
    """What one forward pass left behind."""

    model: IFDD
    frames: np.ndarray
    """The clip as pictures, (T, H, W, 3) uint8."""
    output: IFDDOutput
    seen: dict[str, Any]
    """Module name -> what it returned."""

    def parameters(self, name: str = "") -> str:
        """Return how many parameters a module holds, in words."""
        count = sum(value.numel() for value in self.model.get_submodule(name).parameters())
        return f"{count / 1e6:.1f} M" if count >= 100_000 else f"{count:,}"


def trace(preset: str) -> Trace:
    """Run a fresh model on a SynthDFER clip and note what every module returns."""
    standard = PRESETS["standard"]
    torch.manual_seed(0)
    model = create_model(preset).eval()
    behaviour, scene = replace(standard.behaviour, visible=(0.5, 0.6)), replace(standard.scene, occlusion=0.0)
    config = SynthConfig(behaviour, scene, size=model.config.size)
    frames = np.stack(list(render_clip(config, 0, CLIP).frames))
    seen: dict[str, Any] = {}

    def note(name: str, module: nn.Module) -> None:
        module.register_forward_hook(lambda _module, _given, returned: seen.__setitem__(name, returned))

    for name, module in model.named_modules():
        note(name, module)
    with torch.inference_mode():
        output = model(torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 255)
    return Trace(model, frames, output, seen)


def size_of(value: Tensor) -> str:
    """Return a tensor's shape without the batch."""
    return " × ".join(str(number) for number in value.shape[1:])


# --- what everything is drawn with ------------------------------------------------------------------------


def write(ax: Axes, x: float, y: float, words: str, size: float = 8.5, **style: Any) -> Text:
    """Write words, left-aligned at mid height."""
    settings: dict[str, Any] = {"fontsize": size, "color": INK, "va": "center", "zorder": 8} | style
    return ax.text(x, y, words, **settings)


def box(ax: Axes, x: float, y: float, width: float, height: float, **style: Any) -> None:
    """Draw a rounded box."""
    shape = "round,pad=0,rounding_size=6"
    patch: dict[str, Any] = {"facecolor": PAPER, "edgecolor": INK, "linewidth": 1.1, "zorder": 2} | style
    ax.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=shape, **patch))


def title(
    ax: Axes, x: float, y: float, name: str, file: str, size: str = "", points: float = 10.5, **style: Any
) -> None:
    """Write a box's name, its file and its size, one behind the other."""
    last: Any = write(ax, x, y, name, points, weight="bold", **style)
    for words, family in ((file, "monospace"), (size, "sans-serif")):
        faint: dict[str, Any] = {"fontsize": 8, "family": family, "color": FAINT, "va": "center", "zorder": 8}
        last = ax.annotate(words, (1, 0.5), (8, 0), xycoords=last, textcoords="offset points", **faint)


def small_box(ax: Axes, x: float, y: float, width: float, height: float, *lines: str, **style: Any) -> None:
    """Draw a box around (x, y) with centred lines, the first in bold."""
    box(ax, x - width / 2, y - height / 2, width, height, **({"zorder": 5} | style))
    color = style.get("edgecolor", INK)
    for number, line in enumerate(lines):
        at = y + 13 * (number - (len(lines) - 1) / 2)
        first = {"weight": "bold", "color": color} if number == 0 else {"color": FAINT}
        write(ax, x, at, line, 9 if number == 0 else 8, ha="center", **first)


def line(ax: Axes, *points: tuple[float, float], color: str = INK, dashed: bool = False, head: bool = True) -> None:
    """Draw a line through points, with an arrow's head at the last."""
    xs, ys = (list(values) for values in zip(*points, strict=True))
    if head:
        (x0, y0), (x1, y1) = points[-2:]
        share = min(6 / float(np.hypot(x1 - x0, y1 - y0)), 1.0)
        xs[-1], ys[-1] = x1 - share * (x1 - x0), y1 - share * (y1 - y0)
        tip = FancyArrowPatch((xs[-1], ys[-1]), (x1, y1), arrowstyle="-|>", mutation_scale=10, color=color, zorder=7)
        ax.add_patch(tip)
    ax.plot(xs, ys, color=color, linewidth=1.8, linestyle=(0, (2.2, 1.4)) if dashed else "-", zorder=4)


def picture(ax: Axes, image: np.ndarray, x: float, y: float, width: float, height: float, **style: Any) -> None:
    """Place an image with a thin white frame."""
    order = style.setdefault("zorder", 5)
    ax.imshow(image, extent=(x, x + width, y + height, y), aspect="auto", **style)
    ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=PAPER, linewidth=0.7, zorder=order))


def stack(ax: Axes, features: Tensor, x: float, bottom: float, side: float) -> None:
    """Draw the strength of a (1, C, T, H, W) map, one slice a frame, the first in front; x, bottom: its left corner."""
    strength = features[0].square().mean(0).sqrt().numpy()
    limits = {"vmin": strength.min(), "vmax": np.quantile(strength, 0.995)}
    for frame, values in enumerate(strength):
        shift, order = 3.4 * frame, 5 - 0.01 * frame
        picture(ax, values, x + shift, bottom - side - shift, side, side, cmap="gray", zorder=order, **limits)


# --- the boxes --------------------------------------------------------------------------------------------

RIGHT, MARGIN = 882, 870
"""Where the drawing ends, and where X runs down to the lifting loss and this one to the total."""
ISSM_TOP, LADM_TOP, LADM_LEFT = 290, 526, 66
STRIP, DYNAMIC_ROW, STATIC_ROW = ISSM_TOP + 60, ISSM_TOP + 112, ISSM_TOP + 158
"""ISSM's rows: the frames of X and the two groups."""
UPPER, LOWER = 588, 698
"""The two rails of the lifting scheme."""


def draw_clip(ax: Axes, run: Trace) -> None:
    """The film strip."""
    count, height, width = run.frames.shape[:3]
    write(ax, 18, 14, "Clip", 10.5, weight="bold")
    shape = f"3 × {count} × {height} × {width}     channels × frames × height × width, RGB in [0, 1]"
    write(ax, 58, 14, shape, 8, color=FAINT)
    step = (RIGHT - 18 + 3) / count
    for number, frame in enumerate(run.frames):
        picture(ax, frame, 18 + number * step, 26, step - 3, step - 3)


def draw_backbone(ax: Axes, run: Trace) -> None:
    """The backbone with the map of each stage."""
    box(ax, 18, 104, 536, 158, facecolor=TINT)
    line(ax, (62, 80), (62, 104))
    name = run.model.config.backbone
    file = BACKBONES[name].__module__.removeprefix("ifdd.model.").replace(".", "/") + ".py"
    title(ax, 30, 120, f"Backbone {name}", file, f"{run.parameters('backbone')} parameters")
    for number, (stage, side) in enumerate(zip(run.seen["backbone"], (66, 56, 46, 38), strict=True)):
        left = 32 + 132 * number
        stack(ax, stage, left, 224, side)
        if number:
            line(ax, (left - 30, 200), (left - 8, 200))
        write(ax, left, 236, f"stage {number + 1}", 8.5, weight="bold")
        write(ax, left, 250, size_of(stage), 8, color=FAINT)


def draw_pyramid(ax: Axes, run: Trace) -> None:
    """How the last two stages become X."""
    box(ax, 580, 104, RIGHT - 580, 158, facecolor=TINT)
    title(ax, 592, 120, "Pyramid", "pyramid.py", f"{run.parameters('pyramid')} parameters")
    features = run.seen["pyramid"]
    line(ax, (366, 154), (600, 154))
    line(ax, (500, 200), (685, 200))
    small_box(ax, 644, 154, 88, 34, "conv 3 × 3", f"to {features.shape[3]} × {features.shape[4]}")
    line(ax, (688, 154), (700, 154), (700, 189))
    small_box(ax, 700, 200, 30, 22, "cat")
    line(ax, (715, 200), (732, 200))
    small_box(ax, 758, 200, 52, 34, "conv", "1 × 1")
    line(ax, (784, 200), (803, 200))
    stack(ax, features, 806, 224, 38)
    write(ax, 768, 250, "X", 10.5, weight="bold", ha="right")
    write(ax, 774, 250, size_of(features), 8, color=FAINT)


def draw_issm(ax: Axes, run: Trace) -> None:
    """Tokens, correlation and offsets, right to left, and where the two groups read X."""
    box(ax, 18, ISSM_TOP, 838, 214, facecolor=TINT)
    words = f"{run.parameters('split')} parameters     splits the frames by content"
    title(ax, 30, ISSM_TOP + 16, "ISSM", "issm.py", words)
    line(ax, (804, 262), (804, ISSM_TOP + 93))
    line(ax, (804, STRIP), (along(7) + 21, STRIP))
    ax.add_patch(Circle((804, STRIP), 3.2, color=INK, zorder=6))
    draw_matrices(ax, run)
    index, (static, dynamic, _) = run.output.split, run.seen["split"]
    draw_group(ax, "dynamic", "softmax(−R)", dynamic, index.dynamic_index[0].tolist(), DYNAMIC_ROW, DYNAMIC)
    draw_group(ax, "static", "softmax(R)", static, index.static_index[0].tolist(), STATIC_ROW, STATIC)
    write(ax, 62, STRIP, "frames of X", 9, weight="bold")
    step = len(run.frames) // run.seen["pyramid"].shape[2]
    for frame, shown in enumerate(run.frames[::step]):
        picture(ax, shown, along(frame) - 17, STRIP - 17, 34, 34)
    reach = run.model.config.receptive_field
    words = (
        f"Fresh indexes lie near the odd and even frames; training moves each of them by up to L = {reach:g} frames."
    )
    write(ax, 62, ISSM_TOP + 199, words, 8, color=FAINT)


def draw_matrices(ax: Axes, run: Trace) -> None:
    """The tokens and how alike they make the frames."""
    top, middle = ISSM_TOP + 93, (DYNAMIC_ROW + STATIC_ROW) / 2
    tokens = F.gelu(run.seen["split.tokenizer"]).flatten(1).numpy()
    limit = np.quantile(np.abs(tokens), 0.99)
    picture(ax, tokens, 762, top, 84, 84, cmap="PuOr", vmin=-limit, vmax=limit, interpolation="nearest")
    write(ax, 804, top + 95, f"Z   {tokens.shape[0]} × {tokens.shape[1]}", 8, ha="center")
    write(ax, 804, top + 108, "a row a frame", 8, ha="center", color=FAINT)
    correlation = run.output.split.correlation[0].numpy()
    picture(ax, correlation, 646, top, 84, 84, cmap="cividis", interpolation="nearest")
    write(ax, 688, top + 95, f"R = ZZᵀ / C   {len(correlation)} × {len(correlation)}", 8, ha="center")
    write(ax, 688, top + 108, "how alike frames are", 8, ha="center", color=FAINT)
    line(ax, (760, middle), (734, middle))


def along(position: float) -> float:
    """Return where a frame position lies on the rows of ISSM."""
    return 198 + 39 * position


def draw_group(ax: Axes, name: str, weights: str, group: Tensor, index: list[float], y: float, color: str) -> None:
    """Draw the way from R to one group: its offsets, its indexes and where they read X."""
    small_box(ax, 564, y, 116, 34, weights, "linear, tanh, × L", edgecolor=color)
    line(ax, (644, y), (622, y), color=color)
    line(ax, (506, y), (490, y), color=color)
    ax.plot([72, 486], [y, y], color=color, linewidth=1.8, zorder=4)
    write(ax, 62, y - 11, name, 9, weight="bold", color=color)
    write(ax, 62, y + 13, size_of(group), 8, color=FAINT)
    for position in index:
        x = along(position)
        ax.plot([x, x], [STRIP + 17, y], color=color, linewidth=1.1, zorder=3)
        ax.add_patch(Circle((x, y), 5.5, facecolor=color, edgecolor=PAPER, linewidth=0.8, zorder=6))
        write(ax, x, y + 14, f"{position:.2f}".replace("-", "−"), 8, ha="center", color=color)


def draw_ladm(ax: Axes, run: Trace) -> None:
    """The lifting scheme: two rails, an arrow up and an arrow down."""
    box(ax, LADM_LEFT, LADM_TOP, 598 - LADM_LEFT, 216, facecolor=TINT)
    words = f"{run.parameters('lifting')} parameters     a learnable lifting step"
    title(ax, LADM_LEFT + 12, LADM_TOP + 16, "LADM", "ladm.py", words)
    # the dynamic rail comes down at the left of the static one, so that nothing crosses
    line(ax, (72, DYNAMIC_ROW), (34, DYNAMIC_ROW), (34, LOWER), (86, LOWER), color=DYNAMIC)
    line(ax, (72, STATIC_ROW), (50, STATIC_ROW), (50, UPPER), (86, UPPER), color=STATIC)
    for y, color in ((UPPER, STATIC), (LOWER, DYNAMIC)):
        small_box(ax, 110, y, 48, 20, "norm", edgecolor=color)
    line(ax, (134, UPPER), (640, UPPER), color=STATIC)
    line(ax, (134, LOWER), (472, LOWER), color=DYNAMIC)
    draw_step(ax, run, "Updater", 222, "+", UPPER, LOWER, STATIC, DYNAMIC)
    draw_step(ax, run, "Predictor", 346, "−", LOWER, UPPER, DYNAMIC, STATIC)
    write(ax, 137, UPPER - 14, "static", 9, weight="bold", color=STATIC)
    write(ax, 137, LOWER + 15, "dynamic", 9, weight="bold", color=DYNAMIC)
    write(ax, 388, UPPER - 14, "context  $Y_S$", 9, weight="bold", color=STATIC)
    write(ax, 478, UPPER - 14, f"{size_of(run.seen['lifting'].context)}", 8, color=FAINT)
    write(ax, 388, LOWER - 14, "emotion  $Y_D$", 9, weight="bold", color=DYNAMIC)
    size = run.parameters("lifting.refinement")
    small_box(ax, 530, LOWER, 116, 50, "Refinement", "self-attention, MLP", size, edgecolor=DYNAMIC)
    line(ax, (588, LOWER), (614, LOWER), color=DYNAMIC)


def draw_step(
    ax: Axes, run: Trace, name: str, x: float, symbol: str, target: float, source: float, color: str, source_color: str
) -> None:
    """Draw one lifting step: the target rail asks (q), the source rail answers (k, v), the target rail changes."""
    middle = (UPPER + LOWER) / 2
    size = f"{run.parameters(f'lifting.{name.lower()}')}"
    small_box(ax, x, middle, 100, 44, name, size, edgecolor=color)
    side = 22 if target < middle else -22
    line(ax, (x - 28, target), (x - 28, middle - side), color=color, dashed=True)
    line(ax, (x, source), (x, middle + side), color=source_color)
    line(ax, (x + 28, middle - side), (x + 28, target + 10 * side / 22), color=color)
    write(ax, x - 33, middle - 1.6 * side, "q", 8, ha="right", style="italic")
    write(ax, x - 5, middle + 1.6 * side, "k, v", 8, ha="right", style="italic")
    ax.add_patch(Circle((x + 28, target), 10, facecolor=PAPER, edgecolor=color, linewidth=1.8, zorder=7))
    write(ax, x + 28, target, symbol, 13, ha="center", va="center_baseline", weight="bold", color=color)


def draw_head(ax: Axes, run: Trace) -> None:
    """Token pooling, classifier and what it says of the clip."""
    tokens = run.seen["lifting"].emotion.shape[1]
    small_box(ax, 646, LOWER, 64, 50, "Pooling", "ladm.py", f"{tokens} → 1", edgecolor=DYNAMIC)
    line(ax, (678, LOWER), (694, LOWER), color=DYNAMIC)
    small_box(ax, 722, LOWER, 56, 50, "Head", "head.py", run.parameters("head"))
    line(ax, (750, LOWER), (766, LOWER))
    chances = run.output.logits[0].softmax(0).tolist()
    for number, (label, chance) in enumerate(zip(LABEL_SETS["dfew"], chances, strict=True)):
        y = LOWER + 13 * (number - (len(chances) - 1) / 2)
        write(ax, 770, y, label, 8, weight="bold" if label == LABEL else "normal")
        ax.add_patch(Rectangle((826, y - 4.5), 140 * chance, 9, color=INK if label == LABEL else "#AAAAAA", zorder=5))


def draw_losses(ax: Axes, run: Trace) -> None:
    """The two losses and their sum."""
    dashed = {"edgecolor": LOSS, "linestyle": (0, (4, 2)), "linewidth": 1.6}
    line(ax, (MARGIN, 262), (MARGIN, UPPER - 30))
    words = "how far the context is from", "the mean of X over pairs of frames"
    small_box(ax, 761, UPPER, 242, 60, "Lifting loss", *words, **dashed)
    small_box(ax, 699, 781, 186, 34, "Classification loss", "cross entropy, soft targets", **dashed)
    line(ax, (784, LOWER + 47), (784, 764))
    small_box(ax, 849, 781, 66, 34, "Total", "losses.py", edgecolor=LOSS, linewidth=1.6)
    line(ax, (792, 781), (816, 781), color=LOSS)
    line(ax, (MARGIN, UPPER + 30), (MARGIN, 764), color=LOSS)
    weight = run.model.config.lifting_weight
    write(ax, MARGIN - 6, UPPER + 41, f"× {weight:g}", 8, ha="right", color=LOSS)


def draw_caption(ax: Axes, run: Trace) -> None:
    """What was run, and where the files are."""
    model = f"{PRESET} with fresh weights, {run.parameters()} parameters; a SynthDFER clip of {LABEL}."
    write(ax, 18, 774, model, 8, color=FAINT)
    write(ax, 18, 788, "Files are those in src/ifdd/model/.", 8, color=FAINT)


def draw(run: Trace) -> Figure:
    """Draw the whole figure."""
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=200)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    for part in (draw_clip, draw_backbone, draw_pyramid, draw_issm, draw_ladm, draw_head, draw_losses, draw_caption):
        part(ax, run)
    ax.set_xlim(0, WIDTH)
    ax.set_ylim(HEIGHT, 0)
    return figure


def main(path: Path = PICTURE) -> None:
    """Make the picture, in 256 colours: a third of the bytes, and no difference to see."""
    canvas: Any = FigureCanvasAgg(draw(trace(PRESET)))  # its methods have no types
    canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    pixels.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
