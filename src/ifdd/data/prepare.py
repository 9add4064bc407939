"""``ifdd prepare``: a dataset's tree is checked before anything is trained, and becomes a manifest."""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ifdd.console import console, error_console, progress_bar
from ifdd.data.crop import crop_faces
from ifdd.data.datasets.checks import (
    CHECKS,
    SHORT,
    Checked,
    check_frames,
    check_lengths,
    check_lists,
    check_unlisted,
    count,
    verdicts,
)
from ifdd.data.datasets.dfew import read_dfew
from ifdd.data.datasets.ferv39k import read_ferv39k
from ifdd.data.datasets.folder import read_folder
from ifdd.data.datasets.inventory import ClipState, Thoroughness, scan_clips
from ifdd.data.datasets.listing import Excluded, Listing, Options
from ifdd.data.datasets.mafw import read_mafw
from ifdd.data.manifest import SUBSETS, Sample, dataset_hash, write_manifest
from ifdd.data.pack import verify_pack
from ifdd.data.pack_writer import write_pack
from ifdd.errors import InputError
from ifdd.faces.detection import DetectorChoice, choose_detector
from ifdd.files import make_folder, write_text

READERS: dict[str, Callable[[Path, Options], Listing]] = {
    "dfew": read_dfew,
    "ferv39k": read_ferv39k,
    "mafw": read_mafw,
    "folder": read_folder,
}
"""Name of a dataset -> reader of its tree."""

CHOICES: dict[str, tuple[str, ...]] = {
    "dfew": ("frames",),
    "ferv39k": ("frames", "scene"),
    "mafw": ("frames", "label_set", "captioned"),
    "folder": ("subset",),
}
"""Name of a dataset -> fields of ``Options`` that it has."""

WHOLE_SCENES = ("mafw", "folder")
"""Datasets whose faces are cropped unless one wishes otherwise; the others ship crops."""

SCHEMA_VERSION = 1
FINDINGS_SHOWN = 6
"""Findings of one check, and clips of one reason, that the terminal shows; prepare.json has all."""

RARELY_FOUND_SHARE = 0.5
"""Share of the searched frames; clips whose face was found in fewer are noted."""

UNREAD = ("lists", "encoding")
"""Checks that fail where lines are not even seen."""

COLOURS = {"ok": "green", "noted": "cyan", "wrong": "red", "refused": "bold red", "not checked": "yellow"}


