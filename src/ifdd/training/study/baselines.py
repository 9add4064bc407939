"""Backbones from files outside the package, made known by name for the time of a study."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ifdd.errors import InputError
from ifdd.model.backbones import BACKBONES


def register_baselines(baselines: Mapping[str, Any]) -> None:
    """Make backbones known by name in this process, for models and for checkpoints.

    The files are run as Python code, so name only files that you trust.

    Args:
        baselines: name -> the builder as "file.py:function" or "module:function"; see ``BACKBONES``.

    Raises:
        InputError: a name belongs to a backbone of ifdd, or the builder cannot be imported.
    """
    for name, where in baselines.items():
        if name in BACKBONES and BACKBONES[name].__module__.startswith("ifdd."):
            raise InputError(f"baselines.{name} is a backbone of ifdd; choose another name")
        BACKBONES[name] = _builder(name, where)


def _builder(name: str, where: Any) -> Any:
    module, colon, function = str(where).rpartition(":")
    if not colon:
        raise InputError(f"baselines.{name} is {where!r}; write file.py:function or module:function")
    path = Path(module)
    if path.suffix == ".py":
        if not path.is_file():
            raise InputError(f"baselines.{name}: {path} does not exist; correct the path, or run from its folder")
        module = _module_of(path.resolve())
    try:
        builder = getattr(importlib.import_module(module), function, None)
    except ImportError as error:
        raise InputError(f"baselines.{name}: cannot import {module} ({error}); correct the name") from error
    if not callable(builder):
        raise InputError(f"baselines.{name}: {module} has no function {function!r}; correct the name")
    return builder


def _module_of(path: Path) -> str:
    """Return the dotted name of a file, and make the folder of its outermost package importable."""
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return ".".join(parts)
