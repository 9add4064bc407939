"""Which record of ``ifdd prepare`` describes a manifest, also one that was renamed or filtered."""

import os
from dataclasses import replace
from pathlib import Path

from ifdd.data.manifest import Manifest
from ifdd.files import expand
from ifdd.records import PrepareRecord


def prepare_record(manifest: Manifest) -> PrepareRecord | None:
    """Return the record in the folder of a manifest if it describes its clips; None if there is none.

    The record of another manifest counts if all clips lie in its crops or pack. If they are the same clips elsewhere,
    or lie in the dataset that it was made of, it counts without its crops and pack.

    Raises:
        InputError: the record is damaged.
    """
    folder = manifest.path.parent
    file = folder / PrepareRecord.FILE
    if not file.exists():
        return None
    record = PrepareRecord.load(file, "prepare the dataset again")
    if record.manifest in (None, manifest.path.name):
        return record
    clips = {sample.path for sample in manifest.samples}
    crops = [] if record.faces is None else [folder / record.faces.folder]
    packs = [] if record.pack is None else [folder / record.pack.file]
    if _all_in(clips, [*crops, *packs]):
        return record
    known = record.dataset_hash == manifest.dataset_hash or _all_in(clips, _dataset_folder(record, folder))
    return replace(record, faces=None, pack=None) if known else None


def _dataset_folder(record: PrepareRecord, folder: Path) -> list[Path]:
    """Return the folder of the dataset that a record in ``folder`` describes, in a list that is empty if it is gone.

    In records of earlier versions, it is relative to the working directory of then.
    """
    root = expand(record.root) if record.relative_root is None else folder / record.relative_root
    root = Path(os.path.normpath(root.absolute()))
    return [root.parent] if root.is_file() else [root] if root.is_dir() else []


def _all_in(clips: set[Path], folders: list[Path]) -> bool:
    """Whether all clips lie in folders, or are these, as packs are."""
    places = [os.path.normpath(folder.absolute()) for folder in folders]  # ".." as in the manifest
    return all(any(clip.is_relative_to(place) for place in places) for clip in clips)
