"""A recipe as a whole: what ``ifdd train`` and ``ifdd crossval`` are given, and how it is kept beside their results."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from ifdd.data.transforms import AugmentationConfig, MixupConfig
from ifdd.errors import InputError
from ifdd.evaluation.evaluate import SamplingConfig
from ifdd.files import write_text
from ifdd.training.config import DataConfig, ModelConfig, OptimizationConfig, RunConfig

RECIPE_FILE = "recipe.yaml"

MAY_CHANGE_ON_RESUME = ("data.manifest", "data.workers", "data.cache", "run.device")
"""Settings that may change while a training goes on: where the clips lie (what they are is compared apart from this),
how they are loaded, and on what hardware."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training gives, and how it is tested."""

    data: DataConfig
    model: ModelConfig
    optimization: OptimizationConfig
    augmentation: AugmentationConfig
    mixup: MixupConfig
    run: RunConfig
    evaluation: SamplingConfig
    """Of the test alone: the same training may be tested in another way."""

    def plain(self) -> dict[str, Any]:
        """Return the recipe as YAML and JSON hold it."""
        return {name: _plain(values) for name, values in asdict(self).items()}

    def write(self, folder: Path) -> None:
        """Write ``recipe.yaml``, from which the commands repeat the work.

        Raises:
            InputError: the folder cannot be written to.
        """
        write_text(folder / RECIPE_FILE, yaml.safe_dump(self.plain(), sort_keys=False))

    def check_same(self, folder: Path) -> None:
        """Refuse a folder whose results are those of another training.

        Raises:
            InputError: its ``recipe.yaml`` is damaged, or differs in more than the evaluation and what is in
                ``MAY_CHANGE_ON_RESUME``.
        """
        try:
            before = dict(yaml.safe_load((folder / RECIPE_FILE).read_text(encoding="utf-8")))
        except (OSError, TypeError, ValueError, yaml.YAMLError) as error:
            raise InputError(
                f"{folder / RECIPE_FILE} is damaged, so what is in {folder} cannot go on; choose another --out"
            ) from error
        changed = [
            f"{group}.{key}: {before.get(group, {}).get(key)!r} -> {value!r}"
            for group, values in self.plain().items()
            for key, value in values.items()
            if group != "evaluation"
            and f"{group}.{key}" not in MAY_CHANGE_ON_RESUME
            and before.get(group, {}).get(key) != value
        ]
        if changed:
            raise InputError(f"{folder} holds results of another recipe ({'; '.join(changed)}); choose another --out")


def _plain(value: Any) -> Any:
    """Return ``value`` with paths as strings and tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
