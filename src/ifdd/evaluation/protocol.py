"""The protocol of an evaluation: everything needed to repeat and to judge it."""

import importlib.metadata
import platform
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import median_low

from ifdd.console import error_console
from ifdd.data.dataset import ClipDataset
from ifdd.data.datasets.rates import rate_origin
from ifdd.data.labels import LABEL_SETS
from ifdd.data.manifest import Manifest, Sample
from ifdd.data.prepared import prepare_record
from ifdd.data.sampling import describe_sampling
from ifdd.data.timing import ASSUMED_FPS
from ifdd.errors import InputError
from ifdd.evaluation.report import USED_FOR, Evaluation
from ifdd.files import file_sha256
from ifdd.model import Checkpoint, Model, find_checkpoint
from ifdd.records import (
    NOT_RECORDED,
    CheckpointRecord,
    DatasetRecord,
    EvaluatedCheckpoint,
    ManifestRecord,
    PreparedRecord,
    PrepareRecord,
    Protocol,
    RatesRecord,
    SamplingOptions,
    SamplingRecord,
    SoftwareRecord,
)
from ifdd.records.licences import data_licence


def describe_protocol(
    checkpoint: Path,
    loaded: Model,
    manifest: Manifest,
    described: DatasetRecord,
    fold: int | None,
    dataset: ClipDataset,
    evaluation: Evaluation,
) -> Protocol:
    """Return everything needed to repeat and to judge an evaluation.

    Args:
        checkpoint: path of the checkpoint, or the name of a bundled one.
        loaded: the loaded checkpoint or exported model.
        manifest: the table of clips.
        described: result of ``describe_dataset`` for the manifest.
        fold: number of the requested fold, or None.
        dataset: the evaluated clips.
        evaluation: the result.
    """
    record = loaded.record
    options = sampling_options(dataset.sampling, dataset.stride, dataset.views, dataset.crops)
    software = running_software("ifdd", "torch", "python")
    return Protocol(
        checkpoint=EvaluatedCheckpoint(
            path=str(checkpoint),
            sha256=file_sha256(find_checkpoint(checkpoint)),
            clip_seconds=loaded.clip_seconds,
            chosen_on=record.chosen_on or NOT_RECORDED,
            seed=record.seed,
            description=record,
            calibration=loaded.calibration,
            export=None if isinstance(loaded, Checkpoint) else loaded.export,
        ),
        manifest=ManifestRecord(str(manifest.path), manifest.sha256),
        dataset=described,
        classes=dataset.classes,
        label_order=label_order(dataset.classes),
        subset=dataset.samples[0].subset,
        fold=fold,
        clips=len(dataset),
        clips_used_for=clips_used_for(record, described, dataset.samples),
        sampling=SamplingRecord(
            **vars(options),
            meaning=describe_sampling(dataset.sampling, dataset.views, dataset.crops),
            frames=dataset.clip_length,
            size=dataset.size,
            views=int(evaluation.views.sum()),
            views_per_clip=(int(evaluation.views.min()), int(evaluation.views.max())),
            average="probabilities",
            clock_fps=None if dataset.sampling == "uniform_segments" else dataset.clock_fps,
        ),
        seed=None,
        versions=software.versions,
        commit=software.commit,
    )


def clips_used_for(record: CheckpointRecord, dataset: DatasetRecord, samples: Sequence[Sample]) -> str:
    """Return what a checkpoint's training run, and those before it, used the evaluated clips for.

    Args:
        record: description of the checkpoint.
        dataset: description of the dataset of the clips.
        samples: clips of one fold; the worst use of any subset counts.

    Returns:
        "training" (some of these clips may have been held out for validation), "choosing the checkpoint", "nothing", or
        "not known" if neither the checkpoint nor those that it started from belong to the dataset, none is recorded, or
        one was trained on the same benchmark with other folds, labels or clips. Test clips of another fold count as
        "training", because they are training clips of the checkpoint's fold.
    """
    subsets, fold = {sample.subset for sample in samples}, samples[0].fold
    trainings = record.trainings_on(dataset.hash)
    if trainings and ("train" in subsets or any(training.fold not in (None, fold) for training in trainings)):
        return "training"
    if not trainings or any(training.may_know(dataset, fold or None) for training in record.trainings):
        return "not known"
    chosen_on = {training.chosen_on for training in record.trainings if training.shares_source(dataset)}
    return "choosing the checkpoint" if subsets & chosen_on else "nothing"


def check_one_fold(manifest: Path, samples: Sequence[Sample]) -> None:
    """Refuse clips of several folds.

    Raises:
        InputError: the clips belong to several folds.
    """
    folds = sorted({sample.fold for sample in samples})
    if len(folds) > 1:
        raise InputError(
            f"{manifest} has the folds {', '.join(map(str, folds))}; choose the fold of the checkpoint with --fold, "
            "because test clips of one fold are training clips of the others"
        )


