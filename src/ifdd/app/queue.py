"""The queue of videos to recognise: one thread works through it; videos can be cancelled and resumed."""

import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ifdd.errors import InputError, unexpected
from ifdd.inference.pipeline import Progress
from ifdd.names import printable

State = Literal["waiting", "running", "done", "failed", "cancelled"]

ENDED: tuple[State, ...] = ("done", "failed", "cancelled")


Recognize = Callable[[Path, str, str | None, Callable[[Progress], object]], Path]
"""What the queue calls for each video: ``Engine.recognize``."""


class _CancelledError(Exception):
    """The video was cancelled while it was read."""


@dataclass
class Task:
    """One video in the queue."""

    video: Path
    name: str
    """Name of the results."""
    shown: str
    """Name of the video on the page."""
    is_upload: bool
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: State = "waiting"
    seconds: float = 0.0
    """Video time that was read."""
    expected_seconds: float | None = None
    faces: int = 0
    """Faces in the newest frame."""
    started: float = 0.0
    ended: float | None = None
    error: str = ""
    result: Path | None = None

    def plain(self) -> dict[str, Any]:
        """Return what the page shows, with speed (a multiple of real time) and remaining seconds."""
        passed = max((self.ended or time.monotonic()) - self.started, 1e-6)
        speed = self.seconds / passed if self.started and self.seconds else None
        left = None
        if self.state == "running" and speed and self.expected_seconds:
            left = max(0.0, self.expected_seconds - self.seconds) / speed
        return {
            "id": self.id,
            "name": self.shown,
            "state": self.state,
            "seconds": self.seconds,
            "expected_seconds": self.expected_seconds,
            "faces": self.faces,
            "speed": speed,
            "left_seconds": left,
            "error": self.error,
        }


class Queue:
    """Videos in the order in which they were added, and the thread that recognises them.

    Args:
        recognize: recognises a video.
    """

    def __init__(self, recognize: Recognize) -> None:
        self._recognize = recognize
        self._tasks: dict[str, Task] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="recognition")
        self._thread.start()

    def add(self, video: Path, name: str, shown: str, *, is_upload: bool = False) -> Task:
        """Add a video at the end; one that waits or runs already is not added again."""
        with self._changed:
            same = (task for task in self._tasks.values() if task.video == video and task.state not in ENDED)
            task = next(same, None) or Task(video, name, shown, is_upload)
            self._tasks[task.id] = task
            self._changed.notify_all()
        return task

    def tasks(self) -> list[Task]:
        """Return all tasks in order."""
        with self._changed:
            return list(self._tasks.values())

    def cancel(self, id: str) -> None:
        """Take a video out of the queue, or end its recognition at the next frame.

        Raises:
            InputError: there is no such task.
        """
        with self._changed:
            task = self._task(id)
            if task.state not in ENDED:
                task.state, task.ended = "cancelled", time.monotonic()

    def retry(self, id: str) -> None:
        """Put a cancelled or failed video at the end of the queue.

        Raises:
            InputError: there is no such task.
        """
        with self._changed:
            task = self._task(id)
            if task.state in ("cancelled", "failed"):
                del self._tasks[id]
                self._tasks[id] = Task(task.video, task.name, task.shown, task.is_upload, id)
                self._changed.notify_all()

    def remove(self, id: str) -> None:
        """Take a video that has ended off the list; delete a dropped one that gave no results.

        Raises:
            InputError: there is no such task.
        """
        with self._changed:
            task = self._task(id)
            if task.state not in ENDED:
                return
            del self._tasks[id]
        if task.is_upload and task.result is None:
            shutil.rmtree(task.video.parent, ignore_errors=True)

    def close(self) -> None:
        """Cancel everything and wait for the thread to end."""
        with self._changed:
            self._closing = True
            for task in self._tasks.values():
                if task.state not in ENDED:
                    task.state = "cancelled"
            self._changed.notify_all()
        self._thread.join()

    def _task(self, id: str) -> Task:
        if id not in self._tasks:
            raise InputError("this video is no longer in the queue; another tab may have removed it")
        return self._tasks[id]

    def _work(self) -> None:
        while (task := self._next()) is not None:
            self._run(task)

    def _next(self) -> Task | None:
        """Wait for a task; None at the end."""
        with self._changed:
            while True:
                if self._closing:
                    return None
                task = next((task for task in self._tasks.values() if task.state == "waiting"), None)
                if task is not None:
                    task.state, task.started = "running", time.monotonic()
                    return task
                self._changed.wait()

    def _run(self, task: Task) -> None:
        def follow(progress: Progress) -> None:
            if task.state != "running":
                raise _CancelledError
            task.seconds, task.expected_seconds = progress.seconds, progress.expected_seconds
            task.faces = progress.faces

        error = ""
        try:
            task.result = self._recognize(task.video, task.name, task.shown if task.is_upload else None, follow)
        except _CancelledError:
            return
        except InputError as mistake:
            error = str(mistake).replace(str(task.video), task.shown)
        except Exception as mistake:  # a fault in one video must not end the queue
            error = unexpected(task.shown, mistake)
        with self._changed:
            if task.state == "running":
                task.state, task.error, task.ended = ("failed" if error else "done"), printable(error), time.monotonic()
