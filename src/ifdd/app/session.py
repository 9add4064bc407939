"""Everything that the server holds: one object for each part of the page."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from ifdd.app.corrections import Correction, corrections_path, load_corrections
from ifdd.app.downloads import forms
from ifdd.app.engine import Engine
from ifdd.app.library import Library
from ifdd.app.places import Places
from ifdd.app.queue import Queue, Task
from ifdd.app.uploads import Uploads
from ifdd.errors import InputError
from ifdd.files import file_sha256
from ifdd.inference.outputs.style import UNCERTAIN_COLOUR, class_colours
from ifdd.inference.recognition import Recognition
from ifdd.inference.results import UNCERTAIN


@dataclass(frozen=True)
class Session:
    """One run of ``ifdd app``."""

    places: Places
    engine: Engine
    queue: Queue
    library: Library
    uploads: Uploads
    camera: Lock
    """Held by the tab that shows the camera."""

    def about(self) -> dict[str, Any]:
        """Return what the page says about the model, the folders and the limits."""
        recognizer = self.engine.recognizer
        model, windows = recognizer.model_info, recognizer.windows
        return {
            "checkpoint": model.checkpoint,
            "notice": model.notice,
            "detector": model.face_detector,
            "classes": list(model.classes),
            "colours": _colours(model.classes),
            "folder": None if self.places.folder is None else str(self.places.folder),
            "results": None if self.places.kept_results is None else str(self.places.kept_results),
            "most_upload_bytes": self.uploads.most_bytes,
            "minimum_probability": windows.minimum_probability or 0.0,
            "minimum_quality": windows.minimum_quality,
            "latency_seconds": model.clip_seconds / 2,
            "forms": [{"form": each.form, "name": each.name, "missing": each.missing} for each in forms()],
        }

    def tasks(self) -> list[dict[str, Any]]:
        """Return the queue, with the ids of results."""
        return [
            task.plain() | {"result": None if task.result is None else self._result_id(task)}
            for task in self.queue.tasks()
        ]

    def view(self, id: str) -> dict[str, Any]:
        """Return what the viewer needs besides the results themselves.

        Raises:
            InputError: the results or their corrections are gone or damaged.
        """
        entry, recognition = self.library.result(id), self.library.load(id)
        video = self.library.video_of(id, recognition)
        corrections, trouble = _corrections_of(entry.path, recognition)
        return {
            "id": id,
            "name": entry.name,
            "has_video": video is not None,
            "is_folder": video is not None and video.is_dir(),
            "video_name": Path(recognition.video.path).name,
            "colours": _colours(recognition.classes),
            "corrections": [each.plain() for each in corrections],
            "corrections_file": corrections_path(entry.path).name,
            "is_kept": not entry.path.is_relative_to(self.places.session),
            "corrections_trouble": trouble,
        }

    def temporary_folder(self) -> Path:
        """Return a new folder within the session's."""
        return Path(tempfile.mkdtemp(prefix="file-", dir=self.places.session))

    def loaded_with_video(self, id: str) -> tuple[Recognition, Path | None]:
        """Return results and their video, if it is in the chosen folders.

        Raises:
            InputError: the results are gone or damaged.
        """
        recognition = self.library.load(id)
        return recognition, self.library.video_of(id, recognition)

    def _result_id(self, task: Task) -> str:
        assert task.result is not None
        return self.library.remember(task.result, task.video if task.is_upload else None).id


@contextmanager
def open_session(places: Places, engine: Engine, most_upload_bytes: int) -> Iterator[Session]:
    """Give a session, and end its thread at the end."""
    library = Library(places)
    queue = Queue(engine.recognize)
    try:
        yield Session(places, engine, queue, library, Uploads(places.uploads, most_upload_bytes), Lock())
    finally:
        queue.close()


def _corrections_of(result: Path, recognition: Recognition) -> tuple[tuple[Correction, ...], str]:
    """Return the corrections of results, and what is wrong with them."""
    path = corrections_path(result)
    try:
        saved = load_corrections(result)
    except InputError as error:
        return (), str(error).replace(str(path), path.name)
    if not saved.corrections or saved.result_sha256 == file_sha256(result):
        return saved.corrections, ""
    fitting = saved.fitted(recognition).corrections
    trouble = "The corrections were made for earlier results of this video; check them."
    if lost := len(saved.corrections) - len(fitting):
        trouble += f" {lost} of {len(saved.corrections)} fit no segment any more; {path.name} keeps them."
    return fitting, trouble


def _colours(classes: tuple[str, ...]) -> dict[str, str]:
    """Return label -> colour for a page, in the colours of plots and videos."""
    colours = class_colours(classes) | {UNCERTAIN: UNCERTAIN_COLOUR}
    return {name: f"#{red:02x}{green:02x}{blue:02x}" for name, (red, green, blue) in colours.items()}
