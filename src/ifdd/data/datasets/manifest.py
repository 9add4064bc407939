"""An existing manifest, whose clips are cropped to their main faces again: SynthDFER, or a dataset of other crops."""

from pathlib import Path

from ifdd.data.datasets.folder import note_synonyms, present_classes
from ifdd.data.datasets.listing import Entry, Listing, Options
from ifdd.data.labels import known_label
from ifdd.data.manifest import Manifest, Sample
from ifdd.data.packs.reader import is_pack
from ifdd.data.prepared import prepare_record
from ifdd.errors import InputError
from ifdd.records import PrepareRecord


def read_manifest_listing(root: Path, options: Options) -> Listing:
    """Read the clips of a manifest, CSV or Parquet, with labels, subsets, folds, subjects and votes.

    Args:
        root: the manifest.
        options: only ``synonyms`` is used.

    Raises:
        InputError: the file is not a manifest, a line is wrong, its frames are in a pack, or prepare.json next to it
            is damaged.
    """
    if root.is_dir():
        raise InputError(f"{root} is a folder; give the manifest in it, such as {root / 'manifest.csv'}")
    manifest = Manifest.read(root)
    packed = next((sample for sample in manifest.samples if is_pack(sample.path)), None)
    if packed is not None:
        raise InputError(
            f"{root}: clip {packed.clip_id} is in {packed.path.name}; give a manifest of videos or folders of frames"
        )
    listing = Listing("manifest", "own", (), "as listed", (), lists=[root.name])
    listing.entries = [
        _entry(sample, f"{root.name}, line {line}", options.synonyms)
        for line, sample in zip(manifest.lines, manifest.samples, strict=True)
    ]
    listing.earlier = _record_of(manifest)
    listing.classes = _classes(listing)
    note_synonyms(listing, listing.classes)
    return listing


def _classes(listing: Listing) -> tuple[str, ...]:
    """Return the classes of the earlier preparation, in its order, if the clips have no others; else those present."""
    present, earlier = present_classes(listing), listing.earlier
    kept = earlier is not None and earlier.label_set == "own" and set(present) <= set(earlier.classes)
    return earlier.classes if earlier is not None and kept else present


def _record_of(manifest: Manifest) -> PrepareRecord | None:
    """Return the record of an earlier preparation that wrote a manifest; it knows the licence."""
    record = prepare_record(manifest)
    return record if record is not None and record.manifest is not None else None


def _entry(sample: Sample, where: str, synonyms: bool) -> Entry:
    return Entry(
        sample.clip_id,
        (known_label(sample.label) or sample.label) if synonyms else sample.label,
        sample.subset,
        sample.fold,
        where,
        sample.path,
        sample.subject,
        sample.votes,
        tuple(sample.attributes.items()),
        sample.fps,
        sample.durations,
    )
