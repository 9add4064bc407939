"""``ifdd recognize``: expressions in videos, written in the forms of ``outputs/``."""

import hashlib
import importlib.metadata
import json
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import cv2
import torch
from rich.markup import escape
from rich.progress import Progress as Bar
from rich.progress import TaskID

from ifdd.console import console, error_console, video_bar
from ifdd.errors import InputError, check_range
from ifdd.faces.detection import DetectorChoice, choose_detector
from ifdd.faces.tracking import TrackingOptions
from ifdd.files import file_sha256
from ifdd.inference.batch import Job, Ledger, Outcome, find_videos, is_live_or_piped, name_results, refuse_unwritable
from ifdd.inference.outputs.document import SCHEMA_VERSION
from ifdd.inference.outputs.write import STATISTICS, parse_formats
from ifdd.inference.pipeline import Progress
from ifdd.inference.recognizer import Recognizer
from ifdd.inference.windows import WindowOptions
from ifdd.model import DEMONSTRATION, Checkpoint, choose_device, load_checkpoint
from ifdd.processes import available_cores, in_processes
from ifdd.video.sources import CAMERA, SourceOptions, VideoSource, hide_password, open_video

ONE_LINE_FROM_VIDEOS = 10
"""From this number of videos on, each is reported in one line."""


@dataclass(frozen=True)
class Settings:
    """What a process needs to read videos."""

    checkpoint: Path
    detector: DetectorChoice
    device: str
    windows: WindowOptions
    tracking: TrackingOptions
    source: SourceOptions
    out: Path
    formats: tuple[str, ...]
    brief: bool

    def build(self, loaded: Checkpoint | None = None) -> Recognizer:
        """Return the recognizer.

        Args:
            loaded: the checkpoint, if it has been read already.
        """
        checkpoint = loaded or load_checkpoint(self.checkpoint)
        return Recognizer(checkpoint, self.detector(), self.tracking, self.windows, self.device, self.checkpoint)

    def results(self, job: Job) -> list[Path]:
        """Return the files that a job writes."""
        return [self.out / f"{job.name}.{form}" for form in self.formats]

    def digest(self, recognizer: Recognizer) -> str:
        """Return a hash that changes if the results would change."""
        detector = None if self.detector.model is None else file_sha256(self.detector.model)
        parts = [asdict(part) for part in (recognizer.model_info, self.windows, self.tracking, self.source)]
        content = [importlib.metadata.version("ifdd"), SCHEMA_VERSION, detector, *parts]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Reader:
    """Reads videos and writes their results."""

    settings: Settings
    recognizer: Recognizer

    def __call__(self, job: Job, bar: Bar | None = None) -> Outcome:
        """Read a video among many; its errors do not stop the others."""
        try:
            return self.read(job, bar)
        except InputError as error:
            return Outcome(job, error=str(error))
        except Exception as error:
            return Outcome(job, error=f"{job.shown}: unexpected {type(error).__name__}: {' '.join(str(error).split())}")

    def read(self, job: Job, bar: Bar | None = None) -> Outcome:
        """Read a video and write its results.

        Args:
            job: the video.
            bar: where progress is shown.

        Raises:
            InputError: the video is at fault.
        """
        statistics = STATISTICS in self.settings.formats
        started = time.perf_counter()
        source = open_video(job.video, self.settings.source)
        with shown(source, bar) as on_frame, _stopped_by_interruption(source):
            recognition = self.recognizer.recognize(source, on_frame, statistics=statistics)
        speed = recognition.video.duration_seconds / (time.perf_counter() - started)
        paths = self.settings.results(job)
        for path in paths:
            try:
                recognition.write(path)
            except InputError as error:
                if isinstance(error.__cause__, OSError):
                    return Outcome(job, fatal=str(error))
                raise
        written = f"written: {', '.join(map(str, paths))}; {speed:.1f} x real time"
        if not self.settings.brief:
            return Outcome(job, f"{recognition.summary()}\n  {written}")
        notices = "".join(f"; notice: {notice}" for notice in recognition.video.notices)
        return Outcome(job, f"{job.shown}: {written}{notices}")


