"""The command ``ifdd crossval``."""

import os
import re
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch

from ifdd.console import console
from ifdd.data.manifest import Manifest
from ifdd.data.transforms import AugmentationConfig, MixupConfig
from ifdd.errors import InputError
from ifdd.evaluation.crossval_report import crossval_tables, write_crossval
from ifdd.evaluation.folds import FoldResult, cross_validation, read_fold
from ifdd.evaluation.protocol import describe_dataset
from ifdd.evaluation.sampling import SamplingConfig
from ifdd.evaluation.tables import percent
from ifdd.records import CrossvalRecord, TrainingRecord
from ifdd.training.config import DataConfig, ModelConfig, OptimizationConfig, RunConfig
from ifdd.training.crossval.folds import Fold, begun_classes, expected_folds, finished, folds_of, run_fold
from ifdd.training.crossval.processes import run_apart
from ifdd.training.engine.processes import is_first_process, launched, placement, reported_once
from ifdd.training.engine.state import has_state
from ifdd.training.engine.stopping import requeued
from ifdd.training.recipe import RECIPE_FILE, Recipe, refuse_foreign_recipe


@requeued()
@reported_once()
def crossval(
    *,
    data: DataConfig,
    model: ModelConfig = ModelConfig(),  # noqa: B008 (frozen)
    optimization: OptimizationConfig = OptimizationConfig(),  # noqa: B008 (frozen)
    augmentation: AugmentationConfig = AugmentationConfig(),  # noqa: B008 (frozen)
    mixup: MixupConfig = MixupConfig(),  # noqa: B008 (frozen)
    run: RunConfig = RunConfig(),  # noqa: B008 (frozen)
    evaluation: SamplingConfig = SamplingConfig(),  # noqa: B008 (frozen)
    out: Path = Path("runs/crossval"),
    folds: str = "",
    gpus: str = "",
) -> None:
    """Train and test every fold of a dataset: mean and deviation of WAR and UAR, intervals, pooled confusion matrix.

    Running the same command again resumes an interrupted run. Finished folds are kept; they are tested again only if
    the options under 'evaluation' have changed, and trained further if optimization.epochs is larger. A dataset without
    folds counts as one fold. Writes OUT/fold_K (the training and evaluation/) and, after every fold, OUT/crossval.json,
    .csv, .md and .tex of the finished folds.

    Args:
        data: The dataset.
        model: The model.
        optimization: The optimiser.
        augmentation: Augmentation of a clip, the same for all its frames.
        mixup: Mixing of the clips of a batch.
        run: Seed, selection of the checkpoint, and hardware.
        evaluation: Frames that are tested.
        out: Folder to write to.
        folds: Numbers of the folds to run, e.g. 1,3. Default: all.
        gpus: Numbers of the GPUs to run folds on in parallel, e.g. 0,1: one fold per number, with its output in
            OUT/fold_K/log.txt. A number given twice runs two folds on that GPU. With run.device cpu, the count of the
            numbers is the number of parallel folds. Default: one fold after another.
    """
    recipe = Recipe(data, model, optimization, augmentation, mixup, run, evaluation)
    _check_options(recipe, gpus)
    slots = _slots(gpus, run.device)
    placement(run)  # refuses a device that is not there before anything is read
    if gpus and run.device == "auto":
        recipe = replace(recipe, run=replace(run, device="cuda"))
    manifest = Manifest.read(data.manifest)
    found = describe_dataset(manifest, notes=is_first_process())
    there = folds_of(manifest.path, manifest.samples)
    expected = expected_folds(found, there)
    wanted = _numbers("folds", folds) or expected
    _check_wanted(data.manifest, folds, wanted, there)
    _claim(out, recipe)
    every = [_fold(out, recipe, number, there) for number in there]
    classes = begun_classes(every)
    done = {fold.number: result for fold in every if (result := finished(fold, found)) is not None}
    todo = [fold for fold in every if fold.number in wanted and fold.number not in done]
    for number in sorted(set(wanted) & set(done)):
        _say(f"fold {number or 'all'} is already done: {_scores(done[number])}")
    # without a launcher, a data-parallel training repeats the command for its other processes: one fold at a time
    apart = bool(gpus) or (launched()[2] is None and run.devices > 1 and len(todo) > 1)
    with closing(run_apart(todo, slots) if apart else _run_here(todo, manifest, classes)) as runs:
        for fold in runs:
            done[fold.number] = read_fold(fold.number, fold.evaluation)
            _say(f"fold {fold.number or 'all'}: {_scores(done[fold.number])}")
            write_crossval(out, cross_validation(list(done.values()), expected))
    if not is_first_process():
        return
    together = cross_validation(list(done.values()), expected)
    write_crossval(out, together)
    console.print(crossval_tables(together))
    console.print(
        f"Written to {out}: crossval.json, crossval.csv, crossval.md, crossval.tex", highlight=False, markup=False
    )


