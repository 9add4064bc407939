"""``ifdd disentangle``: measure what the two halves of a model know."""

import shlex
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ifdd.console import console, progress_bar
from ifdd.data.dataset import ClipDataset
from ifdd.data.labels import class_indices, natural_order
from ifdd.data.manifest import Manifest, Sample
from ifdd.errors import InputError, check_range
from ifdd.evaluation.protocol import (
    check_one_fold,
    clips_used_for,
    describe_dataset,
    note_alignment,
    note_use,
    print_note,
    running_software,
)
from ifdd.evaluation.sampling import dataset_for, training_sampling
from ifdd.explanation.attribution import attribute
from ifdd.explanation.disentanglement.factors import find_factors, number_people
from ifdd.explanation.disentanglement.features import (
    BACKBONE,
    extract_features,
    has_halves,
)
from ifdd.explanation.disentanglement.measure import (
    ProbeOptions,
    check_enough,
    describe_dynamic_index,
    describe_factors,
    describe_heat_maps,
    describe_knowledge,
    describe_leakage,
    probe_all,
)
from ifdd.explanation.disentanglement.plot import check_plot, write_plot
from ifdd.explanation.disentanglement.resampling import LEVEL, draw_people
from ifdd.explanation.disentanglement.tables import disentanglement_tables
from ifdd.explanation.disentanglement.truth import ClipTruth, find_truth, read_truth
from ifdd.files import check_writable, expand, file_sha256, refuse_replacing
from ifdd.model import Checkpoint, choose_device, find_checkpoint, load_checkpoint
from ifdd.model.inspection.measuring import device_name
from ifdd.records import NOT_RECORDED, DisentanglementRecord, ManifestRecord, ProbedCheckpoint


def disentangle(
    checkpoint: Path,
    manifest: Path,
    *,
    subset: Literal["train", "validation", "test", "all"] = "test",
    fold: int | None = None,
    pooling: Literal["mean", "moments"] = "mean",
    folds: int = 5,
    maps: int = 200,
    resamples: int = 1000,
    seed: int = 0,
    batch_size: int = 16,
    workers: int = 2,
    device: str = "auto",
    synonyms: bool = False,
    out: Path | None = None,
    plot: Path | None = None,
) -> None:
    """Measure whether a model separates emotion from context: probes, leakage, dynamic index, heat maps.

    Probes read emotion, action units, identity, pose, light, background and speech from frozen features: those of the
    backbone (X), the context (Y_S) and the emotion features (Y_D). People of test clips are not among those that a
    probe learns from, except for identity. SynthDFER's truth next to the clips gives all factors; other
    manifests give those they have columns for: label, subject, au01, ... The frames of a clip are sampled as in
    training. docs/evidence.md defines every measure.

    Args:
        checkpoint: Checkpoint to measure: a .safetensors file that 'ifdd train' wrote, or a bundled one's name. Without
            ISSM and LADM (backbone only), only the backbone's features are probed.
        manifest: Manifest of the dataset, CSV or Parquet, as 'ifdd prepare' or 'ifdd synth' writes it; choose clips
            that the model was not trained on.
        subset: Subset of the manifest to measure on; all takes every clip.
        fold: Fold of a cross-validation, from 1; required if the manifest has several.
        pooling: From the tokens of a clip to the row that probes get: their mean, or mean and standard deviation
            (moments).
        folds: Folds of the probes' cross-validation.
        maps: Clips whose heat maps are measured, drawn at random; 0: none.
        resamples: Resamples of the bootstrap over people that gives the intervals.
        seed: Random seed of folds, probes, controls and resamples.
        batch_size: Clips per batch.
        workers: Worker processes that load clips and fit probes; 0 uses the main process.
        device: Device to run the model on: auto (a CUDA GPU if there is one, otherwise the CPU), cpu, cuda, cuda:1 (the
            second GPU) or mps (the GPU of a Mac).
        synonyms: Read other spellings of an emotion as the checkpoint's class, joy and happiness as happy. Labels that
            are no class of the checkpoint are probed all the same, but its accuracy is then not measured.
        out: JSON file to write the result to. Default: nothing is written.
        plot: Picture of the matrix to write, for example matrix.png.

    Raises:
        InputError: an option is out of range, a file cannot be read or written, or there are too few people or clips.
    """
    check_range("--batch-size", batch_size, at_least=1)
    options = ProbeOptions(pooling, folds, maps, resamples, seed, workers)
    given = (checkpoint, manifest)
    checkpoint, manifest = expand(checkpoint), expand(manifest)
    out, plot = (None if path is None else expand(path) for path in (out, plot))
    if out is not None:
        check_writable(out)
        refuse_replacing(out, "the checkpoint or the manifest that is read", checkpoint, manifest)
    if plot is not None:
        check_plot(plot)
    chosen = choose_device(device)
    record = measure_disentanglement(
        checkpoint,
        Manifest.read(manifest),
        subset=subset,
        fold=fold,
        options=options,
        batch_size=batch_size,
        device=chosen,
        synonyms=synonyms,
        command=_spelt(given, subset, fold, options, out, synonyms),
    )
    if out is not None:
        record.write(out)
    if plot is not None:
        write_plot(record, plot)
    console.print(disentanglement_tables(record), highlight=False)
    for written in filter(None, (out, plot)):
        console.print(f"Written to {written}", highlight=False, markup=False)


