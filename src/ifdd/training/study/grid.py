"""The recipe and the folder of every run of a study."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ifdd.command_line.options import describe
from ifdd.command_line.parser import parse
from ifdd.errors import InputError
from ifdd.evaluation.sampling import SamplingConfig
from ifdd.model import IFDDConfig, create_model
from ifdd.training.crossval.folds import Fold
from ifdd.training.recipe import Recipe, listed
from ifdd.training.resuming import read_training
from ifdd.training.study.config import Cell, Chain
from ifdd.training.train import train

OVERRIDES = "model.overrides"
"""The option whose values of recipe, study and variant add up; of the others, the last one counts."""


class Run(NamedTuple):
    """A run that can be trained and tested."""

    cell: Cell
    fold: Fold
    """Its recipe and folder; a study has no folds, but trains and tests in the same way."""

    @property
    def name(self) -> str:
        """The name of the cell."""
        return self.cell.name


def read_recipe(file: Path, manifest: Path, changes: Sequence[Any], where: str) -> Recipe:
    """Return the recipe of a file of options of ``ifdd train`` with changes, checked as on the command line.

    Args:
        file: YAML file.
        manifest: the clips, instead of those in the file.
        changes: option -> value, such as {"model.ablation": "even_odd"}; later ones count.
        where: what the changes belong to, for messages.

    Raises:
        InputError: the file cannot be read, or an option is unknown or has a wrong value.
    """
    words = ["--config", str(file)]
    overrides: dict[str, Any] = {}
    for each in changes:
        if not isinstance(each, Mapping):
            raise InputError(f"{where} is {each!r}; give options of 'ifdd train', such as {{model.ablation: even_odd}}")
        overrides |= each.get(OVERRIDES) or {}
        words += [f"--{name}={_plain(value)}" for name, value in each.items() if name != OVERRIDES]
    command = describe("train", train)
    try:
        found = parse(command, [*words, f"--data.manifest={manifest}"])
        groups = {name: found[name] for name in Recipe.__dataclass_fields__ if name in found}
        recipe = Recipe(**({"evaluation": SamplingConfig()} | groups))
        model = replace(recipe.model, overrides=recipe.model.overrides | overrides)
        return replace(recipe, model=model)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def model_config(recipe: Recipe, classes: int, where: str) -> IFDDConfig:
    """Return the configuration of a recipe's model; nothing is computed.

    Raises:
        InputError: the model is not valid.
    """
    import torch

    model = recipe.model
    try:
        with torch.device("meta"):
            return create_model(model.preset, classes, model.ablation, **model.overrides).config
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def plan_runs(
    chain: Chain,
    recipes: tuple[Recipe, Recipe],
    manifests: Mapping[float, Path],
    work: Path,
    device: str,
    curriculum: bool,
) -> list[Run]:
    """Return the runs of a chain.

    Args:
        chain: the cells.
        recipes: the recipe of a first run of this variant, and of one that starts from another.
        manifests: share of the clip -> manifest.
        work: folder of the study.
        device: device to run on.
        curriculum: whether runs start from the one before.
    """
    runs: list[Run] = []
    for cell in chain.cells:
        recipe = recipes[1 if runs and curriculum else 0]
        model = recipe.model
        if runs and curriculum:
            model = replace(model, weights=str(runs[-1].fold.folder / "best.safetensors"))
        recipe = replace(
            recipe,
            data=replace(recipe.data, manifest=manifests[cell.visible]),
            model=model,
            run=replace(recipe.run, seed=cell.seed, device=device),
        )
        runs.append(Run(cell, Fold(0, recipe, work / "runs" / cell.name)))
    return runs


def check_own(run: Run) -> None:
    """Check that the folder of a run is empty or holds this run.

    Raises:
        InputError: it holds a run of another recipe.
    """
    folder = run.fold.folder
    if read_training(folder) is None:
        return
    changed = run.fold.recipe.changed_since(folder)
    if changed:
        raise InputError(
            f"the run {run.name} in {folder} belongs to another recipe ({listed(changed)}); choose another --work, or "
            "delete that folder to train the run again"
        )


def _plain(value: Any) -> str:
    """Return a value as on the command line."""
    return value if isinstance(value, str) else json.dumps(value)
