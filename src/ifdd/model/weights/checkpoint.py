"""Read and write ifdd's checkpoints."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from ifdd.errors import InputError
from ifdd.files import atomic_path, expand
from ifdd.model.config import PRESETS, IFDDConfig
from ifdd.model.engines.engine import Precision, TorchEngine
from ifdd.model.engines.forms import form_of, refuse_exported
from ifdd.model.ifdd import IFDD
from ifdd.model.weights.checksums import CHECKSUM, check_content, content_sha256, sort_header
from ifdd.model.weights.description import Description, dump, read_description
from ifdd.model.weights.finite import check_finite, not_finite
from ifdd.model.weights.foreign import FORMAT_NAME, is_safetensors, opened, refuse_foreign
from ifdd.model.weights.state_dicts import load_strictly
from ifdd.records import CalibrationRecord, CheckpointRecord, MeasuredRecord
from ifdd.remote.hub import fetch_from_hub, is_hub_address, parse_address

FORMAT = f"{FORMAT_NAME}1"
"""Identifies a checkpoint file and its version."""

DEFAULT = "ifdd_face"
"""The bundled checkpoint used when none is named; trained on rendered faces, for reading real ones."""

DEMONSTRATION = "ifdd_tiny_synth"
"""A bundled checkpoint trained on the drawn faces of the built-in benchmark, for examples and tests."""

BUNDLED = {name: Path(__file__).parent / "bundled" / f"{name}.safetensors" for name in (DEFAULT, DEMONSTRATION)}
"""Name -> checkpoint that ships with the package; docs/checkpoints.md says what each is for."""

CLASSIFIER, ACTION_UNITS = "head.classifier.", "action_units."
"""Prefixes of the parameter names of the two heads."""


class Checkpoint(NamedTuple):
    """A model ready for use, with what is needed to interpret it."""

    model: IFDD
    """In evaluation mode; its ``config`` gives frames, size and normalisation."""
    classes: tuple[str, ...]
    """Class names in the order of the logits."""
    clip_seconds: float
    """Time span of one clip of ``model.config.frames`` frames, in seconds."""
    record: CheckpointRecord
    """Where the weights come from: training data, settings, scores."""
    calibration: CalibrationRecord | None = None
    """What 'ifdd calibrate' fitted; None if it was not run."""

    @property
    def config(self) -> IFDDConfig:
        """Frames, size and normalisation of a clip, and everything else that describes the model."""
        return self.model.config

    @property
    def description(self) -> Description:
        """What a file states about the model, without its weights."""
        return Description(self.config, self.classes, self.clip_seconds, self.record, self.calibration)

    @property
    def temperature(self) -> float:
        """What divides the logits before the softmax; 1 without calibration."""
        return self.description.temperature

    @property
    def abstain_below(self) -> float:
        """Probability below which a prediction should be withheld; 0, which withholds none, without calibration."""
        return self.description.abstain_below

    def engine(self, device: str | torch.device, precision: Precision = "32-true") -> TorchEngine:
        """Return what runs the model on a device.

        ``model`` itself is moved there. Engines share its weights, so ask for one device at a time; those of a CNN have
        a copy of their own (``ifdd.model.inference_form``), which stays where it is.
        """
        return TorchEngine(self.model.to(device), precision)


def save_checkpoint(
    path: str | Path,
    model: IFDD,
    classes: Iterable[str],
    clip_seconds: float,
    record: CheckpointRecord,
    *,
    calibration: CalibrationRecord | None = None,
    half: bool = False,
) -> None:
    """Write a complete checkpoint to one .safetensors file, atomically.

    Args:
        path: the file.
        model: weights and configuration.
        classes: class names in the order of the logits.
        clip_seconds: time span of one clip, in seconds.
        record: where the weights come from: training data, settings, scores.
        calibration: temperature and threshold for abstaining, if they were fitted.
        half: store matrices and kernels as 16-bit floats, which halves the file. One-dimensional values (biases,
            norms and their statistics) and integers stay exact. Once loaded, all are of the model's types again.

    Raises:
        InputError: the number of classes is not the model's, the time is not positive, a weight is not finite, also
            once it is stored in 16 bits, or the file cannot be written.

    Example:
        >>> from ifdd.model import create_model, load_checkpoint, save_checkpoint
        >>> from ifdd.records import CheckpointRecord
        >>> model = create_model("ifdd_tiny", num_classes=2)
        >>> save_checkpoint("mine.safetensors", model, ["happy", "sad"], 1.6, CheckpointRecord(data="mine"))
        >>> load_checkpoint("mine.safetensors").classes
        ('happy', 'sad')
    """
    path = Path(path)
    described = Description(model.config, tuple(classes), clip_seconds, record, calibration)
    described.check()
    metadata = {"format": FORMAT, **described.metadata()}
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    check_finite(weights, f"cannot write {path}: the model")
    if half:
        weights = {
            name: value.half() if value.ndim > 1 and value.is_floating_point() else value
            for name, value in weights.items()
        }
        if too_large := not_finite(weights):
            raise InputError(
                f"cannot write {path}: {len(too_large)} tensors, the first {too_large[0]}, hold weights too large for "
                "16-bit floats (beyond 65504); store them in 32 bits"
            )
    _write(path, weights, metadata)


def save_calibration(checkpoint: str | Path, path: Path, calibration: CalibrationRecord) -> None:
    """Copy a checkpoint file, its weights exactly as they are stored, with another calibration.

    Args:
        checkpoint: a checkpoint that ``load_checkpoint`` reads.
        path: the file to write, atomically; it may be the same one.
        calibration: temperature and threshold for abstaining.

    Raises:
        InputError: a file cannot be read or written.
    """
    metadata, weights = _read(find_checkpoint(checkpoint))
    check_finite(weights, str(checkpoint))
    _write(path, weights, {**metadata, "calibration": dump(calibration.plain())})


def save_measurement(checkpoint: str | Path, path: Path, measured: MeasuredRecord) -> None:
    """Copy a checkpoint file, its weights exactly as they are stored, with what was measured on real people.

    Args:
        checkpoint: a checkpoint that ``load_checkpoint`` reads.
        path: the file to write, atomically; it may be the same one.
        measured: what was measured.

    Raises:
        InputError: a file cannot be read or written.
    """
    file = find_checkpoint(checkpoint)
    metadata, weights = _read(file)
    check_finite(weights, str(checkpoint))
    record = replace(read_description(metadata, file).record, measured=measured)
    _write(path, weights, {**metadata, "description": dump(record.plain())})


def find_checkpoint(checkpoint: str | Path) -> Path:
    """Return the file of a bundled checkpoint by its name, of one on the Hugging Face Hub, or the given path.

    Raises:
        InputError: the file of the hub does not exist or cannot be downloaded.
    """
    if is_hub_address(checkpoint):
        return fetch_from_hub(parse_address(checkpoint))
    return BUNDLED.get(str(checkpoint), expand(checkpoint))


def load_checkpoint(checkpoint: str | Path) -> Checkpoint:
    """Read an ifdd checkpoint.

    Args:
        checkpoint: a .safetensors file, the name of a bundled checkpoint (``BUNDLED``), or ``hf://USER/MODEL`` with
            or without ``@REVISION``, one on the Hugging Face Hub.

    Raises:
        InputError: the file is missing, unreadable or not an ifdd checkpoint, or its weights do not fit its config.

    Example:
        >>> from ifdd.model import load_checkpoint
        >>> checkpoint = load_checkpoint("ifdd_tiny_synth")  # a name, or a path
        >>> checkpoint.classes[:3], checkpoint.clip_seconds
        (('happy', 'sad', 'neutral'), 1.6)
    """
    path = find_checkpoint(checkpoint)
    metadata, weights = _read(path)
    described = read_description(metadata, path)
    _check_fits(described, weights, path)
    model = IFDD(described.config)
    load_strictly(model, weights, str(path))
    return Checkpoint(model.eval(), described.classes, described.clip_seconds, described.record, described.calibration)


def _write(path: Path, weights: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a file, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    try:
        with atomic_path(path) as temporary:
            save_file(weights, temporary, metadata | {CHECKSUM: content_sha256(weights, metadata)})
            sort_header(temporary)
    except SafetensorError as error:  # raised when the disk is full
        raise InputError(f"cannot write {path}: {error}; free space or choose another folder") from error


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return metadata and weights of a file.

    Raises:
        InputError: it is missing, unreadable or not an ifdd checkpoint.
    """
    if not path.exists():
        if str(path) in PRESETS:
            raise InputError(f"{path} is a preset, which has no trained weights; did you mean {DEFAULT}?")
        raise InputError(f"no checkpoint at {path}; train one with 'ifdd train', or use the bundled {DEFAULT}")
    if form_of(path) is not None and path.is_file():
        raise refuse_exported(path)
    if not is_safetensors(path):
        raise refuse_foreign(path)
    with opened(path) as file:
        metadata = file.metadata() or {}
        stored = str(metadata.get("format"))
        if not stored.startswith(FORMAT_NAME):
            raise refuse_foreign(path)
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    if stored != FORMAT:
        raise InputError(f"{path} has the format {stored} of another version of ifdd, expected {FORMAT}; update ifdd")
    check_content(weights, metadata, path)
    return metadata, weights


