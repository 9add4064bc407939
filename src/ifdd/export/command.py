"""``ifdd export``: write a checkpoint as a file for another engine."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rich.table import Table

from ifdd.console import console, error_console, progress_bar
from ifdd.data.manifest import Manifest
from ifdd.errors import InputError, check_range
from ifdd.evaluation.evaluate import evaluate_checkpoint
from ifdd.evaluation.protocol import describe_dataset, running_software
from ifdd.evaluation.report import Evaluation
from ifdd.evaluation.sampling import recipe_sampling
from ifdd.export.artifacts import Artifact, OnnxArtifact, OpenVinoArtifact, check_packages, convert, move
from ifdd.export.parity import check_parity, compare, drawn_clips, manifest_clips, spread
from ifdd.export.program import first_line, output_names, trace
from ifdd.export.quantization import calibration_clips, quantize
from ifdd.files import PARTIAL, check_writable, exists, expand, file_sha256, refuse_replacing
from ifdd.model import Checkpoint, find_checkpoint, inference_form, load_checkpoint, load_exported
from ifdd.model.engines.exported import write_document
from ifdd.model.engines.forms import SUFFIXES, Form, form_of
from ifdd.model.engines.openvino_file import weights_of
from ifdd.records import ExportRecord, ParityRecord, QuantizationRecord

CNN_BACKBONES = ("s3d", "s3d_small", "s3d_tiny")
"""Backbones whose time goes to convolutions, which are what 8-bit integers speed up."""


@dataclass(frozen=True)
class Quantization:
    """What ``--int8`` asks for."""

    manifest: Manifest
    subset: str
    fold: int | None
    max_drop: float
    clips: int
    batch_size: int
    workers: int
    synonyms: bool

    def evaluate(self, model: Path) -> Evaluation:
        """Evaluate a checkpoint or an exported model on the clips that decide.

        Raises:
            InputError: the manifest has other classes, or no such clips.
        """
        return evaluate_checkpoint(
            model,
            self.manifest,
            recipe_sampling,
            subset=self.subset,
            fold=self.fold,
            batch_size=self.batch_size,
            workers=self.workers,
            device="cpu",
            synonyms=self.synonyms,
        )[0]


def export(
    checkpoint: Path,
    out: Path,
    *,
    format: Literal["onnx", "openvino", "pt2"] | None = None,
    clips: Path | None = None,
    int8: Path | None = None,
    max_drop: float = 0.5,
    calibration_clips: int = 200,
    subset: Literal["validation", "test"] = "validation",
    fold: int | None = None,
    batch_size: int = 16,
    workers: int = 2,
    synonyms: bool = False,
) -> None:
    """Export a checkpoint for another engine: ONNX Runtime, OpenVINO, or a program of torch.export.

    The file takes batches of any size and is complete: classes, clip length, size, normalisation, calibration, licences
    and origin are in its metadata. 'ifdd recognize' and 'ifdd evaluate' read it in place of the checkpoint. Before it
    is written, its outputs are compared with PyTorch's on clips of faces; a difference above 0.001 is refused.

    Args:
        checkpoint: Checkpoint to export: a .safetensors file that 'ifdd train' wrote, or a bundled one's name.
        out: File to write: .onnx for ONNX Runtime, .xml for OpenVINO (with a .bin of the weights beside it), .pt2 for
            a program of torch.export.
        format: Format of the file. Default: that of its suffix.
        clips: Manifest whose clips are compared. Default: clips are drawn.
        int8: Manifest to quantise with, to 8-bit integers: its training clips give the ranges of the activations, its
            validation clips decide whether the accuracy holds, tested as by 'ifdd evaluate'. For CNN backbones.
            Default: 32-bit floats.
        max_drop: Largest loss of accuracy by quantisation that is accepted, in points of WAR (percent).
        calibration_clips: Largest number of training clips that give the ranges.
        subset: Subset on which the accuracy is compared.
        fold: Fold of a cross-validation, from 1; required if the manifest has several; used with --int8.
        batch_size: Clips per batch while the accuracy is measured.
        workers: Worker processes that load clips; 0 loads in the main process.
        synonyms: Read other spellings of an emotion as the checkpoint's class, joy and happiness as happy.

    Raises:
        InputError: a file cannot be read or written, a package is missing, the model cannot be exported, its outputs
            differ, or the quantised model loses more accuracy than allowed.
    """
    check_range("--max-drop", max_drop, at_least=0, at_most=100)
    check_range("--calibration-clips", calibration_clips, at_least=1)
    check_range("--batch-size", batch_size, at_least=1)
    check_range("--workers", workers, at_least=0)
    checkpoint, out = expand(checkpoint), expand(out)
    form = _form(out, format)
    check_packages(form, int8 is not None)
    file = find_checkpoint(checkpoint)
    _check_targets(out, form, file)
    loaded = load_checkpoint(file)
    wanted = None
    if int8 is not None:
        _check_backbone(loaded, form, checkpoint)
        options = (subset, fold, max_drop, calibration_clips, batch_size, workers, synonyms)
        wanted = Quantization(Manifest.read(expand(int8)), *options)
    compared = None if clips is None else Manifest.read(expand(clips))
    written = Export(file, loaded, form, compared, wanted, checkpoint.name).write(out)
    console.print(export_table(written, out), highlight=False)
    console.print(f"Written to {out}", highlight=False, markup=False)


@dataclass
class Export:
    """Exports one checkpoint."""

    checkpoint: Path
    """Its file."""
    loaded: Checkpoint
    form: Form
    clips: Manifest | None = None
    """Clips to compare on; None draws them."""
    quantization: Quantization | None = None
    """How to quantise; None keeps 32-bit floats."""
    name: str | None = None
    """What the record calls the checkpoint; None for the file's name."""

    def write(self, out: Path) -> ExportRecord:
        """Write the file, whole or not at all.

        Raises:
            InputError: see ``export``.
        """
        wanted = self.quantization
        before = None if wanted is None else wanted.evaluate(self.checkpoint)  # its errors come first
        _note(f"exporting {self.name or self.checkpoint} to {self.form}; large models take minutes")
        program, names = trace(inference_form(self.loaded.model)), output_names(self.loaded.model)
        with _folder_beside(out) as folder:
            # each stage has a file of its own, because an engine may have the former one mapped
            plain, small, final = (folder / f"{stage}{out.suffix.lower()}" for stage in ("plain", "small", "final"))
            artifact = convert(program, self.form, names)
            record = self._record(artifact, names)
            with _writing(out):
                self._write(artifact, record, plain)
            record = replace(record, parity=self._compare(plain))
            check_parity(record.parity, self.form)
            if wanted is not None and before is not None:
                artifact = self._quantize(artifact if self.form == "onnx" else OnnxArtifact.convert(program, names))
                record = replace(record, precision="int8")
                with _writing(out):
                    self._write(artifact, record, small)
                record = replace(record, quantization=quantization_record(wanted, before, wanted.evaluate(small)))
            with _writing(out):
                self._write(artifact, record, final)
                move(final, out, self.form)
        return record

    def _record(self, artifact: Artifact, names: tuple[str, ...]) -> ExportRecord:
        """Return the record before anything is measured."""
        config = self.loaded.config
        return ExportRecord(
            form=self.form,
            precision="float32",
            checkpoint=self.name or self.checkpoint.name,
            checkpoint_sha256=file_sha256(self.checkpoint),
            versions=running_software("ifdd", *artifact.packages).versions,
            input=f"clip: float32 (batch, 3, {config.frames}, {config.size}, {config.size}), RGB in [0, 1], faces "
            f"cropped by {config.alignment}; the normalisation is part of the model",
            outputs=names,
            parity=ParityRecord(clips=0, dataset=None, largest_difference=0.0),
        )

    def _write(self, artifact: Artifact, record: ExportRecord, path: Path) -> None:
        def document(weights_sha256: str | None) -> str:
            return write_document(self.loaded.description, replace(record, weights_sha256=weights_sha256))

        artifact.write(path, document)

    def _compare(self, draft: Path) -> ParityRecord:
        """Compare what comes out of a file with what comes out of the checkpoint."""
        config = self.loaded.config
        compared = drawn_clips(config) if self.clips is None else manifest_clips(self.clips, self.loaded)
        return compare(self.loaded.model, load_exported(draft).engine("cpu"), compared)

    def _quantize(self, source: Artifact) -> Artifact:
        wanted = self.quantization
        assert wanted is not None
        assert isinstance(source, OnnxArtifact)
        samples = spread(wanted.manifest.select("train", wanted.fold), wanted.clips)
        with progress_bar("clips") as bar:
            task = bar.add_task("quantising", total=len(samples))
            clips = calibration_clips(samples, self.loaded, wanted.synonyms, lambda: bar.advance(task))
            quantized = quantize(source, clips)
        return quantized if self.form == "onnx" else OpenVinoArtifact.convert(quantized)


