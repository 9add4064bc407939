"""``ifdd evaluate``: evaluate a checkpoint and report the protocol."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from ifdd.allocator import keep_freed_memory
from ifdd.console import console, progress_bar
from ifdd.data.dataset import ClipDataset
from ifdd.data.labels import class_indices, natural_order
from ifdd.data.manifest import Manifest, Sample
from ifdd.data.timing import same_rate
from ifdd.errors import InputError, check_range
from ifdd.evaluation.groups.grouping import columns_of, group_clips
from ifdd.evaluation.groups.scores import score_groups
from ifdd.evaluation.metrics import confusion_matrix, scores_from_confusion
from ifdd.evaluation.prediction import Predictions, classifier_of, predict
from ifdd.evaluation.protocol import (
    check_one_fold,
    clips_used_for,
    describe_dataset,
    describe_protocol,
    note_alignment,
    print_note,
)
from ifdd.evaluation.report import Evaluation, evaluation_tables, write_evaluation
from ifdd.evaluation.sampling import Sampling, SamplingChoice, SamplingConfig, dataset_for
from ifdd.evaluation.stress.pairs import evaluate_pairs, pair_members
from ifdd.evaluation.stress.picture import PICTURE, check_picture
from ifdd.evaluation.stress.stress import check_stresses, predict_stressed, score_stressed
from ifdd.evaluation.stress.transforms import chosen_stresses, conditions_of
from ifdd.files import check_writable, expand
from ifdd.model import IFDD, Engine, Precision, choose_device, device_for, load_model
from ifdd.records import CheckpointRecord, DatasetRecord, Protocol


def evaluate(
    checkpoint: Path,
    manifest: Path,
    *,
    subset: Literal["train", "validation", "test"] = "test",
    fold: int | None = None,
    sampling: Sampling | None = None,
    stride: int | None = None,
    views: int | None = None,
    crops: Literal[1, 2, 3] | None = None,
    batch_size: int = 16,
    workers: int = 2,
    device: str = "auto",
    precision: Precision = "32-true",
    by: str = "",
    synonyms: bool = False,
    stress: bool | str = False,
    pairs: bool = False,
    out: Path | None = None,
) -> None:
    """Evaluate a checkpoint and report the protocol: WAR, UAR, recall of each class, confusion matrix, calibration.

    Frames are sampled without randomness: the same command gives the same result.

    Args:
        checkpoint: Checkpoint to evaluate: a .safetensors file that 'ifdd train' wrote, or a bundled one's name; or an
            exported model, a file that 'ifdd export' wrote.
        manifest: Manifest of the dataset, CSV or Parquet, as 'ifdd prepare' or 'ifdd synth' writes it.
        subset: Subset of the manifest to evaluate on; a result on training clips is labelled as such.
        fold: Fold of a cross-validation, from 1; required if the manifest has several.
        sampling: Frames of a clip: uniform_segments takes the centre frame of each of equal segments of the video;
            consecutive_clips averages over all consecutive clips; spaced_clips averages over equally spaced clips
            from the start of the video to its end; random_clip takes the middle clip. Default: as the checkpoint's
            recipe says (evaluation.sampling), uniform_segments without one.
        stride: Step between the frames of a clip, in ticks of the checkpoint's clock, which are frames if the clips
            have the frame rate that it was trained at; not used by uniform_segments. Default: as the recipe says, or 1.
        views: Clips per video; used by spaced_clips. Default: as the recipe says, or 2.
        crops: Square crops per frame, averaged, if frames are not square: 1 the centre, 2 both ends of the longer side,
            3 all of them. Default: as the recipe says, or 1.
        batch_size: Clips per batch.
        workers: Worker processes that load clips; 0 loads in the main process.
        device: Device to run the model on: auto (a CUDA GPU if there is one, otherwise the CPU), cpu, cuda, cuda:1 (the
            second GPU) or mps (the GPU of a Mac).
        precision: Floating-point precision of the model: 32-true, or bf16-mixed, which is faster on GPUs and on
            processors with instructions for bfloat16, and changes probabilities in the third digit.
        by: Columns of the manifest, separated by commas, for example age,sex: also report the results of each group
            of clips, with intervals, and the largest gaps between groups.
        synonyms: Read other spellings of an emotion as the checkpoint's class, joy and happiness as happy.
        stress: Also evaluate changed clips: reversal, shuffle, freeze_first, freeze_middle, drop, noisy_frames, noise,
            blur, compression, occlusion, brightness, contrast, gamma, at several strengths each. Without a value all of
            them, otherwise names separated by commas.
        pairs: Also compare the clips of minimal pairs, by the columns pair and condition of the manifest, which
            'ifdd synth --pairs' writes.
        out: Folder to write to: evaluation.json, evaluation.md and predictions.csv, with --stress also stress.png.
            Default: nothing is written.
    """
    check_range("--stride", stride, at_least=1)
    check_range("--views", views, at_least=1)
    check_range("--batch-size", batch_size, at_least=1)
    check_range("--workers", workers, at_least=0)
    checkpoint, manifest, out = expand(checkpoint), expand(manifest), None if out is None else expand(out)
    if out is not None:
        check_writable(out / "evaluation.json")
    stresses = chosen_stresses(stress)
    if stresses and out is not None:
        check_picture()
    if choose_device(device) == "cpu":  # refuses a device that is not there before anything is read
        keep_freed_memory()
    chosen = SamplingChoice(sampling, stride, views, crops)
    evaluation, protocol = evaluate_checkpoint(
        checkpoint,
        Manifest.read(manifest),
        chosen.of,
        subset=subset,
        fold=fold,
        batch_size=batch_size,
        workers=workers,
        device=device,
        precision=precision,
        by=columns_of(by),
        synonyms=synonyms,
        stress=stresses,
        pairs=pairs,
    )
    files = "evaluation.json, evaluation.md, predictions.csv"
    if out is not None:  # first, because printing ends the command if nobody reads it any more
        write_evaluation(out, evaluation, protocol)
        files += f", {PICTURE}" if stresses else ""
    console.print(evaluation_tables(evaluation, protocol))
    if protocol.checkpoint.description.synthetic:
        console.print("This checkpoint was trained on computer-generated faces.")
    if out is not None:
        console.print(f"Written to {out}: {files}", highlight=False, markup=False)


def evaluate_checkpoint(
    checkpoint: Path,
    manifest: Manifest,
    how: SamplingConfig | Callable[[CheckpointRecord], SamplingConfig],
    *,
    subset: str = "test",
    fold: int | None = None,
    batch_size: int = 16,
    workers: int = 0,
    device: str = "auto",
    precision: Precision = "32-true",
    by: Sequence[str] = (),
    synonyms: bool = False,
    stress: Sequence[str] = (),
    pairs: bool = False,
    unseen: bool = False,
) -> tuple[Evaluation, Protocol]:
    """Evaluate a checkpoint on clips of a manifest, with a progress bar.

    Args:
        checkpoint: .safetensors file of ifdd, the name of a bundled checkpoint, or an exported model.
        manifest: the table of clips.
        how: frames of each clip; or what gives them for the record of the checkpoint, such as ``recipe_sampling``.
        subset: "train", "validation" or "test".
        fold: number of the fold; None if the manifest has only one or none.
        batch_size: clips per batch.
        workers: worker processes that load clips.
        device: device to run the model on, see ``choose_device``.
        precision: floating-point precision of the model.
        by: columns of the manifest to report results by.
        synonyms: read other spellings of an emotion as the checkpoint's class.
        stress: changes of the clips to evaluate too, names in ``STRESSES``.
        pairs: compare the clips of minimal pairs.
        unseen: refuse clips of every subset that the checkpoint was trained on, not only test clips.

    Returns:
        The result and its protocol.

    Raises:
        InputError: a file cannot be read, the checkpoint lacks classes, there are no such clips or columns, or the
            checkpoint was trained on the clips, which are test clips of another fold or should be unseen; or the device
            is not there.
    """
    loaded = load_model(checkpoint)
    chosen = device_for(loaded, device)
    samples = manifest.select(subset, fold)
    groupings = [group_clips(manifest, samples, column) for column in by]
    if pairs:
        pair_members(samples, manifest.path)
    check_stresses(stress, samples)
    check_one_fold(manifest.path, samples)
    _check_classes(checkpoint, loaded.classes, manifest.path, samples, synonyms)
    described = describe_dataset(manifest)
    _check_not_trained_on(checkpoint, loaded.record, manifest.path, described, samples, unseen)
    note_alignment(checkpoint, loaded.config.alignment, manifest.path, described)
    sampling = how if isinstance(how, SamplingConfig) else how(loaded.record)
    dataset = dataset_for(loaded, samples, sampling, synonyms=synonyms)
    if line := _time_note(dataset, manifest.path):
        print_note(line)
    engine = loaded.engine(chosen, precision)
    versions = 1 + len(list(conditions_of(stress)))
    with progress_bar("clips") as bar:
        task = bar.add_task("evaluating", total=versions * len(dataset))

        def advance(count: int) -> None:
            bar.advance(task, count)

        evaluation = evaluate_model(engine, dataset, batch_size, workers, advance, loaded.temperature)
        predictions = Predictions(evaluation.probabilities, evaluation.targets, evaluation.views)
        if stress:
            classify = classifier_of(engine, loaded.temperature)
            changed = predict_stressed(classify, dataset, stress, batch_size, workers, advance)
            evaluation = replace(evaluation, stress=score_stressed(predictions, changed, stress, samples))
    if pairs:
        evaluation = replace(evaluation, pairs=evaluate_pairs(predictions, samples, manifest.path))
    results = (evaluation.probabilities, evaluation.targets, loaded.classes, samples)
    evaluation = replace(evaluation, groups=tuple(score_groups(*results, grouping) for grouping in groupings))
    protocol = describe_protocol(checkpoint, loaded, manifest, described, fold, dataset, evaluation)
    return evaluation, replace(protocol, precision=precision)


def evaluate_model(
    model: IFDD | Engine,
    dataset: ClipDataset,
    batch_size: int = 16,
    workers: int = 0,
    advance: Callable[[int], object] = lambda count: None,
    temperature: float = 1.0,
) -> Evaluation:
    """Classify every clip of a dataset; average the probabilities over the views of a clip.

    Args:
        model: the model, or what runs it; it is switched to evaluation mode and stays on its device.
        dataset: clips with training mode off; ``dataset.classes`` is the order of the logits.
        batch_size: clips per batch, and the maximum number of views in one forward pass.
        workers: worker processes that load clips.
        advance: called with the number of clips done, for a progress bar.
        temperature: what divides the logits before the softmax; see ``Checkpoint.temperature``.

    Raises:
        InputError: a video cannot be read, the dataset and the model have different numbers of classes, or the model's
            output is not finite.
    """
    if len(dataset.classes) != model.config.num_classes:
        raise InputError(f"the model has {model.config.num_classes} classes, but the data has {len(dataset.classes)}")
    ids = tuple(sample.clip_id for sample in dataset.samples)
    found = predict(classifier_of(model, temperature), dataset, ids, batch_size, workers, advance)
    predicted, target = torch.from_numpy(found.probabilities).argmax(1), torch.from_numpy(found.targets)
    confusion = confusion_matrix(predicted, target, len(dataset.classes))
    return Evaluation(
        scores=scores_from_confusion(confusion, dataset.classes),
        clip_ids=ids,
        targets=found.targets,
        probabilities=found.probabilities,
        views=found.views,
        subjects=tuple(sample.subject for sample in dataset.samples),
    )


def _check_not_trained_on(
    checkpoint: Path,
    record: CheckpointRecord,
    manifest: Path,
    dataset: DatasetRecord,
    samples: Sequence[Sample],
    unseen: bool,
) -> None:
    """Refuse test clips that a checkpoint was trained on in another fold, or all that it was trained on."""
    subset, fold = samples[0].subset, samples[0].fold
    if not (unseen or subset == "test") or clips_used_for(record, dataset, samples) != "training":
        return
    if subset == "test":
        folds = (training.fold for training in record.trainings_on(dataset.hash))
        theirs = next(other for other in folds if other not in (None, fold))
        raise InputError(
            f"{checkpoint} was trained on fold {theirs}, where the test clips of fold {fold} are training clips; "
            f"give --fold {theirs} or the checkpoint of fold {fold}"
        )
    raise InputError(
        f"{checkpoint} was trained on the {subset} clips of {manifest}, where it is more confident than elsewhere; "
        "choose --subset validation or test, or other people"
    )


def _check_classes(
    checkpoint: Path, classes: Sequence[str], manifest: Path, samples: Sequence[Sample], synonyms: bool
) -> None:
    labels = list(dict.fromkeys(sample.label for sample in samples))
    missing = [label for label in labels if not _has_class(label, classes, synonyms)]
    if missing:
        others = all(_has_class(label, classes, True) for label in missing)
        remedy = "add --synonyms to read other spellings, or " if others else ""
        raise InputError(
            f"{manifest} has clips of {', '.join(sorted(missing))}, but {checkpoint} has only the classes "
            f"{', '.join(classes)}; {remedy}choose a checkpoint trained on this dataset's classes "
            f"({', '.join(natural_order(labels))})"
        )


def _has_class(label: str, classes: Sequence[str], synonyms: bool) -> bool:
    try:
        class_indices([label], classes, synonyms)
    except InputError:
        return False
    return True


def _time_note(dataset: ClipDataset, manifest: Path) -> str:
    """Return what is unusual about the frame rates of clips whose steps are counted; empty if nothing is."""
    clock, unknown = dataset.clock_fps, sum(sample.fps is None for sample in dataset.samples)
    if dataset.sampling == "uniform_segments" or clock is None:
        return ""
    others = sum(sample.fps is not None and not same_rate(sample.fps, clock) for sample in dataset.samples)
    notes = []
    if unknown:
        notes.append(f"the frame rate of {unknown} clips is not known; {clock:g}, the checkpoint's, is assumed")
    if others:
        notes.append(f"{others} clips have other frame rates than the checkpoint's {clock:g}; they are sampled in time")
    return f"{manifest}: {'; '.join(notes)}" if notes else ""
