"""The folds of a dataset: which there are, which are done, and how one is run."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ifdd.data.manifest import Manifest, Sample
from ifdd.errors import InputError
from ifdd.evaluation.evaluate import evaluate_checkpoint
from ifdd.evaluation.folds import FoldResult, read_fold
from ifdd.evaluation.protocol import sampling_options
from ifdd.evaluation.report import write_evaluation
from ifdd.files import file_sha256
from ifdd.records import DatasetRecord, EvaluationRecord
from ifdd.training.engine.processes import is_first_process
from ifdd.training.recipe import Recipe
from ifdd.training.resuming import is_finished, known_training, read_training
from ifdd.training.train import train_recipe

ALL_FOLDS = dict.fromkeys(("dfew", "mafw", "cremad", "ravdess"), (1, 2, 3, 4, 5))
"""Name of a dataset -> its folds."""


class Fold(NamedTuple):
    """One fold to train and test."""

    number: int
    """Number of the fold; 0 if the dataset has no folds."""
    recipe: Recipe
    folder: Path

    @property
    def evaluation(self) -> Path:
        """The folder of the fold's evaluation."""
        return self.folder / "evaluation"


def folds_of(manifest: Path, samples: Sequence[Sample]) -> tuple[int, ...]:
    """Return the numbers of the folds of a manifest; (0,) if it has none.

    Raises:
        InputError: a fold lacks training or test clips.
    """
    subsets: dict[int, set[str]] = {}
    for sample in samples:
        subsets.setdefault(sample.fold, set()).add(sample.subset)
    for fold, found in sorted(subsets.items()):
        if missing := {"train", "test"} - found:
            where = f"fold {fold} of {manifest}" if fold else str(manifest)
            raise InputError(f"{where} has no {' and no '.join(sorted(missing))} clips; prepare the dataset again")
    return tuple(sorted(subsets))


def expected_folds(dataset: DatasetRecord, there: tuple[int, ...]) -> tuple[int, ...]:
    """Return the numbers of the folds of a complete cross-validation.

    Args:
        dataset: result of ``describe_dataset``; every dataset of ``ALL_FOLDS`` has its folds, also if some are missing.
        there: folds of the manifest.
    """
    complete = ALL_FOLDS.get(dataset.prepared.dataset, ()) if dataset.prepared else ()
    return tuple(sorted({*complete, *there}))


def finished(fold: Fold, dataset: DatasetRecord) -> FoldResult | None:
    """Return the result of a fold that is trained and tested according to its recipe; None if it is unfinished.

    Args:
        fold: the fold.
        dataset: result of ``describe_dataset`` for its clips.

    Raises:
        InputError: the folder of the fold is damaged, or holds results of another recipe or dataset.
    """
    training = known_training(fold.recipe, fold.folder, dataset)
    if not (fold.evaluation / EvaluationRecord.FILE).exists():
        return None
    checkpoint = fold.folder / "best.safetensors"
    if training is None or not checkpoint.exists():
        raise InputError(
            f"{fold.folder} has an evaluation, but no finished training; delete that folder to run the fold again, or "
            "choose another --out"
        )
    if not is_finished(training, fold.recipe):
        return None
    result = read_fold(fold.number, fold.evaluation)
    how, protocol = fold.recipe.evaluation, result.protocol
    same = protocol.sampling.options == sampling_options(how.sampling, how.stride, how.views, how.crops)
    same &= protocol.precision in (None, "32-true")
    of_this = protocol.checkpoint.sha256 == file_sha256(checkpoint) and protocol.dataset.hash == dataset.hash
    of_this &= (protocol.subset, protocol.fold) == ("test", fold.recipe.data.fold)
    return result if same and of_this else None


def begun_classes(folds: Sequence[Fold]) -> tuple[str, ...] | None:
    """Return the classes of the folds that are begun, which the others must share; None if none is begun.

    Raises:
        InputError: they differ, because different versions of ifdd read them from the manifest; or a folder is damaged.
    """
    begun = {
        fold.folder: training.clips.classes for fold in folds if (training := read_training(fold.folder)) is not None
    }
    listed = {folder: ", ".join(classes) for folder, classes in begun.items()}
    if len(set(listed.values())) > 1:
        each = "; ".join(f"{folder.name} with {classes}" for folder, classes in listed.items())
        raise InputError(
            f"the folds in {next(iter(listed)).parent} were trained with different classes, so they have no common "
            f"result ({each}); delete the folders with the wrong ones to run these folds again"
        )
    return next(iter(begun.values()), None)


def run_fold(fold: Fold, manifest: Manifest, classes: Sequence[str] | None = None) -> None:
    """Train one fold or resume it, and test its best checkpoint.

    Args:
        fold: the fold.
        manifest: the table of clips of all folds.
        classes: classes of the folds that are begun. Default: those of the recipe.

    Raises:
        InputError: see ``train_recipe`` and ``evaluate_checkpoint``.
    """
    train_recipe(fold.recipe, manifest, fold.folder, resume=True, classes=classes)
    if not is_first_process():
        return
    data = fold.recipe.data
    result, protocol = evaluate_checkpoint(
        fold.folder / "best.safetensors",
        manifest,
        fold.recipe.evaluation,
        fold=data.fold,
        batch_size=data.batch_size,
        workers=data.workers,
        device=fold.recipe.run.device,
        synonyms=data.synonyms,
    )
    write_evaluation(fold.evaluation, result, protocol)
