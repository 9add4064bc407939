"""``ifdd calibrate``: fit a checkpoint's temperature and its threshold for abstaining on labelled clips."""

from pathlib import Path
from typing import Literal

import numpy as np
from rich.table import Table

from ifdd.console import console
from ifdd.data.manifest import Manifest
from ifdd.errors import InputError, check_range
from ifdd.evaluation.calibration.confidence import (
    Threshold,
    calibrated,
    fit_temperature,
    negative_log_likelihood,
    threshold_for_accuracy,
    threshold_for_coverage,
    wilson_interval,
)
from ifdd.evaluation.calibration.reliability import expected_calibration_error
from ifdd.evaluation.evaluate import evaluate_checkpoint
from ifdd.evaluation.report import Evaluation
from ifdd.evaluation.sampling import training_sampling
from ifdd.evaluation.tables import percent
from ifdd.files import check_writable, expand, refuse_replacing
from ifdd.model import choose_device, form_of, load_checkpoint, refuse_exported, save_calibration
from ifdd.records import CalibrationRecord, Protocol, ThresholdRecord


def calibrate(
    checkpoint: Path,
    manifest: Path,
    *,
    out: Path,
    subset: Literal["train", "validation", "test"] = "validation",
    fold: int | None = None,
    accuracy: float = 0.8,
    coverage: float | None = None,
    minimum_coverage: float = 0.1,
    batch_size: int = 16,
    workers: int = 2,
    device: str = "auto",
    synonyms: bool = False,
) -> None:
    """Fit a checkpoint's temperature and its threshold for abstaining on clips that it was not trained on.

    The temperature (Guo et al., ICML 2017) makes the probabilities fit the share of clips that are recognised; it
    changes no prediction. Below the threshold, 'ifdd recognize' says "uncertain". Each video is read once, its frames
    sampled as in training: the middle clip, or the centre frames of equal segments. OUT is a copy of the checkpoint
    with both and a record of the clips; an earlier calibration is replaced.

    Args:
        checkpoint: Checkpoint to calibrate: a .safetensors file that 'ifdd train' wrote, or a bundled one's name.
        manifest: Manifest of the dataset, CSV or Parquet, as 'ifdd prepare' or 'ifdd synth' writes it.
        out: File to write, with the suffix .safetensors.
        subset: Subset of the manifest to fit on. Do not report scores of the calibrated probabilities on these clips.
        fold: Fold of a cross-validation, from 1; required if the manifest has several.
        accuracy: The threshold is the smallest one at which this share of the remaining clips is recognised, 0 to 1.
        coverage: Keep this share of the clips instead, above 0 to 1. Default: --accuracy decides.
        minimum_coverage: Smallest share of the clips that must remain, above 0 to 1; if --accuracy cannot be reached
            with them, the threshold is the one of the highest accuracy.
        batch_size: Clips per batch.
        workers: Worker processes that load clips; 0 loads in the main process.
        device: Device to run the model on: auto (a CUDA GPU if there is one, otherwise the CPU), cpu, cuda, cuda:1 (the
            second GPU) or mps (the GPU of a Mac).
        synonyms: Read other spellings of an emotion as the checkpoint's class, joy and happiness as happy.

    Raises:
        InputError: an option is out of range, a file cannot be read or written, the checkpoint was trained on these
            clips, or no temperature fits them.
    """
    check_range("--accuracy", accuracy, at_least=0, at_most=1)
    check_range("--coverage", coverage, above=0, at_most=1)
    check_range("--minimum-coverage", minimum_coverage, above=0, at_most=1)
    check_range("--batch-size", batch_size, at_least=1)
    check_range("--workers", workers, at_least=0)
    checkpoint, manifest, out = expand(checkpoint), expand(manifest), expand(out)
    choose_device(device)  # refuses one that is not there before anything is read
    if form_of(checkpoint) is not None:
        raise refuse_exported(checkpoint)
    if out.suffix != ".safetensors":
        raise InputError(f"cannot write {out}: name it with the suffix .safetensors")
    check_writable(out)
    refuse_replacing(out, "the checkpoint that is calibrated", checkpoint)
    clips = Manifest.read(manifest)
    if load_checkpoint(checkpoint).record.class_weights:
        raise InputError(
            f"{checkpoint} has weights of its classes, which would change with the temperature; calibrate the "
            "checkpoint that it was converted from, then convert it again with --class-weights"
        )
    evaluation, protocol = evaluate_checkpoint(
        checkpoint,
        clips,
        training_sampling,
        subset=subset,
        fold=fold,
        batch_size=batch_size,
        workers=workers,
        device=device,
        synonyms=synonyms,
        unseen=True,
    )
    found = fit_calibration(evaluation, protocol, accuracy, coverage, minimum_coverage)
    save_calibration(checkpoint, out, found)
    console.print(calibration_table(found), highlight=False)
    if not found.threshold.reached:
        console.print(
            f"No threshold that keeps {percent(minimum_coverage)} % of the clips reaches an accuracy of "
            f"{percent(accuracy)} %; the one of the highest accuracy is stored.",
            highlight=False,
        )
    console.print(f"Written to {out}", highlight=False, markup=False)


