"""Long videos in parts, which several workers read side by side and an interrupted run does not read again."""

import hashlib
import math
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ifdd.inference.batch.jobs import Job, PartJob, is_live_or_piped
from ifdd.inference.batch.ledger import Ledger
from ifdd.inference.batch.part_files import read_part
from ifdd.inference.batch.worker import Outcome, Worker
from ifdd.inference.outputs.write import STATISTICS
from ifdd.remote.storage import is_stored
from ifdd.video.sources import Cut, VideoSource, open_video

PARTS = ".parts"
"""Folder, in that of the results, of the parts of unfinished videos."""

LEAST_OVERLAP_SECONDS = 30.0
"""Parts overlap by this much, and by more if clips are long: enough for the tracks of both to agree in the middle."""

CLIPS_PER_OVERLAP = 6
"""Clips, and gaps that tracks bridge, that fit into an overlap: two on either side of the place where parts meet."""

LEAST_PARTS = 1.5
"""Videos shorter than this many parts are not cut."""


@dataclass
class _CutVideo:
    """A video whose parts are being recognised."""

    parts: list[Job]
    """All of its parts, in order."""
    missing: int
    """Number of parts that are still to come."""
    error: str | None = None
    """Why the first part failed that did."""


@dataclass
class Cutting:
    """Cuts long videos into parts, and joins the parts that are done.

    Args:
        worker: recognises videos and parts of them.
        ledger: tells when a video has changed.
    """

    worker: Worker
    ledger: Ledger
    _videos: dict[str, _CutVideo] = field(default_factory=dict)
    """Name of a video's results -> its parts."""

    @property
    def overlap_seconds(self) -> float:
        """How much of each part the next one reads again."""
        recognizer = self.worker.recognizer
        longest = recognizer.reader.clip_seconds + recognizer.tracking.gap_seconds
        return max(LEAST_OVERLAP_SECONDS, CLIPS_PER_OVERLAP * longest)

    def cut(self, job: Job) -> list[Job]:
        """Return the parts of a video that are not done, or the job itself if it is not cut."""
        parts = self._parts(job)
        if not parts:
            return [job]
        missing = [part for part in parts if not self._is_done(part)]
        self._videos[job.name] = _CutVideo(parts, len(missing))
        return missing

    def _is_done(self, part: Job) -> bool:
        """Whether an earlier run has left a part, with statistics if this run writes them."""
        found = read_part(_file(part))
        if found is None or found.statistics is not None or not found.video.frames:
            return found is not None
        return STATISTICS not in self.worker.settings.formats

    @property
    def parts(self) -> dict[str, int]:
        """Name of the results of a video that is cut -> number of its parts."""
        return {name: len(video.parts) for name, video in self._videos.items()}

    def finished(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Yield the outcomes of the videos of which an earlier run has left all parts."""
        for job in jobs:
            if job.name in self._videos and not self._videos[job.name].missing:
                yield self._finish(job)

    def take(self, outcome: Outcome) -> Iterator[Outcome]:
        """Yield the outcome of a video as soon as it is known, given those of its parts."""
        job = replace(outcome.job, part=None)
        if outcome.job.part is None or outcome.fatal is not None:
            yield self._cleaned(replace(outcome, job=job))
            return
        video = self._videos[job.name]
        video.error = video.error or outcome.error
        video.missing -= 1
        if not video.missing:
            yield self._finish(job)

    def _finish(self, job: Job) -> Outcome:
        """Join the parts of a video, and write its results."""
        video = self._videos[job.name]
        if video.error is not None:
            return Outcome(job, error=video.error)
        found = [part for part in map(read_part, map(_file, video.parts)) if part is not None]
        if len(found) < len(video.parts):
            return Outcome(job, error=f"{job.shown}: {len(video.parts) - len(found)} of its parts are lost in {PARTS}")
        return self._cleaned(self.worker.join(job, found, self.overlap_seconds))

    def _cleaned(self, outcome: Outcome) -> Outcome:
        """Return the outcome of a video; remove its parts, those of earlier runs too, if its results are written."""
        if outcome.error is None and outcome.fatal is None:
            remove_parts(self.worker.settings.out, outcome.job)
        return outcome

    def _parts(self, job: Job) -> list[Job]:
        """Return all parts of a video; none if it is not cut, or fails, which its recognition reports."""
        settings = self.worker.settings
        if settings.part_seconds is None or is_live_or_piped(job.video) or is_stored(job.video):
            return []
        try:
            with closing(open_video(job.video, settings.source)) as source:
                return self._planned(job, source, settings.part_seconds)
        except Exception:
            return []

    def _planned(self, job: Job, source: VideoSource, part_seconds: float) -> list[Job]:
        most = source.options.maximum_seconds or math.inf
        duration = min(source.expected_seconds or 0.0, most)
        if source.live or duration < LEAST_PARTS * part_seconds:
            return []
        frame = next(iter(source))
        borders = [frame.seconds + number * part_seconds for number in range(1, round(duration / part_seconds))]
        starts = [source.options.start_seconds, *borders]
        ends = [min(border + self.overlap_seconds, frame.seconds + most) for border in [*borders, math.inf]]
        size = (frame.image.shape[1], frame.image.shape[0])
        folder = _folder(self.worker.settings.out, job) / self._digest(job)
        return [
            replace(job, part=PartJob(number, len(starts), start, Cut(frame.seconds, following, end), size, folder))
            for number, (start, following, end) in enumerate(zip(starts, [*borders, math.inf], ends, strict=True), 1)
        ]

    def _digest(self, job: Job) -> str:
        """Return what the parts of a video depend on, as the name of a folder."""
        lengths = f"{self.worker.settings.part_seconds} {self.overlap_seconds}"
        content = f"{self.ledger.settings} {self.ledger.stamp(job)} {lengths}"
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def remove_parts(out: Path, job: Job) -> None:
    """Remove the parts of a video that is done, whether or not this run has cut it.

    Args:
        out: the folder of the results.
        job: the video.
    """
    folder = _folder(out, job)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # other videos have parts there
        folder.parent.rmdir()


def _folder(out: Path, job: Job) -> Path:
    return out / PARTS / hashlib.sha256(os.fsencode(job.name)).hexdigest()[:16]


def _file(job: Job) -> Path:
    """Return the file of a part's results."""
    assert job.part is not None, "it is made by Cutting"
    return job.part.file