def measure_disentanglement(
    checkpoint: Path,
    manifest: Manifest,
    *,
    subset: str = "test",
    fold: int | None = None,
    options: ProbeOptions = ProbeOptions(),  # noqa: B008 -- frozen
    batch_size: int = 16,
    device: str = "cpu",
    synonyms: bool = False,
    command: str = "",
) -> DisentanglementRecord:
    """Measure what the two halves of a checkpoint know of the clips of a manifest, with progress bars.

    Args:
        checkpoint: .safetensors file of ifdd, or the name of a bundled checkpoint.
        manifest: the table of clips.
        subset: "train", "validation", "test" or "all".
        fold: number of the fold; None if the manifest has only one or none.
        options: how features are probed.
        batch_size: clips per batch.
        device: device to run the model on.
        synonyms: read other spellings of an emotion as the checkpoint's class.
        command: the command, for the record.

    Raises:
        InputError: a file cannot be read, the clips have several folds, or there are too few people.
    """
    began = time.monotonic()
    loaded = load_checkpoint(checkpoint)
    model, config = loaded.model.to(device), loaded.model.config
    samples = manifest.select(None if subset == "all" else subset, fold)
    check_one_fold(manifest.path, samples)
    people, count = number_people(samples)
    check_enough(count, options.folds, len(samples))
    dataset, unknown = _dataset(samples, loaded, synonyms)
    described = describe_dataset(manifest)
    used_for = clips_used_for(loaded.record, described, samples)
    note_alignment(checkpoint, config.alignment, manifest.path, described)
    note_use(used_for)
    truths = _read_truths(dataset)
    factors, notes = find_factors(dataset.samples, truths, manifest.path, options.folds)
    notes += [f"accuracy: {unknown}"] if unknown else []
    if not factors:
        raise InputError(f"{manifest.path} has nothing to probe for ({'; '.join(notes)})")
    if not has_halves(model):
        notes.append("Y_S, Y_D, leakage, dynamic index, heat maps: the model has no ISSM and LADM (backbone only)")
    with progress_bar("clips") as bar:
        task = bar.add_task("features", total=len(dataset))
        found = extract_features(
            model, dataset, options.pooling, batch_size, options.workers, lambda number: bar.advance(task, number)
        )
    draws = draw_people(count, options.resamples, options.seed)
    names = tuple(found.features)
    probed = probe_all(found.features, factors, draws, options)
    knowledge, separation = describe_knowledge(probed, names, factors)
    split = has_halves(model) and truths is not None
    dynamic_index = heat_maps = None
    if split and truths is not None:
        dynamic_index = describe_dynamic_index(model, found, truths, people, draws, options.seed)
        if options.maps:
            heat_maps = describe_heat_maps(model, dataset, truths, people, draws, options, attribute)
    for note in notes:
        print_note(f"not measured: {note}")
    return DisentanglementRecord(
        command=command,
        checkpoint=ProbedCheckpoint(
            path=str(checkpoint),
            sha256=file_sha256(find_checkpoint(checkpoint)),
            backbone=config.backbone,
            split=config.split,
            lifting=config.lifting,
            data=loaded.record.data or NOT_RECORDED,
            accuracy=None if unknown else found.correct,
        ),
        manifest=ManifestRecord(str(manifest.path), manifest.sha256),
        dataset=described.hash,
        synthetic=described.synthetic,
        subset=subset,
        fold=fold,
        clips=len(samples),
        people=count,
        frames=config.frames,
        size=config.size,
        pooling=options.pooling,
        width=found.features[BACKBONE].shape[1],
        folds=options.folds,
        seed=options.seed,
        resamples=options.resamples,
        level=LEVEL,
        factors=describe_factors(probed, names, factors),
        knowledge=knowledge,
        separation=separation,
        leakage=describe_leakage(found.features, people, count, draws, options),
        dynamic_index=dynamic_index,
        heat_maps=heat_maps,
        notes=tuple(notes),
        device=device_name(device),
        processor=device_name("cpu"),
        seconds=round(time.monotonic() - began, 1),
        software=running_software("ifdd", "torch", "scikit-learn", "python"),
        clips_used_for=used_for,
    )


