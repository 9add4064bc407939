"""``ifdd recognize``: recognise expressions in videos and write the results."""

from collections.abc import Collection, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.progress import Progress as Bar

from ifdd.clusters import Cluster, ClusterKind
from ifdd.console import console, error_console, video_bar
from ifdd.errors import InputError, check_range
from ifdd.faces.detection import DetectorKind, choose_detector
from ifdd.faces.tracking import TrackingOptions
from ifdd.files import exists, expand, is_file, is_folder
from ifdd.inference.batch.crew import Crew
from ifdd.inference.batch.cutting import Cutting, remove_parts
from ifdd.inference.batch.jobs import Job, find_videos, is_live_or_piped, refuse_unwritable
from ifdd.inference.batch.worker import Outcome, Settings, Worker, build_worker
from ifdd.inference.outputs.write import STATISTICS, parse_formats
from ifdd.inference.recognizer import Recognizer
from ifdd.inference.windows import WindowOptions
from ifdd.model import DEFAULT, Checkpoint, choose_device, device_for, load_model
from ifdd.model.device import check_device_name
from ifdd.names import Disk, counted, listed, printable
from ifdd.remote.addresses import hide_password
from ifdd.remote.storage import is_stored
from ifdd.video.sources import CAMERA, SourceOptions, open_video

ONE_LINE_FROM_VIDEOS = 10
"""From this number of videos on, each is reported in one line."""

PART_MINUTES = 10.0
SHORTEST_PART_MINUTES = 0.01
"""Length of the parts of long videos on a cluster."""


def recognize(
    videos: list[str] = [],  # noqa: B006 (not changed)
    *,
    checkpoint: Path = Path(DEFAULT),
    out: Path = Path("recognition"),
    formats: str = "json,csv",
    camera: int | None = None,
    workers: int | None = None,
    cluster: ClusterKind = "local",
    cluster_address: str | None = None,
    cluster_cores: int | None = None,
    part_minutes: float | None = None,
    statistics: bool = False,
    retry_failed: bool = False,
    overwrite: bool = False,
    detector: DetectorKind = "auto",
    detector_model: Path | None = None,
    device: str = "auto",
    source: SourceOptions = SourceOptions(),  # noqa: B008 (frozen)
    windows: WindowOptions = WindowOptions(),  # noqa: B008 (frozen)
    tracking: TrackingOptions = TrackingOptions(),  # noqa: B008 (frozen)
) -> None:
    """Recognise expressions in videos, person by person, over time.

    Every video gives OUT/NAME.json (people, boxes, windows, segments) and OUT/NAME.csv (the timeline), or the formats
    requested. NAME is the video's name without its suffix, after its path within the directory that was searched;
    videos of the same name get NAME-2, NAME-3, ... A video that is done with the same settings is skipped:
    OUT/recognize.jsonl keeps the record.

    Args:
        videos: Video files, folders of images, directories, patterns 'in/**/*.mp4', URLs, or - for standard input;
            videos, folders and patterns in object storage: s3://BUCKET/a.mp4, 's3://BUCKET/*.mp4', gs://BUCKET/in.
        checkpoint: Checkpoint to use: a .safetensors file that 'ifdd train' wrote, one on the Hugging Face Hub as
            hf://USER/MODEL, or a bundled one: ifdd_face, trained on computer-generated faces for reading real ones, or
            ifdd_tiny_synth, which knows drawn faces; or an exported model, a file that 'ifdd export' wrote.
        out: Folder to write to.
        formats: Formats to write, separated by commas: json (everything), csv, parquet (the timeline), frames (a row
            for each person and frame: NAME.frames.csv), bids (segments as events: NAME_events.tsv and .json), vtt, srt
            (captions), eaf, textgrid (for ELAN and Praat), png, svg (a plot), mp4 (the annotated video, which never
            replaces the video itself).
        camera: Number of a camera of this computer, usually 0; Ctrl-C ends the recording.
        workers: Worker processes that process videos in parallel; 0 and 1 work in the main process. Default: 1, or as
            many as the cluster has room for.
        cluster: Where to process videos: local, on this machine; ray, on a Ray cluster, whose machines share videos and
            OUT by the same paths, or read videos from object storage. Without a cluster, one is started here.
        cluster_address: Address of the Ray cluster. Default: RAY_ADDRESS, or the cluster of this machine.
        cluster_cores: Cores of a worker on the cluster. It has a GPU, too, if the cluster has any and --device is auto
            or cuda. Default: 4, or fewer if its machines have fewer.
        part_minutes: Cut videos of at least one and a half times this length into parts, which workers read side by
            side; the same command does not read a finished part again. People keep their numbers from part to part. 0
            cuts no video. Default: 10 on a cluster, 0 on one machine.
        statistics: Also write OUT/NAME.statistics.csv: shot-change score, detection scores and face quality of every
            frame, for tuning thresholds.
        retry_failed: Retry videos that failed before.
        overwrite: Process videos again that are done.
        detector: Face detector: yunet, whose file is downloaded once; haar, OpenCV's cascade, which needs no file and
            no network and finds fewer faces; auto takes yunet, or haar if yunet cannot be downloaded.
        detector_model: Path to YuNet's .onnx file, instead of the public one.
        device: Device to run the model on: auto (a CUDA GPU if there is one, otherwise the CPU), cpu, cuda, cuda:1 (the
            second GPU) or mps (the GPU of a Mac).
        source: Frame rate of images, timeouts, the part of the video to read.
        windows: Windows and segments.
        tracking: Face tracking.

    Raises:
        InputError: the checkpoint, the detector or an option is wrong; the folder cannot be written to; or a video
            failed, which is reported after all others are done.
    """
    check_range("--workers", workers, at_least=0)
    check_range("--part-minutes", part_minutes or None, at_least=SHORTEST_PART_MINUTES)
    place = Cluster(cluster, cluster_address, cluster_cores, gpus=device in ("auto", "cuda"))
    given: object = videos  # in Python, a single path or paths that are not text may be given, too
    listed = [given] if isinstance(given, str | Path) else videos
    words = [*map(str, listed), *([] if camera is None else [f"{CAMERA}{camera}"])]
    if not words:
        raise InputError("no video given; name files, folders, URLs, or --camera 0")
    _refuse_stored(out)
    out, checkpoint = expand(out), expand(checkpoint)
    found = find_videos(words, out, _notify)
    forms = (*parse_formats(formats), *([STATISTICS] if statistics else []))
    _refuse_to_annotate([video for video in found if is_live_or_piped(video)] if "mp4" in forms else [])
    brief = len(found) >= ONE_LINE_FROM_VIDEOS
    own_device = _device_here(device, place)
    loaded = load_model(checkpoint)  # reports its errors before a detector is downloaded
    own_device = device_for(loaded, own_device)
    place = replace(place, gpus=place.gpus and isinstance(loaded, Checkpoint))
    refuse_unwritable(out)
    _refuse_missing(found)
    if checkpoint == Path(DEFAULT):
        _print(f"the bundled model {DEFAULT} is used; it was trained only on computer-generated faces", error=True)
    choice = choose_detector(detector_model, _notify, kind=detector)
    minutes = (0.0 if cluster == "local" else PART_MINUTES) if part_minutes is None else part_minutes
    part_seconds = 60 * minutes or None
    settings = Settings(checkpoint, choice, own_device, windows, tracking, source, out, forms, brief, part_seconds)
    worker = build_worker(settings, loaded=loaded)
    if len(found) == 1:
        _refuse_unreadable(next(iter(found)), source)
    jobs = worker.ledger.assign(found, forms, Disk.of(out), _notify)
    if len(jobs) == 1 and (is_live_or_piped(jobs[0].video) or (place.kind == "local" and part_seconds is None)):
        _recognize_one(worker, jobs[0], overwrite)
        return
    _Batch(worker).run(jobs, Crew(workers, place, device), retry_failed, overwrite)


