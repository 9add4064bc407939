"""Which record of ``ifdd prepare`` describes a manifest, also one that was renamed or filtered."""

from dataclasses import replace
from pathlib import Path

from ifdd.data.manifest import Manifest
from ifdd.files import absolute, expand
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
    root = expand(record.root)
    known = record.dataset_hash == manifest.dataset_hash or _all_in(clips, [root if root.is_dir() else root.parent])
    return replace(record, faces=None, pack=None) if known else None


def _all_in(clips: set[Path], folders: list[Path]) -> bool:
    """Whether all clips lie in folders, or are these, as packs are."""
    places = [absolute(folder) for folder in folders]
    return all(any(clip.is_relative_to(place) for place in places) for clip in clips)
