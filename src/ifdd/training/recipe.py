"""A complete recipe: the input of ``ifdd train`` and ``ifdd crossval``, stored next to their results."""

from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from ifdd.data.transforms import AugmentationConfig, MixupConfig
from ifdd.errors import InputError
from ifdd.evaluation.sampling import SamplingConfig
from ifdd.files import absolute, expand, write_text
from ifdd.model import BUNDLED, PUBLISHED
from ifdd.training.config import DataConfig, ModelConfig, OptimizationConfig, RunConfig

RECIPE_FILE = "recipe.yaml"

EPOCHS = "optimization.epochs"
"""May be raised when a run is resumed, also after its end."""

WEIGHTS = "model.weights"

FIRST_GROUPS = {"data", "model", "optimization", "augmentation", "run"}
"""Groups that ``recipe.yaml`` has had since the first version of ifdd."""

MAY_CHANGE_ON_RESUME = (
    "data.manifest",
    "data.workers",
    "data.cache",
    "optimization.activation_checkpointing",
    "optimization.compile",
    "optimization.channels_last",
    "run.device",
    "run.devices",
    "run.checkpoint_every",
)
"""Settings that may change when a run is resumed: path and loading of the clips, and hardware. The clips themselves and
the clips of a step are compared separately."""


Changes = dict[str, tuple[Any, Any]]
"""Option -> its values before and now."""


@dataclass(frozen=True)
class Recipe:
    """All settings of training and test."""

    data: DataConfig
    model: ModelConfig
    optimization: OptimizationConfig
    augmentation: AugmentationConfig
    mixup: MixupConfig
    run: RunConfig
    evaluation: SamplingConfig
    """Settings of the test only; the same training run may be tested with others."""

    def plain(self) -> dict[str, Any]:
        """Return the recipe as plain values of YAML and JSON."""
        return {name: _plain(values) for name, values in asdict(self).items()}

    def write(self, folder: Path) -> None:
        """Write ``recipe.yaml``, with which the commands can be repeated.

        Raises:
            InputError: the folder cannot be written to.
        """
        write_text(folder / RECIPE_FILE, yaml.safe_dump(self.plain(), sort_keys=False))

    def check_same(self, folder: Path) -> bool:
        """Check that the results in a folder belong to this recipe, apart from more epochs.

        Returns:
            Whether this recipe has more epochs, so that the training goes on.

        Raises:
            InputError: the ``recipe.yaml`` there is damaged, has more epochs, or differs in other settings than those
                of the evaluation and of ``MAY_CHANGE_ON_RESUME``.
        """
        changed = self.changed_since(folder)
        epochs = changed.get(EPOCHS, (None, 0))[0]
        more = isinstance(epochs, int) and epochs < self.optimization.epochs
        if changed and not (more and len(changed) == 1):
            only = "" if more or EPOCHS not in changed else "epochs can only be raised; "
            raise InputError(
                f"{folder} holds results of another recipe ({listed(changed)}); {only}choose another --out"
            )
        return more

    def changed_since(self, folder: Path) -> Changes:
        """Return option -> (value before, value now) of what differs from the ``recipe.yaml`` in a folder.

        Settings of the evaluation and of ``MAY_CHANGE_ON_RESUME`` are left out. A setting that the file lacks, because
        an earlier version of ifdd had none, had its default.

        Raises:
            InputError: the file is damaged.
        """
        try:
            stored = dict(yaml.safe_load((folder / RECIPE_FILE).read_text(encoding="utf-8")))
            before = {group: dict(values) for group, values in stored.items()}
        except (OSError, TypeError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise InputError(
                f"{folder / RECIPE_FILE} is damaged: cannot resume the training in {folder}; choose another --out"
            ) from error
        known = {group: _defaults(getattr(self, group)) | dict(before.get(group) or {}) for group in self.plain()}
        changes = {
            f"{group}.{key}": (known[group].get(key), value)
            for group, values in self.plain().items()
            for key, value in values.items()
            if group != "evaluation" and f"{group}.{key}" not in MAY_CHANGE_ON_RESUME and known[group].get(key) != value
        }
        if _are_one_file(*changes.get(WEIGHTS, (None, None))):
            del changes[WEIGHTS]
        return changes


def refuse_foreign_recipe(folder: Path) -> None:
    """Check that a new run replaces no ``recipe.yaml`` that a person wrote.

    What ifdd has written, also an earlier version, is every group of a recipe in the form in which YAML is dumped, and
    nothing else.

    Raises:
        InputError: the folder has such a file.
    """
    file = folder / RECIPE_FILE
    if not file.exists():
        return
    try:
        text = file.read_text(encoding="utf-8")
        stored = yaml.safe_load(text)
        groups = {each.name for each in fields(Recipe)}
        if groups >= set(stored) >= FIRST_GROUPS and yaml.safe_dump(stored, sort_keys=False) == text:
            return
    except (OSError, TypeError, ValueError, RecursionError, yaml.YAMLError):
        pass
    raise InputError(f"{file} was not written by ifdd and would be replaced; move it, or choose another --out")


def _are_one_file(one: object, other: object) -> bool:
    """Whether two texts are spellings of one path, such as a relative one and an absolute one."""
    if not (isinstance(one, str) and isinstance(other, str)) or "://" in one + other:
        return False
    if {one, other} & {*BUNDLED, *PUBLISHED}:
        return False  # a name, not a path
    return absolute(expand(one)) == absolute(expand(other))


def _defaults(settings: Any) -> dict[str, Any]:
    """Return the plain defaults of the optional settings of a group, apart from those that are dicts or lists."""
    return {each.name: _plain(each.default) for each in fields(settings) if each.default is not MISSING}


def listed(changes: Changes) -> str:
    """Return changed options for a message."""
    return "; ".join(f"{name}: {old!r} -> {new!r}" for name, (old, new) in changes.items())


def _plain(value: Any) -> Any:
    """Return ``value`` with paths as strings and tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
