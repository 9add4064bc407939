"""``ifdd crossval``: train and test a recipe on every fold of its dataset."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from ifdd.console import console, error_console
from ifdd.data.manifest import Manifest, Sample
from ifdd.data.transforms import AugmentationConfig, MixupConfig
from ifdd.errors import InputError
from ifdd.evaluation.crossval_report import crossval_tables, write_crossval
from ifdd.evaluation.evaluate import evaluate_checkpoint
from ifdd.evaluation.folds import FoldResult, cross_validation, read_fold
from ifdd.evaluation.protocol import describe_dataset, sampling_options
from ifdd.evaluation.report import write_evaluation
from ifdd.evaluation.sampling import SamplingConfig
from ifdd.evaluation.tables import percent
from ifdd.files import file_sha256
from ifdd.records import CrossvalRecord, DatasetRecord, EvaluationRecord, TrainingRecord
from ifdd.training.config import DataConfig, ModelConfig, OptimizationConfig, RunConfig
from ifdd.training.engine.processes import is_first_process, placement
from ifdd.training.engine.state import has_state
from ifdd.training.recipe import RECIPE_FILE, Recipe
from ifdd.training.resuming import is_finished, known_training, read_training
from ifdd.training.train import train_recipe

LOG_FILE = "log.txt"
POLL_SECONDS = 0.2
STOP_SECONDS = 600.0
"""Time that interrupted folds have to stop before they are killed; far longer than a busy machine needs."""

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
        console.print(f"fold {number or 'all'} is already done: {_scores(done[number])}", highlight=False)
    # data-parallel training starts its processes by repeating the command, which must therefore run a single fold
    apart = bool(gpus) or (run.devices > 1 and len(todo) > 1)
    with closing(_run_apart(todo, slots) if apart else _run_here(todo, manifest, classes)) as runs:
        for fold in runs:
            done[fold.number] = read_fold(fold.number, fold.evaluation)
            console.print(f"fold {fold.number or 'all'}: {_scores(done[fold.number])}", highlight=False)
            write_crossval(out, cross_validation(list(done.values()), expected))
    if not is_first_process():
        return
    together = cross_validation(list(done.values()), expected)
    write_crossval(out, together)
    console.print(crossval_tables(together))
    console.print(
        f"Written to {out}: crossval.json, crossval.csv, crossval.md, crossval.tex", highlight=False, markup=False
    )


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
    of_this = protocol.checkpoint.sha256 == file_sha256(checkpoint)
    return result if same and of_this and protocol.dataset.hash == dataset.hash else None


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


def _check_options(recipe: Recipe, gpus: str) -> None:
    if recipe.data.fold is not None:
        raise InputError(
            f"data.fold is {recipe.data.fold}, but crossval runs every fold; leave it out and choose folds with --folds"
        )
    if gpus and recipe.run.devices > 1:
        raise InputError(
            f"--gpus assigns one GPU to each fold, but run.devices is {recipe.run.devices}; use one of the two"
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
        console.print(f"fold {fold.number or 'all'} -> {fold.folder}", highlight=False)
        try:
            run_fold(fold, manifest, classes)
        except InputError as error:
            raise InputError(f"fold {fold.number or 'all'}: {error}; finished folds are kept") from error
        if is_first_process():
            yield fold


def _run_apart(folds: Sequence[Fold], slots: Sequence[str | None]) -> Generator[Fold]:
    """Run one fold per slot in parallel, each in a separate process; yield each finished fold.

    After a failure, running folds are finished and no further fold is started. An interruption stops all folds, which
    can be resumed later; a second interruption kills the folds that are still running.

    Raises:
        InputError: a fold failed.
    """
    waiting, free = deque(folds), list(slots)
    running: dict[int, tuple[subprocess.Popen[bytes], Fold, str | None]] = {}
    failure = ""
    try:
        while running or (waiting and not failure):
            while free and waiting and not failure:
                fold, slot = waiting.popleft(), free.pop(0)
                running[fold.number] = (_start(fold, slot), fold, slot)
            time.sleep(POLL_SECONDS)
            for process, fold, slot in list(running.values()):
                if process.poll() is None:
                    continue
                del running[fold.number]
                free.append(slot)
                if process.returncode == 0:
                    yield fold
                else:
                    failure = failure or _failure(fold, process.returncode)
    finally:
        _stop([process for process, _, _ in running.values()])
    if failure:
        raise InputError(failure)


def _start(fold: Fold, slot: str | None) -> subprocess.Popen[bytes]:
    """Start the process of one fold: the same command with only this fold."""
    out = fold.folder.parent
    fold.folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "ifdd", "crossval", str(out / RECIPE_FILE), "--out", str(out)]
    place = "" if slot is None else f" on GPU {slot}"
    console.print(f"fold {fold.number or 'all'}{place}: output in {fold.folder / LOG_FILE}", highlight=False)
    with (fold.folder / LOG_FILE).open("ab") as log, _interruptible():
        # a separate session, so that Ctrl-C reaches only this process, which then interrupts each fold once
        return subprocess.Popen(
            [*command, "--folds", str(fold.number)],
            env=os.environ | ({} if slot is None else {"CUDA_VISIBLE_DEVICES": slot}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _failure(fold: Fold, code: int) -> str:
    """Return one line with the reason why the process of a fold failed."""
    log = fold.folder / LOG_FILE
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
    return (
        f"fold {fold.number or 'all'} ended with exit code {code}: {last.removeprefix('ifdd crossval: ')} (see {log})"
    )


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Interrupt processes as Ctrl-C does and wait for them; kill those left after the limit or a second interruption.

    The files of a fold are complete at any moment, so only its unfinished epoch is lost.
    """
    if processes:
        error_console.print("waiting for the folds to stop; a second interruption kills them", highlight=False)
    deadline = time.monotonic() + STOP_SECONDS
    try:
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let child processes receive interruptions, even if this process runs in the background and ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _scores(result: FoldResult) -> str:
    return f"WAR {percent(result.scores.war)} %, UAR {percent(result.scores.uar)} %"
