"""``ifdd prepare``: check a dataset before anything is trained, and write its manifest."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from ifdd.annotations.renaming import parse_choices
from ifdd.clusters import Cluster, ClusterKind
from ifdd.console import console, error_console, progress_bar
from ifdd.data.annotated.cutting import cut_annotated
from ifdd.data.datasets import READERS, Options
from ifdd.data.datasets.checks import check_lengths, verdicts
from ifdd.data.datasets.rates import check_rates, synthetic_rate
from ifdd.data.manifest import Sample, write_manifest
from ifdd.data.packs.reader import verify_pack
from ifdd.data.packs.writer import write_pack
from ifdd.data.preparation.faces import check_detector, crop, crops_faces, kept_crops, note_uncropped, samples_of
from ifdd.data.preparation.inspection import inspect, skipped_checks, stops
from ifdd.data.preparation.output import FAILED, drop_replaced, findings_file, refusal, refuse_to_replace, withdraw
from ifdd.data.preparation.record import describe
from ifdd.data.preparation.tables import show
from ifdd.errors import InputError, check_range
from ifdd.faces.detection import DetectorKind, choose_detector
from ifdd.faces.main_face import DETECTION_SECONDS
from ifdd.faces.similarity import Alignment
from ifdd.files import expand, file_sha256, make_folder
from ifdd.processes import available_cores
from ifdd.records import PackRecord, PrepareRecord

FACE_SIZE = 224
"""Side of the crops in pixels."""

PACK_QUALITY = 95
"""JPEG quality of reduced frames in a pack."""

CHOICES: dict[str, tuple[str, ...]] = {
    "dfew": ("frames",),
    "ferv39k": ("frames", "scene"),
    "mafw": ("frames", "label_set", "captioned"),
    "cremad": ("labels",),
    "ravdess": ("channel", "calm"),
    "folder": ("subset", "synonyms"),
    "annotations": ("tier", "rename", "clip_seconds", "synonyms"),
    "manifest": ("synonyms",),
}
"""Dataset -> the fields of ``Options`` that apply to it."""


def prepare(
    dataset: Literal["dfew", "ferv39k", "mafw", "cremad", "ravdess", "folder", "annotations", "manifest"],
    root: Path,
    out: Path,
    *,
    frames: str = "auto",
    label_set: Literal["single", "compound"] = "single",
    captioned: bool = False,
    scene: str = "",
    labels: Literal["intended", "votes"] = "intended",
    channel: Literal["speech", "song", "both"] = "speech",
    calm: Literal["keep", "neutral", "drop"] = "keep",
    subset: Literal["train", "validation", "test"] = "test",
    tier: str = "",
    rename: str = "",
    clip_seconds: float = 4.0,
    synonyms: bool = False,
    fps: float | None = None,
    check_frames: Literal["none", "first", "all"] = "first",
    faces: Literal["auto", "crop", "keep"] = "auto",
    face_size: int = FACE_SIZE,
    alignment: Alignment = "box",
    search_seconds: float = DETECTION_SECONDS,
    detector: DetectorKind = "auto",
    detector_model: Path | None = None,
    pack: bool = False,
    pack_size: int | None = None,
    pack_quality: int | None = PACK_QUALITY,
    manifest_format: Literal["csv", "parquet"] = "csv",
    allow_incomplete: bool = False,
    workers: int | None = None,
    cluster: ClusterKind = "local",
    cluster_address: str | None = None,
    cluster_cores: int | None = None,
) -> None:
    """Check a dataset and write its manifest: the table of clips that training and evaluation read.

    Writes OUT/manifest.csv (or .parquet) and OUT/prepare.json: counts, published counts, the outcome of every check,
    every excluded clip with the reason, and a hash of clips, labels and folds. If anything would make scores wrong,
    prepare completes all checks, writes no manifest and exits with code 2; beside the manifest of an earlier run, the
    findings are then in OUT/prepare.failed.json.

    Args:
        dataset: dfew, ferv39k, mafw, cremad or ravdess in the owners' layout; folder for your own clips; annotations
            for long videos of one person each that were coded in ELAN, Praat or BORIS, which are cut into clips;
            manifest for the clips of an existing manifest, such as that of 'ifdd synth', whose labels, subsets and
            folds are kept.
        root: The unpacked dataset. For your own clips, a folder with one folder per class (below train and test, if
            you like), or a CSV file with the columns path and label. For annotations, a folder with the files of
            annotations beside the videos of the same name, or a CSV file with the columns video, annotation and
            subject. For manifest, the file manifest.csv.
        out: Folder to write to.
        frames: Kind of frames: clip_224x224_16f, clip_224x224, jpg_256 or original for DFEW; frames or clips for
            MAFW; auto takes the first that exists.
        label_set: MAFW's 11 single or 43 compound classes; each has its own folds.
        captioned: Use MAFW's lists with captions, which lack the neutral clips.
        scene: One of FERV39k's 22 scenes, for example Crime. Default: all.
        labels: Label of a CREMA-D clip: the emotion that the actor intended, or the majority of the crowd's votes on
            the face alone. Of a tie, the intended emotion counts if it is among the tied ones; otherwise the clip is
            left out. The manifest has the votes as soft labels in both cases.
        channel: Clips of RAVDESS to take: speech (8 classes), song (6 classes) or both.
        calm: RAVDESS's class calm: keep it (8 classes), count it as neutral, or drop its clips (7 classes, DFEW's).
        subset: Subset of your own clips if no folder or column names one.
        tier: Tier of the annotations that has the labels. Default: the only one.
        rename: Labels of the annotations that stand for a class, such as 'smile=happy,talking='; with nothing behind
            the equals sign, a label is left out.
        clip_seconds: Longest clip that is cut from annotated videos; a longer annotation gives several.
        synonyms: Read other spellings of an emotion as one class, happiness and joy as happy; for your own clips,
            annotations and a manifest. By default, class names are kept as they are written.
        fps: Frame rate of all clips that are folders of images in frames per second, because images have no times.
            Default: the rate that the dataset or a column fps states; if there is none, 25 is assumed, which is
            reported. The times of videos come from their files.
        check_frames: Decode no images, the first of each clip, or all (slow). Videos are always decoded.
        faces: crop crops the main face of every frame, upright, to OUT/faces; an interrupted run resumes. keep uses
            the frames as they are. auto crops MAFW, CREMA-D, RAVDESS, your own clips and those of a manifest, which
            show whole scenes.
        face_size: Side of the crops in pixels.
        alignment: box crops an upright square around the face; landmarks brings eyes, nose and mouth to fixed places.
            The model must be trained with the same model.overrides alignment.
        search_seconds: Time from one search for faces to the next; for short clips of small pictures, 0.2 halves the
            time that cropping takes.
        detector: Face detector: yunet, whose file is downloaded once; haar, OpenCV's cascade, which needs no file and
            no network and finds fewer faces; auto takes yunet, or haar if yunet cannot be downloaded.
        detector_model: Path to YuNet's .onnx file, instead of the public one.
        pack: Also write all frames into a few large files, OUT/frames.pack, which the manifest then names. JPEG frames
            of 224 pixels are read hardly faster from a pack; larger ones are read several times faster once --pack-size
            reduces them. An existing pack is checked, and rewritten where it is damaged or its frames have changed.
        pack_size: Reduce larger frames in the pack to this shorter side in pixels; default: keep their size.
        pack_quality: JPEG quality of reduced frames in the pack, 1 to 100; null stores uncompressed frames, about ten
            times as large and several times as fast to read from memory.
        manifest_format: File format of the manifest.
        allow_incomplete: Exclude the clips that fail a check and write the manifest; prepare.json keeps the record.
        workers: Worker processes that crop and pack, and threads that read frames; 0 works in the main process.
            Default: one process and four threads per core; on a cluster, as many as it has room for.
        cluster: Where to crop faces: local, on this machine; ray, on a Ray cluster, whose machines share ROOT and OUT
            by the same paths. Without a cluster, one is started here.
        cluster_address: Address of the Ray cluster. Default: RAY_ADDRESS, or the cluster of this machine.
        cluster_cores: Cores of a worker on the cluster. Default: 1.
    """
    options = Options(
        frames, label_set, captioned, scene, subset, labels, channel, calm, tier, rename, clip_seconds, synonyms
    )
    _check_choices(dataset, options)
    renamed = parse_choices("--rename", rename)
    check_range("--clip-seconds", clip_seconds, at_least=1)
    check_range("--fps", fps, above=0)
    check_range("--workers", workers, at_least=0)
    check_range("--face-size", face_size, at_least=1)
    check_range("--search-seconds", search_seconds, above=0)
    check_range("--pack-size", pack_size, at_least=1)
    check_range("--pack-quality", pack_quality, at_least=1, at_most=100)
    cropping = {
        "alignment": alignment != "box",
        "face-size": face_size != FACE_SIZE,
        "search-seconds": search_seconds != DETECTION_SECONDS,
        "detector": detector != "auto",
        "detector-model": detector_model is not None,
    }
    _refuse_idle(cropping, crops_faces(dataset, faces), "cropped faces; add --faces crop")
    _refuse_idle({"pack-size": pack_size is not None, "pack-quality": pack_quality != PACK_QUALITY}, pack, "--pack")
    place = Cluster(cluster, cluster_address, 1 if cluster_cores is None and cluster == "ray" else cluster_cores)
    root, out = expand(root), expand(out)
    if not root.exists():
        raise InputError(f"{root} does not exist; give the folder that the dataset was unpacked to")
    refuse_to_replace(dataset, root, out, out / f"manifest.{manifest_format}")
    make_folder(out)
    choice = None
    if crops_faces(dataset, faces):
        choice = choose_detector(detector_model, _notify, kind=detector)
        check_detector(alignment, choice)
    processes = available_cores() if workers is None else max(workers, 1)
    croppers = processes if place.kind == "local" else workers
    threads = 4 * processes if workers is None else processes
    given = root
    if dataset == "annotations":
        root = cut_annotated(
            given,
            out / "clips",
            tier=tier,
            renamed=renamed,
            synonyms=synonyms,
            clip_seconds=clip_seconds,
            workers=processes,
        )
    listing = READERS[dataset](root, options)
    synthetic = any(((each if each.is_dir() else each.parent) / "synth.json").exists() for each in (root, given))
    if listing.earlier is not None:
        synthetic = synthetic or listing.earlier.synthetic
    states = inspect(listing, check_frames, threads, synthetic, fps, synthetic_rate(root))
    skipped = skipped_checks(listing, check_frames, synthetic)
    crops = None
    if choice is None:
        skipped["faces"] = "frames as they are"
        crops = kept_crops(listing.earlier, root.parent, out)
        if faces == "auto":
            note_uncropped(listing)
    elif stops(listing, allow_incomplete):
        skipped["faces"] = "after the other checks"
    else:
        crops = crop(
            listing,
            states,
            out / "faces",
            face_size,
            choice,
            croppers,
            alignment,
            search_seconds,
            place,
            partial(withdraw, out, "crops"),
        )
    check_lengths(listing, states)
    check_rates(listing, states)
    checked = verdicts(listing, skipped)
    samples = samples_of(listing, states)
    findings = findings_file(out) if stops(listing, allow_incomplete) else out / PrepareRecord.FILE
    show(listing, samples, checked, findings.name)
    failed = [check.name for check in checked if check.verdict in ("wrong", "refused")]
    refused = [check.name for check in checked if check.verdict == "refused"]
    chosen = {name: getattr(options, name) for name in CHOICES[dataset]} | {"check_frames": check_frames}
    chosen |= {} if fps is None else {"fps": fps}
    record = describe(
        listing, states, samples, checked, synthetic=synthetic, root=given, out=out, options=chosen, faces=crops
    )
    if stops(listing, allow_incomplete):
        record.write(findings)
        raise InputError(refusal(failed, refused, findings, bool(samples)))
    if pack:
        withdraw_pack = partial(withdraw, out, "a pack")
        samples = pack_frames(out / "frames.pack", samples, pack_size, pack_quality, processes, withdraw_pack)
        packed = PackRecord("frames.pack", verify_pack(out / "frames.pack"), pack_size, pack_quality)
        record = replace(record, pack=packed)
    manifest = f"manifest.{manifest_format}"
    write_manifest(out / manifest, samples)
    drop_replaced(out, manifest)
    replace(record, manifest=manifest, manifest_sha256=file_sha256(out / manifest)).write(out / record.FILE)
    (out / FAILED).unlink(missing_ok=True)
    console.print(f"Written to {out}: {manifest} ({len(samples)} lines), {record.FILE}", highlight=False, markup=False)
    if record.rates is not None:
        console.print(f"Frame rates: {record.rates.words}", highlight=False, markup=False)
    if record.licence is not None:
        console.print(f"Licence of {record.licence}", highlight=False)


def pack_frames(
    path: Path,
    samples: Sequence[Sample],
    size: int | None,
    quality: int | None,
    workers: int,
    replacing: Callable[[], object] | None = None,
) -> list[Sample]:
    """Pack the frames of samples, with a progress bar; return the samples with the pack as path.

    Args:
        path: the pack.
        samples: the clips.
        size: as for ``write_pack``.
        quality: as for ``write_pack``.
        workers: processes.
        replacing: as for ``write_pack``.
    """
    with progress_bar("clips") as bar:
        task = bar.add_task("packing", total=len({sample.clip_id for sample in samples}))
        return write_pack(
            path,
            samples,
            size=size,
            quality=quality,
            workers=workers,
            advance=lambda count: bar.advance(task, count),
            replacing=replacing,
        )


def _notify(line: str) -> None:
    error_console.print(line, markup=False, highlight=False, soft_wrap=True)


def _refuse_idle(given: dict[str, bool], used: bool, needed: str) -> None:
    """Refuse options that have no effect."""
    for name, is_given in given.items():
        if is_given and not used:
            raise InputError(f"--{name} needs {needed}, or leave it out")


def _check_choices(dataset: str, options: Options) -> None:
    """Refuse an option that does not apply to the dataset."""
    for name, default in Options._field_defaults.items():
        if getattr(options, name) != default and name not in CHOICES[dataset]:
            owners = ", ".join(owner for owner, names in CHOICES.items() if name in names)
            raise InputError(f"--{name.replace('_', '-')} applies to {owners}, not to {dataset}; leave it out")
