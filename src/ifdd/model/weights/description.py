"""What a file of ifdd states about a model: configuration, classes, clip length, origin, calibration."""

import json
import math
import reprlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

from ifdd.errors import InputError
from ifdd.model.config import IFDDConfig, from_plain
from ifdd.records import CalibrationRecord, CheckpointRecord


class Description(NamedTuple):
    """Everything that a file states about a model, apart from its weights."""

    config: IFDDConfig
    """Architecture, frames, size and normalisation of a clip."""
    classes: tuple[str, ...]
    """Class names in the order of the logits."""
    clip_seconds: float
    """Time span of one clip, in seconds."""
    record: CheckpointRecord
    """Where the weights come from: training data, settings, scores, licences."""
    calibration: CalibrationRecord | None = None
    """What 'ifdd calibrate' fitted; None if it was not run."""

    @property
    def temperature(self) -> float:
        """What divides the logits before the softmax; 1 without calibration."""
        return 1.0 if self.calibration is None else self.calibration.temperature

    @property
    def abstain_below(self) -> float:
        """Probability below which a prediction should be withheld; 0, which withholds none, without calibration."""
        return 0.0 if self.calibration is None else self.calibration.abstain_below

    def check(self) -> None:
        """Check the class names and the clip's time span.

        Raises:
            InputError: the number of names is not the model's, a name is not text or occurs twice, or the time is not
                positive.
        """
        names, expected = list(self.classes), self.config.num_classes
        if len(names) != expected:
            raise InputError(f"the model has {expected} classes, given {len(names)} names: {names}")
        if others := [name for name in names if not isinstance(name, str)]:
            raise InputError(f"class names must be text, given {reprlib.repr(others[0])}")
        if repeated := [name for name, count in Counter(names).items() if count > 1]:
            raise InputError(f"the class {reprlib.repr(repeated[0])} is named twice; every class needs its own name")
        if not (math.isfinite(self.clip_seconds) and self.clip_seconds > 0):
            raise InputError(f"clip_seconds is {self.clip_seconds}; it must be a positive number of seconds")

    def plain(self) -> dict[str, Any]:
        """Return name -> JSON value; the calibration is left out if there is none."""
        values = {
            "config": asdict(self.config),
            "classes": list(self.classes),
            "clip_seconds": self.clip_seconds,
            "description": self.record.plain(),
        }
        return values if self.calibration is None else values | {"calibration": self.calibration.plain()}

    def metadata(self) -> dict[str, str]:
        """Return name -> JSON text, for files whose metadata are texts.

        Raises:
            InputError: a number is not finite, which JSON cannot hold.
        """
        return {name: dump(value) for name, value in self.plain().items()}


def dump(value: object) -> str:
    """Return JSON.

    Raises:
        InputError: a number is not finite, which JSON cannot hold.
    """
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise InputError(f"the description of the checkpoint holds a number that is not finite: {error}") from error


def read_description(metadata: Mapping[str, str], path: str | Path) -> Description:
    """Read what ``Description.metadata`` gave; further entries are ignored.

    Args:
        metadata: name -> JSON text.
        path: the file, for messages.

    Raises:
        InputError: an entry is missing, damaged or of another kind, or was written by another version.
    """
    values = {}
    kinds: dict[str, Any] = {"config": dict, "classes": list, "clip_seconds": (int, float), "description": dict}
    if "calibration" in metadata:  # files that 'ifdd calibrate' did not write have none
        kinds["calibration"] = dict
    for name, kind in kinds.items():
        try:
            values[name] = json.loads(
                metadata[name], parse_constant=_refuse_constant if name == "description" else float
            )
        except (KeyError, ValueError, RecursionError) as error:
            raise InputError(f"{path} is damaged: its {name} is missing or unreadable") from error
        if not isinstance(values[name], kind) or isinstance(values[name], bool):
            raise InputError(f"{path} is damaged: its {name} is {reprlib.repr(values[name])}")
    unknown = values["config"].keys() - {field.name for field in fields(IFDDConfig)}
    if unknown:
        raise InputError(f"{path} was written by another version of ifdd: unknown model options {sorted(unknown)}")
    try:
        config = IFDDConfig(**from_plain(values["config"]))
        Description(config, tuple(values["classes"]), float(values["clip_seconds"]), CheckpointRecord()).check()
    except (InputError, OverflowError) as error:
        raise InputError(f"{path} is damaged: {error}") from error
    record = CheckpointRecord.read(values["description"], f"{path}: description")
    calibration = None
    if "calibration" in values:
        calibration = CalibrationRecord.read(values["calibration"], f"{path}: calibration")
    return Description(config, tuple(values["classes"]), float(values["clip_seconds"]), record, calibration)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")
