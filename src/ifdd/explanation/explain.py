"""``ifdd explain``: show what a checkpoint makes of one clip, as a picture and as a page."""

import re
from dataclasses import replace
from pathlib import Path

from ifdd.console import console, error_console, video_bar
from ifdd.data.manifest import Manifest
from ifdd.errors import InputError, check_range
from ifdd.evaluation.protocol import note_alignment, try_describing
from ifdd.explanation.clips import ChosenClip, VideoReading, clip_of_faces, clip_of_manifest, clip_of_video
from ifdd.explanation.explanation import Explanation
from ifdd.explanation.explanation import explain as explain_clip
from ifdd.explanation.figure import write_picture
from ifdd.explanation.page import explanation_page
from ifdd.faces.detection import DetectorKind, choose_detector
from ifdd.faces.tracking import TrackingOptions
from ifdd.files import expand, is_folder, make_folder, try_writing, write_text
from ifdd.model import DEFAULT, Checkpoint, choose_device, load_checkpoint
from ifdd.names import Disk, printable
from ifdd.remote.addresses import hide_password, is_address
from ifdd.video.sources import CAMERA, STDIN, SourceOptions

ENDING = "_explanation"
"""Before the suffixes of the files: 'ifdd recognize' may write others of the same name."""


def explain(
    video: str,
    *,
    checkpoint: Path = Path(DEFAULT),
    against: Path | None = None,
    at: float | None = None,
    person: int | None = None,
    clip: str = "",
    faces: bool = False,
    target: str = "",
    out: Path = Path("explanation"),
    detector: DetectorKind = "auto",
    detector_model: Path | None = None,
    device: str = "auto",
    source: SourceOptions = SourceOptions(),  # noqa: B008 (frozen)
    tracking: TrackingOptions = TrackingOptions(),  # noqa: B008 (frozen)
) -> None:
    """Show what a checkpoint makes of one clip: frames, sampled positions, heat maps, probabilities.

    Writes OUT/NAME_explanation.png and OUT/NAME_explanation.html, a page in one file; NAME is that of the video or the
    clip. In a video, faces are found and cropped as by 'ifdd recognize', and one window is explained: the most
    confident one, or that of --at and --person. With --clip, VIDEO is a manifest; with --faces, it shows a cropped
    face, as the clips of datasets do.

    Args:
        video: Video file, folder of images or URL; or a manifest, with --clip.
        checkpoint: Checkpoint to explain: a .safetensors file that 'ifdd train' wrote, or a bundled one: ifdd_face,
            which has neither ISSM nor LADM, or ifdd_tiny_synth, which has both and knows drawn faces.
        against: Another checkpoint, explained below the first for the same person and time; with --clip and --faces,
            each samples the frames of the clip as in its training.
        at: Time in seconds from the first frame that is read, as in the JSON file: explain the window whose middle is
            nearest to it.
        person: Number of the person, as 'ifdd recognize' counts them.
        clip: Name of the manifest's clip to explain, its clip_id; its frames are sampled as in training.
        faces: Take the frames as they are: they are faces already.
        target: Class whose evidence the heat maps show. Default: the most probable one of each checkpoint.
        out: Folder to write to.
        detector: Face detector: yunet, whose file is downloaded once; haar, OpenCV's cascade, which needs no file and
            no network and finds fewer faces; auto takes yunet, or haar if yunet cannot be downloaded.
        detector_model: Path to YuNet's .onnx file, instead of the public one.
        device: Device to run the model on: auto (a CUDA GPU if there is one, otherwise the CPU), cpu, cuda, cuda:1 (the
            second GPU) or mps (the GPU of a Mac).
        source: Frame rate of images, timeouts, the part of the video to read.
        tracking: Face tracking.

    Raises:
        InputError: the video, the clip, a checkpoint or an option is wrong; no face is found; or the clip is too short.
    """
    check_range("--at", at, at_least=0)
    check_range("--person", person, at_least=1)
    _check_combination(video, against, at, person, clip, faces)
    out, device = expand(out), choose_device(device)
    paths = [expand(path) for path in (checkpoint, against) if path is not None]
    checkpoints = [load_checkpoint(path) for path in paths]  # their errors come before a video is read
    _check_target(target, paths, checkpoints)
    _check_folder(out)
    manifest = Manifest.read(expand(video)) if clip else None
    described = None if manifest is None else try_describing(manifest)
    if not clip and not faces:
        _check_exists(video)
        choice = choose_detector(detector_model, _notify, kind=detector)
        reading = VideoReading(choice, source, tracking, device)
    explanations: list[Explanation] = []
    chosen: ChosenClip | None = None
    for path, loaded in zip(paths, checkpoints, strict=True):
        if manifest is not None:
            chosen = clip_of_manifest(manifest, clip, loaded)
            if described is not None:
                note_alignment(path, loaded.config.alignment, manifest.path, described)
        elif faces:
            chosen = clip_of_faces(expand(video), loaded)
        else:  # a further checkpoint explains the same person and time
            where = (person, at) if chosen is None else (chosen.person, chosen.middle_seconds)
            chosen = _clip_of_video(video, loaded, reading, *where)
        loaded.model.to(device)
        explained = explain_clip(loaded, chosen.frames, target or None, source=chosen.source, label=chosen.label)
        explanations.append(replace(explained, checkpoint=path.name))
    _write(explanations, out, Disk.of(out).fit(_clip_name(clip) if clip else _video_name(video)))


