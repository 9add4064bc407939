"""The configuration of a model, and the tables of presets and ablations."""

import difflib
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from ifdd.errors import InputError, check_range

Value = TypeVar("Value")

CHOICES = {
    "split": ("issm", "even_odd", "none"),
    "sampling": ("exact", "official"),
    "lifting": ("updater_first", "predictor_first", "none"),
    "lifting_reduction": ("mean", "sum"),
    "standardization": ("none", "clip", "grey", "local"),
    "alignment": ("box", "landmarks"),
}
"""The fields that name a module or a formula, and their values."""

FACS_UNITS = frozenset({*range(1, 3), *range(4, 19), 20, *range(22, 29), *range(41, 47)})
"""Numbers of the action units of the face, without those of head and eyes (P. Ekman, W. V. Friesen, "Facial Action
Coding System", 1978 and 2002)."""


@dataclass(frozen=True)
class IFDDConfig:
    """Everything needed to rebuild a model and its loss.

    Raises:
        InputError: a value is outside its range, or two values contradict each other.

    Example:
        >>> from dataclasses import replace
        >>> from ifdd.model import PRESETS, IFDDConfig
        >>> IFDDConfig().size
        224
        >>> replace(PRESETS["ifdd_tiny"], frames=12)
        Traceback (most recent call last):
        ifdd.errors.InputError: frames is 12; it must be 8, 16 or 32
    """

    backbone: str = "mvit_xs"
    """Name in ``ifdd.model.backbones.BACKBONES``."""
    num_classes: int = 7
    """Number of emotion classes."""
    frames: int = 16
    """Frames in a clip: 8, 16 or 32."""
    size: int = 224
    """Height and width of a clip in pixels, a multiple of 32."""
    split: str = "issm"
    """Frame splitting: by content (ISSM), by parity, or none (backbone only)."""
    receptive_field: float = 2.0
    """L of ISSM: the largest offset of a frame position, in feature frames."""
    sampling: str = "exact"
    """Interpolation at the index itself, or at index * T / (T - 1) - 0.5 as in the official code."""
    lifting: str = "updater_first"
    """Order of LADM's two steps; none pools the dynamic group directly."""
    lifting_weight: float = 0.1
    """Weight of the lifting loss in the total; 0 trains without it. Lifting none always does."""
    lifting_reduction: str = "mean"
    """Reduction of the lifting loss over the batch: mean, or sum as in the official code."""
    dropout: float = 0.5
    """Dropout probability before the classifier."""
    drop_path: float = 0.2
    """Stochastic depth: probability at the last block (linear from 0 over the blocks) and in LADM's refinement."""
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Mean of red, green and blue, subtracted from a clip in [0, 1]; the official model subtracts none."""
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    """Standard deviation of red, green and blue, by which a clip is divided."""
    standardization: str = "none"
    """Standardisation of the light before that: clip brings the whole clip to a mean of 0.48 and a standard deviation
    of 0.21, grey removes its colours first, local then does the same around every pixel, which removes shadows and the
    tone of the skin too, none leaves it as it is."""
    alignment: str = "box"
    """How faces are cropped for the model: in an upright square around the box, or by landmarks."""
    action_units: tuple[int, ...] = ()
    """FACS numbers of the action units whose intensity an auxiliary head predicts; none: no such head."""
    action_unit_weight: float = 0.5
    """Weight of the action-unit loss in the total, if there is such a head."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for field in fields(self):
            if field.name != "action_units":
                _check_type(field.name, getattr(self, field.name), field.default)
        _check_action_units(self.action_units)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(f"{name} is {getattr(self, name)!r}; use one of {', '.join(choices)}")
        check_range("num_classes", self.num_classes, at_least=2)
        if self.frames not in (8, 16, 32):
            raise InputError(f"frames is {self.frames}; it must be 8, 16 or 32")
        if self.size < 32 or self.size % 32:
            raise InputError(f"size is {self.size}; it must be a positive multiple of 32 pixels")
        if self.split == "none" and self.lifting != "none":
            raise InputError(
                f"lifting {self.lifting!r} needs the two groups of a split: choose split 'issm' or 'even_odd'"
            )
        check_range("receptive_field", self.receptive_field, above=0)
        check_range("lifting_weight", self.lifting_weight, at_least=0)
        check_range("action_unit_weight", self.action_unit_weight, at_least=0)
        check_range("dropout", self.dropout, at_least=0, below=1)
        check_range("drop_path", self.drop_path, at_least=0, below=1)
        check_range("the smallest number of std", min(self.std), above=0)