def quantization_record(wanted: Quantization, before: Evaluation, after: Evaluation) -> QuantizationRecord:
    """Return what quantisation cost.

    Raises:
        InputError: it cost more accuracy than allowed.
    """
    record = QuantizationRecord(
        dataset=describe_dataset(wanted.manifest).hash,
        fold=wanted.fold,
        calibration_clips=min(wanted.clips, len(wanted.manifest.select("train", wanted.fold))),
        subset=wanted.subset,
        clips=len(before.targets),
        war_before=before.scores.war,
        war_after=after.scores.war,
        changed=int((before.probabilities.argmax(1) != after.probabilities.argmax(1)).sum()),
        max_drop=wanted.max_drop,
    )
    drop = round(100 * (record.war_before - record.war_after), 6)  # 0.8 - 0.79 is a little more than 0.01
    if drop > wanted.max_drop:
        raise InputError(
            f"in 8-bit integers WAR falls from {100 * record.war_before:.1f} to {100 * record.war_after:.1f} on "
            f"{record.clips} {record.subset} clips, more than --max-drop {wanted.max_drop:g}; nothing is written: "
            "export without --int8, calibrate with more clips, or allow more"
        )
    return record


def export_table(record: ExportRecord, out: Path) -> Table:
    """Return what was measured for the terminal."""
    table = Table.grid(padding=(0, 2))
    files = (out, weights_of(out)) if record.form == "openvino" else (out,)
    size = sum(file.stat().st_size for file in files)
    table.add_row("format", f"{record.form}, {record.precision}, {size / 1e6:.1f} MB")
    where = "drawn clips" if record.parity.dataset is None else "clips of the manifest"
    table.add_row(
        "largest difference", f"{record.parity.largest_difference:.2g} from PyTorch on {record.parity.clips} {where}"
    )
    found = record.quantization
    if found is not None:
        table.add_row("WAR", f"{100 * found.war_before:.1f} % before, {100 * found.war_after:.1f} % in 8-bit integers")
        table.add_row("compared on", f"{found.clips} {found.subset} clips; the prediction changed for {found.changed}")
        table.add_row("calibrated on", f"{found.calibration_clips} training clips, dataset {found.dataset[:12]}")
    return table


