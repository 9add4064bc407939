"""Recognise one video and write its results, in the main process or in a worker process."""

import errno
import hashlib
import importlib.metadata
import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import torch
from rich.markup import escape
from rich.progress import Progress as Bar
from rich.progress import TaskID

from ifdd.errors import InputError, unexpected
from ifdd.faces.detection import DetectorChoice
from ifdd.faces.tracking import TrackingOptions
from ifdd.files import file_sha256, try_writing
from ifdd.inference.batch.jobs import Job, PartJob
from ifdd.inference.batch.ledger import Ledger
from ifdd.inference.batch.part_files import write_part
from ifdd.inference.outputs.document import SCHEMA_VERSION
from ifdd.inference.outputs.write import STATISTICS, file_name, file_names, write
from ifdd.inference.parts import Part
from ifdd.inference.pipeline import Progress
from ifdd.inference.recognition import Recognition
from ifdd.inference.recognizer import Recognizer
from ifdd.inference.windows import WindowOptions
from ifdd.model import Model, device_for, load_model
from ifdd.names import printable
from ifdd.processes import KILLED, available_cores
from ifdd.signals import ending_signals, hang_up, restore_handlers
from ifdd.video.readers import VideoEndedError
from ifdd.video.sources import SourceOptions, VideoSource, open_video

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV)
"""Errors that would meet the results of every video."""


@dataclass(frozen=True)
class Settings:
    """Everything that a worker process needs to recognise videos."""

    checkpoint: Path
    detector: DetectorChoice
    device: str
    windows: WindowOptions
    tracking: TrackingOptions
    source: SourceOptions
    out: Path
    formats: tuple[str, ...]
    brief: bool
    """Report each video in one line."""
    part_seconds: float | None = None
    """Length of the parts that long videos are cut into; None cuts none."""

    def build(self, loaded: Model | None = None) -> Recognizer:
        """Build the recognizer.

        Args:
            loaded: the checkpoint, if it is loaded already.
        """
        checkpoint = loaded or load_model(self.checkpoint)
        device = device_for(checkpoint, self.device)  # machines of a cluster may differ
        return Recognizer(checkpoint, self.detector(), self.tracking, self.windows, device, self.checkpoint)

    def results(self, job: Job) -> list[Path]:
        """Return the files that a job writes."""
        if job.part is not None:
            return [job.part.file]
        return [path for form in self.formats for path in self.files(job, form)]

    def files(self, job: Job, form: str) -> list[Path]:
        """Return the files of a video's results in one format."""
        return [self.out / name for name in file_names(job.name, form)]

    def digest(self, recognizer: Recognizer) -> str:
        """Return a hash of everything that determines the results.

        It covers only options that differ from their defaults, so a new option with a default does not change it. The
        length of parts does not count: a video is done, whether it was read in one pass or in parts.
        """
        detector = None if self.detector.model is None else file_sha256(self.detector.model)
        options = [_changed(part) for part in (self.windows, self.tracking, self.source)]
        model = asdict(replace(recognizer.model_info, class_weights={}))  # among the options
        del model["class_weights"]
        content = [importlib.metadata.version("ifdd"), SCHEMA_VERSION, detector, model, options]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job."""

    job: Job
    """The job."""
    text: str = ""
    """The report, if it succeeded."""
    error: str | None = None
    """Why the video failed, or some of its results."""
    written: tuple[Path, ...] = ()
    """The results."""
    failed: tuple[Path, ...] = ()
    """Results that could not be written; empty if the video could not be read."""
    fatal: str | None = None
    """Why no results can be written, which also stops all other jobs."""

    @property
    def failure(self) -> str | None:
        """Why it failed, for the user, with the results that were written nevertheless."""
        if self.error is None or not self.written:
            return self.error
        return f"{self.error}; {_written(self.written)}"

    @classmethod
    def killed(cls, job: Job) -> "Outcome":
        """Return the outcome of a job whose process was killed."""
        return cls(job, error=f"{job.shown}: {KILLED}")


@dataclass(frozen=True)
class Worker:
    """Recognises videos and writes their results."""

    settings: Settings
    recognizer: Recognizer
    in_turns: bool = False
    """Run the stages in one thread: on one core, threads only wait for each other."""

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger in the folder of the results."""
        return Ledger(self.settings.out, self.settings.digest(self.recognizer))

    def __call__(self, job: Job, bar: Bar | None = None) -> Outcome:
        """Recognise a video and write its results; return its error as an outcome, so that others continue.

        Args:
            job: the video.
            bar: shows the progress.
        """
        try:
            return self.recognize(job, bar)
        except InputError as error:
            return Outcome(job, error=str(error))
        except Exception as error:
            return Outcome(job, error=unexpected(job.shown, error))

    def recognize(self, job: Job, bar: Bar | None = None) -> Outcome:
        """Recognise a video and write its results.

        Raises:
            InputError: the video cannot be read.
        """
        statistics = STATISTICS in self.settings.formats
        started = time.perf_counter()
        if job.part is not None:
            return self._recognize_part(job, job.part, bar, statistics)
        source = open_video(job.video, self.settings.source)
        with progress_of(source, bar) as on_frame, _ended_by_interruption(source):
            in_turns = self.in_turns and not source.live
            recognition = self.recognizer.recognize(source, on_frame, statistics=statistics, in_turns=in_turns)
        speed = recognition.video.duration_seconds / (time.perf_counter() - started)
        return self._write(job, recognition, f"; {speed:.1f} x real time")

    def join(self, job: Job, parts: Sequence[Part], overlap_seconds: float) -> Outcome:
        """Join the parts of a video and write its results; an error is an outcome, as when a video is recognised."""
        try:
            recognition = self.recognizer.join(parts, overlap_seconds)
            return self._write(job, recognition, f"; joined from {len(parts)} parts")
        except InputError as error:
            return Outcome(job, error=str(error))
        except Exception as error:
            return Outcome(job, error=unexpected(job.shown, error))

    def _recognize_part(self, job: Job, part: PartJob, bar: Bar | None, statistics: bool) -> Outcome:
        """Recognise a part of a video and write what was found, for ``join``."""
        options = replace(self.settings.source, start_seconds=part.start_seconds)
        source = open_video(job.video, options)
        source.cut = part.cut
        with progress_of(source, bar) as on_frame:
            try:
                found = self.recognizer.recognize_part(
                    source, on_frame, statistics=statistics, in_turns=self.in_turns, canvas=part.canvas
                )
            except VideoEndedError:  # its header promised more
                found = Part(source.info(), ())
        return self._failure(job, partial(write_part, found, part.file)) or Outcome(job)

    def _failure(self, job: Job, write: Callable[[], None]) -> Outcome | None:
        """Write something; return an outcome if that fails, a fatal one if no result can be written."""
        try:
            write()
        except InputError as error:
            if _stops_all(error.__cause__, self.settings.out):
                return Outcome(job, fatal=str(error))
            return Outcome(job, error=str(error))
        except Exception as error:
            return Outcome(job, error=unexpected(job.shown, error))
        return None

    def _write(self, job: Job, recognition: Recognition, remark: str) -> Outcome:
        """Write the results of a video; if one fails, the others nevertheless."""
        unrecorded = self._failure(job, partial(self.ledger.begin, job))
        if unrecorded is not None:
            return unrecorded
        errors: list[str] = []
        failed: list[Path] = []
        for form in self.settings.formats:
            path = self.settings.out / file_name(job.name, form)
            failure = self._failure(job, partial(write, recognition, path, form))
            if failure is not None and failure.fatal is not None:
                return failure
            if failure is not None and failure.error is not None:
                errors.append(failure.error)
                failed += self.settings.files(job, form)
        results = tuple(path for path in self.settings.results(job) if path not in failed)
        if errors:
            return Outcome(job, error="; ".join(errors), written=results, failed=tuple(failed))
        return Outcome(job, self._report(job, recognition, remark), written=results)

    def _report(self, job: Job, recognition: Recognition, remark: str) -> str:
        written = _written(self.settings.results(job)) + remark
        if not self.settings.brief:
            return f"{recognition.summary()}\n  {written}"
        notices = "".join(f"; notice: {notice}" for notice in recognition.video.notices)
        return f"{job.shown}: {written}{notices}"


