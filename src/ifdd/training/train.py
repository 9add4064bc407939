"""``ifdd train``: train a model from a recipe."""

import errno
import logging
import os
import signal
import warnings
from dataclasses import replace
from pathlib import Path

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from ifdd.console import console
from ifdd.data.dataset import plain_input_error
from ifdd.data.manifest import Manifest
from ifdd.data.transforms import AugmentationConfig, MixupConfig
from ifdd.errors import InputError
from ifdd.evaluation.evaluate import SamplingConfig
from ifdd.evaluation.protocol import describe_dataset, running_software
from ifdd.model import IFDD, choose_device, save_checkpoint
from ifdd.records import (
    BestEpoch,
    CheckpointRecord,
    DatasetRecord,
    LicenceRecord,
    TimingRecord,
    TrainingClips,
    TrainingRecord,
)
from ifdd.records.licences import joined_licences
from ifdd.training.balance import logit_adjustment
from ifdd.training.callbacks import ContinueSchedule, TrainingProgress, ValidationCheckpoints
from ifdd.training.classes import training_classes
from ifdd.training.clips import ClipDataModule
from ifdd.training.config import DataConfig, ModelConfig, OptimizationConfig, RunConfig
from ifdd.training.divergence import StopIfDiverged
from ifdd.training.module import ClipClassifier
from ifdd.training.recipe import EPOCHS, Recipe
from ifdd.training.resuming import (
    RESUME_FILE,
    WholeCheckpointIO,
    extended_after,
    is_finished,
    known_training,
    resume_point,
)
from ifdd.training.start import build_network, check_start, start_line

NOISE = (
    ".*does not have many workers.*",  # a choice of the recipe
    ".*exists and is not empty.*",  # a resumed run, already checked
    ".*dirpath has changed.*",  # a run in a moved folder; what is not reloaded is not used
    ".*treespec.*is deprecated.*",  # Lightning's use of torch
    ".*persistent_workers.*",
)
"""Warnings of the engine that are irrelevant to users."""


def train(
    *,
    data: DataConfig,
    model: ModelConfig = ModelConfig(),  # noqa: B008 (frozen)
    optimization: OptimizationConfig = OptimizationConfig(),  # noqa: B008 (frozen)
    augmentation: AugmentationConfig = AugmentationConfig(),  # noqa: B008 (frozen)
    mixup: MixupConfig = MixupConfig(),  # noqa: B008 (frozen)
    run: RunConfig = RunConfig(),  # noqa: B008 (frozen)
    evaluation: SamplingConfig = SamplingConfig(),  # noqa: B008 (frozen)
    out: Path = Path("runs/ifdd"),
    resume: bool = False,
) -> None:
    """Train a model; keep its last and its best checkpoint.

    The best checkpoint is selected on validation clips: the manifest's validation subset or, if it has none, subjects
    held out of the training subset. The test subset is read only if run.selection is test.

    Args:
        data: The dataset.
        model: The model.
        optimization: The optimiser.
        augmentation: Augmentation of a clip, the same for all its frames.
        mixup: Mixing of the clips of a batch.
        run: Seed, selection of the checkpoint, and hardware.
        evaluation: How 'ifdd crossval' tests a model trained with this recipe; not used in training.
        out: Folder to write to: best.safetensors, last.safetensors, recipe.yaml, training.json and logs (csv/,
            tensorboard/).
        resume: Resume an interrupted run, or train a finished one further with a larger optimization.epochs.
    """
    recipe = Recipe(data, model, optimization, augmentation, mixup, run, evaluation)
    if resume and is_first_process() and not ((out / RESUME_FILE).exists() or (out / TrainingRecord.FILE).exists()):
        console.print(
            f"nothing to resume in {out}: training from the beginning", highlight=False, markup=False, soft_wrap=True
        )
    train_recipe(recipe, Manifest.read(data.manifest), out, resume)