def _clip_of_video(
    video: str, loaded: Checkpoint, reading: VideoReading, person: int | None, at: float | None
) -> ChosenClip:
    bar = video_bar()
    try:
        return clip_of_video(video, loaded, reading, person, at, bar)
    finally:
        if bar.live.is_started:  # stopping it earlier would print an empty line
            bar.stop()


def _check_combination(
    video: str, against: Path | None, at: float | None, person: int | None, clip: str, faces: bool
) -> None:
    """Refuse options that contradict each other."""
    if clip and faces:
        raise InputError("--clip reads a manifest and --faces a folder or video of faces; leave one of them out")
    if (clip or faces) and (at is not None or person is not None):
        raise InputError(
            f"--at and --person choose a window of a video; leave them out with {'--clip' if clip else '--faces'}"
        )
    if not clip and not faces and Path(video).suffix.lower() in (".csv", ".parquet"):
        raise InputError(f"{video} is a table; name the clip of the manifest to explain with --clip")
    if against is not None and (video == STDIN or video.startswith(CAMERA) or is_address(video)):
        raise InputError(
            f"--against reads the video twice, and {hide_password(video)} can be read only once; record it first"
        )


def _check_target(target: str, paths: list[Path], checkpoints: list[Checkpoint]) -> None:
    for path, loaded in zip(paths, checkpoints, strict=True):
        if target and target not in loaded.classes:
            raise InputError(f"--target {target!r} is not a class of {path}; choose one of {', '.join(loaded.classes)}")


def _check_folder(out: Path) -> None:
    try:
        try_writing(out)
    except OSError as error:
        raise InputError(
            f"cannot write to the folder {out}: {error.strerror or error}; choose another one with --out"
        ) from error


def _check_exists(video: str) -> None:
    live = video == STDIN or video.startswith(CAMERA) or is_address(video)
    if not live and not expand(video).exists():
        raise InputError(f"no such video: {video}; check the path")


def _clip_name(clip: str) -> str:
    """Return a name for the results of a clip: its id, with folders, within the folder of results."""
    return "/".join(part for part in clip.split("/") if part not in ("", ".", "..")) or "clip"


def _video_name(video: str) -> str:
    """Return a name for the results of a video; that of a folder has no suffix."""
    words = re.sub(r"[^\w.-]+", "-", hide_password(video).partition("?")[0].rstrip("/").rpartition("/")[2])
    name = words if not is_address(video) and is_folder(expand(video)) else Path(words).stem
    return name if name.strip("-.") else "stdin"


def _write(explanations: list[Explanation], out: Path, name: str) -> None:
    text = explanation_page(explanations)  # reports what is not installed before anything is written
    make_folder(out)
    picture, page = out / f"{name}{ENDING}.png", out / f"{name}{ENDING}.html"
    write_picture(explanations, picture)
    write_text(page, text, private=True)
    for each in explanations:
        share = each.probabilities[each.target]
        _print(f"{each.checkpoint}: {each.classes[each.target]} {share:.0%} ({each.source})")
        for notice in each.notices:
            _print(f"  note: {notice}")
    _print(f"Written: {picture}, {page}")


def _notify(line: str) -> None:
    _print(line, error=True)


def _print(text: str, error: bool = False) -> None:
    """Print plain text: no markup in file names, no wrapping."""
    (error_console if error else console).print(printable(text), markup=False, highlight=False, soft_wrap=True)
