"""Cropping as a step of ``ifdd prepare``: the crops replace the frames, and what was found is recorded."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ifdd.clusters import LOCAL, Cluster
from ifdd.console import progress_bar
from ifdd.data.crop import crop_faces
from ifdd.data.datasets.checks import check_frames
from ifdd.data.datasets.inventory import ClipState
from ifdd.data.datasets.listing import Listing
from ifdd.data.manifest import Sample
from ifdd.errors import InputError
from ifdd.faces.detection import DetectorChoice, finds_landmarks, own_model
from ifdd.faces.main_face import DETECTION_SECONDS
from ifdd.faces.similarity import Alignment
from ifdd.names import Disk, same_file
from ifdd.records import FacesRecord, PrepareRecord

WHOLE_SCENES = ("mafw", "cremad", "ravdess", "folder", "annotations", "manifest")
"""Datasets of whole scenes, whose faces are cropped by default; the others ship crops."""

UNCROPPED = (("dfew", "jpg_256"), ("dfew", "original"))
"""Datasets and kinds of frames that show whole scenes, although the dataset ships crops."""

RARELY_FOUND_SHARE = 0.5
"""Clips whose face was found in a smaller share of the searched frames are noted."""


def crops_faces(dataset: str, faces: str) -> bool:
    """Whether the faces are cropped."""
    return faces == "crop" or (faces == "auto" and dataset in WHOLE_SCENES)


def note_uncropped(listing: Listing) -> None:
    """Note frames of whole scenes that are not cropped by default."""
    if (listing.dataset, listing.variant) in UNCROPPED:
        message = f"the frames of {listing.variant} show whole scenes; --faces crop crops them to the faces"
        listing.report("faces", "note", message)


def check_detector(alignment: Alignment, detector: DetectorChoice) -> None:
    """Check up front that a detector can be built and fits the alignment.

    Raises:
        InputError: its file does not exist or is not a YuNet model; or it finds no landmarks, and they are needed.
    """
    finds = finds_landmarks(detector())
    if alignment == "landmarks" and not finds:
        raise InputError(
            "--alignment landmarks needs YuNet, because OpenCV's Haar cascade finds no landmarks; give its file with "
            "--detector-model FILE, or use --alignment box"
        )


def samples_of(listing: Listing, states: dict[str, ClipState]) -> list[Sample]:
    """Return the samples of the manifest, by fold, in the order of the lists."""
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
            fps=None if (timing := states[entry.clip_id].timing) is None else timing.fps,
            durations="" if timing is None else timing.durations,
            attributes=dict(entry.attributes),
        )
        for entry in listing.entries
    ]


def _refuse_one_folder_for_two(samples: Sequence[Sample], folder: Path) -> None:
    """Refuse clips whose crops would replace each other, because the disk takes their names for one.

    Raises:
        InputError: there are such clips.
    """
    first: dict[str, str] = {}
    for clip_id in dict.fromkeys(sample.clip_id for sample in samples):
        other = first.setdefault(same_file(clip_id), clip_id)
        if other != clip_id and Disk.of(folder).folds:
            raise InputError(f"clips {other} and {clip_id} would be one folder on the disk of {folder}; rename one")


def crop(
    listing: Listing,
    states: dict[str, ClipState],
    folder: Path,
    size: int,
    detector: DetectorChoice,
    workers: int | None,
    alignment: Alignment = "box",
    search_seconds: float = DETECTION_SECONDS,
    cluster: Cluster = LOCAL,
    replacing: Callable[[], object] = lambda: None,
) -> FacesRecord:
    """Crop the faces of all clips, with a progress bar; the crops replace the frames in ``listing`` and ``states``.

    Clips whose face is found rarely or never are noted; unreadable clips are wrong and excluded.
    """
    samples = samples_of(listing, states)
    _refuse_one_folder_for_two(samples, folder)
    with progress_bar("clips") as bar:
        task = bar.add_task("cropping faces", total=len({sample.clip_id for sample in samples}))
        cropped = crop_faces(
            samples,
            folder,
            size=size,
            alignment=alignment,
            interval_seconds=search_seconds,
            detector=detector,
            workers=workers,
            cluster=cluster,
            advance=lambda count: bar.advance(task, count),
            replacing=replacing,
        )
    states.update({clip_id: ClipState(0, reason) for clip_id, reason in cropped.unreadable.items()})
    timings = {sample.clip_id: sample.timing for sample in cropped.samples}
    for clip_id, record in cropped.records.items():
        states[clip_id] = ClipState(record.frames, timing=timings[clip_id], origin=states[clip_id].origin)
    check_frames(listing, states)
    listing.entries = [entry._replace(source=folder / entry.clip_id) for entry in listing.entries]
    for clip_id in cropped.without_face:
        message = f"clip {clip_id}: no face was found; the centre of its frames is used"
        listing.report("faces", "note", message, clip_id)
    for clip_id in cropped.without_landmarks:
        message = f"clip {clip_id}: no plausible landmarks were found; its crops follow the face's box"
        listing.report("faces", "note", message, clip_id)
    for clip_id in cropped.uncertain_turn:
        message = f"clip {clip_id}: which way up its face is remained uncertain; look at its crops"
        listing.report("faces", "note", message, clip_id)
    for clip_id, record in cropped.records.items():
        if record.turns:
            angles = " and ".join(map(str, record.turns))
            message = f"clip {clip_id}: its face is turned by {angles} degrees (clockwise); the crops show it upright"
            listing.report("faces", "note", message, clip_id)
    followed = {clip_id: record for clip_id, record in cropped.records.items() if not record.centre_crop}
    for clip_id, record in followed.items():
        if record.face_share < RARELY_FOUND_SHARE:
            message = (
                f"clip {clip_id}: the face was found in {record.face_share:.0%} of the searched frames; "
                f"{record.frames} of {record.source_frames} frames are kept"
            )
            listing.report("faces", "note", message, clip_id)
    built = detector()
    return FacesRecord(
        folder=folder.name,
        size=size,
        detector=built.name,
        clips=len(cropped.records),
        without_face=len(cropped.without_face),
        several_people=sum(record.people > 1 for record in cropped.records.values()),
        frames_left_out=sum(record.source_frames - record.frames for record in followed.values()),
        alignment=None if alignment == "box" else alignment,
        interval_seconds=None if search_seconds == DETECTION_SECONDS else search_seconds,
        without_landmarks=None if alignment == "box" else len(cropped.without_landmarks),
        detector_sha256=own_model(built),
    )


def kept_crops(earlier: PrepareRecord | None, folder: Path, out: Path) -> FacesRecord | None:
    """Return the record in ``out`` of the crops that an earlier preparation made in ``folder``; None without crops."""
    if earlier is None or earlier.faces is None:
        return None
    return replace(earlier.faces, folder=os.path.relpath(folder / earlier.faces.folder, out))
