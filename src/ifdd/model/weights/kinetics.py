"""torchvision's public Kinetics-400 weights, for the backbones and for the classifiers they were trained as."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from ifdd.console import error_console
from ifdd.errors import InputError
from ifdd.file_kinds import file_kind
from ifdd.files import expand, file_sha256
from ifdd.model.backbones.mvit import MVIT_S, MViTClassifier
from ifdd.model.backbones.s3d import S3DClassifier
from ifdd.model.weights.foreign import RELEASE_STEM, read_weights
from ifdd.model.weights.pickles import keys_of
from ifdd.model.weights.state_dicts import load_strictly, prefixes_of, state_dicts_in
from ifdd.remote.downloads import fetch_file

PUBLIC = "kinetics400"
"""The ``source`` that stands for the public file."""
CLASSES = 400
CLASSIFIER_PREFIXES = ("head.", "classifier.")
"""Prefixes of the classifiers' parameter names."""
POSITION_TABLE = ".rel_pos_"


class KineticsWeights(NamedTuple):
    """A public file, and the part of it that a backbone uses."""

    url: str
    """URL; the file's name ends with the first digits of its SHA-256."""
    mean: tuple[float, float, float]
    """RGB mean to subtract from a clip in [0, 1]."""
    std: tuple[float, float, float]
    """RGB standard deviation to divide by."""
    plain: Callable[[], nn.Module]
    """Builds the classifier whose weights the file holds."""
    blocks: tuple[int, ...] = ()
    """Indices in the file of the backbone's transformer blocks, in the backbone's order."""

    @property
    def file_name(self) -> str:
        """Name of the public file."""
        return self.url.rsplit("/", 1)[1]

    @property
    def sha256_prefix(self) -> str:
        """First hexadecimal digits of the public file's SHA-256."""
        return self.file_name.removesuffix(".pth").rsplit("-", 1)[1]


MVIT_V2_S = KineticsWeights(
    url="https://download.pytorch.org/models/mvit_v2_s-ae3be167.pth",
    mean=(0.45, 0.45, 0.45),
    std=(0.225, 0.225, 0.225),
    plain=lambda: MViTClassifier(MVIT_S, CLASSES),
    blocks=tuple(range(16)),
)
KINETICS: dict[str, KineticsWeights] = {
    "mvit_xs": MVIT_V2_S._replace(blocks=(*range(8), 14, 15)),
    "mvit_s": MVIT_V2_S,
    "s3d": KineticsWeights(
        url="https://download.pytorch.org/models/s3d-d76dad2f.pth",
        mean=(0.43216, 0.394666, 0.37645),
        std=(0.22803, 0.22145, 0.216989),
        plain=lambda: S3DClassifier(CLASSES),
    ),
}
"""Backbone -> its public weights. ``mvit_xs`` uses the first eight and the last two blocks of ``mvit_s``."""


def load_kinetics(backbone: nn.Module, name: str, source: str | Path = PUBLIC) -> None:
    """Load the public Kinetics-400 weights of a backbone.

    The classifier is skipped, and for ``mvit_xs`` the blocks it lacks. All other values are copied exactly, except that
    for inputs other than 224 x 224 pixels the relative position tables are resized by linear interpolation, as in
    torchvision.

    Args:
        backbone: built by ``BACKBONES[name]``, for any number of frames; changed in place.
        name: a name in ``KINETICS``.
        source: "kinetics400" for the public file, which is downloaded once to torch's cache (see the environment
            variable TORCH_HOME), or the path of a file with the same parameter names. A file with the public
            file's name must have its SHA-256; other files are not verified.

    Raises:
        InputError: the backbone has no public weights, they cannot be downloaded or read, or names or shapes differ
            from the public file's.
    """
    weights = _weights_for(name)
    own = backbone.state_dict()
    values = {}
    for name_in_file, value in kinetics_classifier(name, source).state_dict().items():
        own_name = _name_in_backbone(name_in_file, weights.blocks)
        if own_name is not None:
            values[own_name] = _fit(own_name, value, own)
    load_strictly(backbone, values, f"Kinetics-400 for {name}")