def prepare(
    dataset: Literal["dfew", "ferv39k", "mafw", "folder"],
    root: Path,
    out: Path,
    *,
    frames: str = "auto",
    label_set: Literal["single", "compound"] = "single",
    captioned: bool = False,
    scene: str = "",
    subset: Literal["train", "validation", "test"] = "test",
    check_frames: Literal["none", "first", "all"] = "first",
    faces: Literal["auto", "crop", "keep"] = "auto",
    face_size: int = 224,
    detector_model: Path | None = None,
    pack: bool = False,
    pack_size: int | None = None,
    pack_quality: int | None = 95,
    manifest_format: Literal["csv", "parquet"] = "csv",
    allow_incomplete: bool = False,
    workers: int = 0,
) -> None:
    """Check a dataset and write its manifest: the table of clips that training and evaluation read.

    Writes OUT/manifest.csv (or .parquet) and OUT/prepare.json: counts, published counts, the outcome of every check,
    every clip that is left out and why, and a hash of clips, labels and folds. What makes numbers wrong stops with exit
    code 2, after everything has been checked and said; then no manifest is written.

    Args:
        dataset: dfew, ferv39k or mafw as their owners hand them out; folder for clips of one's own.
        root: Folder that the dataset was unpacked to; of one's own a folder with a folder for each class (train, test
            above them if wanted), or a CSV file with the columns path and label.
        out: Folder to write to.
        frames: Which frames: clip_224x224_16f, clip_224x224, jpg_256 or original of DFEW; frames or clips of MAFW;
            auto takes the first of these that is there.
        label_set: MAFW's 11 single or 43 compound classes, which have folds of their own.
        captioned: Take MAFW's lists with captions, which lack the neutral clips.
        scene: One of FERV39k's 22 scenes, for example Crime; all of them without it.
        subset: Where clips of one's own belong if no folder or column says.
        check_frames: Decode no frames, the first of each clip, or all (slow; counts those of videos exactly).
        faces: crop cuts the main face out of every frame, upright, into OUT/faces; an interrupted run goes on where it
            was. keep takes the frames as they are. auto crops MAFW and clips of one's own, which show whole scenes.
        face_size: Side of the crops in pixels.
        detector_model: YuNet's .onnx file; without it the public one is downloaded once, and where that fails OpenCV's
            Haar cascade finds the faces, which misses more.
        pack: Also write all frames into a few large files, OUT/frames.pack; the manifest then names the pack. JPEG
            frames of 224 pixels are read hardly faster from it; larger ones are, several times, once --pack-size
            shrinks them. What is there is checked, and made anew where it is damaged or its frames have changed.
        pack_size: Pixels of the shorter side that larger frames are shrunk to in the pack; as they are without it.
        pack_quality: Of the JPEG frames that the pack needs made, 1 to 100; null stores uncompressed frames, about
            ten times as large, and read several times faster where memory holds them.
        manifest_format: A CSV or a Parquet file.
        allow_incomplete: Leave out what is wrong, and write the manifest all the same; prepare.json keeps the record.
        workers: Threads that count and read frames, and processes that crop and pack; 0: four threads and one process
            a core.
    """
    options = Options(frames, label_set, captioned, scene, subset)
    _check_choices(dataset, options)
    if workers < 0:
        raise InputError(f"--workers is {workers}; it must be at least 0")
    if face_size < 1:
        raise InputError(f"--face-size is {face_size}; it must be at least 1")
    if not root.exists():
        raise InputError(f"there is no {root}; give the folder that the dataset was unpacked to")
    make_folder(out)
    processes = workers or os.cpu_count() or 1
    listing = READERS[dataset](root, options)
    synthetic = (root / "synth.json").exists()
    states = inspect(listing, check_frames, workers or 4 * processes, synthetic)
    skipped = _skipped(listing, check_frames, synthetic)
    crops = None
    if faces == "crop" or (faces == "auto" and dataset in WHOLE_SCENES):
        if _stops(listing, allow_incomplete):
            skipped["faces"] = "after the other checks"
        else:
            detector = choose_detector(detector_model, _notify)
            crops = crop(listing, states, out / "faces", face_size, detector, processes)
    else:
        skipped["faces"] = "frames as they are"
    check_lengths(listing, states)
    checked = verdicts(listing, skipped)
    samples = samples_of(listing, states)
    show(listing, samples, checked)
    failed = [check.name for check in checked if check.verdict in ("wrong", "refused")]
    refused = [check.name for check in checked if check.verdict == "refused"]
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "dataset": dataset,
        "synthetic": synthetic,
        "root": str(root),
        "options": {name: getattr(options, name) for name in CHOICES[dataset]} | {"check_frames": check_frames},
        "manifest": None,
        "faces": crops,
        "pack": None,
        **describe(listing, states, samples, checked),
    }
    if _stops(listing, allow_incomplete):
        _write_record(out, record)
        raise InputError(_refusal(failed, refused, out, bool(samples)))
    if pack:
        samples = pack_frames(out / "frames.pack", samples, pack_size, pack_quality, processes)
        record["pack"] = {"file": "frames.pack", "sha256": verify_pack(out / "frames.pack")}
        record["pack"] |= {"size": pack_size, "quality": pack_quality}
    record["manifest"] = f"manifest.{manifest_format}"
    write_manifest(out / record["manifest"], samples)
    _write_record(out, record)
    console.print(f"Written to {out}: {record['manifest']} ({len(samples)} lines), prepare.json", highlight=False)


