"""Read PyTorch's pickles safely: nothing in a file is ever run or imported."""

import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ifdd.errors import InputError
from ifdd.file_kinds import SAVE_WEIGHTS, WEIGHTS_ALONE, file_kind
from ifdd.names import listed

HARMLESS_ROOTS = (
    *(
        "argparse.Namespace",
        "collections",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "pathlib",
        "types.SimpleNamespace",
    ),
    *("typing", "uuid", "numpy", "torch.optim", "torch.torch_version", "functools.partial"),
    *("addict", "easydict", "ml_collections", "munch", "omegaconf", "yacs"),
    *("lightning", "lightning_fabric", "lightning_utilities", "pytorch_lightning", "mmcv", "mmengine"),
    *(f"builtins.{name}" for name in ("bool", "dict", "float", "frozenset", "int", "list", "object", "range", "slice")),
    *(f"builtins.{name}" for name in ("str", "tuple", "type")),
)
"""Modules, or objects, that other programs store next to the weights: options, paths, scores, callbacks. They are not
needed, so each becomes an object without content; the module is not imported."""

MOST_OBJECTS = 100
"""Kinds of objects in a file of PyTorch before 1.6, which names them one after the other."""

MAPPINGS = (
    *("collections.defaultdict", "yacs.config.CfgNode", "easydict.EasyDict", "addict.addict.Dict", "munch.Munch"),
    *("lightning.fabric.utilities.data.AttributeDict", "lightning_fabric.utilities.data.AttributeDict"),
    *("lightning.pytorch.utilities.parsing.AttributeDict", "pytorch_lightning.utilities.parsing.AttributeDict"),
)
"""Those that are dictionaries, and may hold weights."""

KEYS_LISTED = 8
"""Keys of a file that a message lists."""


class Inert:
    """Stands for an object of a file that is not needed."""

    def __init__(self, *arguments: object, **named: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class InertMapping:
    """Stands for a class of dictionaries; gives a plain one."""

    def __new__(cls, *arguments: object, **named: object) -> Any:
        """Return an empty dictionary."""
        return OrderedDict()


def read_pickle(path: str | Path) -> Any:
    """Read a .pth file onto the CPU.

    Only tensors and plain values are unpickled (``weights_only``). Objects of ``HARMLESS_ROOTS`` become ``Inert``; a
    file with any others is refused.

    Raises:
        InputError: the file is missing, is damaged or of another format, or holds other objects.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"no checkpoint at {path}; check the path")
    kind = file_kind(path)
    if kind is not None and kind.name != "torch":
        remedy = "" if ";" in kind.text else "; give a file that torch.save wrote"
        raise InputError(f"cannot read {path} as a PyTorch checkpoint: {kind.text}{remedy}")
    inert = {name for name in _objects_of(path) if _is_harmless(name)}
    for _ in range(MOST_OBJECTS):
        try:
            return _load(path, inert)
        except pickle.UnpicklingError as error:  # torch's message advises running the code
            name = _named(str(error))
            if name is None or name in inert or not _is_harmless(name):
                refusal = _refusal(path, name)
                raise InputError(f"cannot read {path} as a PyTorch checkpoint: {refusal}") from error
            inert.add(name)
        except Exception as error:  # damaged files raise almost any exception
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise InputError(f"cannot read {path} as a PyTorch checkpoint: {reason}; replace the file") from error
    raise InputError(f"cannot read {path} as a PyTorch checkpoint: it holds too many kinds of objects; {WEIGHTS_ALONE}")


def keys_of(content: object) -> str:
    """Return the top-level keys of what a file holds, for a message; if there are none, its type."""
    if not isinstance(content, Mapping):
        return f"one {type(content).__name__}" if content is not None else "nothing"
    return listed([str(name) for name in content], KEYS_LISTED) or "nothing"


def _load(path: Path, inert: set[str]) -> Any:
    stand_ins: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        (InertMapping if name in MAPPINGS else Inert, name) for name in sorted(inert)
    ]
    # not by its path, by whose suffix torch would choose the format
    with path.open("rb") as file, torch.serialization.safe_globals(stand_ins):
        return torch.load(file, map_location="cpu", weights_only=True)


def _objects_of(path: Path) -> list[str]:
    """Return the names of the classes and functions that a file refers to, without loading it; empty if unknown."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # a file of PyTorch before 1.6, or a damaged one
        return []


def _is_harmless(name: str) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in HARMLESS_ROOTS)


def _named(message: str) -> str | None:
    """Return the object that torch refused, by its message; None if it refused something else."""
    found = re.search(r"GLOBAL ([\w.]+)", message)
    if found is None:
        return None
    return found[1] if "." in found[1] else f"builtins.{found[1]}"


def _refusal(path: Path, name: str | None) -> str:
    """Return why torch refused a file, and what it holds."""
    others = [each for each in _objects_of(path) if not _is_harmless(each)] or ([] if name is None else [name])
    if not others:
        return "it is damaged, or holds objects other than weights; give the file of weights as it was released"
    return (
        f"it holds objects of other programs ({listed(others, 3)}), which ifdd does not unpickle{_keys(path)}; where "
        f"it was made, save the weights alone: {SAVE_WEIGHTS}"
    )


def _keys(path: Path) -> str:
    """Return the keys of a file with unknown objects in it, none of which is unpickled either."""
    try:
        content = _load(path, set(_objects_of(path)))
    except Exception:  # torch refuses some even by name, and some old files
        return ""
    return "" if isinstance(content, Inert) else f"; its keys are {keys_of(content)}"
