"""Readers of the benchmarks in their owners' layouts, and of folders of clips: from a tree to a checked listing."""

from collections.abc import Callable
from pathlib import Path

from ifdd.data.datasets.cremad import read_cremad
from ifdd.data.datasets.dfew import read_dfew
from ifdd.data.datasets.ferv39k import read_ferv39k
from ifdd.data.datasets.folder import read_folder
from ifdd.data.datasets.listing import Entry, Listing, Options
from ifdd.data.datasets.mafw import read_mafw
from ifdd.data.datasets.manifest import read_manifest_listing
from ifdd.data.datasets.ravdess import read_ravdess

READERS: dict[str, Callable[[Path, Options], Listing]] = {
    "dfew": read_dfew,
    "ferv39k": read_ferv39k,
    "mafw": read_mafw,
    "cremad": read_cremad,
    "ravdess": read_ravdess,
    "folder": read_folder,
    "annotations": read_folder,  # once cut into clips
    "manifest": read_manifest_listing,
}
"""Dataset -> reader of its tree."""

__all__ = [
    "READERS",
    "Entry",
    "Listing",
    "Options",
    "read_cremad",
    "read_dfew",
    "read_ferv39k",
    "read_folder",
    "read_mafw",
    "read_ravdess",
]
