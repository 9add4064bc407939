"""The model: boxes, presets, ablations, fields, and how close it is to the release."""

import torch

from docs.blocks.markdown import Makers, code, field_meanings, result, table
from ifdd.model import ABLATIONS, BACKBONES, PRESETS, IFDDConfig, create_model

BOXES = {
    "backbone": ("MViTv2 or S3D: four stages at strides 4, 8, 16, 32", "backbones/mvit.py", "backbones/s3d.py"),
    "pyramid": ("fuses the last two stages at the size of the last: X", "pyramid.py"),
    "split": ("ISSM: divides X into a static and a dynamic group of frames", "issm.py"),
    "lifting": ("LADM: updater, predictor, refinement", "ladm.py"),
    "pooling": ("learned weighted sum over the tokens", "ladm.py"),
    "head": ("dropout and a linear layer", "head.py"),
}
"""Child of the model -> what it does, and its files in src/ifdd/model."""

USES = {
    "ifdd_mvit_xs": ("MViTv2, {blocks} blocks", "the paper's model"),
    "ifdd_mvit_s": ("MViTv2, {blocks} blocks", "the larger transformer"),
    "ifdd_s3d": ("S3D, separable Inception", "the paper's CNN"),
    "ifdd_vit_b": ("VideoMAE's ViT-B, {blocks} blocks", "self-supervised initial weights"),
    "ifdd_mae_dfer": ("MAE-DFER's LGI-Former, {blocks} blocks", "self-supervised initial weights, of faces"),
    "ifdd_small": ("a residual CNN built from S3D's parts", "faces in real time on one CPU core"),
    "ifdd_tiny": ("a small CNN built from S3D's parts", "training from scratch on two CPU cores"),
}
"""Preset -> its backbone, and what it is for."""

MEANINGS = {
    "full": "the complete model",
    "backbone_only": "neither ISSM nor LADM: classifies the mean of X",
    "issm_only": "no LADM: pools the tokens of the dynamic group",
    "even_odd": "LADM on even and odd frames instead of ISSM's groups",
    "predictor_first": "the classic order of a lifting step",
    "receptive_field_1": "L = 1",
    "receptive_field_2": "L = 2, the same as `full`",
    "receptive_field_t4": "L = T / 4; T is 8 for 16 frames in every backbone of ifdd, so the same as `full`",
    "receptive_field_t2": "L = T / 2",
    "official_sampling": "ISSM reads X where the official code reads it",
    "no_lifting_loss": "trains with the classification loss alone",
    "frames_8": "8 frames in a clip; the backbone still gives 8 feature frames, `vit_b` and `lgi_former` 4",
    "frames_16": "16 frames in a clip",
    "frames_32": "32 frames in a clip; the backbone still gives 8 feature frames, `vit_b` and `lgi_former` 16",
    "mvit_xs": "MViTv2 backbone of 10 blocks",
    "mvit_s": "MViTv2 backbone of 16 blocks",
    "s3d": "S3D backbone",
}
"""Ablation -> what it means."""

DIFFERENCES = {
    "logits": ("logits",),
    "emotion": ("emotion",),
    "residual": ("lifting_residual",),
    "indices": ("static_index", "dynamic_index"),
    "stages": ("stage_mean_std", "stages"),
}
"""Column -> entries of the result file; the worst one is shown."""


def boxes() -> str:
    """List the boxes of ``ifdd_mvit_xs`` with what they return and their parameters, from a forward pass."""
    seen: dict[str, torch.Tensor] = {}
    with torch.device("meta"):
        model = create_model("ifdd_mvit_xs").eval()
        for name, box in model.named_children():
            box.register_forward_hook(lambda _box, _given, returned, name=name: seen.__setitem__(name, returned))
        model(torch.rand(1, 3, 16, 224, 224))
    rows = []
    for name, box in model.named_children():
        returned, (what, *files) = seen[name], BOXES[name]
        # the last stage of the backbone, the static group of the split, the emotion features of the lifting step
        which = -1 if name in ("backbone", "lifting") else 0
        tensor = returned if isinstance(returned, torch.Tensor) else returned[which]
        shape = " x ".join(map(str, tensor.shape[1:]))
        count = sum(value.numel() for value in box.parameters())
        rows.append((name, what, ", ".join(map(code, files)), shape, f"{count:,}"))
    total = sum(value.numel() for value in model.parameters())
    rows.append(("all", "", code("ifdd.py"), "", f"{total:,}"))
    return table(("box", "what it does", "file", "returns", "parameters"), rows)


