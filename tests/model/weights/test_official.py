"""What the official release computes, reproduced from its own state dicts, for every model that it can build."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ifdd import IFDD, load_official
from ifdd.model.backbones.mvit import MViT
from ifdd.model.weights.official import Order
from tests.helpers.official import VARIANTS, Config, formula_clip, official_state_dict

TOLERANCE = 1e-4
RELEASE: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "release_outputs.json").read_text())
"""Written by tests/helpers/release_outputs.py."""
COMPARED = ("logits", "emotion", "lifting_residual", "static_index", "dynamic_index", "stage_mean_std")


def test_every_variant_has_outputs_to_compare_with() -> None:
    assert {name: expected["config"] for name, expected in RELEASE.items()} == VARIANTS
    for name, expected in RELEASE.items():
        indexes = {"static_index", "dynamic_index"} if name == "even_odd" else set()
        assert expected.keys() & set(COMPARED) == set(COMPARED) - indexes


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_helper_builds_the_release_s_names_and_shapes(variant: str) -> None:
    names = RELEASE["full"]["names_added"] | RELEASE[variant]["names_added"]
    expected = {name: shape for name, shape in names.items() if name not in RELEASE[variant]["names_missing"]}
    given = official_state_dict(**VARIANTS[variant])
    assert {name: list(value.shape) for name, value in given.items()} == expected
    learned = sum(value.numel() for value in given.values() if value.is_floating_point())
    assert learned == RELEASE[variant]["parameters"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_outputs_are_the_release_s(variant: str, record_property: Callable[[str, object], None]) -> None:
    config = VARIANTS[variant]
    model = load(config)
    given = run(model, formula_clip(model.config.frames))
    expected = {name: torch.tensor(RELEASE[variant][name]) for name in COMPARED if name in RELEASE[variant]}
    differences = {}
    for name, value in expected.items():
        step = given[name].shape[-1] // value.shape[-1]  # of the emotion features every 8th is kept
        ours = given[name][..., ::step]
        assert ours.shape == value.shape
        differences[name] = (ours - value).abs().max().item()
        record_property(name, differences[name])
    print(f"{variant:16}" + "".join(f"{name} {difference:.1e}  " for name, difference in differences.items()))
    assert max(differences.values()) <= TOLERANCE, differences


def test_the_variants_combine(tmp_path: Path) -> None:
    """What tells them apart is looked for one by one, so a file may differ from the full model in all of it."""
    config = {"backbone": "mvit_s", "num_classes": 11, "frames": 32, "split": "even_odd", "lifting": "predictor_first"}
    torch.save({"model": official_state_dict(**config), "epoch": 3}, tmp_path / "release.pth")
    model = load_official(tmp_path / "release.pth", frames=32, order="predictor_first")
    assert {name: getattr(model.config, name) for name in config} == config
    assert not model.training


def test_the_comparison_sees_the_variants_apart() -> None:
    """A model built as another variant would miss the tolerance a hundredfold (more classes only add columns)."""
    logits = {name: torch.tensor(RELEASE[name]["logits"])[:, :7] for name in VARIANTS}
    torch.testing.assert_close(logits.pop("classes_11"), logits["full"], atol=1e-6, rtol=0)
    for one, other in itertools.combinations(logits, 2):
        assert (logits[one] - logits[other]).abs().max() > 100 * TOLERANCE, (one, other)


def load(config: Config) -> IFDD:
    """The model as a user loads it: all but frames and order is read off the state dict."""
    order: Order = "predictor_first" if config.get("lifting") == "predictor_first" else "updater_first"
    model = load_official(official_state_dict(**config), frames=config.get("frames", 16), order=order)
    assert model.config.sampling == "official"
    assert {name: getattr(model.config, name) for name in config} == config
    return model


@torch.inference_mode()
def run(model: IFDD, clip: Tensor) -> dict[str, Tensor]:
    assert isinstance(model.backbone, MViT)
    ends = [*(model.backbone.blocks[end] for end in model.backbone.stage_ends[:-1]), model.backbone.norm]
    seen: list[list[Tensor]] = [[] for _ in ends]
    for tokens, end in zip(seen, ends, strict=True):  # the clips of a batch may come one at a time
        end.register_forward_hook(lambda *call, tokens=tokens: tokens.append(call[-1]))
    output = model(clip)
    return {
        "logits": output.logits,
        "emotion": output.emotion,
        "lifting_residual": output.lifting_residual,
        "static_index": output.split.static_index,
        "dynamic_index": output.split.dynamic_index,
        "stage_mean_std": torch.stack([torch.stack([each.mean(), each.std()]) for each in map(torch.cat, seen)]),
    }
