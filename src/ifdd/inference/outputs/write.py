"""The output formats by file suffix."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from ifdd.errors import InputError
from ifdd.files import write_text
from ifdd.inference.outputs import bids, frames
from ifdd.inference.outputs.annotations import to_eaf, to_textgrid
from ifdd.inference.outputs.captions import to_srt, to_webvtt
from ifdd.inference.outputs.document import write_document
from ifdd.inference.outputs.pictures.plot import write_plot
from ifdd.inference.outputs.pictures.render import render_video
from ifdd.inference.outputs.tables import write_csv, write_statistics, write_timeline_parquet
from ifdd.inference.results import Results

STATISTICS = "statistics.csv"
"""Suffix of the frame statistics, which are written only if they were recorded."""

FORMATS: dict[str, Callable[[Results, Path], None]] = {
    "json": write_document,
    "csv": write_csv,
    "frames": frames.write_frames,
    "bids": bids.write_events,
    "parquet": write_timeline_parquet,
    "vtt": lambda results, path: write_text(path, to_webvtt(results), private=True),
    "srt": lambda results, path: write_text(path, to_srt(results), private=True),
    "eaf": lambda results, path: write_text(path, to_eaf(results, path), private=True),
    "textgrid": lambda results, path: write_text(path, to_textgrid(results), private=True),
    "png": write_plot,
    "svg": write_plot,
    "mp4": render_video,
}
"""Format -> its writer. The format is the suffix without dot, unless it is in ``ENDINGS``."""

ENDINGS = {"frames": frames.ENDING, "bids": bids.ENDING}
"""Format -> the end of the names of its files, where that is not its name."""

_NEEDED = {"parquet": ("pyarrow", "parquet"), **dict.fromkeys(("png", "svg", "mp4"), ("matplotlib", "plot"))}
"""Suffix -> the library that its writer needs, and the extra of ifdd that installs it."""


def write(results: Results, path: Path, form: str | None = None) -> None:
    """Write results, whole or not at all.

    Args:
        results: the results.
        path: the file.
        form: the format; None for that of the path's suffix.

    Raises:
        InputError: the suffix is that of no format; or as the writer.
    """
    form = form or _form_of(path)
    if form == STATISTICS:
        write_statistics(results, path)
    else:
        FORMATS[form](results, path)


def _form_of(path: Path) -> str:
    """Return the format that a path's suffix names."""
    name = path.name.lower()
    if name.endswith("." + STATISTICS):
        return STATISTICS
    longer = next((form for form, ending in ENDINGS.items() if name.endswith(ending)), None)
    form = longer or path.suffix.lower().removeprefix(".")
    if form not in FORMATS or (longer is None and form in ENDINGS):
        known = [ENDINGS.get(each, each).lstrip(".") for each in FORMATS]
        raise InputError(f"{path}: unknown format '{path.suffix}'; use one of {', '.join(known)}")
    return form


def file_name(name: str, form: str) -> str:
    """Return the name of the file that holds results in a format.

    Example:
        >>> from ifdd.inference.outputs.write import file_name
        >>> file_name("party", "json"), file_name("party", "bids")
        ('party.json', 'party_events.tsv')
    """
    return name + ENDINGS.get(form, f".{form}")


def file_names(name: str, form: str) -> tuple[str, ...]:
    """Return the names of all files that a format consists of, that of ``file_name`` first."""
    return (file_name(name, form), *([name + bids.SIDECAR] if form == "bids" else []))


def parse_formats(words: str) -> list[str]:
    """Parse a list of formats such as ``json,csv,vtt``.

    Raises:
        InputError: the list is empty, a format is unknown, or the library that it needs is not installed.
    """
    formats = list(dict.fromkeys(word.strip().lower().removeprefix(".") for word in words.split(",")))
    for form in formats:
        if form not in FORMATS:
            raise InputError(f"--formats: unknown format '{form}'; use some of {','.join(FORMATS)}")
        library, extra = _NEEDED.get(form, ("numpy", ""))
        if find_spec(library) is None:
            raise InputError(f"--formats: {form} needs {library}, which is not installed: pip install 'ifdd[{extra}]'")
    return formats
