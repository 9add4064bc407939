"""The model: one file for each box of the paper's figure."""

from ifdd.model.backbones import BACKBONES, Backbone
from ifdd.model.config import ABLATIONS, PRESETS, IFDDConfig, lookup
from ifdd.model.device import choose_device, has_bfloat16
from ifdd.model.engines.engine import Engine, EngineOutput, Precision, TorchEngine
from ifdd.model.engines.exported import ExportedModel, load_exported
from ifdd.model.engines.forms import form_of, refuse_exported
from ifdd.model.engines.loading import Model, device_for, load_model
from ifdd.model.ifdd import IFDD, check_values, create_model
from ifdd.model.inference_form import inference_form
from ifdd.model.layers import store_channels_last
from ifdd.model.losses import IFDDLoss, Losses, action_unit_loss, classification_loss, lifting_loss
from ifdd.model.outputs import (
    FrameSplit,
    IFDDOutput,
    Lifted,
    StageShape,
    check_readings,
    class_probabilities,
    weight_of_each,
)
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
from ifdd.model.weights.pretrained import PUBLISHED, Published

__all__ = [
    "ABLATIONS",
    "BACKBONES",
    "BUNDLED",
    "DEFAULT",
    "DEMONSTRATION",
    "IFDD",
    "KINETICS",
    "PRESETS",
    "PUBLISHED",
    "Backbone",
    "Checkpoint",
    "Conversion",
    "Engine",
    "EngineOutput",
    "ExportedModel",
    "FrameSplit",
    "IFDDConfig",
    "IFDDLoss",
    "IFDDOutput",
    "Lifted",
    "Losses",
    "Model",
    "Precision",
    "Published",
    "StageShape",
    "TorchEngine",
    "action_unit_loss",
    "check_readings",
    "check_values",
    "choose_device",
    "class_probabilities",
    "classification_loss",
    "convert_official",
    "create_model",
    "device_for",
    "find_checkpoint",
    "form_of",
    "has_bfloat16",
    "inference_form",
    "is_ours",
    "kinetics_classifier",
    "lifting_loss",
    "load_checkpoint",
    "load_exported",
    "load_kinetics",
    "load_model",
    "load_official",
    "lookup",
    "refuse_exported",
    "save_calibration",
    "save_checkpoint",
    "save_measurement",
    "store_channels_last",
    "weight_of_each",
]