def _check_type(name: str, given: Any, default: Any) -> None:
    """Check that a value has the type of the field's default."""
    if isinstance(default, tuple) and isinstance(given, tuple):
        if len(given) != len(default):
            raise InputError(f"{name} is {given!r}; it must be {len(default)} numbers")
        for value in given:
            _check_type(name, value, 0.0)
        return
    wanted = (int, float) if isinstance(default, float) else type(default)
    if isinstance(given, bool) or not isinstance(given, wanted):
        kind = f"{len(default)} numbers" if isinstance(default, tuple) else f"of type {type(default).__name__}"
        raise InputError(f"{name} is {given!r}; it must be {kind}")
    if isinstance(given, (int, float)) and not _is_finite(given):
        raise InputError(f"{name} is {reprlib.repr(given)}; it must be a finite number")


def _is_finite(number: int | float) -> bool:
    """Return whether a number is finite as a floating-point number, too: an integer may be too large for that."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _check_action_units(given: Any) -> None:
    """Check that the values are distinct numbers of action units."""
    if not (isinstance(given, tuple) and all(type(number) is int for number in given)):
        raise InputError(f"action_units is {given!r}; it must be a list of FACS numbers, such as [1, 2, 4, 12]")
    unknown = [number for number in given if number not in FACS_UNITS]
    if unknown:
        known = ", ".join(map(str, sorted(FACS_UNITS)))
        raise InputError(f"action_units has {unknown[0]}, which is not an action unit of the face; use some of {known}")
    repeated = [number for place, number in enumerate(given) if number in given[:place]]
    if repeated:
        raise InputError(f"action_units has {repeated[0]} twice; name every unit once")


def from_plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert values read from YAML or JSON to the types of :class:`IFDDConfig`.

    Lists become tuples of floats, ``action_units`` a tuple of integers.
    """
    return {
        name: tuple(_as_float(each) if name != "action_units" else each for each in value)
        if isinstance(value, list)
        else value
        for name, value in values.items()
    }


def _as_float(value: Any) -> Any:
    return float(value) if type(value) is int and _is_finite(value) else value


IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Normalisation that VideoMAE and MAE-DFER were trained with."""

PRESETS = {
    "ifdd_mvit_xs": IFDDConfig(backbone="mvit_xs"),
    "ifdd_mvit_s": IFDDConfig(backbone="mvit_s"),
    "ifdd_s3d": IFDDConfig(backbone="s3d"),
    "ifdd_vit_b": IFDDConfig(backbone="vit_b", drop_path=0.1, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    "ifdd_mae_dfer": IFDDConfig(backbone="lgi_former", size=160, drop_path=0.1, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    "ifdd_small": IFDDConfig(
        backbone="s3d_small", size=96, dropout=0.2, drop_path=0.05, mean=(0.45,) * 3, std=(0.225,) * 3
    ),
    "ifdd_tiny": IFDDConfig(
        backbone="s3d_tiny", size=64, dropout=0.1, drop_path=0.05, mean=(0.45,) * 3, std=(0.225,) * 3
    ),
}
"""The paper's model on its three backbones, on two self-supervised transformers, and two smaller ones for CPUs.

``ifdd_tiny`` has the same pyramid, ISSM, LADM and head on a small CNN. Trained from scratch on a thousand clips, a
transformer of that size (``mvit_tiny``) stayed at chance.
"""

ABLATIONS: dict[str, dict[str, Any]] = {
    "full": {},
    "backbone_only": {"split": "none", "lifting": "none"},
    "issm_only": {"lifting": "none"},
    "even_odd": {"split": "even_odd"},
    "predictor_first": {"lifting": "predictor_first"},
    "receptive_field_1": {"receptive_field": 1.0},
    "receptive_field_2": {"receptive_field": 2.0},
    "receptive_field_t4": {"receptive_field": 2.0},
    "receptive_field_t2": {"receptive_field": 4.0},
    "official_sampling": {"sampling": "official"},
    "no_lifting_loss": {"lifting_weight": 0.0},
    "frames_8": {"frames": 8},
    "frames_16": {"frames": 16},
    "frames_32": {"frames": 32},
    "mvit_xs": {"backbone": "mvit_xs"},
    "mvit_s": {"backbone": "mvit_s"},
    "s3d": {"backbone": "s3d"},
}
"""Rows of the paper's ablations: name -> fields that differ from the preset (T / 4 and T / 2 with T = 8).

``receptive_field_2`` and ``receptive_field_t4`` are therefore both the full model. ``create_model`` refuses the rows of
``SHARES_OF_FRAMES`` for another T.
"""

SHARES_OF_FRAMES = {"receptive_field_t4": 4, "receptive_field_t2": 2}
"""Ablation -> the divisor of T that its receptive field stands for."""


def lookup(table: Mapping[str, Value], name: str, kind: str) -> Value:
    """Return ``table[name]``.

    Raises:
        InputError: the name is unknown; the message lists the known names and the closest one.
    """
    if name not in table:
        nearest = difflib.get_close_matches(str(name), table, 1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise InputError(f"unknown {kind} {name!r}; choose one of {', '.join(table)}{hint}")
    return table[name]