def presets() -> str:
    """List the presets with their exact size and cost."""
    rows = []
    for name, config in PRESETS.items():
        found = result(f"info_{name}")
        memory = f"{found['batch']['memory_bytes']['total'] / 2**20:.0f} MiB"
        rows.append((*_preset(name, config), f"{found['parameters']['total']:,}", f"{found['gmac']:.2f}", memory))
    return table(("preset", "backbone", "clip", "use", "parameters", "GMAC", "memory"), rows)


def preset_summary() -> str:
    """List the presets with their rounded size and cost."""
    rows = []
    for name, config in PRESETS.items():
        found = result(f"info_{name}")
        size = (f"{found['parameters']['total'] / 1e6:.1f} M", f"{found['gmac']:.1f}")
        rows.append((*_preset(name, config), *size))
    return table(("preset", "backbone", "clip", "use", "parameters", "GMAC"), rows)


def _preset(name: str, config: IFDDConfig) -> tuple[str, str, str, str]:
    with torch.device("meta"):
        backbone = BACKBONES[config.backbone](config.frames, config.size, 0.0)
    words, use = USES[name]
    blocks = len(getattr(backbone, "blocks", ()))
    return code(name), words.format(blocks=blocks), f"{config.frames} x {config.size} x {config.size}", use


def ablations() -> str:
    """List the ablations: what each means, and the fields that it sets."""
    rows = (
        (code(name), MEANINGS[name], ", ".join(code(f"{field}={value}") for field, value in changes.items()))
        for name, changes in ABLATIONS.items()
    )
    return table(("ablation", "model", "fields"), rows)


def config_fields() -> str:
    """List the fields of the configuration."""
    defaults = IFDDConfig()
    rows = ((code(name), code(getattr(defaults, name)), text) for name, text in field_meanings(IFDDConfig).items())
    return table(("field", "default", "meaning"), rows)


def differences() -> str:
    """List the largest absolute differences from the release's and torchvision's outputs."""
    found = result("release_differences")
    rows = []
    for owner, key in (("release", "release"), ("torchvision", "kinetics")):
        for variant, values in found[key].items():
            worst = [
                max((values[name] for name in names if name in values), default=None) for names in DIFFERENCES.values()
            ]
            cells = ["" if value is None else f"{value:.0e}".replace("e-0", "e-") for value in worst]
            rows.append((f"{owner}, {code(variant)}", *cells))
    return table(("model", *DIFFERENCES), rows)


def largest_difference() -> str:
    """Return the power of ten below which all differences from the release lie."""
    found = result("release_differences")["release"]
    worst = max(value for variant in found.values() for value in variant.values())
    return next(f"1e-{power}" for power in range(12, 0, -1) if worst < 10**-power)


def start_differences() -> str:
    """List the largest absolute differences of each stage of ``vit_b`` from transformers' VideoMAE."""
    rows = (
        (
            str(stage["blocks"]),
            f"{stage['largest_difference']:.0e}".replace("e-0", "e-"),
            f"{stage['standard_deviation']:.2f}",
        )
        for stage in result("start_differences")["vit_b"]
    )
    return table(("after block", "largest difference", "standard deviation of the map"), rows)


BLOCKS: Makers = {
    "start differences": start_differences,
    "boxes": boxes,
    "preset summary": preset_summary,
    "presets": presets,
    "ablations": ablations,
    "model fields": config_fields,
    "differences": differences,
}
FIGURES: Makers = {
    "largest difference": largest_difference,
    "release torch": lambda: str(result("release_differences")["torch"]).partition("+")[0],
    "start transformers": lambda: str(result("start_differences")["transformers"]),
    "gmac": lambda preset: f"{result(f'info_{preset}')['gmac']:.2f}",
}
