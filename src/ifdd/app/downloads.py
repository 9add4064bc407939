"""Results in every format of ``ifdd recognize``, made when they are asked for."""

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from ifdd.errors import InputError
from ifdd.inference.outputs.write import FORMATS, file_name, parse_formats, write
from ifdd.inference.recognition import Recognition

NAMES = {
    "json": "everything, JSON",
    "csv": "timeline, CSV",
    "frames": "a row for each frame, CSV",
    "bids": "segments as BIDS events, ZIP",
    "parquet": "timeline, Parquet",
    "vtt": "captions, WebVTT",
    "srt": "captions, SubRip",
    "eaf": "annotation, ELAN",
    "textgrid": "annotation, Praat",
    "png": "plot, PNG",
    "svg": "plot, SVG",
    "mp4": "annotated video, MP4",
}
"""Format -> what the page calls it."""


@dataclass(frozen=True)
class Form:
    """A format that can be downloaded."""

    form: str
    name: str
    missing: str
    """What must be installed first; "" if nothing."""


def forms() -> list[Form]:
    """Return all formats in order."""
    found = []
    for form in FORMATS:
        try:
            parse_formats(form)
            missing = ""
        except InputError as error:
            missing = str(error).removeprefix("--formats: ")
        found.append(Form(form, NAMES.get(form, form), missing))
    return found


def make_file(recognition: Recognition, video: Path | None, name: str, form: str, folder: Path) -> Path:
    """Write results in a format, and return the file; several files become an archive.

    Args:
        recognition: the results.
        video: the video, which an annotated video needs; None if it is not in the chosen folders.
        name: name of the results.
        form: one of ``FORMATS``.
        folder: an empty folder.

    Raises:
        InputError: the format is unknown, needs a library that is not installed, or the video, which is not there.
    """
    if form not in FORMATS:
        raise InputError(f"unknown format {form[:20]!r}; reload the page")
    parse_formats(form)
    if form == "mp4" and video is None:
        raise InputError("the annotated video needs the video itself, which is not in the chosen folders")
    if form == "mp4":  # results may name any file of this computer
        recognition = replace(recognition, video=replace(recognition.video, path=str(video)))
    path = folder / file_name(Path(name).name, form)
    write(recognition, path, form)
    files = sorted(folder.iterdir())
    if len(files) == 1:
        return path
    archive = folder / f"{Path(name).name}_{form}.zip"
    with zipfile.ZipFile(archive, "x", zipfile.ZIP_DEFLATED) as zipped:
        for file in files:
            zipped.write(file, file.name)
    return archive