def fit_calibration(
    evaluation: Evaluation, protocol: Protocol, accuracy: float, coverage: float | None, minimum_coverage: float
) -> CalibrationRecord:
    """Fit temperature and threshold to an evaluation with one view per clip.

    Args:
        evaluation: the predictions, with the calibration that the checkpoint already has, if any.
        protocol: the protocol of the evaluation.
        accuracy: target of the threshold.
        coverage: target of the threshold instead of the accuracy, if not None.
        minimum_coverage: smallest share of clips to keep.

    Raises:
        InputError: no temperature fits the clips.
    """
    former = protocol.checkpoint.calibration
    tiny = np.finfo(np.float32).tiny
    # one view per clip: up to a constant, the logarithm times the temperature in force gives the logits back
    logits = np.log(np.maximum(evaluation.probabilities, tiny)).astype(np.float64)
    logits *= 1.0 if former is None else former.temperature
    temperature = fit_temperature(logits, evaluation.targets)
    before, after = (calibrated(logits, each) for each in (1.0, temperature))
    right = after.argmax(1) == evaluation.targets
    if coverage is None:
        threshold = threshold_for_accuracy(after.max(1), right, accuracy, minimum_coverage)
    else:
        threshold = threshold_for_coverage(after.max(1), right, coverage)
    return CalibrationRecord(
        temperature=temperature,
        abstain_below=threshold.value,
        dataset=protocol.dataset.hash,
        synthetic=protocol.dataset.synthetic,
        subset=protocol.subset,
        fold=protocol.fold,
        clips=len(right),
        clips_used_for=protocol.clips_used_for,
        nll=(
            negative_log_likelihood(before, evaluation.targets),
            negative_log_likelihood(after, evaluation.targets),
        ),
        ece=(expected_calibration_error(before.max(1), right), expected_calibration_error(after.max(1), right)),
        threshold=_threshold_record(threshold, len(right), accuracy, coverage, minimum_coverage),
        sampling=protocol.sampling.options,
    )


def calibration_table(found: CalibrationRecord) -> Table:
    """Return what was fitted for the terminal."""
    threshold = found.threshold
    table = Table.grid(padding=(0, 2))
    table.add_row("[bold]temperature[/bold]", f"[bold]{found.temperature:.3f}[/bold]")
    table.add_row("[bold]abstain below[/bold]", f"[bold]{found.abstain_below:.3f}[/bold]")
    for name, share, interval in (
        ("clips kept", threshold.coverage, threshold.coverage_interval),
        ("accuracy of these", threshold.accuracy, threshold.accuracy_interval),
    ):
        low, high = map(percent, interval)
        table.add_row(name, f"{percent(share)} % (95 % interval {low} to {high} %)")
    for name, (before, after) in (("likelihood loss", found.nll), ("calibration error", found.ece)):
        table.add_row(name, f"{before:.3f} before, {after:.3f} after")
    table.add_row("fitted on", f"{found.clips} clips of {found.subset}, dataset {found.dataset[:12]}")
    table.add_row("used in training for", found.clips_used_for)
    return table


def _threshold_record(
    threshold: Threshold, clips: int, accuracy: float, coverage: float | None, minimum_coverage: float
) -> ThresholdRecord:
    return ThresholdRecord(
        target="accuracy" if coverage is None else "coverage",
        value=accuracy if coverage is None else coverage,
        minimum_coverage=minimum_coverage,
        reached=threshold.reached,
        coverage=threshold.kept / clips,
        coverage_interval=wilson_interval(threshold.kept, clips),
        accuracy=threshold.accuracy,
        accuracy_interval=wilson_interval(threshold.right, threshold.kept),
    )