def inspect(listing: Listing, decode: Thoroughness, workers: int, synthetic: bool = False) -> dict[str, ClipState]:
    """Make all checks; what is left in ``listing.entries`` can be learnt and tested.

    Args:
        listing: what a reader gave.
        decode: which frames to decode.
        workers: threads.
        synthetic: the tree is SynthDFER's, whose counts are not the published ones.

    Returns:
        Clip id -> what is on disk.
    """
    if synthetic:
        listing.published = {}
    listed = {entry.clip_id for entry in listing.entries} | {excluded.clip_id for excluded in listing.excluded}
    check_lists(listing)
    sources = {entry.clip_id: entry.source for entry in listing.entries}
    with progress_bar("clips") as bar:
        task = bar.add_task("checking frames", total=len(sources))
        states = scan_clips(sources, decode, workers, lambda: bar.advance(task))
    check_frames(listing, states)
    check_unlisted(listing, listed)
    return states


def samples_of(listing: Listing, states: dict[str, ClipState]) -> list[Sample]:
    """Return the lines of the manifest, by fold, in the order of the lists."""
    return [
        Sample(
            clip_id=entry.clip_id,
            path=entry.source,
            frames=states[entry.clip_id].frames,
            label=entry.label,
            subset=entry.subset,
            fold=entry.fold,
            subject=entry.subject,
            votes=entry.votes,
        )
        for entry in listing.entries
    ]


def crop(
    listing: Listing, states: dict[str, ClipState], folder: Path, size: int, detector: DetectorChoice, workers: int
) -> dict[str, Any]:
    """Crop the faces of all clips, with a progress bar; the crops take the place of the frames in both arguments.

    Clips in which no face is found, or seldom, are noted; clips that cannot be read are wrong, and left out.

    Returns:
        ``{"folder": name, "size": pixels, "detector": name, "clips", "without_face", "several_people": numbers of
        clips, "frames_left_out": number of frames that do not show the face}``.
    """
    samples = samples_of(listing, states)
    with progress_bar("clips") as bar:
        task = bar.add_task("cropping faces", total=len({sample.clip_id for sample in samples}))
        cropped = crop_faces(
            samples,
            folder,
            size=size,
            detector=detector,
            workers=workers,
            advance=lambda count: bar.advance(task, count),
        )
    states.update({clip_id: ClipState(0, reason) for clip_id, reason in cropped.unreadable.items()})
    states.update({clip_id: ClipState(record.frames) for clip_id, record in cropped.records.items()})
    check_frames(listing, states)
    listing.entries = [entry._replace(source=folder / entry.clip_id) for entry in listing.entries]
    for clip_id in cropped.without_face:
        message = f"clip {clip_id}: no face was found; its frames are the middle squares of the pictures"
        listing.report("faces", "note", message, clip_id)
    followed = {clip_id: record for clip_id, record in cropped.records.items() if not record.centre_crop}
    for clip_id, record in followed.items():
        if record.face_share < RARELY_FOUND_SHARE:
            message = (
                f"clip {clip_id}: the face was found in {record.face_share:.0%} of the frames searched; "
                f"{record.frames} of {record.source_frames} frames are kept"
            )
            listing.report("faces", "note", message, clip_id)
    return {
        "folder": folder.name,
        "size": size,
        "detector": detector().name,
        "clips": len(cropped.records),
        "without_face": len(cropped.without_face),
        "several_people": sum(record.people > 1 for record in cropped.records.values()),
        "frames_left_out": sum(record.source_frames - record.frames for record in followed.values()),
    }


def pack_frames(
    path: Path, samples: Sequence[Sample], size: int | None, quality: int | None, workers: int
) -> list[Sample]:
    """Pack the frames of samples, with a progress bar; return the samples as they are in the pack."""
    with progress_bar("clips") as bar:
        task = bar.add_task("packing", total=len({sample.clip_id for sample in samples}))
        return write_pack(
            path,
            samples,
            size=size,
            quality=quality,
            workers=workers,
            advance=lambda count: bar.advance(task, count),
        )