def recognize(
    videos: list[str] = [],  # noqa: B006 (not changed)
    *,
    checkpoint: Path = Path(DEMONSTRATION),
    out: Path = Path("recognition"),
    formats: str = "json,csv",
    camera: int | None = None,
    workers: int = 1,
    statistics: bool = False,
    retry_failed: bool = False,
    overwrite: bool = False,
    detector_model: Path | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    source: SourceOptions = SourceOptions(),  # noqa: B008 (frozen)
    windows: WindowOptions = WindowOptions(),  # noqa: B008 (frozen)
    tracking: TrackingOptions = TrackingOptions(),  # noqa: B008 (frozen)
) -> None:
    """Recognise expressions in videos, person by person, over time.

    Every video gives OUT/NAME.json (people, boxes, windows, segments) and OUT/NAME.csv (the timeline), or the formats
    asked for. NAME is the video's name without its ending, after its path within the directory that was searched;
    videos of the same name get NAME-2, NAME-3, ... A video that was read with the same settings is not read again:
    OUT/recognize.jsonl keeps the record.

    Args:
        videos: Video files, folders of images, directories, patterns 'in/**/*.mp4', URLs, or - for standard input.
        checkpoint: Checkpoint to use: a .safetensors file that 'ifdd train' wrote, or the bundled ifdd_tiny_synth, a
            demonstration trained only on drawn faces.
        out: Folder to write to.
        formats: Formats to write, separated by commas: json (everything), csv, parquet (the timeline), vtt, srt
            (captions), eaf, textgrid (for ELAN and Praat), png, svg (a plot), mp4 (the annotated video, which never
            replaces the video itself).
        camera: Number of a camera at this computer, usually 0; Ctrl-C ends the recording.
        workers: Worker processes that read videos in parallel; 0 and 1 read in the main process.
        statistics: Also write OUT/NAME.statistics.csv: shot-change score, detection scores and face quality of every
            frame, to tune thresholds by.
        retry_failed: Retry videos that failed before.
        overwrite: Read videos again that are done.
        detector_model: Path to YuNet's .onnx file; by default, the public one is downloaded once. If that fails,
            OpenCV's Haar cascade is used, which finds fewer faces.
        device: Device to run the model on; auto uses a GPU if there is one.
        source: Frame rate of images, timeouts, the part of the video to read.
        windows: Windows and segments.
        tracking: Face tracking.

    Raises:
        InputError: the checkpoint, the detector or an option is at fault, or the folder cannot be written to;
            or a video is at fault, which is reported after all others are done.
    """
    check_range("--workers", workers, at_least=0)
    words = [*videos, *([] if camera is None else [f"{CAMERA}{camera}"])]
    if not words:
        raise InputError("no video given; name files, folders, URLs, or --camera 0")
    found = find_videos(words, out)
    forms = (*parse_formats(formats), *([STATISTICS] if statistics else []))
    _refuse_to_annotate([video for video in found if is_live_or_piped(video)] if "mp4" in forms else [])
    brief = len(found) >= ONE_LINE_FROM_VIDEOS
    if checkpoint == Path(DEMONSTRATION):
        _print(f"a bundled demonstration model, {DEMONSTRATION}, trained only on drawn faces, is used", error=True)
    device_name = choose_device(device)
    loaded = load_checkpoint(checkpoint)  # its errors come before a detector is downloaded
    refuse_unwritable(out)
    detector = choose_detector(detector_model, lambda line: _print(line, error=True))
    settings = Settings(checkpoint, detector, device_name, windows, tracking, source, out, forms, brief)
    share_cores()
    recognizer = settings.build(loaded)
    ledger = Ledger(out, settings.digest(recognizer))
    jobs = name_results(found, ledger.names, ledger.kept)
    if len(jobs) == 1:
        _recognize_one(Reader(settings, recognizer), jobs[0], ledger, overwrite)
    else:
        _recognize_many(Reader(settings, recognizer), jobs, ledger, _Batch(workers, retry_failed, overwrite))