def train_recipe(recipe: Recipe, manifest: Manifest, out: Path, resume: bool) -> None:
    """Train a recipe; a finished run is left unchanged, unless the recipe has more epochs now.

    Args:
        recipe: the recipe.
        manifest: the table of clips, ``recipe.data.manifest``.
        out: folder to write to.
        resume: whether to resume a run that the folder holds.

    Raises:
        InputError: the training diverged, the recipe does not fit the data, the folder holds another or a damaged run,
            or it holds a run and ``resume`` is False.
    """
    data, model, run = recipe.data, recipe.model, recipe.run
    dataset = describe_dataset(manifest)
    placement(run)  # refuses a device that is not there before anything is written
    known = None
    if is_first_process():
        known = known_training(recipe, out, dataset, resume)
        if known is not None and is_finished(known, recipe):
            line = (
                f"the training in {out} is finished already ({known.epochs} epochs; a larger {EPOCHS} trains further)"
            )
            console.print(line, highlight=False, markup=False, soft_wrap=True)
            _print_best(out, known.best)
            return
    resume_from = resume_point(out, resume)
    extended = extended_after(known, recipe)
    for engine in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(engine).setLevel(logging.WARNING)
    seed_everything(run.seed, verbose=False)
    classes = training_classes(data, manifest)
    start = build_network(model, classes)
    check_start(start, dataset, data.fold)
    network = start.network
    check_alignment(network.config.alignment, dataset, data.manifest)
    clips = ClipDataModule(data, manifest, network.config, run.seed, run.selection)
    adjustment = logit_adjustment(clips.draws, recipe.optimization.logit_adjustment, classes)
    software = running_software("ifdd", "torch", "lightning")
    described = CheckpointRecord(
        preset=model.preset,
        data=data.name,
        synthetic=data.synthetic or bool(dataset.synthetic),
        dataset=dataset,
        licences=joined_licences([dataset.licence or LicenceRecord(data.name, "", "")], start.licences),
        started_from=start.started_from,
        timing=_timing(clips),
        recipe=recipe.plain(),
        extended_after=extended,
        versions=software.versions,
        commit=software.commit,
    )
    begun = TrainingRecord("running", 0, recipe.optimization.epochs, None, dataset, _clips_record(clips), extended)

    def save(path: Path, trained: IFDD, epoch: BestEpoch) -> None:
        save_checkpoint(path, trained, classes, clips.clip_seconds, described.at(epoch))

    def note(epochs_done: int, best: BestEpoch | None) -> None:
        replace(begun, epoch=epochs_done, best=best).write(out / begun.FILE)

    if is_first_process() and resume_from is None:
        recipe.write(out)
        begun.write(out / begun.FILE)
        for line in (_clips_line(clips), _time_line(clips, dataset)):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        if start.started_from is not None:
            console.print(start_line(start), highlight=False, soft_wrap=True)
    if known is not None and resume_from is not None:  # after all checks: the run may have more epochs than before
        note(known.epoch, known.best)
        recipe.write(out)
    checkpoints = ValidationCheckpoints(out, classes, run.select, run.selection, clips.selection_clips, save, note)
    progress = TrainingProgress(data.batch_size, run.selection)
    trainer = _trainer(out, recipe.optimization, run, StopIfDiverged(), ContinueSchedule(), checkpoints, progress)
    module = ClipClassifier(
        network,
        recipe.optimization,
        recipe.augmentation,
        recipe.mixup,
        data.batch_size,
        run.seed,
        clips.train.set_epoch,
        adjustment,
    )
    _fit(trainer, module, clips, resume_from)
    if trainer.is_global_zero:
        replace(begun, state="done", epoch=begun.epochs, best=checkpoints.best).write(out / begun.FILE)
        _print_best(out, checkpoints.best)


def check_alignment(expected: str, dataset: DatasetRecord, manifest: Path) -> None:
    """Check that faces are cropped as the model says, because recognition crops them as the model says.

    Args:
        expected: the model's alignment.
        dataset: result of ``describe_dataset`` for the clips.
        manifest: path for the message.

    Raises:
        InputError: they differ.
    """
    given = dataset.alignment
    if given != expected:
        raise InputError(
            f"the faces of {manifest} are cropped with the alignment {given}, and the model's alignment is {expected}; "
            f"set model.overrides to {{alignment: {given}}}, or prepare the dataset with --alignment {expected}"
        )


def _clips_record(clips: ClipDataModule) -> TrainingClips:
    on_test, chosen = clips.selection == "test", len(clips.validation)
    return TrainingClips(
        train=len(clips.train),
        validation=None if on_test else chosen,
        test=chosen if on_test else None,
        unused=clips.unused,
        draws=dict(zip(clips.train.classes, clips.draws.tolist(), strict=True)),
    )


def _clips_line(clips: ClipDataModule) -> str:
    unused = f"; {clips.unused} validation clips are not used" if clips.unused else ""
    absent = f"; no {clips.selection} clips for: {', '.join(clips.absent)}" if clips.absent else ""
    never = [name for name, count in zip(clips.classes, clips.draws, strict=True) if not count]
    absent += f"; no training clips for: {', '.join(never)}" if never else ""
    return (
        f"training on {len(clips.train)} clips of {len(clips.classes) - len(never)} classes, selecting the epoch on "
        f"{len(clips.validation)} ({clips.selection_clips}){absent}{unused}"
    )