def _written(results: Sequence[Path]) -> str:
    return f"written: {printable(', '.join(map(str, results)))}"


def recognize_in_process(settings: Settings, processes: int, job: Job) -> Outcome:
    """Recognise a video in this worker process, one of several."""
    return _built_worker(settings, processes)(job)


def build_worker(settings: Settings, processes: int = 1, loaded: Model | None = None) -> Worker:
    """Return the worker of this process, whose threads it limits.

    Args:
        settings: what it needs.
        processes: number of worker processes that share the cores.
        loaded: the checkpoint, if it is loaded already.
    """
    share_cores(processes)
    alone = processes > 1 and available_cores() < 2 * processes
    return Worker(settings, settings.build(loaded), in_turns=alone)


@lru_cache(maxsize=1)
def _built_worker(settings: Settings, processes: int) -> Worker:
    logging.getLogger("ifdd").setLevel(logging.ERROR)  # the main process has logged the same warnings
    return build_worker(settings, processes)


def share_cores(processes: int = 1) -> None:
    """Limit the threads of the libraries to the cores that the stages of recognition leave free.

    On few cores, decoding, detection, tracking and the model keep all cores busy with one thread each; thread pools
    inside the stages would only compete. On many cores, the model uses those that the stages leave free.

    Args:
        processes: number of worker processes that share the cores.
    """
    torch.set_num_threads(max(1, available_cores() // processes - 3))
    cv2.setNumThreads(1)


@contextmanager
def progress_of(source: VideoSource, bar: Bar | None) -> Iterator[Callable[[Progress], None] | None]:
    """Give a callback that shows the progress of a video on a bar; if the bar has other tasks, its task is removed."""
    if bar is None:
        yield None
        return
    alone = not bar.tasks
    task: TaskID | None = None

    def show(progress: Progress) -> None:
        nonlocal task
        if task is None:  # not earlier: an unreadable video shows no progress
            task = bar.add_task(escape(printable(Path(source.name).name)), total=None, faces=0)
            bar.start()
        bar.update(task, completed=progress.seconds, total=progress.expected_seconds, faces=progress.faces)

    try:
        yield show
    finally:
        if task is not None and not alone:
            bar.remove_task(task)


@contextmanager
def _ended_by_interruption(source: VideoSource) -> Iterator[None]:
    """Let the first signal end a live source and keep its results; a second one interrupts as usual."""
    if not source.live or threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = {number: signal.getsignal(number) for number in ending_signals()}

    def stop(number: int, _: object) -> None:
        source.stop()
        restore_handlers(usual)
        hang_up(number)

    for number in usual:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore_handlers(usual)


def _stops_all(error: BaseException | None, out: Path) -> bool:
    """Whether a result cannot be written because none can: the disk is full, read-only or gone."""
    if not isinstance(error, OSError):
        return False
    if error.errno in DISK_ERRORS:
        return True
    try:
        try_writing(out)
    except OSError:
        return True
    return False


def _changed(options: WindowOptions | TrackingOptions | SourceOptions) -> dict[str, Any]:
    """Return the options that differ from their defaults."""
    default = type(options)()
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    return {name: value for name, value in values.items() if value != getattr(default, name)}
