"""Finding and reading the results of ``ifdd recognize``."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ifdd.console import progress_bar
from ifdd.errors import InputError
from ifdd.folders import Walk
from ifdd.inference.recognition import Recognition
from ifdd.inference.results import Results

HEAD = 4096
"""Bytes of a JSON file that show whether it holds results: they begin with ``schema_version`` and ``video``."""


@dataclass(frozen=True)
class Found:
    """Files of results."""

    paths: tuple[Path, ...]
    others: int
    """JSON files that hold something else."""


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
    return Found(tuple(paths), len(files) - len(paths))


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
    text = head.decode("utf-8", "replace")
    if not text.lstrip().startswith("{") or '"schema_version"' not in text:
        return False
    try:
        content, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except ValueError:
        return '"video"' in text  # longer than its head, as results are
    return isinstance(content.get("video"), dict)
