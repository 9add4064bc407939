"""The command line parses every recipe in configs/."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from ifdd.__main__ import run_command
from ifdd.command_line.options import describe
from ifdd.command_line.parser import parse
from ifdd.data.labels import LABEL_SETS
from ifdd.data.transforms import AugmentationConfig, MixupConfig
from ifdd.errors import InputError
from ifdd.model import create_model
from ifdd.model.config import PRESETS, from_plain
from ifdd.training.config import OptimizationConfig
from ifdd.training.train import train

CONFIGS = Path(__file__).parents[1] / "configs"
CHANGES = [CONFIGS / f"{name}.yaml" for name in ("uar", "face_large", "face_second", "face_third")]
"""Files that only change settings of a recipe."""
STUDIES = [CONFIGS / "study.yaml", CONFIGS / "study_gpu.yaml"]
"""Settings of 'ifdd study': tests/training/study/test_plan.py parses them."""
RECIPES = sorted({*CONFIGS.glob("**/*.yaml"), *CONFIGS.glob("**/*.yml")} - {*CHANGES, *STUDIES})
OFFICIAL = [CONFIGS / f"{name}.yaml" for name in ("dfew", "ferv39k", "mafw")]


def name_of(recipe: Path) -> str:
    return str(recipe.relative_to(CONFIGS))


def options_of(*files: Path) -> SimpleNamespace:
    """Return the options that the command line parses from a recipe and from changes to it."""
    words = [word for file in files for word in ("--config", str(file))]
    return SimpleNamespace(**parse(describe("train", train), words))


def test_there_are_recipes() -> None:
    assert set(OFFICIAL) < set(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES, ids=name_of)
def test_a_recipe_is_parsed_and_its_values_pass_their_checks(recipe: Path) -> None:
    options = options_of(recipe)
    assert options.data.batch_size > 0
    assert options.optimization.epochs > 0
    assert options.data.classes in LABEL_SETS
    replace(PRESETS[options.model.preset], **from_plain(options.model.overrides))


def test_no_two_recipes_write_to_the_same_folder() -> None:
    assert {options_of(recipe).out for recipe in RECIPES} == {Path("runs", recipe.stem) for recipe in RECIPES}


@pytest.mark.parametrize("name", ["dfew_vit", "dfew_mae"])
def test_a_recipe_of_others_names_the_augmentation_that_it_leaves_off(name: str) -> None:
    recipe = CONFIGS / f"{name}.yaml"
    comment = " ".join(line.strip("# ") for line in recipe.read_text().splitlines() if line.startswith("#"))
    assert "augmentation.erasing fills smaller ones with grey, and is off here" in comment
    assert options_of(recipe).augmentation.erasing == 0


def test_the_larger_face_model_differs_in_backbone_size_and_training() -> None:
    plain, large = options_of(CONFIGS / "face.yaml"), options_of(CONFIGS / "face.yaml", CONFIGS / "face_large.yaml")
    assert large.model == replace(plain.model, preset="ifdd_s3d", overrides=plain.model.overrides | {"size": 128})
    create_model(large.model.preset, 7, ablation=large.model.ablation, **from_plain(large.model.overrides))
    assert large.augmentation == plain.augmentation
    assert large.data.classes == plain.data.classes


@pytest.mark.parametrize(("name", "border"), [("face_second", 0.0), ("face_third", 0.4)])
def test_further_stages_of_the_face_model_keep_everything_but_clips_border_and_steps(name: str, border: float) -> None:
    recipe = CONFIGS / "face.yaml"
    plain, further = options_of(recipe), options_of(recipe, CONFIGS / f"{name}.yaml")
    assert further.out == Path("runs", name)
    assert further.optimization.learning_rate < plain.optimization.learning_rate
    epochs, rate = plain.optimization.epochs, plain.optimization.learning_rate
    assert replace(further.optimization, epochs=epochs, learning_rate=rate) == plain.optimization
    assert further.augmentation == replace(plain.augmentation, border=border)
    for group in ("model", "mixup", "evaluation"):
        assert getattr(further, group) == getattr(plain, group)


@pytest.mark.parametrize("recipe", RECIPES, ids=name_of)
def test_the_uar_file_changes_three_settings_of_any_recipe(recipe: Path) -> None:
    plain, changed = options_of(recipe), options_of(recipe, CONFIGS / "uar.yaml")
    assert changed.data == replace(plain.data, class_balance=0.5)
    assert changed.optimization == replace(plain.optimization, logit_adjustment=1.0)
    assert changed.run == replace(plain.run, select="uar")
    for group in ("model", "augmentation", "mixup", "evaluation"):
        assert getattr(changed, group) == getattr(plain, group)


@pytest.mark.parametrize("recipe", OFFICIAL, ids=name_of)
def test_the_official_hyperparameters(recipe: Path) -> None:
    options, mafw = options_of(recipe), recipe.stem == "mafw"
    assert options.optimization == OptimizationConfig(
        epochs=100,
        learning_rate=1e-4,
        backbone_factor=1.0,
        warmup_epochs=10.0,
        final_fraction=0.01,
        weight_decay=1e-3,
        gradient_clip=None,
        ema_decay=None,
    )
    assert options.augmentation == AugmentationConfig(
        flip=0.5, crop_scale=(0.5, 1.0), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.4
    )
    assert options.mixup == MixupConfig(0.8, 1.0, 0.5, 0.1)
    assert (options.data.batch_size, options.data.stride) == (16, 2 if mafw else 1)
    assert options.evaluation.stride == options.data.stride
    model = replace(PRESETS[options.model.preset], **options.model.overrides)
    assert (model.backbone, model.frames, model.size) == ("mvit_xs", 32 if mafw else 16, 224)
    assert (model.dropout, model.drop_path) == (0.5, 0.2)
    assert options.model.weights == "kinetics400"
    assert (options.run.selection, options.data.classes) == ("validation", recipe.stem)


def test_a_recipe_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPES[0].read_text() + "\nspeed: 11\n")
    line = len(recipe.read_text().splitlines())
    with pytest.raises(InputError, match=rf"recipe\.yaml, line {line}: unknown key speed"):
        run_command("train", [str(recipe)])