def _spelt(
    given: tuple[Path, Path],
    subset: str,
    fold: int | None,
    options: ProbeOptions,
    out: Path | None,
    synonyms: bool = False,
) -> str:
    """Return the command as a user would write it, without what equals the default or changes no number."""
    usual = ProbeOptions()
    words = ["ifdd", "disentangle", *map(str, given)]
    words += [] if subset == "test" else ["--subset", subset]
    words += [] if fold is None else ["--fold", str(fold)]
    for name in ("pooling", "folds", "maps", "resamples", "seed"):
        if getattr(options, name) != getattr(usual, name):
            words += [f"--{name}", str(getattr(options, name))]
    words += ["--synonyms"] if synonyms else []
    return shlex.join([*words, *(() if out is None else ("--out", str(out)))])


def _dataset(samples: list[Sample], loaded: Checkpoint, synonyms: bool) -> tuple[ClipDataset, str]:
    """Return the clips, one view each, sampled as in training, and why their labels are not the model's classes.

    Synonyms become the class that they mean, also if other labels are no class. The reason is empty if the labels are
    classes; otherwise the classes are those of the data.
    """
    how, labels = training_sampling(loaded.record), natural_order(sample.label for sample in samples)
    if synonyms:
        names = {label: _meaning(label, loaded.classes) for label in labels}
        samples = [replace(sample, label=names[sample.label]) for sample in samples]
        labels = natural_order(names.values())
    try:
        class_indices(labels, loaded.classes, synonyms)
    except InputError as error:
        return dataset_for(loaded, samples, how, classes=labels), str(error)
    return dataset_for(loaded, samples, how), ""


def _meaning(label: str, classes: Sequence[str]) -> str:
    """Return the class that a label means, by its spelling or as a synonym; the label itself if there is none."""
    try:
        return classes[class_indices([label], classes, synonyms=True)[0]]
    except InputError:
        return label


def _read_truths(dataset: ClipDataset) -> list[ClipTruth] | None:
    """Return the truth of the frames that the model sees; None unless every clip has one."""
    paths = [find_truth(sample) for sample in dataset.samples]
    if not all(paths):
        return None
    truths = []
    with progress_bar("clips") as bar:
        task = bar.add_task("truth", total=len(paths))
        for place, path in enumerate(paths):
            assert path is not None
            truths.append(read_truth(path, dataset.frame_indices(place)))
            bar.advance(task)
    return truths