def share_cores(processes: int = 1) -> None:
    """Give each library the threads that the stages of one video leave it.

    On few cores decoding, detection, tracking and the model keep all cores busy with one thread each; thread pools
    within the stages would only wait for each other. Of many cores, those that the stages leave idle help the model.

    Args:
        processes: how many processes read a video each, and share the cores.
    """
    torch.set_num_threads(max(1, available_cores() // processes - 3))
    cv2.setNumThreads(1)


def _refuse_to_annotate(videos: Sequence[str]) -> None:
    """Refuse, before anything is read, to annotate what can be read only once."""
    if videos:
        raise InputError(
            f"the annotated video (mp4) needs the video a second time, and {hide_password(videos[0])} can be read only "
            "once; choose other formats, or record it to a file first"
        )


@dataclass
class _Batch:
    """How many videos are read, and the progress."""

    workers: int
    retry_failed: bool
    overwrite: bool
    done: int = 0
    before: int = 0


def _recognize_one(reader: Reader, job: Job, ledger: Ledger, overwrite: bool) -> None:
    """Read the only video; its error is the error of the command."""
    if not overwrite and ledger.is_done(job, reader.settings.results(job)):
        _print(f"{job.shown}: done before, see {reader.settings.results(job)[0]}; --overwrite reads it again")
        return
    bar = video_bar()
    try:
        outcome = reader.read(job, bar)
    finally:
        if bar.live.is_started:  # else it would leave an empty line
            bar.stop()
    if outcome.fatal:
        raise InputError(outcome.fatal)
    _keep(outcome, reader, ledger)
    _warn_of_drawn_faces(reader.recognizer)


def _recognize_many(reader: Reader, jobs: Sequence[Job], ledger: Ledger, batch: _Batch) -> None:
    """Read the videos that are not done, record each, and report at the end what failed."""
    failed: list[str] = []
    todo: list[Job] = []
    for job in jobs:
        error = ledger.error(job)
        if not batch.overwrite and ledger.is_done(job, reader.settings.results(job)):
            batch.before += 1
        elif error is not None and not batch.retry_failed:
            _print(f"{job.shown}: failed before: {error} (--retry-failed tries again)", error=True)
            failed.append(job.shown)
        else:
            todo.append(job)
    with video_bar() as bar, closing(_outcomes(reader, todo, batch.workers, bar)) as outcomes:
        task = bar.add_task("videos", total=len(jobs), completed=len(jobs) - len(todo))
        for outcome in outcomes:
            _note(outcome, reader, ledger, batch, failed)
            bar.advance(task)
    total = len(jobs)
    _print(f"{total} videos: {batch.done} read, {batch.before} done before, {len(failed)} failed")
    _warn_of_drawn_faces(reader.recognizer)
    if failed:
        shown = ", ".join(failed[:ONE_LINE_FROM_VIDEOS]) + (
            f" and {len(failed) - ONE_LINE_FROM_VIDEOS} more" if len(failed) > ONE_LINE_FROM_VIDEOS else ""
        )
        raise InputError(f"{len(failed)} of {total} videos failed: {shown}; see above")


def _note(outcome: Outcome, reader: Reader, ledger: Ledger, batch: _Batch, failed: list[str]) -> None:
    """Record and report the outcome of a video.

    Raises:
        InputError: results cannot be written; those that are finished are kept.
    """
    try:
        if outcome.fatal:
            raise InputError(outcome.fatal)
        if outcome.error is None:
            _keep(outcome, reader, ledger)
        else:
            ledger.add(outcome.job, outcome.error)
    except InputError as error:
        kept = "1 video is done" if batch.done == 1 else f"{batch.done} videos are done"
        raise InputError(f"{error}; {kept} and kept: the same command continues") from error
    if outcome.error is None:
        batch.done += 1
    else:
        failed.append(outcome.job.shown)
        _print(f"{outcome.job.shown}: failed: {outcome.error}", error=True)


def _keep(outcome: Outcome, reader: Reader, ledger: Ledger) -> None:
    """Record that a video was read; report what was written, and older outputs beside it."""
    ledger.add(outcome.job, None, reader.settings.results(outcome.job))
    _print(outcome.text)
    places = [reader.settings.out / f"{outcome.job.name}{ending}" for ending in ledger.stale(outcome.job)]
    older = [str(path) for path in places if path.is_file()]
    if older:
        _print(f"  not updated: they belong to other settings or an earlier video: {', '.join(older)}")


def _warn_of_drawn_faces(recognizer: Recognizer) -> None:
    if recognizer.trained_on_synthetic_faces:
        _print(f"note: {recognizer.model_info.notice}")


def _outcomes(reader: Reader, jobs: Sequence[Job], workers: int, bar: Bar) -> Generator[Outcome, None, None]:
    """Read videos: files in several processes if asked for, the others in this one."""
    is_file = [not is_live_or_piped(job.video) for job in jobs]
    many = workers > 1 and sum(is_file) > 1
    elsewhere = [job for job, there in zip(jobs, is_file, strict=True) if many and there]
    read = partial(_read, reader.settings, workers)
    yield from in_processes(read, elsewhere, workers, ordered=False, killed=Outcome.killed)
    for job, there in zip(jobs, is_file, strict=True):
        if not many or not there:
            yield reader(job, bar)


def _read(settings: Settings, processes: int, job: Job) -> Outcome:
    """Read a video in a process of its own, one of several."""
    return _build_reader(settings, processes)(job)


@lru_cache(maxsize=1)
def _build_reader(settings: Settings, processes: int) -> Reader:
    share_cores(processes)
    return Reader(settings, settings.build())


@contextmanager
def shown(source: VideoSource, bar: Bar | None) -> Iterator[Callable[[Progress], None] | None]:
    """Give a callback that shows the progress of a video on a bar; one among others is removed at its end."""
    if bar is None:
        yield None
        return
    alone = not bar.tasks
    task: TaskID | None = None

    def show(progress: Progress) -> None:
        nonlocal task
        if task is None:  # not before: a video that cannot be read has no progress
            task = bar.add_task(escape(Path(source.name).name), total=None, faces=0)
            bar.start()
        bar.update(task, completed=progress.seconds, total=progress.expected_seconds, faces=progress.faces)

    try:
        yield show
    finally:
        if task is not None and not alone:
            bar.remove_task(task)


@contextmanager
def _stopped_by_interruption(source: VideoSource) -> Iterator[None]:
    """Let Ctrl-C end a live source, whose results are kept; a second Ctrl-C interrupts as usual."""
    if not source.live or threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.getsignal(signal.SIGINT)

    def stop(*_: object) -> None:
        source.stop()
        signal.signal(signal.SIGINT, usual)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def _print(text: str, error: bool = False) -> None:
    """Print plain text: no markup in file names, no wrapping."""
    (error_console if error else console).print(text, markup=False, highlight=False, soft_wrap=True)
