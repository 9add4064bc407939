"""Every recipe in configs/ is understood by the real command line."""

from pathlib import Path

import pytest

from ifdd.__main__ import build_parser, run_command
from ifdd.errors import InputError
from ifdd.training.train import train

CONFIGS = Path(__file__).parents[1] / "configs"
RECIPES = sorted(CONFIGS.glob("**/*.yaml")) + sorted(CONFIGS.glob("**/*.yml"))


def test_there_are_recipes() -> None:
    assert RECIPES


@pytest.mark.parametrize("recipe", RECIPES, ids=[str(recipe.relative_to(CONFIGS)) for recipe in RECIPES])
def test_a_recipe_is_parsed_and_its_values_pass_their_checks(recipe: Path) -> None:
    parser = build_parser("train", train)
    options = parser.instantiate(parser.parse_args(["--config", str(recipe)]))
    assert options.data.batch_size > 0
    assert options.optimization.epochs > 0


def test_a_recipe_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPES[0].read_text() + "\nspeed: 11\n")
    with pytest.raises(InputError, match="speed"):
        run_command("train", [str(recipe)])
