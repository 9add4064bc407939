"""Models that 'ifdd export' wrote: their description, and the engine that runs them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ifdd.errors import InputError
from ifdd.files import parse_json
from ifdd.model.config import IFDDConfig
from ifdd.model.engines import onnx_file, openvino_file, pt2_file
from ifdd.model.engines.engine import Clips, EngineOutput, Precision
from ifdd.model.engines.forms import Form, Started, form_of
from ifdd.model.ifdd import check_clip
from ifdd.model.weights.description import Description, read_description
from ifdd.records import CalibrationRecord, CheckpointRecord, ExportRecord

FORMAT_NAME = "ifdd-export-"
FORMAT = f"{FORMAT_NAME}1"
"""Identifies the document in an exported file and its version."""

ACTION_UNITS = "action_unit_logits"
OUTPUTS = ("logits", "emotion")
"""Outputs of every exported model; with action units, ``ACTION_UNITS`` follows."""

AGAIN = "export the checkpoint again with 'ifdd export'"


class FileForm(NamedTuple):
    """How a form is read."""

    read_document: Callable[[Path], str | None]
    """From a file to the document in its metadata; None if it has none."""
    start: Callable[[Path, int], Started]
    """From a file and a number of threads to what runs it."""


FORMS: dict[Form, FileForm] = {
    "onnx": FileForm(onnx_file.read_document, onnx_file.start),
    "openvino": FileForm(openvino_file.read_document, openvino_file.start),
    "pt2": FileForm(pt2_file.read_document, pt2_file.start),
}


class ExportedEngine:
    """Runs an exported model on the CPU.

    Args:
        path: the model's file.
        config: its configuration.
        started: the engine itself.
    """

    device = torch.device("cpu")

    def __init__(self, path: Path, config: IFDDConfig, started: Started) -> None:
        self._path = path
        self.config = config
        self._started = started

    def __call__(self, clips: Clips) -> EngineOutput:
        """Run the model.

        Raises:
            InputError: the clips have the wrong shape, an integer dtype or values outside [0, 1], or the file is
                damaged.
        """
        clips = clips.detach().cpu()
        check_clip(clips, self._started.shape)
        values = np.ascontiguousarray(clips.float().numpy())
        try:
            found = self._started.run(values)
        except Exception as error:  # those of the engines have no common class
            raise InputError(f"{self._path} cannot be run: {' '.join(str(error).split())[:200]}; {AGAIN}") from error
        return EngineOutput(*(torch.from_numpy(np.array(each, np.float32)) for each in found))


@dataclass(frozen=True)
class ExportedModel:
    """A model that 'ifdd export' wrote, with what is needed to interpret it; it cannot be trained or explained."""

    path: Path
    """The file; of OpenVINO, the .xml."""
    form: Form
    description: Description
    """What the checkpoint stated."""
    export: ExportRecord
    """How the checkpoint was exported."""

    @property
    def config(self) -> IFDDConfig:
        """Frames, size and normalisation of a clip, and everything else that describes the model."""
        return self.description.config

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return self.description.classes

    @property
    def clip_seconds(self) -> float:
        """Time span of one clip, in seconds."""
        return self.description.clip_seconds

    @property
    def record(self) -> CheckpointRecord:
        """Where the weights come from: training data, settings, scores."""
        return self.description.record

    @property
    def calibration(self) -> CalibrationRecord | None:
        """What 'ifdd calibrate' fitted; None if it was not run."""
        return self.description.calibration

    @property
    def temperature(self) -> float:
        """What divides the logits before the softmax; 1 without calibration."""
        return self.description.temperature

    @property
    def abstain_below(self) -> float:
        """Probability below which a prediction should be withheld; 0, which withholds none, without calibration."""
        return self.description.abstain_below

    def engine(self, device: str | torch.device = "cpu", precision: Precision = "32-true") -> ExportedEngine:
        """Return what runs the model, with as many threads as torch has now.

        Raises:
            InputError: the device is not the CPU, or a precision is asked for, which the file itself determines; or the
                engine is not installed, cannot read the file, or takes clips of another shape than the file states.
        """
        if precision != "32-true":
            raise InputError(
                f"{self.path} has the precision that it was exported with, not {precision}; leave the precision out, "
                "or use the checkpoint that it was exported from"
            )
        if torch.device(device).type != "cpu":
            raise InputError(f"{self.path} runs on the CPU; use --device cpu, or the checkpoint itself on {device}")
        started = FORMS[self.form].start(self.path, torch.get_num_threads())
        stated = (3, self.config.frames, self.config.size, self.config.size)
        if started.shape != stated:
            raise InputError(
                f"{self.path} is damaged: it takes {_batch(started.shape)}, but its metadata states {_batch(stated)}; "
                f"{AGAIN}"
            )
        return ExportedEngine(self.path, self.config, started)


def load_exported(path: Path) -> ExportedModel:
    """Read what a file that 'ifdd export' wrote states about its model.

    Args:
        path: a file with a suffix in ``SUFFIXES``.

    Raises:
        InputError: the file is missing, damaged, of another version or not of ifdd; or its engine is not installed.
    """
    form = form_of(path)
    if form is None:
        raise InputError(f"{path} is not an exported model; its suffix must be .onnx, .xml or .pt2")
    if not path.is_file():
        raise InputError(f"no exported model at {path}; write one with 'ifdd export'")
    text = FORMS[form].read_document(path)
    if text is None:
        raise InputError(f"{path} is not a model that 'ifdd export' wrote: its metadata has no entry ifdd; {AGAIN}")
    description, export = read_document(text, path)
    if export.weights_sha256 is not None:
        openvino_file.check_weights(path, export.weights_sha256)
    return ExportedModel(path, form, description, export)


def write_document(description: Description, export: ExportRecord) -> str:
    """Return the JSON document of an exported file: one line, ASCII."""
    return json.dumps({"format": FORMAT, **description.plain(), "export": export.plain()}, allow_nan=False)


def read_document(text: str, path: Path) -> tuple[Description, ExportRecord]:
    """Read what ``write_document`` gave.

    Raises:
        InputError: it is damaged, or of another version.
    """
    try:
        values: dict[str, Any] = parse_json(text)
        stored = str(values["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: its entry ifdd cannot be read; {AGAIN}") from error
    if stored != FORMAT:
        raise InputError(
            f"{path} has the format {stored} of another version of ifdd, expected {FORMAT}; update ifdd, or {AGAIN}"
        )
    description = read_description({name: json.dumps(value) for name, value in values.items()}, path)
    export = ExportRecord.read(values.get("export"), f"{path}: export")
    units = (ACTION_UNITS,) if description.config.action_units else ()
    if export.outputs != (*OUTPUTS, *units):
        raise InputError(f"{path} is damaged: its outputs are {', '.join(export.outputs)}; {AGAIN}")
    return description, export


def _batch(shape: tuple[int, ...]) -> str:
    return f"(batch, {', '.join(map(str, shape))})"