def _time_line(clips: ClipDataModule, dataset: DatasetRecord) -> str:
    """Return the frame rates and the duration of a clip, with what is assumed about them."""
    rates, stated, frames = dataset.rates, clips.config.fps, clips.train.clip_length
    words = "frame rates not known" if rates is None else rates.words
    if rates is not None and rates.unknown == rates.clips and stated is not None:
        words = f"{stated:g} frames a second, as data.fps says, because the manifest has none"
    if clips.config.train_sampling == "uniform_segments":
        span = f"{frames} frames spread over a video, {clips.clip_seconds:.3g} s on average"
    else:
        span = f"{frames} frames at steps of {clips.config.stride}/{clips.clock_fps:g} s, {clips.clip_seconds:.3g} s"
    return f"time: {words}; a clip is {span}"


def _timing(clips: ClipDataModule) -> TimingRecord:
    config = clips.config
    uses_stride = config.train_sampling != "uniform_segments"
    known = any(sample.fps is not None for sample in clips.train.samples)
    return TimingRecord(
        fps=clips.clock_fps,
        stride=config.stride if uses_stride else None,
        sampling=config.train_sampling,
        known=known or config.fps is not None,
    )


def _print_best(out: Path, best: BestEpoch | None) -> None:
    assert best is not None, "TrainingRecord checks this"
    console.print(
        f"{best.selection}: WAR {best.scores.war:.3f}, UAR {best.scores.uar:.3f} (epoch {best.epoch}) "
        f"-> {out / 'best.safetensors'}",
        highlight=False,
        soft_wrap=True,
    )


def is_first_process() -> bool:
    """Whether this is the first process, not one that Lightning starts for another device."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def placement(run: RunConfig) -> tuple[str, int | list[int]]:
    """Return the accelerator of the training engine, and the number or the list of its devices.

    Raises:
        InputError: there is no such device, or one device is named and several are to be used.
    """
    kind, _, number = choose_device(run.device, "run.device").partition(":")
    if number and run.devices > 1:
        raise InputError(
            f"run.device {run.device} is one GPU, but run.devices is {run.devices}; set run.device to {kind}, and "
            "choose GPUs with the environment variable CUDA_VISIBLE_DEVICES"
        )
    return kind, [int(number)] if number else run.devices


def _trainer(out: Path, optimization: OptimizationConfig, run: RunConfig, *callbacks: Callback) -> Trainer:
    state = ModelCheckpoint(
        out, RESUME_FILE.removesuffix(".ckpt"), save_on_train_epoch_end=True, enable_version_counter=False
    )
    accelerator, devices = placement(run)
    averaging = [] if optimization.ema_decay is None else [EMAWeightAveraging(decay=optimization.ema_decay)]
    try:
        return Trainer(
            accelerator=accelerator,
            devices=devices,
            default_root_dir=out,
            precision=optimization.precision,
            max_epochs=optimization.epochs,
            gradient_clip_val=optimization.gradient_clip,
            callbacks=[*callbacks, state, *averaging],
            plugins=[WholeCheckpointIO()],
            logger=[CSVLogger(out, name="csv"), TensorBoardLogger(out, name="", version="tensorboard")],
            num_sanity_val_steps=0,
            enable_model_summary=False,
            log_every_n_steps=1,
        )
    except MisconfigurationException as error:
        raise InputError(f"run.device {run.device} with run.devices {run.devices}: {error}") from error


def _fit(trainer: Trainer, module: ClipClassifier, clips: ClipDataModule, resume_from: Path | None) -> None:
    """Run the training; raise KeyboardInterrupt after an interruption."""
    handler = signal.getsignal(signal.SIGINT)
    with warnings.catch_warnings():
        for message in NOISE:
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.fit(module, datamodule=clips, ckpt_path=resume_from, weights_only=True)
        except SystemExit as stop:
            signal.signal(signal.SIGINT, handler)
            if trainer.interrupted:
                raise KeyboardInterrupt from stop
            raise
        except InputError as error:
            raise plain_input_error(error) from None
        except RuntimeError as error:
            if trainer.world_size == 1 or "by peer" not in str(error):  # gloo reports a lost process like this
                raise
            raise InputError(
                f"another of the {trainer.world_size} training processes has stopped; fix the error that it reports, "
                "then add --resume"
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise InputError(
                f"no space left on the disk for {trainer.default_root_dir}; free space, then add --resume"
            ) from error