def _device_here(device: str, place: Cluster) -> str:
    """Return the device for this process, which on a cluster only reads streams; what auto is depends on the model.

    Raises:
        InputError: the device is unknown or missing.
    """
    if place.kind == "local":
        choose_device(device)
        return device
    if check_device_name(device) not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device is {device}, but Ray chooses the GPU of a worker; use auto, cpu or cuda")
    return "cpu" if device == "cpu" else "auto"


def _refuse_stored(out: Path) -> None:
    """Refuse to write to object storage, whose address would be taken for a folder."""
    scheme, separator, _ = str(out).partition(":/")
    if separator and is_stored(f"{scheme}://"):
        raise InputError(f"--out is {out}, but results need a folder; write them to a disk, and copy the folder there")


def _refuse_missing(videos: Collection[str]) -> None:
    """Refuse up front what does not exist at all, before anything is downloaded; of several, some may be missing."""
    there = [video for video in videos if is_live_or_piped(video) or is_stored(video) or exists(Path(video))]
    if not there and not videos:
        raise InputError("no videos: all that was found is skipped; name one video alone to read it nevertheless")
    if not there:
        open_video(next(iter(videos))).close()  # raises what is wrong with the first


def _refuse_unreadable(video: str, options: SourceOptions) -> None:
    """Refuse the only video, before a folder is made for its results; a pipe can be opened only once."""
    if not (is_live_or_piped(video) or is_stored(video)) and (is_file(Path(video)) or is_folder(Path(video))):
        open_video(video, options).close()


def _refuse_to_annotate(videos: Sequence[str]) -> None:
    """Refuse up front to annotate sources that can be read only once."""
    if videos:
        raise InputError(
            f"the annotated video (mp4) needs the video a second time, and {hide_password(videos[0])} can be read only "
            "once; choose other formats, or record it to a file first"
        )


