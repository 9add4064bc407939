"""Write tests/model/weights/release_outputs.json: what the official release computes, for comparison with our models.

    python -m tests.helpers.release_outputs CHECKOUT

CHECKOUT is a folder with the release's code (github.com/CyberPegasus/IFDD, with its commits 2c57180 and b089cee), in an
environment that can import its experiments. Each variant is built the way the release builds it, from its configuration
for DFEW and its flags, filled with the formula weights under its own names, and given the formula clips. Nothing of the
release is part of ifdd.

The numbers in the repository were computed with the release's model rebuilt from its published text (ISSM at
commit 2c57180, the rest of the model at a9e8501), with torchvision 0.28's transformer blocks, which it repeats.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.helpers.official import VARIANTS, Config, formula_clip, formula_weights

OUTPUTS = Path(__file__).parents[1] / "model" / "weights" / "release_outputs.json"
EMOTION_STEP = 8
"""Step between stored emotion features; the full model stores all."""
FLAGS: dict[tuple[str, Any], dict[str, Any]] = {
    ("frames", 32): {"clip_duration": 32},
    ("frames", 8): {"clip_duration": 8},
    ("num_classes", 11): {"num_classes": 11},
    ("backbone", "mvit_s"): {"backbone_type": "MFViT_S"},
    ("split", "even_odd"): {"use_ISSM": False},
    ("lifting", "none"): {"use_LADM": False},
    ("lifting", "predictor_first"): {"WaveSF_preUpdate": False},
}
"""Option of ifdd -> options of the release."""


def main(checkout: Path) -> None:
    sys.path.insert(0, str(checkout))
    lines: list[str] = []
    names: dict[str, list[int]] = {}
    for variant, config in VARIANTS.items():
        model = build(checkout, config)
        entry = {"config": config, "parameters": sum(weights.numel() for weights in model.parameters())}
        given = {name: list(value.shape) for name, value in model.state_dict().items()}
        names = names or given  # those of the full model, which comes first
        entry["names_added"] = {name: shape for name, shape in given.items() if not config or names.get(name) != shape}
        entry["names_missing"] = [name for name in names if name not in given]
        outputs = run(model, formula_clip(config.get("frames", 16)))
        if config:
            outputs["emotion"] = outputs["emotion"][:, ::EMOTION_STEP]
        entry |= {name: rounded(value.tolist()) for name, value in outputs.items()}
        lines.append(f"{json.dumps(variant)}: {json.dumps(entry, separators=(',', ':'))}")
        print(f"{variant}: {len(given)} entries, {entry['parameters']:,} parameters")
    OUTPUTS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def build(checkout: Path, config: Config) -> nn.Module:
    experiment = importlib.import_module("exps.EXP_IFDD_DFEW").Exp()
    settings = json.loads((checkout / "configs" / "IFDD_DFEW.json").read_text())
    for option in config.items():
        settings |= FLAGS[option]
    for name, value in settings.items():
        setattr(experiment, name, value)
    experiment._dynamic_update()
    model: nn.Module = experiment.get_model()
    weights = {
        name: formula_weights(name, tuple(value.shape)) if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    model.load_state_dict(weights, strict=True)
    return model.eval()


@torch.inference_mode()
def run(model: Any, clip: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Any] = {}

    def see(name: str, module: nn.Module) -> None:
        module.register_forward_hook(lambda *call: seen.__setitem__(name, call[-1]))

    see("stages", model.backbone.backbone)
    see("residual and emotion", model.backbone)
    if split := getattr(model.backbone.WaveLifts, "adapt_split", None):
        see("static_index", split.hook_approx)
        see("dynamic_index", split.hook_detail)
    logits = model(clip)
    stages = seen.pop("stages")
    residual, emotion = seen.pop("residual and emotion")
    moments = torch.stack([torch.stack([tokens.mean(), tokens.std()]) for _, tokens in sorted(stages.items())])
    return {"logits": logits, "emotion": emotion, "lifting_residual": residual, **seen, "stage_mean_std": moments}


def rounded(values: Any) -> Any:
    return [rounded(each) for each in values] if isinstance(values, list) else float(f"{values:.7g}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