def _form(out: Path, format: Form | None) -> Form:
    """Return the format that is asked for.

    Raises:
        InputError: neither the suffix nor the option names one, or they contradict each other.
    """
    suffixes = {form: suffix for suffix, form in SUFFIXES.items()}
    found = form_of(out)
    if found is None or format not in (None, found):
        wanted = " or ".join(f"{suffix} ({form})" for form, suffix in suffixes.items())
        named = wanted if format is None else f"{suffixes[format]}, the suffix of --format {format}"
        raise InputError(f"cannot write {out}: name it with the suffix {named}")
    return found


def _check_backbone(loaded: Checkpoint, form: Form, checkpoint: Path) -> None:
    """Check that quantisation makes sense.

    Raises:
        InputError: the format has none, or the backbone does not become faster.
    """
    if form == "pt2":
        raise InputError("--int8 needs the format onnx or openvino: programs of torch.export run in 32 bits here")
    if loaded.config.backbone not in CNN_BACKBONES:
        raise InputError(
            f"--int8 is for CNN backbones ({', '.join(CNN_BACKBONES)}), and {checkpoint} has {loaded.config.backbone}; "
            "export it without --int8"
        )


def _check_targets(out: Path, form: Form, checkpoint: Path) -> None:
    """Check up front that the files can be written, and that none is there that must not be replaced.

    Raises:
        InputError: a file cannot be written, is the checkpoint, or is a .bin that does not belong to an earlier export.
    """
    weights = weights_of(out)
    for file in (out, *((weights,) if form == "openvino" else ())):
        check_writable(file)
        refuse_replacing(file, "the checkpoint that is exported", checkpoint)
    if form == "openvino" and exists(weights) and not _is_export(out):
        raise InputError(
            f"{weights} exists and does not belong to an export, but the weights would be written there; choose "
            "another name, or delete it"
        )


def _is_export(path: Path) -> bool:
    try:
        load_exported(path)
    except InputError:
        return False
    return True


@contextmanager
def _folder_beside(out: Path) -> Iterator[Path]:
    """Yield a temporary folder on the disk of a file.

    Raises:
        InputError: the disk is full or not writable.
    """
    with _writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=out.parent, prefix=PARTIAL, ignore_cleanup_errors=True)
    with folder as path:
        yield Path(path)


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Turn the errors of writing into one line; the engines' have no common class.

    Raises:
        InputError: one occurred.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise InputError(f"cannot write {out}: {reason}; free space or choose another folder") from error


def _note(line: str) -> None:
    error_console.print(line, markup=False, highlight=False, soft_wrap=True)