@dataclass
class _Batch:
    """Recognises many videos, records each, and counts the outcomes."""

    worker: Worker
    done: int = 0
    done_before: int = 0
    failed: list[str] = field(default_factory=list)

    def run(self, jobs: Sequence[Job], crew: Crew, retry_failed: bool, overwrite: bool) -> None:
        """Recognise the videos that are not done; report failures at the end.

        Raises:
            InputError: a video failed, or results cannot be written.
        """
        todo = [job for job in jobs if self._is_needed(job, retry_failed, overwrite)]
        cutting = Cutting(self.worker, self.worker.ledger)
        pieces = [piece for job in todo for piece in cutting.cut(job)]
        with video_bar() as bar, closing(_outcomes(self.worker, pieces, crew, bar)) as outcomes:
            what = "videos" if not cutting.parts else "videos and parts"
            total = len(jobs) - len(cutting.parts) + sum(cutting.parts.values())
            task = bar.add_task(what, total=total, completed=total - len(pieces))
            for outcome in cutting.finished(todo):
                self._record(outcome)
            for piece in outcomes:
                for outcome in cutting.take(piece):
                    self._record(outcome)
                bar.advance(task)
        total, failed = len(jobs), len(self.failed)
        _print(f"{counted(total, 'video')}: {self.done} read, {self.done_before} done before, {failed} failed")
        _print_notice(self.worker.recognizer)
        if failed:
            shown = listed(self.failed, ONE_LINE_FROM_VIDEOS)
            raise InputError(f"{failed} of {counted(total, 'video')} failed: {shown}; see above")

    def _is_needed(self, job: Job, retry_failed: bool, overwrite: bool) -> bool:
        """Whether to recognise a video; count and report it if not."""
        results = self.worker.settings.results(job)
        error = self.worker.ledger.error(job, results)
        if not overwrite and self.worker.ledger.is_done(job, results):
            self.done_before += 1
            return False
        if error is not None and not retry_failed:
            _print(f"{job.shown}: failed before: {printable(error)} (--retry-failed tries again)", error=True)
            self.failed.append(job.shown)
            return False
        return True

    def _record(self, outcome: Outcome) -> None:
        """Record and report the outcome of a video.

        Raises:
            InputError: results cannot be written; those of finished videos are kept.
        """
        try:
            _keep(outcome, self.worker)
        except InputError as error:
            kept = "1 video is done" if self.done == 1 else f"{self.done} videos are done"
            raise InputError(f"{error}; {kept} and kept: the same command continues") from error
        if outcome.failure is None:
            self.done += 1
        else:
            self.failed.append(outcome.job.shown)
            _print(f"{outcome.job.shown}: failed: {printable(outcome.failure)}", error=True)


def _recognize_one(worker: Worker, job: Job, overwrite: bool) -> None:
    """Recognise the only video, even if it failed before; its error is the command's error."""
    results = worker.settings.results(job)
    done = worker.ledger.is_done(job, results)  # asked in any case: it takes the stamp, before the video is read
    if done and not overwrite:
        _print(f"{job.shown}: done before, see {printable(str(results[0]))}; --overwrite recognises it again")
        return
    bar = video_bar()
    try:
        outcome = worker.recognize(job, bar)
    except InputError as error:
        outcome = Outcome(job, error=str(error))
    finally:
        if bar.live.is_started:  # stopping it earlier would print an empty line
            bar.stop()
    _keep(outcome, worker)
    if outcome.failure is not None:
        raise InputError(outcome.failure)
    remove_parts(worker.settings.out, job)  # an earlier run may have cut it
    _print_notice(worker.recognizer)


def _outcomes(worker: Worker, jobs: Sequence[Job], crew: Crew, bar: Bar) -> Generator[Outcome, None, None]:
    """Recognise videos: files by the crew, everything else in this process."""
    files = [job for job in jobs if not is_live_or_piped(job.video)]
    elsewhere = crew.takes(len(files))
    if elsewhere:
        yield from crew.outcomes(worker.settings, files, _notify)
    for job in jobs:
        if not elsewhere or is_live_or_piped(job.video):
            yield worker(job, bar)


def _keep(outcome: Outcome, worker: Worker) -> None:
    """Record the outcome of a video; if it is done, report its results, and older results next to them.

    Raises:
        InputError: results cannot be written.
    """
    if outcome.fatal is not None:
        raise InputError(outcome.fatal)
    worker.ledger.add(outcome.job, outcome.error, outcome.written, outcome.failed)
    if outcome.error is not None:
        return
    _print(outcome.text)
    places = [worker.settings.out / f"{outcome.job.name}{ending}" for ending in worker.ledger.stale(outcome.job)]
    older = [printable(str(path)) for path in places if path.is_file()]
    if older:
        _print(f"  not updated: they belong to other settings or an earlier video: {', '.join(older)}")


def _print_notice(recognizer: Recognizer) -> None:
    if recognizer.model_info.notice:
        _print(f"note: {recognizer.model_info.notice}")


def _notify(line: str) -> None:
    _print(printable(line), error=True)


def _print(text: str, error: bool = False) -> None:
    """Print plain text: no markup in file names, no wrapping."""
    (error_console if error else console).print(text, markup=False, highlight=False, soft_wrap=True)