def copy_weights(model: IFDD, classes: Iterable[str], checkpoint: Checkpoint, origin: str) -> tuple[str, ...]:
    """Initialise a model with the weights of a checkpoint, as the start of a training run.

    The classifier is copied only if the classes are the same in the same order, the head for action units only if the
    units are. Whole parts that only one of the two has, such as that head, are left out.

    Args:
        model: model of the same architecture; changed in place.
        classes: class names of the model.
        checkpoint: the loaded checkpoint.
        origin: name of the checkpoint, for the message.

    Returns:
        Names of the parameters that are not copied, of the model as of the checkpoint.

    Raises:
        InputError: names or shapes differ within the parts that both have.
    """
    own, given = model.state_dict(), checkpoint.model.state_dict()
    parts = {name.partition(".")[0] for name in own} & {name.partition(".")[0] for name in given}
    same_classes = tuple(classes) == checkpoint.classes
    same_units = model.config.action_units == checkpoint.model.config.action_units
    others = (*(() if same_classes else (CLASSIFIER,)), *(() if same_units else (ACTION_UNITS,)))
    left_out = [
        name for name in dict.fromkeys((*given, *own)) if name.partition(".")[0] not in parts or name.startswith(others)
    ]
    taken = {name: value for name, value in given.items() if name not in left_out}
    load_strictly(model, taken | {name: own[name] for name in left_out if name in own}, origin)
    return tuple(left_out)


def _check_fits(described: Description, weights: Mapping[str, Tensor], path: str | Path) -> None:
    """Check the classifier's size before building a model from a possibly damaged config.

    Raises:
        InputError: the file has no classifier, or its number of classes differs from the config's.
    """
    classifier = weights.get("head.classifier.weight")
    given = None if classifier is None or classifier.ndim != 2 else len(classifier)
    if given != described.config.num_classes:
        raise InputError(
            f"{path} is damaged: its classifier has {given} classes, expected {described.config.num_classes}"
        )