def _check_options(recipe: Recipe, gpus: str) -> None:
    if recipe.data.fold is not None:
        raise InputError(
            f"data.fold is {recipe.data.fold}, but crossval runs every fold; leave it out and choose folds with --folds"
        )
    if gpus and recipe.run.devices > 1:
        raise InputError(
            f"--gpus assigns one GPU to each fold, but run.devices is {recipe.run.devices}; use one of the two"
        )
    launcher = launched()[2]
    if gpus and launcher is not None:
        raise InputError(
            f"--gpus assigns a GPU to each fold, but {launcher} started processes that train every fold together; use "
            "one of the two"
        )
    if gpus and (":" in recipe.run.device or recipe.run.device == "mps"):
        raise InputError(
            f"--gpus assigns a GPU to each fold, but run.device is {recipe.run.device}; leave one of the two out"
        )


def _numbers(name: str, text: str) -> tuple[int, ...]:
    """Return the numbers of an option such as "1,3"."""
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    if not all(re.fullmatch("[0-9]{1,9}", word) for word in words):
        raise InputError(f"--{name} is {text!r}; give numbers separated by commas, such as 1,3")
    return tuple(map(int, words))


def _check_wanted(manifest: Path, folds: str, wanted: Sequence[int], there: Sequence[int]) -> None:
    """Refuse folds that the manifest does not have."""
    missing = [str(number) for number in wanted if number not in there]
    if missing and folds:
        raise InputError(f"--folds {folds}: {manifest} has the folds {', '.join(map(str, there))}")
    if missing:
        raise InputError(
            f"{manifest} lacks fold {', '.join(missing)} of the dataset's {len(wanted)}; prepare it with all its "
            f"lists, or run only the others: --folds {','.join(map(str, there))}"
        )


def _slots(gpus: str, device: str) -> list[str | None]:
    """Return the value of ``CUDA_VISIBLE_DEVICES`` for each parallel fold; None leaves the variable unchanged."""
    numbers = _numbers("gpus", gpus)
    if not numbers or device == "cpu":
        return [str(number) for number in numbers] or [None]
    count = torch.cuda.device_count()
    if max(numbers) >= count:
        found = "only GPU 0" if count == 1 else f"only the GPUs 0 to {count - 1}" if count else "no GPU"
        raise InputError(
            f"--gpus is {gpus}, but torch finds {found}; leave it out to run one fold after another, or set run.device "
            "to cpu"
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")  # --gpus counts within these
    return [visible[number].strip() if visible != [""] else str(number) for number in numbers]


def _claim(out: Path, recipe: Recipe) -> None:
    """Write the recipe next to the results, after checking that the folder holds no results of another recipe."""
    if (out / TrainingRecord.FILE).exists():
        raise InputError(f"{out} holds a training run; choose another --out")
    begun = any(has_state(fold) or (fold / TrainingRecord.FILE).exists() for fold in out.glob("fold_[0-9]*"))
    if (out / RECIPE_FILE).exists() and (begun or (out / CrossvalRecord.FILE).exists()):
        recipe.check_same(out)
    else:
        refuse_foreign_recipe(out)
    if is_first_process():
        recipe.write(out)


def _fold(out: Path, recipe: Recipe, number: int, expected: tuple[int, ...]) -> Fold:
    fold = None if expected == (0,) else number
    return Fold(number, replace(recipe, data=replace(recipe.data, fold=fold)), out / f"fold_{number}")


def _run_here(folds: Iterable[Fold], manifest: Manifest, classes: Sequence[str] | None) -> Generator[Fold]:
    """Run folds one after another in this process; yield each finished fold.

    Raises:
        InputError: a fold failed; the others, which have the same recipe, are not run.
    """
    for fold in folds:
        _say(f"fold {fold.number or 'all'} -> {fold.folder}")
        try:
            run_fold(fold, manifest, classes)
        except InputError as error:
            raise InputError(f"fold {fold.number or 'all'}: {error}; finished folds are kept") from error
        if is_first_process():
            yield fold


def _say(line: str) -> None:
    """Print a line, in the first of several processes."""
    if is_first_process():
        console.print(line, highlight=False, markup=False)


def _scores(result: FoldResult) -> str:
    return f"WAR {percent(result.scores.war)} %, UAR {percent(result.scores.uar)} %"