def note_alignment(checkpoint: Path, expected: str, manifest: Path, dataset: DatasetRecord) -> None:
    """Print a note if the faces of a manifest are not aligned as a checkpoint expects.

    Args:
        checkpoint: its path or name.
        expected: the alignment in its configuration.
        manifest: path of the manifest.
        dataset: result of ``describe_dataset`` for it.
    """
    if dataset.alignment != expected:
        print_note(
            f"the faces of {manifest} are aligned by {dataset.alignment}, but {checkpoint} expects {expected}; its "
            "results suffer"
        )


def note_use(used_for: str) -> None:
    """Print a note if the training used the clips, given the result of ``clips_used_for``."""
    if used_for in USED_FOR:
        print_note(USED_FOR[used_for])


def print_note(line: str) -> None:
    """Print a note on standard error: no markup in file names, no wrapping."""
    error_console.print(f"note: {line}", markup=False, highlight=False, soft_wrap=True)


def sampling_options(name: str, stride: int, views: int, crops: int) -> SamplingOptions:
    """Return a sampling with its options; an option that it does not use is None."""
    return SamplingOptions(
        name=name,
        stride=None if name == "uniform_segments" else stride,
        temporal_views=views if name == "spaced_clips" else None,
        crops=crops,
    )


def describe_dataset(manifest: Manifest, *, notes: bool = True) -> DatasetRecord:
    """Return the description of the clips of a manifest, all folds together.

    Args:
        manifest: the table of clips.
        notes: print a note, once for each manifest, if ``prepare.json`` beside it describes other clips.

    Raises:
        InputError: prepare.json next to the manifest is damaged.
    """
    folder, found = manifest.path.parent, manifest.dataset_hash
    record = prepare_record(manifest)
    if record is None:
        if notes and (folder / PrepareRecord.FILE).exists():
            _note_other_record(manifest.path)
        synthetic = True if (folder / "synth.json").exists() else None
        return DatasetRecord(found, synthetic, None, data_licence(None, synthetic), _rates_of(manifest, None))
    prepared = PreparedRecord(
        dataset=record.dataset,
        frames=record.frames,
        label_set=record.label_set,
        faces=record.faces and replace(record.faces, folder=Path(record.faces.folder).name),
        pack=record.pack,
        verdict=record.verdict,
        excluded=len(record.excluded),
        unchanged=record.manifest is not None and record.dataset_hash == found,
        labels=record.options.get("labels"),
        source=record.source,
    )
    rates = record.rates if record.rates is not None and prepared.unchanged else _rates_of(manifest, record.rates)
    return DatasetRecord(found, record.synthetic, prepared, record.known_licence, rates)


def try_describing(manifest: Manifest) -> DatasetRecord | None:
    """Return the result of ``describe_dataset``; None, after a note, if ``prepare.json`` is damaged."""
    try:
        return describe_dataset(manifest)
    except InputError as error:
        print_note(f"not checked whether the clips suit the checkpoint: {error}")
        return None


@cache
def _note_other_record(manifest: Path) -> None:
    print_note(
        f"{manifest} has clips that the {PrepareRecord.FILE} beside it does not describe; their licence and alignment "
        "are not known: prepare it with 'ifdd prepare manifest'"
    )


def _rates_of(manifest: Manifest, earlier: RatesRecord | None) -> RatesRecord | None:
    """Return the frame rates in a manifest whose clips are not those of a record; None without clips.

    Args:
        manifest: the table of clips.
        earlier: rates of the preparation that the clips come from, which tell where theirs are from.
    """
    clips = {sample.clip_id: sample for sample in manifest.samples}.values()
    known = sorted(sample.fps for sample in clips if sample.fps is not None)
    if not clips:
        return None
    least, median, most = (known[0], median_low(known), known[-1]) if known else (ASSUMED_FPS,) * 3
    uneven, unknown = sum(bool(sample.durations) for sample in clips), len(clips) - len(known)
    origins = Counter(rate_origin(sample.fps, sample.durations, earlier) for sample in clips if sample.fps is not None)
    return RatesRecord(
        least,
        median,
        most,
        uneven,
        from_files=origins["file"],
        stated=origins["stated"],
        assumed=origins["assumed"],
        unknown=unknown,
    )


def label_order(classes: Sequence[str]) -> str:
    """Return the name of the label set with these classes in this order, or "its own" if there is none."""
    return next((name for name, names in LABEL_SETS.items() if names == tuple(classes)), "its own")


def running_software(*names: str, command: bool = False) -> SoftwareRecord:
    """Return the commit of ifdd and the versions of installed packages; "python" is the interpreter.

    Args:
        names: the packages.
        command: record the command line of this process, too.
    """
    python = platform.python_version()
    versions = {name: python if name == "python" else importlib.metadata.version(name) for name in names}
    return SoftwareRecord(versions, commit(), shlex.join(sys.argv) if command else None)


def commit() -> str | None:
    """Return the git commit of ifdd's checkout; None if ifdd does not run from one."""
    here = Path(__file__)
    try:
        tracked = subprocess.run(
            ["git", "ls-files", "--error-unmatch", here.name], cwd=here.parent, capture_output=True, check=False
        )
        if tracked.returncode:
            return None
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=here.parent,
            capture_output=True,
            check=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