def describe(
    listing: Listing, states: dict[str, ClipState], samples: Sequence[Sample], checked: Sequence[Checked]
) -> dict[str, Any]:
    """Return everything that was found, as JSON can hold it.

    ``{"label_set", "classes": in their order, "frames": the kind, "lists": files that were read, "verdict": "complete",
    "incomplete" or "refused", "dataset_hash", "clips": number of different ones, "lines": of the manifest, "length":
    frames of a clip {"least", "mean", "most", "short": clips under 16}, "counts" and "published": fold -> subset ->
    class -> clips, "checks": [{"name", "question", "verdict", "reason", "findings": [{"severity", "message",
    "clip_id"}]}], "excluded": [{"clip_id", "subset", "fold", "where", "reason"}]}``.
    """
    verdicts_ = {check.verdict for check in checked}
    lengths = [states[clip_id].frames for clip_id in {sample.clip_id for sample in samples}]
    return {
        "label_set": listing.label_set,
        "classes": list(listing.classes),
        "frames": listing.variant,
        "lists": listing.lists,
        "verdict": "refused" if "refused" in verdicts_ else "incomplete" if "wrong" in verdicts_ else "complete",
        "dataset_hash": dataset_hash(samples),
        "clips": len(lengths),
        "lines": len(samples),
        "length": {
            "least": min(lengths, default=0),
            "mean": round(fmean(lengths), 2) if lengths else 0,
            "most": max(lengths, default=0),
            "short": sum(length < SHORT for length in lengths),
        },
        "counts": _by_fold(count(listing.entries, listing.labels), listing.classes),
        "published": _by_fold(listing.published, listing.classes),
        "checks": [
            {
                "name": check.name,
                "question": CHECKS[check.name],
                "verdict": check.verdict,
                "reason": check.reason,
                "findings": [
                    {"severity": finding.severity, "message": finding.message, "clip_id": finding.clip_id}
                    for finding in check.findings
                ],
            }
            for check in checked
        ],
        "excluded": [excluded._asdict() for excluded in listing.excluded],
    }


def show(listing: Listing, samples: Sequence[Sample], checked: Sequence[Checked]) -> None:
    """Print counts, checks, findings and what is left out."""
    for table in counts_tables(listing):
        console.print(table)
    console.print(checks_table(checked))
    for check in checked:
        worst_first = sorted(check.findings, key=lambda finding: finding.severity == "note")
        _print_some(f"{check.name}: {check.verdict}", [finding.message for finding in worst_first])
    reasons = defaultdict(list)
    for excluded in listing.excluded:
        reasons[excluded.reason.partition(":")[0]].append(excluded)
    for reason, group in reasons.items():
        _print_some(f"Left out, {reason}: {len(group)} lines of {_clips(group)} clips", map(_place, group))
    unread = [check for check in checked if check.name in UNREAD and check.verdict in ("wrong", "refused")]
    if unread:
        console.print("The clips of lists that are missing or cannot be read are left out; nobody knows which.")
    if not listing.excluded and not unread:
        console.print("No clip is left out.")
    console.print(f"Dataset hash {dataset_hash(samples)}", highlight=False)


def counts_tables(listing: Listing) -> list[Table]:
    """Return clips of each class; where others are published, these stand in brackets.

    One table a subset with a column a fold, or, where there are no folds, one table with a column a subset.
    """
    counted = count(listing.entries, listing.labels)
    pairs = sorted(counted.keys() | listing.published.keys(), key=lambda pair: (SUBSETS.index(pair[1]), pair[0]))
    title = f"{listing.dataset} ({listing.variant})"
    if all(fold == 0 for fold, _ in pairs):
        return [_counts_table(listing, counted, title, {subset: (fold, subset) for fold, subset in pairs})]
    return [
        _counts_table(listing, counted, f"{title}: {subset}", {f"fold {pair[0]}": pair for pair in group})
        for subset, group in groupby(pairs, key=lambda pair: pair[1])
    ]


def _counts_table(
    listing: Listing,
    counted: dict[tuple[int, str], tuple[int, ...]],
    title: str,
    columns: dict[str, tuple[int, str]],
) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("clips of", overflow="fold", min_width=14)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for place, name in enumerate(listing.classes):
        table.add_row(name, *(_cell(counted, listing.published, pair, place) for pair in columns.values()))
    table.add_section()
    table.add_row("all", *(_cell(counted, listing.published, pair, None) for pair in columns.values()))
    return table


