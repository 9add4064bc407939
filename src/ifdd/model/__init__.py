"""The model: one file for each box of the paper's figure."""

from ifdd.model.backbones import BACKBONES, Backbone
from ifdd.model.config import ABLATIONS, PRESETS, IFDDConfig, lookup
from ifdd.model.device import choose_device
from ifdd.model.ifdd import IFDD, check_values, create_model
from ifdd.model.losses import IFDDLoss, Losses, action_unit_loss, classification_loss, lifting_loss
from ifdd.model.outputs import FrameSplit, IFDDOutput, Lifted, StageShape, check_readings, class_probabilities
from ifdd.model.weights.checkpoint import (
    BUNDLED,
    DEFAULT,
    DEMONSTRATION,
    Checkpoint,
    find_checkpoint,
    load_checkpoint,
    save_calibration,
    save_checkpoint,
    save_measurement,
)
from ifdd.model.weights.foreign import is_ours
from ifdd.model.weights.kinetics import KINETICS, kinetics_classifier, load_kinetics
from ifdd.model.weights.official import Conversion, convert_official, load_official

__all__ = [
    "ABLATIONS",
    "BACKBONES",
    "BUNDLED",
    "DEFAULT",
    "DEMONSTRATION",
    "IFDD",
    "KINETICS",
    "PRESETS",
    "Backbone",
    "Checkpoint",
    "Conversion",
    "FrameSplit",
    "IFDDConfig",
    "IFDDLoss",
    "IFDDOutput",
    "Lifted",
    "Losses",
    "StageShape",
    "action_unit_loss",
    "check_readings",
    "check_values",
    "choose_device",
    "class_probabilities",
    "classification_loss",
    "convert_official",
    "create_model",
    "find_checkpoint",
    "is_ours",
    "kinetics_classifier",
    "lifting_loss",
    "load_checkpoint",
    "load_kinetics",
    "load_official",
    "lookup",
    "save_calibration",
    "save_checkpoint",
    "save_measurement",
]
