"""The forms in which results are written, by the ending of a file's name."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from ifdd.errors import InputError
from ifdd.files import write_pieces, write_text
from ifdd.inference.outputs.annotations import to_eaf, to_textgrid
from ifdd.inference.outputs.captions import to_srt, to_webvtt
from ifdd.inference.outputs.plot import write_plot
from ifdd.inference.outputs.render import render_video
from ifdd.inference.recognition import Recognition
from ifdd.parquet import write_parquet


def write(recognition: Recognition, path: Path) -> None:
    """Write results in the form that the path's ending names, whole or not at all.

    Raises:
        InputError: the ending is none of ``FORMATS``; or as the form's writer says.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise InputError(f"{path}: results cannot be written as '{path.suffix}'; choose among {', '.join(FORMATS)}")
    FORMATS[form](recognition, path)


def _write_parquet(recognition: Recognition, path: Path) -> None:
    about = {"video": recognition.video.path, "notice": recognition.model.get("notice", "")}
    write_parquet(path, recognition.table_columns, recognition.timeline_rows(), about)


FORMATS: dict[str, Callable[[Recognition, Path], None]] = {
    "json": lambda recognition, path: write_pieces(path, recognition.json_pieces()),
    "csv": lambda recognition, path: write_pieces(path, recognition.csv_pieces()),
    "parquet": _write_parquet,
    "vtt": lambda recognition, path: write_text(path, to_webvtt(recognition)),
    "srt": lambda recognition, path: write_text(path, to_srt(recognition)),
    "eaf": lambda recognition, path: write_text(path, to_eaf(recognition)),
    "textgrid": lambda recognition, path: write_text(path, to_textgrid(recognition)),
    "png": write_plot,
    "svg": write_plot,
    "mp4": render_video,
}
"""Ending without its dot -> what writes it."""

_NEEDED = {"parquet": ("pyarrow", "parquet"), **dict.fromkeys(("png", "svg", "mp4"), ("matplotlib", "plot"))}
"""Ending -> the library that writes it, and the extra of ifdd that brings it."""


def parse_formats(words: str) -> list[str]:
    """Return the forms that a list such as ``json,csv,vtt`` names.

    Raises:
        InputError: the list is empty, a form is unknown, or the library that writes it is not installed.
    """
    formats = list(dict.fromkeys(word.strip().lower().removeprefix(".") for word in words.split(",")))
    for form in formats:
        if form not in FORMATS:
            raise InputError(f"formats: there is no form '{form}'; choose among {','.join(FORMATS)}")
        library, extra = _NEEDED.get(form, ("numpy", ""))
        if find_spec(library) is None:
            raise InputError(f"formats: {form} needs {library}, which is not here: pip install 'ifdd[{extra}]'")
    return formats
