"""Finding and reading the results of ``ifdd recognize``."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ifdd.console import progress_bar
from ifdd.errors import InputError
from ifdd.folders import Walk
from ifdd.inference.batch.search import CORRECTIONS
from ifdd.inference.outputs.bids import SIDECAR
from ifdd.inference.recognition import Recognition
from ifdd.inference.results import Results

HEAD = 4096
"""Bytes of a JSON file that show whether it holds results."""

_BEGINNING = re.compile(r'\s*\{\s*"schema_version":\s*"[^"]*",\s*"video":\s*\{')
"""Results begin like this; the version of other files is a number."""


@dataclass(frozen=True)
class Found:
    """Files of results."""

    paths: tuple[Path, ...]
    others: int
    """JSON files that hold something else, and nothing that belongs to results."""


def find_results(place: Path) -> Found:
    """Return the files of results at a place.

    Args:
        place: a .json file of ``ifdd recognize``, or a folder that is searched at any depth.

    Raises:
        InputError: the place does not exist, or holds no results.
    """
    if not place.exists():
        raise InputError(f"{place} does not exist; give a folder or .json file that 'ifdd recognize' wrote")
    if not place.is_dir():
        return Found((place,), 0)
    files = [
        found.path / name for found in Walk().through(place) for name in found.files if name.lower().endswith(".json")
    ]
    paths = sorted(path for path in files if _holds_results(path))
    if not paths:
        raise InputError(f"{place} holds no results; give a folder in which 'ifdd recognize' wrote .json files")
    others = {path for path in files if not path.name.endswith((SIDECAR, CORRECTIONS))} - set(paths)
    return Found(tuple(paths), len(others))


def read_all(paths: tuple[Path, ...]) -> Iterator[Results]:
    """Yield the results of each file, with a progress bar.

    Raises:
        InputError: a file cannot be read or is damaged.
    """
    with progress_bar("results") as bar:
        task = bar.add_task("reading", total=len(paths))
        for path in paths:
            yield Recognition.load(path)
            bar.advance(task)


def _holds_results(path: Path) -> bool:
    """Return whether a JSON file looks like results, damaged ones too."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return True  # reading it reports what is wrong
    return _BEGINNING.match(head.decode("utf-8", "replace")) is not None