def checks_table(checked: Sequence[Checked]) -> Table:
    """Return the outcome of each check."""
    table = Table(title="checks", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for header in ("check", "so it is when all is well", "verdict", "found"):
        table.add_column(header, justify="right" if header == "found" else "left")
    for check in checked:
        colour = COLOURS[check.verdict]
        found = check.reason or str(len(check.findings) or "")
        table.add_row(check.name, CHECKS[check.name], f"[{colour}]{check.verdict}[/]", found)
    return table


def _notify(line: str) -> None:
    error_console.print(line, markup=False, highlight=False, soft_wrap=True)


def _check_choices(dataset: str, options: Options) -> None:
    """Refuse an option that the dataset does not have."""
    for name, default in Options._field_defaults.items():
        if getattr(options, name) != default and name not in CHOICES[dataset]:
            owners = ", ".join(owner for owner, names in CHOICES.items() if name in names)
            raise InputError(f"--{name.replace('_', '-')} is for {owners}, not for {dataset}; leave it out")


def _skipped(listing: Listing, decode: str, synthetic: bool) -> dict[str, str]:
    """Return check -> why it could not be made."""
    skipped = {}
    if not listing.published:
        skipped["counts"] = "SynthDFER" if synthetic else "none published"
    if decode == "none":
        skipped["readable"] = "not asked for"
    if listing.dataset != "dfew":
        skipped["votes"] = "DFEW's" if listing.dataset != "folder" else "as given"
    if not any(fold for fold, _ in listing.expected):
        skipped["partition"] = "no folds"
    return skipped


def _write_record(out: Path, record: dict[str, Any]) -> None:
    write_text(out / "prepare.json", json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def _stops(listing: Listing, allow_incomplete: bool) -> bool:
    """Return whether no manifest may be written."""
    severities = {finding.severity for finding in listing.findings}
    return not listing.entries or "refused" in severities or ("wrong" in severities and not allow_incomplete)


def _refusal(failed: list[str], refused: list[str], out: Path, any_left: bool) -> str:
    """Return the one line that says why no manifest was written and what to do."""
    stale = " (the one that is there is of an earlier run)" if any(out.glob("manifest.*")) else ""
    where = f"no manifest was written{stale}; {out / 'prepare.json'} holds everything that was found"
    if not any_left:
        why = ", ".join(failed) or "the lists name none of those that were asked for"
        return f"no clip is left: {why}: {where}; repair the dataset or ask for others"
    if refused:
        return f"refused: {', '.join(refused)}: {where}; repair the lists"
    return f"wrong: {', '.join(failed)}: {where}; repair it, or go on without what is wrong: --allow-incomplete true"


def _by_fold(
    counts: dict[tuple[int, str], tuple[int, ...]], classes: Sequence[str]
) -> dict[str, dict[str, dict[str, int]]]:
    """Return fold -> subset -> class -> clips."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for (fold, subset), numbers in sorted(counts.items(), key=lambda item: item[0][0]):
        found.setdefault(str(fold), {})[subset] = dict(zip(classes, numbers, strict=True))
    return found


def _cell(
    counted: dict[tuple[int, str], tuple[int, ...]],
    published: dict[tuple[int, str], tuple[int, ...]],
    pair: tuple[int, str],
    place: int | None,
) -> str:
    """Return one number of the table: of a class, or of all where ``place`` is None."""
    part = slice(place, None if place is None else place + 1)
    found, should = sum(counted.get(pair, ())[part]), sum(published.get(pair, ())[part])
    return f"[red]{found}[/] ({should})" if pair in published and found != should else str(found)


def _clips(group: Sequence[Excluded]) -> int:
    return len({excluded.clip_id or excluded.where for excluded in group})


def _place(excluded: Excluded) -> str:
    return f"{excluded.clip_id or 'a line'} ({excluded.where}): {excluded.reason}"


def _print_some(title: str, lines: Iterable[str]) -> None:
    """Print a title and the first of some lines; nothing if there are none."""
    all_lines = list(lines)
    if not all_lines:
        return
    console.print(f"[bold]{escape(title)}[/]")
    for line in all_lines[:FINDINGS_SHOWN]:
        console.print(f"  {line}", highlight=False, markup=False)
    if len(all_lines) > FINDINGS_SHOWN:
        console.print(f"  ... and {len(all_lines) - FINDINGS_SHOWN} more, all in prepare.json", highlight=False)
