"""Readers of the benchmarks in their owners' layouts, and of folders of clips: from a tree to a checked listing."""

from collections.abc import Callable
from pathlib import Path

from ifdd.data.datasets.dfew import read_dfew
from ifdd.data.datasets.ferv39k import read_ferv39k
from ifdd.data.datasets.folder import read_folder
from ifdd.data.datasets.listing import Entry, Listing, Options
from ifdd.data.datasets.mafw import read_mafw
from ifdd.data.datasets.manifest import read_manifest_listing

READERS: dict[str, Callable[[Path, Options], Listing]] = {
    "dfew": read_dfew,
    "ferv39k": read_ferv39k,
    "mafw": read_mafw,
    "folder": read_folder,
    "manifest": read_manifest_listing,
}
"""Dataset -> reader of its tree."""

__all__ = ["READERS", "Entry", "Listing", "Options", "read_dfew", "read_ferv39k", "read_folder", "read_mafw"]
