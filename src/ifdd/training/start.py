"""The network at the start of a training run: random, with public weights, or with those of a checkpoint."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from ifdd.errors import InputError
from ifdd.files import expand, file_sha256
from ifdd.model import (
    ABLATIONS,
    BUNDLED,
    IFDD,
    PRESETS,
    PUBLISHED,
    Checkpoint,
    IFDDConfig,
    create_model,
    find_checkpoint,
    form_of,
    is_ours,
    load_checkpoint,
    lookup,
)
from ifdd.model.config import from_plain
from ifdd.model.weights.checkpoint import copy_weights
from ifdd.model.weights.foreign import is_safetensors
from ifdd.model.weights.pretrained import takes_weights
from ifdd.records import DatasetRecord, LicenceRecord, PastTraining, StartRecord
from ifdd.records.licences import LICENCES
from ifdd.remote.hub import is_hub_address
from ifdd.training.config import ModelConfig

ARCHITECTURE = ("backbone", "split", "lifting", "size")
"""Fields of the configuration that a checkpoint and the model that starts from it must share; a backbone alone, without
split and lifting, starts every variant."""

INPUT = ("frames", "size", "mean", "std", "alignment", "standardization")
"""Fields that describe the clips which the weights expect: taken from the checkpoint unless the recipe sets them."""

ISSM = ("sampling", "receptive_field")
"""Fields that say where ISSM reads the features; likewise, from a checkpoint that has ISSM."""


class Start(NamedTuple):
    """A network to train, and where its weights come from."""

    network: IFDD
    licences: tuple[LicenceRecord, ...] = ()
    """Licences of the data that the weights were trained on."""
    started_from: str | None = None
    """The checkpoint: its path or name, and the beginning of its SHA-256."""
    earlier: tuple[PastTraining, ...] | None = None
    """Trainings of the checkpoint; None without one."""
    left_out: tuple[str, ...] = ()
    """Parameters that the checkpoint does not initialise, or that the network lacks."""

    @property
    def record(self) -> StartRecord:
        """What a resumed run needs to know of it."""
        return StartRecord(
            config=asdict(self.network.config),
            licences=self.licences,
            started_from=self.started_from,
            earlier=self.earlier,
        )


def resumed_start(record: StartRecord, file: Path) -> Start:
    """Return the network of a run that is resumed, without weights: these are in its state.

    Args:
        record: what the run began with.
        file: the record's file, for messages.

    Raises:
        InputError: the configuration is that of another version of ifdd, or damaged.
    """
    try:
        network = IFDD(IFDDConfig(**from_plain(record.config)))
    except (InputError, TypeError, ValueError) as error:
        raise InputError(f"{file}: the network's configuration is damaged ({error}); choose another --out") from error
    return Start(network, record.licences, record.started_from, record.earlier)


def build_network(model: ModelConfig, classes: Sequence[str]) -> Start:
    """Build the network of a recipe with its initial weights.

    Raises:
        InputError: the model is not valid, the weights cannot be read, or they belong to another architecture.
    """
    if model.weights is None or not _is_checkpoint(model):
        network = create_model(model.preset, len(classes), model.ablation, model.weights, **model.overrides)
        return Start(network, () if model.weights is None else (_licence(model.weights, network),))
    file = find_checkpoint(model.weights)
    checkpoint = load_checkpoint(file)
    changed = lookup(ABLATIONS, model.ablation, "ablation")
    taken = (*INPUT, *(ISSM if checkpoint.config.split == "issm" else ()))
    kept = {name: getattr(checkpoint.config, name) for name in taken if name not in changed} | model.overrides
    network = create_model(model.preset, len(classes), model.ablation, **kept)
    _check_architecture(checkpoint, network.config, model)
    digest = file_sha256(file)
    return Start(
        network,
        licences=checkpoint.record.known_licences,
        started_from=f"{model.weights} (sha256 {digest[:12]})",
        earlier=checkpoint.record.trainings,
        left_out=copy_weights(network, classes, checkpoint, model.weights),
    )


def _is_checkpoint(model: ModelConfig) -> bool:
    """Return whether weights are a checkpoint of ifdd, by name, suffix or content, and not those of a backbone."""
    weights = str(model.weights)
    if weights in BUNDLED or is_hub_address(weights):
        return True
    path = expand(weights)
    if form_of(path) is not None:  # refused as what it is
        return True
    return is_ours(path) or (is_safetensors(path) and not takes_weights(_backbone(model)))


def _backbone(model: ModelConfig) -> str:
    """Return the name of the backbone; "" if the preset is unknown."""
    preset = PRESETS.get(model.preset)
    chosen = ABLATIONS.get(model.ablation, {}) | model.overrides
    return str(chosen.get("backbone", preset.backbone if preset else ""))


def _licence(weights: str, network: IFDD) -> LicenceRecord:
    """Return the licence of public weights; unknown for a file of a transformer, which may come from anywhere."""
    if weights in PUBLISHED:
        return LICENCES[PUBLISHED[weights].licence]
    known = not takes_weights(network.config.backbone)
    return LICENCES["kinetics400"] if known else LicenceRecord(f"weights {expand(weights).name}", "", "")


def check_start(start: Start, dataset: DatasetRecord, fold: int | None) -> None:
    """Check that the start was not trained on clips that this fold tests.

    Args:
        start: the network and its earlier trainings.
        dataset: the clips of all folds.
        fold: number of the fold, also if the manifest has only one; None if it has no folds.

    Raises:
        InputError: the checkpoint, or one that it started from, belongs to another fold of the same dataset, or to the
            same benchmark with other folds, labels or clips, whose training clips may be test clips now.
    """
    for training in start.earlier or ():
        # without a fold, the dataset has none or only this one
        if training.dataset == dataset.hash and training.fold and training.fold != fold:
            raise InputError(
                f"{start.started_from} was trained on fold {training.fold} of the same dataset, whose training clips "
                f"are test clips of fold {fold}; start from a checkpoint of another dataset"
            )
        if training.may_know(dataset, fold):
            same_folds = training.partition is not None and training.partition == dataset.partition
            remedy = f", or of fold {fold}" if same_folds else ""
            raise InputError(
                f"{start.started_from} was trained on {dataset.benchmark} with other folds, labels or clips, which may "
                f"be test clips here; start from a checkpoint of another dataset{remedy}"
            )


def selection_note(start: Start, dataset: DatasetRecord, held_out: str | None) -> str:
    """Return what reports must add to the words for the validation clips if the weights may know these; else "".

    Args:
        start: the network and its earlier trainings.
        dataset: the clips of all folds.
        held_out: hash of the clips held out for validation; None if none are.
    """
    of_these = [training for training in start.earlier or () if training.shares_source(dataset)]
    if held_out is None or all(training.held_out == held_out for training in of_these):
        return ""
    return ", but the initial weights may have been trained on some of them"


def start_line(start: Start) -> str:
    """Return what was taken from the checkpoint, for the terminal; empty without one."""
    if start.started_from is None:
        return ""
    own = start.network.state_dict()
    random = _list_parts(name for name in start.left_out if name in own)
    unused = _list_parts(name for name in start.left_out if name not in own)
    notes = [f"not taken, so random at first: {random}"] if random else []
    notes += [f"not used: {unused}"] if unused else []
    return f"starting from {start.started_from}" + ("".join(f"; {note}" for note in notes) or ", all weights")


def _list_parts(names: Iterable[str]) -> str:
    """Return names of parameters in words, those of a part with more than two as their number."""
    parts: dict[str, list[str]] = {}
    for name in names:
        parts.setdefault(name.partition(".")[0], []).append(name)
    return ", ".join(
        f"{part} ({len(names)} tensors)" if len(names) > 2 else ", ".join(names) for part, names in parts.items()
    )


def _check_architecture(checkpoint: Checkpoint, config: IFDDConfig, model: ModelConfig) -> None:
    alone = checkpoint.model.config.split == "none"
    for name in ARCHITECTURE:
        theirs, ours = getattr(checkpoint.model.config, name), getattr(config, name)
        if theirs != ours and not (alone and name in ("split", "lifting")):
            raise InputError(
                f"{model.weights} has the {name} {theirs}, but {model.preset} ({model.ablation}) has {ours}; take "
                "model.preset, ablation and overrides of the checkpoint, or other model.weights"
            )
