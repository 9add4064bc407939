"""Recognition for the page: the same results, names and ledger as those of ``ifdd recognize``."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ifdd.errors import InputError
from ifdd.inference.batch.cutting import remove_parts
from ifdd.inference.batch.ledger import Ledger
from ifdd.inference.batch.worker import Settings
from ifdd.inference.outputs.document import write_document
from ifdd.inference.pipeline import Progress
from ifdd.inference.stream import Stream
from ifdd.model import Model
from ifdd.names import Disk
from ifdd.video.sources import open_video


class Engine:
    """Recognises one video after another, and streams.

    Args:
        settings: as for ``ifdd recognize``; results go to ``settings.out``.
        loaded: the checkpoint.
    """

    def __init__(self, settings: Settings, loaded: Model) -> None:
        self.settings = settings
        self.recognizer = settings.build(loaded)
        self._ledger = Ledger(settings.out, settings.digest(self.recognizer))
        self._disk = Disk.of(settings.out)

    def recognize(self, video: Path, name: str, named: str | None, on_frame: Callable[[Progress], object]) -> Path:
        """Recognise a video, unless that was done before with the same settings, and return the file of its results.

        Args:
            video: a file or a folder of images.
            name: name of its results, if nothing else has it.
            named: what results shall call the video, instead of its path; for a video that will be deleted.
            on_frame: called after every frame; what it raises ends the recognition.

        Raises:
            InputError: the video is unreadable, or results cannot be written.
        """
        ledger = self._ledger
        job = ledger.assign({str(video): name}, ["json"], self._disk)[0]
        path = self.settings.out / f"{job.name}.json"
        if ledger.is_done(job, [path]):
            return path
        try:
            recognition = self.recognizer.recognize(open_video(video, self.settings.source), on_frame)
        except InputError as error:
            if named is None:
                ledger.add(job, str(error))
            raise
        if named is not None:
            recognition = replace(recognition, video=replace(recognition.video, path=named))
        ledger.begin(job)
        write_document(recognition, path)
        ledger.add(job, None, [path])
        remove_parts(self.settings.out, job)  # ``ifdd recognize`` may have been interrupted
        return path

    def stream(self) -> Stream:
        """Return a stream with a detector of its own, because a detector serves one thread only."""
        recognizer = self.recognizer
        return Stream(recognizer.reader, self.settings.detector(), recognizer.tracking, recognizer.windows)
