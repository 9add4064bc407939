"""``ifdd train``: train a model from a recipe."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch import seed_everything

from ifdd.console import console
from ifdd.data.manifest import Manifest
from ifdd.data.transforms import AugmentationConfig, MixupConfig
from ifdd.errors import InputError
from ifdd.evaluation.protocol import describe_dataset, running_software
from ifdd.evaluation.sampling import SamplingConfig
from ifdd.model import IFDD, save_checkpoint
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
from ifdd.training.classes import training_classes
from ifdd.training.clips import ClipDataModule
from ifdd.training.config import DataConfig, ModelConfig, OptimizationConfig, RunConfig
from ifdd.training.engine.callbacks import ContinueSchedule, TrainingProgress, ValidationCheckpoints
from ifdd.training.engine.divergence import StopIfDiverged
from ifdd.training.engine.fitting import build_trainer, fit
from ifdd.training.engine.log import EpochLog
from ifdd.training.engine.network import prepare_network
from ifdd.training.engine.processes import is_first_process, placement, process_rank, reported_once
from ifdd.training.engine.state import clear_unfinished, has_state, resume_point
from ifdd.training.engine.stopping import SaveState, requeued
from ifdd.training.engine.unreadable import KeepUnreadable
from ifdd.training.module import ClipClassifier
from ifdd.training.recipe import EPOCHS, Recipe
from ifdd.training.resuming import (
    check_order,
    check_unchanged,
    divide_steps,
    extended_after,
    is_finished,
    known_training,
    only_run,
    read_training,
    resume_line,
)
from ifdd.training.start import build_network, check_start, resumed_start, selection_note, start_line


@requeued()
@reported_once()
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
        evaluation: How 'ifdd crossval' and 'ifdd evaluate' test a model trained with this recipe; not used in training.
        out: Folder to write to: best.safetensors, last.safetensors, recipe.yaml, training.json and logs (csv/,
            tensorboard/).
        resume: Resume an interrupted run, or train a finished one further with a larger optimization.epochs.
    """
    recipe = Recipe(data, model, optimization, augmentation, mixup, run, evaluation)
    if resume and is_first_process() and not (has_state(out) or (out / TrainingRecord.FILE).exists()):
        console.print(
            f"nothing to resume in {out}: training from the beginning", highlight=False, markup=False, soft_wrap=True
        )
    train_recipe(recipe, Manifest.read(data.manifest), out, resume)


