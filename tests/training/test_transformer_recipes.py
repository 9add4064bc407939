"""The transformers' recipes, end to end on a tiny tree with tiny widths; layer-wise decay of the learning rate."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ifdd import load_checkpoint
from ifdd.__main__ import main
from ifdd.data.transforms import AugmentationConfig, MixupConfig
from ifdd.errors import InputError
from ifdd.model import create_model
from ifdd.training.config import OptimizationConfig
from ifdd.training.layer_decay import layer_factor
from ifdd.training.module import ClipClassifier

CONFIGS = Path(__file__).parents[2] / "configs"
TINY = {"dfew_vit": "vit_tiny", "dfew_mae": "lgi_former_tiny"}


def classifier(decay: float, preset: str = "ifdd_tiny", **overrides: Any) -> ClipClassifier:
    torch.manual_seed(0)
    module = ClipClassifier(
        create_model(preset, size=32, **overrides),
        OptimizationConfig(layer_decay=decay, learning_rate=1e-3),
        AugmentationConfig(),
        MixupConfig(),
        clips_per_step=32,
        seed=0,
        set_data_epoch=lambda epoch: None,
    )
    module.trainer = SimpleNamespace(world_size=1, estimated_stepping_batches=100)  # type: ignore[assignment]
    return module


@pytest.mark.parametrize("recipe", TINY)
def test_a_recipe_trains_and_its_checkpoint_is_evaluated(recipe: str, manifest: Path, tmp_path: Path) -> None:
    backbone = TINY[recipe]
    words = ["--data.manifest", str(manifest), "--out", str(tmp_path / "run"), "--data.workers", "0"]
    small = ["--model.overrides", f"{{backbone: {backbone}, size: 32}}", "--model.weights", "null"]
    short = ["--optimization.epochs", "2", "--optimization.warmup-epochs", "1", "--data.batch-size", "8"]
    main(["train", str(CONFIGS / f"{recipe}.yaml"), *words, *small, *short])
    checkpoint = tmp_path / "run" / "best.safetensors"
    loaded = load_checkpoint(checkpoint)
    assert loaded.model.config.backbone == backbone
    assert loaded.record.recipe_option("optimization", "layer_decay") == (0.7 if recipe == "dfew_vit" else 0.75)
    main(["evaluate", str(checkpoint), str(manifest), "--workers", "0", "--out", str(tmp_path / "evaluation")])
    assert (tmp_path / "evaluation" / "evaluation.json").exists()


def test_the_factors_are_those_of_the_authors_log() -> None:
    """16 blocks, decay 0.75: values that MAE-DFER's log of DFEW prints."""
    factors = [layer_factor(f"backbone.blocks.{index}.mlp.0.weight", 16, 0.75) for index in (0, 14, 15)]
    assert factors == pytest.approx([0.010022595757618546, 0.5625, 0.75])
    assert layer_factor("backbone.patch_embed.proj.weight", 16, 0.75) == pytest.approx(0.00751694681821391)
    for name in ("backbone.norm.weight", "backbone.region_tokens.tokens", "pyramid.fuse.weight"):
        assert layer_factor(name, 16, 0.75) == 1.0


@pytest.mark.parametrize("backbone", ["vit_tiny", "lgi_former_tiny", "mvit_tiny"])
def test_every_parameter_is_in_one_group_with_its_rate(backbone: str) -> None:
    module = classifier(0.5, backbone=backbone)
    groups = module.configure_optimizers()["optimizer"].param_groups
    rates = {id(value): group["initial_lr"] for group in groups for value in group["params"]}
    decays = {id(value): group["weight_decay"] for group in groups for value in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(rates) == len(list(module.model.parameters()))
    blocks = module.blocks
    for name, value in module.model.named_parameters():
        assert rates[id(value)] == pytest.approx(1e-3 * layer_factor(name, blocks, 0.5))
    if backbone == "lgi_former_tiny":
        assert decays[id(module.model.get_parameter("backbone.region_tokens.tokens"))] == 0.0


def test_without_decay_the_groups_are_as_before() -> None:
    groups = classifier(1.0).configure_optimizers()["optimizer"].param_groups
    assert {group["initial_lr"] for group in groups} == {1e-3}
    assert len(groups) == 2


def test_a_backbone_without_blocks_is_refused() -> None:
    with pytest.raises(InputError, match=r"optimization.layer_decay needs a backbone of blocks, which s3d is not"):
        classifier(0.5, backbone="s3d")
