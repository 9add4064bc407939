"""``ifdd recognize``: expressions in one's own videos, as JSON and CSV."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from ifdd.console import console, error_console, progress_bar
from ifdd.data.faces import best_detector
from ifdd.data.tracking import TrackingOptions
from ifdd.errors import InputError
from ifdd.inference.outputs import parse_formats
from ifdd.inference.recognition import Recognition
from ifdd.inference.recognizer import ReadingOptions, Recognizer
from ifdd.inference.timeline import Segment
from ifdd.model import choose_device


def recognize(
    videos: list[str],
    *,
    checkpoint: Path,
    out: Path = Path("recognition"),
    detector_model: Path | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    reading: ReadingOptions = ReadingOptions(),  # noqa: B008 (frozen)
    tracking: TrackingOptions = TrackingOptions(),  # noqa: B008 (frozen)
    formats: str = "json,csv",
) -> None:
    """Read a timeline of expressions from videos.

    Every video gives OUT/NAME.json (people, boxes, probabilities over time, segments), OUT/NAME.csv (the
    timeline alone), or the forms that --formats names. NAME is the video's name without its ending; where two
    videos of one run share it, the later one gets NAME-2, NAME-3, ... Files of an earlier run are replaced.

    Args:
        videos: video files (mp4, mkv, gif, anything FFmpeg reads) or folders of numbered images
        checkpoint: the trained model, a .safetensors file written by 'ifdd train'
        out: folder for the results
        detector_model: YuNet's .onnx file; without it the public one is downloaded once, and where that fails OpenCV's
            Haar cascade finds the faces
        device: where the model runs; auto takes a GPU if there is one
        reading: windows and segments
        tracking: following faces
        formats: what to write, with commas between: json (everything), csv, parquet (the timeline), vtt, srt
            (captions), eaf, textgrid (for ELAN and Praat), png, svg (a plot), mp4 (the annotated video); where mp4
            would replace the video itself, it is refused

    Raises:
        InputError: the checkpoint, the detector or an option is at fault, or the folder cannot be written to;
            or a video is at fault, which is said after all others were done.
    """
    forms = parse_formats(formats)
    recognizer = Recognizer.from_checkpoint(
        checkpoint,
        best_detector(detector_model, lambda line: _print(line, error=True)),
        tracking,
        reading,
        choose_device(device),
    )
    names = name_results(videos)
    failures: list[str] = []
    for video, name in names:
        started = time.perf_counter()
        try:
            recognition = _recognize_with_progress(recognizer, video)
        except InputError as error:
            if len(names) == 1:
                raise
            failures.append(video)
            _print(f"{video}: failed: {error}", error=True)
            continue
        speed = recognition.video.duration_seconds / (time.perf_counter() - started)
        for form in forms:
            recognition.write(out / f"{name}.{form}")
        _print(summarize(recognition))
        _print(f"  written: {', '.join(str(out / f'{name}.{form}') for form in forms)}; {speed:.1f} x real time")
    if recognizer.trained_on_synthetic_faces:
        _print(f"note: {recognizer.description['notice']}")
    if failures:
        raise InputError(f"{len(failures)} of {len(names)} videos failed: {', '.join(failures)}; see above")


def name_results(videos: list[str]) -> list[tuple[str, str]]:
    """Return (video, name of its results) for every different video; no name occurs twice.

    Args:
        videos: paths as given; repeats are left out.
    """
    names: dict[str, str] = {}
    for video in dict.fromkeys(videos):
        path = Path(video)
        base = path.resolve().name if path.is_dir() else path.stem
        name, number = base, 1
        while name in names.values():
            number += 1
            name = f"{base}-{number}"
        names[video] = name
    return list(names.items())


def summarize(recognition: Recognition) -> str:
    """Return the results of a video as a few lines to read."""
    video = recognition.video
    lines = [f"{video.path}: {video.duration_seconds:.1f} s, {video.frames} frames"]
    lines += [f"  notice: {notice}" for notice in video.notices]
    if not recognition.tracks:
        lines.append("  no face found: the timeline is empty")
    else:
        count = len(recognition.tracks)
        lines.append(
            f"  {count} {'track' if count == 1 else 'tracks'} (a person between two cuts), a face in "
            f"{recognition.face_share:.0%} of the frames"
        )
    for track in recognition.tracks:
        lines.append(f"  track {track.id}: {track.start_seconds:.1f} to {track.end_seconds:.1f} s")
        lines += [_describe(segment) for segment in recognition.segments if segment.track == track.id]
    return "\n".join(lines)


def _describe(segment: Segment) -> str:
    times = f"{segment.start_seconds:7.1f} to {segment.end_seconds:6.1f} s"
    return f"    {times}  {segment.label} {segment.probability:.2f}"


def _recognize_with_progress(recognizer: Recognizer, video: str) -> Recognition:
    bar = progress_bar("frames")
    task = bar.add_task(Path(video).name.replace("[", r"\["), total=None)
    with ExitStack() as stack:

        def on_frame(done: int, total: int | None) -> None:
            if done == 1:  # not before: a video that cannot be read has no progress
                stack.enter_context(bar)
            bar.update(task, completed=done, total=total)

        return recognizer.recognize(video, on_frame)


def _print(text: str, error: bool = False) -> None:
    """Print plain text: no markup in file names, no wrapping."""
    (error_console if error else console).print(text, markup=False, highlight=False, soft_wrap=True)
