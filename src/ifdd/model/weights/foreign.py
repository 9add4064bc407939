"""Say what a file is that was given as a checkpoint of ifdd and is none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from ifdd.errors import InputError
from ifdd.file_kinds import AGAIN, file_kind
from ifdd.model.engines.forms import form_of, refuse_exported
from ifdd.model.weights.pickles import keys_of, read_pickle
from ifdd.model.weights.state_dicts import is_training_state, prefixes_of, state_dicts_in
from ifdd.names import listed, printable

RELEASE_STEM = "embed.conv_proj.weight"
"""A name that every model of the official release has; what precedes it is the file's prefix."""

NAMES_LISTED = 3
"""Names of weights by which a message shows what a file is."""

FORMAT_NAME = "ifdd-checkpoint-"
"""Beginning of the format in the metadata of every checkpoint of ifdd."""

TRAIN_ONE = "give a file that 'ifdd train' wrote, such as best.safetensors"


def refuse_foreign(path: Path) -> InputError:
    """Return the error for an existing file or folder that is not a checkpoint of ifdd.

    Raises:
        InputError: it is a PyTorch pickle or a .safetensors file that cannot be read.
    """
    kind = file_kind(path)
    if kind is not None and kind.name == "torch":
        return InputError(f"{path} is not an ifdd checkpoint: {_pickle(path)}")
    if kind is not None and kind.name == "safetensors":
        with opened(path) as file:
            return InputError(f"{path} is not an ifdd checkpoint: {_of_another_model(path, list(file.keys()))}")
    text = "its format is unknown" if kind is None else kind.text
    remedy = "" if ";" in text else f"; {TRAIN_ONE}"
    return InputError(f"cannot read {path} as an ifdd checkpoint: {text}{remedy}")


def refuse_training_state(path: str | Path) -> InputError:
    """Return the error for a file from which a training is resumed."""
    best = Path(path).parent / "best.safetensors"
    return InputError(
        f"{path} is the state of a training, which only 'ifdd train --resume' reads; give the checkpoint {best}"
    )


def is_safetensors(path: Path) -> bool:
    """Return whether a file has this format, whatever its name is."""
    kind = file_kind(path) if path.is_file() else None
    return kind is not None and kind.name == "safetensors"


def is_ours(path: Path) -> bool:
    """Return whether a file is a checkpoint of ifdd, or would be one by its name.

    Raises:
        InputError: it is a damaged .safetensors file.
    """
    if not is_safetensors(path):
        return path.suffix == ".safetensors" and not path.exists()
    with opened(path) as file:
        return str((file.metadata() or {}).get("format", "")).startswith(FORMAT_NAME)


def read_weights(path: Path) -> Any:
    """Return what a file of another program holds: the weights of a .safetensors file, or the content of a pickle.

    Raises:
        InputError: the file is missing, damaged or of another format, is of ifdd, or holds the state of a training or
            objects that are not plain.
    """
    if form_of(path) is not None and path.is_file():
        raise refuse_exported(path)
    content = _read_safetensors(path) if is_safetensors(path) else read_pickle(path)
    if is_training_state(content):
        raise refuse_training_state(path)
    return content


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    if is_ours(path):
        raise InputError(
            f"{path} is a checkpoint of ifdd, not weights of another program; read ifdd's checkpoints with "
            "load_checkpoint"
        )
    with opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a .safetensors file, and say which file it was if it turns out to be damaged.

    Raises:
        InputError: it is damaged or cannot be read.
    """
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        reason = printable(" ".join(str(error).split()))
        raise InputError(f"cannot read {path} as a .safetensors file: {reason}; {AGAIN}, or {TRAIN_ONE}") from error


def _pickle(path: Path) -> str:
    content = read_pickle(path)
    if is_training_state(content):
        raise refuse_training_state(path)
    found = next(iter(state_dicts_in(content).items()), None)
    if found is None:
        return f"it is a PyTorch checkpoint that holds {keys_of(content)}; {TRAIN_ONE}"
    key, weights = found
    within = f" (under {key!r}; its keys are {keys_of(content)})" if key else ""
    return _of_another_model(path, list(weights), within)


def _of_another_model(path: Path, names: list[str], within: str = "") -> str:
    if prefixes_of(names, RELEASE_STEM):
        return (
            f"it holds weights of the official IFDD release{within}; convert it: ifdd convert {path} "
            f"{path.with_suffix('').name}.converted.safetensors"
        )
    named = listed(sorted(names), NAMES_LISTED) or "none at all"
    return f"it holds the weights of another model{within}, {named}; {TRAIN_ONE}"