def train_recipe(
    recipe: Recipe, manifest: Manifest, out: Path, resume: bool, classes: Sequence[str] | None = None
) -> None:
    """Train a recipe; a finished run is left unchanged, unless the recipe has more epochs now.

    Args:
        recipe: the recipe.
        manifest: the table of clips, ``recipe.data.manifest``.
        out: folder to write to.
        resume: whether to resume a run that the folder holds, with the classes that it began with.
        classes: classes of a new run. Default: those of the recipe.

    Raises:
        InputError: the training diverged, the recipe does not fit the data, the folder holds another or a damaged run,
            or it holds a run and ``resume`` is False.
    """
    data, model, run = recipe.data, recipe.model, recipe.run
    dataset = describe_dataset(manifest, notes=is_first_process())
    processes = placement(run).total  # refuses a device that is not there before anything is written
    before = read_training(out)
    known = known_training(recipe, out, dataset, resume)
    if known is not None and is_finished(known, recipe):
        if is_first_process():
            line = (
                f"the training in {out} is finished already ({known.epochs} epochs; a larger {EPOCHS} trains further)"
            )
            console.print(line, highlight=False, markup=False, soft_wrap=True)
            _print_best(out, known.best)
        return
    point = resume_point(out, resume, 0 if known is None else known.epoch)
    resume_from = None if point is None else point.path
    share = divide_steps(recipe, processes, process_rank(), point)
    extended = extended_after(known, recipe)
    for engine in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(engine).setLevel(logging.WARNING)
    seed_everything(run.seed, verbose=False)
    if known is not None:  # an earlier version may have read other ones from the manifest
        classes = known.clips.classes
    if classes is not None:
        data = replace(data, classes=classes)
    classes = training_classes(data, manifest)
    if known is not None and known.start is not None and point is not None:
        start = resumed_start(known.start, out / TrainingRecord.FILE)
    else:
        start = build_network(model, classes)
    network = start.network
    check_alignment(network.config.alignment, dataset, data.manifest)
    if known is None and data.synthetic and dataset.synthetic is False:
        raise InputError(
            f"data.synthetic is on, but {data.manifest} has no computer-generated clips; add --no-data.synthetic"
        )
    prepare_network(network, recipe.optimization)
    clips = ClipDataModule(data, manifest, network.config, run.seed, run.selection, share)
    check_start(start, dataset, clips.fold)
    check_order(known, clips.sha256, data.manifest, out)
    selecting = clips.selection_clips + selection_note(start, dataset, clips.held_out)
    adjustment = logit_adjustment(clips.draws, recipe.optimization.logit_adjustment, classes)
    software = running_software("ifdd", "torch", "lightning", command=True)
    described = CheckpointRecord(
        preset=model.preset,
        data=data.name,
        synthetic=data.synthetic or bool(dataset.synthetic),
        dataset=dataset,
        licences=joined_licences([dataset.licence or LicenceRecord(data.name, "", "")], start.licences),
        started_from=start.started_from,
        earlier=start.earlier,
        timing=timing_record(clips, dataset),
        recipe=replace(recipe, data=replace(recipe.data, fold=clips.fold)).plain(),
        held_out=clips.held_out,
        extended_after=extended,
        versions=software.versions,
        commit=software.commit,
    )
    begun = TrainingRecord(
        "running",
        0,
        recipe.optimization.epochs,
        None,
        dataset,
        _clips_record(clips),
        extended,
        software=software,
        start=start.record,
    )

    def save(path: Path, trained: IFDD, epoch: BestEpoch) -> None:
        save_checkpoint(path, trained, classes, clips.clip_seconds, described.at(epoch))

    with only_run(out):
        progress = TrainingFile(out, begun)
        clips.unreadable.changed = lambda: progress.update(unreadable=clips.unreadable.plain or None)
        if is_first_process():
            check_unchanged(before, out)
            clear_unfinished(out)
            if point is None:
                recipe.write(out)
                lines = [_clips_line(clips, selecting), _time_line(clips, dataset), start_line(start)]
            else:
                lines = [resume_line(point, share)]
            for line in filter(None, lines):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
            if known is not None and point is not None:  # after all checks: the run may have more epochs than before
                progress.update(epoch=known.epoch, best=known.best, unreadable=known.unreadable)
                recipe.write(out)
            else:
                progress.update()
        checkpoints = ValidationCheckpoints(out, classes, run.select, run.selection, selecting, save, progress.update)
        log = EpochLog(out)
        callbacks = (
            StopIfDiverged(),
            ContinueSchedule(),
            checkpoints,
            KeepUnreadable(clips.unreadable),
            log,
            TrainingProgress(clips, run.selection, log),
            SaveState(run.checkpoint_every, share.accumulate, clips.begin_at),
        )
        trainer = build_trainer(out, recipe.optimization, run, share.accumulate, callbacks)
        module = ClipClassifier(
            network,
            recipe.optimization,
            recipe.augmentation,
            recipe.mixup,
            data.batch_size * share.batches_per_step,
            run.seed,
            clips.set_epoch,
            adjustment,
        )
        fit(trainer, module, clips, resume_from)
        if trainer.is_global_zero:
            assert checkpoints.best is not None
            progress.update(state="done", epoch=begun.epochs, best=checkpoints.best)
            _print_best(out, checkpoints.best)


class TrainingFile:
    """``training.json`` of a run, written by the first process.

    Args:
        out: folder of the run.
        record: its content at first.
    """

    def __init__(self, out: Path, record: TrainingRecord) -> None:
        self.out = out
        self.record = record

    def update(self, **changes: Any) -> None:
        """Change fields of the record and write the file."""
        self.record = replace(self.record, **changes)
        if is_first_process():
            self.record.write(self.out / self.record.FILE)


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
        sha256=clips.sha256,
    )


def _clips_line(clips: ClipDataModule, selecting: str) -> str:
    unused = f"; {clips.unused} validation clips are not used" if clips.unused else ""
    absent = f"; no {clips.selection} clips for: {', '.join(clips.absent)}" if clips.absent else ""
    never = [name for name, count in zip(clips.classes, clips.draws, strict=True) if not count]
    absent += f"; no training clips for: {', '.join(never)}" if never else ""
    return (
        f"training on {len(clips.train)} clips of {len(clips.classes) - len(never)} classes, selecting the epoch on "
        f"{len(clips.validation)} ({selecting}){absent}{unused}"
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


def timing_record(clips: ClipDataModule, dataset: DatasetRecord) -> TimingRecord:
    """Return how clips are sampled in time, and whether that is in known time.

    Args:
        clips: the clips.
        dataset: result of ``describe_dataset`` for them.
    """
    config, rates = clips.config, dataset.rates
    uses_stride = config.train_sampling != "uniform_segments"
    known = rates is not None and rates.from_files + rates.stated > 0
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