def kinetics_classifier(name: str, source: str | Path = PUBLIC) -> nn.Module:
    """Return the classifier that a backbone's public weights were trained as, in evaluation mode.

    It computes the same as torchvision's ``mvit_v2_s`` ("mvit_xs", "mvit_s") or ``s3d`` ("s3d"): scores of the 400
    classes, (batch, 400), for clips (batch, 3, frames, 224, 224) that the caller has normalised with
    ``KINETICS[name].mean`` and ``.std``. For verifying the weights and comparing features.

    Args:
        name: a name in ``KINETICS``.
        source: as in :func:`load_kinetics`.

    Raises:
        InputError: as in :func:`load_kinetics`.
    """
    weights = _weights_for(name)
    path = _fetch(weights) if source == PUBLIC else _copy(expand(source), weights)
    network = weights.plain()
    load_strictly(network, _read(path, weights, next(iter(network.state_dict()))), str(path))
    return network.eval()


def _weights_for(name: str) -> KineticsWeights:
    if name not in KINETICS:
        raise InputError(
            f"backbone {name!r} has no public Kinetics-400 weights; those that have are {', '.join(KINETICS)}"
        )
    return KINETICS[name]


def _fetch(weights: KineticsWeights) -> Path:
    """Return the public file, downloaded once."""
    remedy = f"try again, or fetch the file in another way and give its path instead of {PUBLIC!r}"
    return fetch_file(
        weights.url, weights.sha256_prefix, lambda line: error_console.print(line, soft_wrap=True), remedy
    )


def _copy(path: Path, weights: KineticsWeights) -> Path:
    """Return the path of a user's file; a file with the public file's name must be the public file."""
    if path.is_dir() and (kind := file_kind(path)) is not None and "did you mean" in kind.text:
        raise InputError(f"no weights at {path}: {kind.text}")
    if not path.is_file():
        raise InputError(f"no weights at {path}; give {PUBLIC!r}, or the path of a copy of {weights.url}")
    kind = file_kind(path)
    if path.name == weights.file_name and (kind is None or kind.name == "torch"):  # others have a line of their own
        _check_hash(path, weights)
    return path


def _read(path: Path, weights: KineticsWeights, stem: str) -> Mapping[str, Tensor]:
    """Return the state dict of a file, without the prefix that all its names may have.

    Args:
        path: the file.
        weights: the public file, for messages.
        stem: a name of the classifier's parameters.
    """
    content = read_weights(path)
    values = next(iter(state_dicts_in(content).values()), None)
    if values is None:
        raise InputError(f"{path} holds no state dict, but {keys_of(content)}; expected the contents of {weights.url}")
    if prefixes_of(values, RELEASE_STEM):
        raise InputError(
            f"{path} holds weights of the official IFDD release; convert it with 'ifdd convert', and give the result"
        )
    prefix = next(iter(prefixes_of(values, stem)), "")
    if all(name.startswith(prefix) for name in values):
        return {name.removeprefix(prefix): value for name, value in values.items()}
    return values


def _check_hash(path: Path, weights: KineticsWeights) -> None:
    try:
        digest = file_sha256(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; make it readable or delete it") from error
    if not digest.startswith(weights.sha256_prefix):
        raise InputError(
            f"{path} is damaged: its SHA-256 starts with {digest[:8]}, expected {weights.sha256_prefix}; "
            f"delete it and fetch {weights.url} again"
        )


def _name_in_backbone(name: str, blocks: tuple[int, ...]) -> str | None:
    """Return the backbone's name of a parameter of the file, or None if the backbone lacks it."""
    if name.startswith(CLASSIFIER_PREFIXES):
        return None
    if not name.startswith("blocks."):
        return name
    _, number, rest = name.split(".", 2)
    return f"blocks.{blocks.index(int(number))}.{rest}" if int(number) in blocks else None


def _fit(name: str, value: Tensor, own: Mapping[str, Tensor]) -> Tensor:
    """Return a relative position table, (entries, dim), resized to the backbone's; other values unchanged."""
    if POSITION_TABLE not in name or name not in own or len(own[name]) == len(value):
        return value
    return F.interpolate(value.T[None], size=len(own[name]), mode="linear")[0].T
