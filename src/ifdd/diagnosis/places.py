"""Folders, free space and settings."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ifdd.diagnosis.finding import Finding, shown, size_words
from ifdd.errors import InputError
from ifdd.files import try_writing
from ifdd.limits import VARIABLE, most_pixels
from ifdd.remote.downloads import OFFLINE

GROUP = "places"

ENOUGH_BYTES, FEW_BYTES = 2e9, 2e8
"""Free space below which there is a note, and below which something is wrong."""

SETTINGS = (OFFLINE, "TORCH_HOME", VARIABLE, "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "OMP_WAIT_POLICY")
"""Environment variables that change what ifdd does."""

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""Environment variables that may hold passwords: reported only as set."""


def folders() -> Iterator[Finding]:
    """Check the working folder, the folder of temporary files and torch's cache."""
    import torch

    cache = Path(torch.hub.get_dir()) / "checkpoints"
    temporary = Path(tempfile.gettempdir())
    yield _working_folder()
    yield _folder("temporary files", temporary, needed=True)
    yield _folder("cache of models", cache, needed=False)
    yield from _cached(cache)


def _working_folder() -> Finding:
    try:
        folder = Path.cwd()
    except OSError as error:
        return Finding(GROUP, "working folder", f"is gone ({error.strerror})", "note", "change to another folder")
    return _folder("working folder", folder, needed=False)


def settings() -> Iterator[Finding]:
    """Name the environment variables that are set, and check those that ifdd reads."""
    for name in SETTINGS:
        if name not in os.environ or name == VARIABLE:
            continue
        text = os.environ[name]
        yield Finding(GROUP, name, shown(Path(text)) if name == "TORCH_HOME" else repr(text))
    try:
        yield Finding(GROUP, "largest picture", f"{most_pixels() / 1e6:g} megapixels")
    except InputError as error:
        yield Finding(GROUP, VARIABLE, str(error), "wrong", f"unset {VARIABLE}, or correct it")
    if set_ := sorted({name.lower() for name in PROXIES if os.environ.get(name)}):
        yield Finding(GROUP, "proxies", f"{', '.join(set_)} are set")


def _folder(name: str, path: Path, needed: bool) -> Finding:
    """Check that files can be written to a folder, and how much space is left there."""
    place = next((each for each in (path, *path.parents) if each.exists()), Path("/"))
    try:
        try_writing(path)
        free = shutil.disk_usage(place).free
    except OSError as error:
        remedy = "choose a folder that you may write to"
        remedy += " by the environment variable TORCH_HOME" if "cache" in name else ""
        remedy += " by the environment variable TMPDIR" if needed else ""
        value = f"{shown(path)}: cannot be written to ({error.strerror or error})"
        return Finding(GROUP, name, value, "wrong" if needed else "note", remedy)
    value = f"{shown(path)}, {size_words(free)} free"
    if free >= ENOUGH_BYTES:
        return Finding(GROUP, name, value)
    return Finding(GROUP, name, value, "wrong" if free < FEW_BYTES and needed else "note", "free space")


def _cached(cache: Path) -> Iterator[Finding]:
    """Name the files in the cache; others who may write there could replace a model."""
    files = sorted(path for path in cache.glob("*") if path.is_file()) if cache.is_dir() else []
    for path in files:
        if path.suffix == ".unreachable":
            remedy = f"{OFFLINE}=0 tries again at once"
            yield Finding(GROUP, path.stem, "did not answer lately; not asked again for a day", "note", remedy)
    kept = [path for path in files if path.suffix != ".unreachable"]
    total = sum(path.stat().st_size for path in kept)
    yield Finding(GROUP, "files in the cache", f"{len(kept)}, {size_words(total)}")
    open_ = [path.name for path in (cache, *kept) if path.exists() and path.stat().st_mode & stat.S_IWOTH]
    if open_:
        remedy = f"chmod -R o-w {shown(cache)}: others could replace a model; ifdd checks hashes at every use"
        yield Finding(GROUP, "permissions", f"everybody may write to {', '.join(open_[:3])}", "note", remedy)
