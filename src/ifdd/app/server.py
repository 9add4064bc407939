"""The server of the page: a route for each thing that the page does."""

import json
import shutil
from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from plotly.offline import get_plotlyjs
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from ifdd.app.corrections import Correction, corrections_path, save_correction
from ifdd.app.downloads import make_file
from ifdd.app.frames import frame_jpeg
from ifdd.app.guard import AsgiApp, Guard
from ifdd.app.live import LONGEST_MESSAGE, LiveSession
from ifdd.app.session import Session
from ifdd.app.uploads import TooLargeError
from ifdd.errors import InputError
from ifdd.files import escape_bytes
from ifdd.inference.outputs.document import document_pieces
from ifdd.names import printable
from ifdd.video.sources import LATEST_SECONDS

STATIC = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Suffix of the page's own files -> type."""

VIDEO_TYPES = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".webm": "video/webm", ".ogv": "video/ogg",
    ".mkv": "video/x-matroska", ".avi": "video/x-msvideo",
}  # fmt: skip
"""Suffix -> type of videos; never one that a browser would run."""

PIECE = 65_536
"""Characters of a document that are sent together."""


class EscapedJSONResponse(JSONResponse):
    """JSON in which bytes of names that are not UTF-8 are escaped, as in files of results."""

    def render(self, content: Any) -> bytes:
        """Return the bytes of the answer."""
        return escape_bytes(json.dumps(content, ensure_ascii=False, allow_nan=False)).encode()


def create_app(session: Session, token: str, host: str, port: int) -> AsgiApp:
    """Return the server.

    Args:
        session: what it shows and changes.
        token: the secret that the page's address holds.
        host: the address that it listens at.
        port: its port.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, default_response_class=EscapedJSONResponse)
    _add_errors(app)
    _add_page(app)
    _add_queue(app, session)
    _add_results(app, session)
    _add_media(app, session)
    _add_live(app, session)
    return Guard(app, token, host, port)


def _add_errors(app: FastAPI) -> None:
    """Answer every error with one sentence."""

    def answer(message: str, status: int) -> JSONResponse:
        return EscapedJSONResponse({"message": message}, status)

    @app.exception_handler(InputError)
    async def mistake(_: Request, error: InputError) -> JSONResponse:
        return answer(str(error), 413 if isinstance(error, TooLargeError) else 400)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer("the page sent something that the server does not understand; reload it", 422)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return answer("there is nothing at this address; go back to the page", error.status_code)

    @app.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> JSONResponse:
        return answer(f"the server met an unexpected {type(error).__name__}; its terminal shows the details", 500)


def _add_page(app: FastAPI) -> None:
    """Add the page itself: a fixed set of files, read at the start."""
    static = {
        path.name: Response(path.read_bytes(), media_type=STATIC[Path(path.name).suffix])
        for path in files("ifdd.app").joinpath("static").iterdir()
    }
    static["plotly.min.js"] = Response(get_plotlyjs(), media_type="text/javascript")
    for response in static.values():
        response.headers["cache-control"] = "no-cache"

    @app.get("/")
    async def index() -> Response:
        return static["index.html"]

    @app.get("/static/{name}")
    async def file(name: str) -> Response:
        if name not in static:
            raise HTTPException(404)
        return static[name]


def _add_queue(app: FastAPI, session: Session) -> None:
    @app.get("/api/about")
    def about() -> dict[str, Any]:
        return session.about()

    @app.get("/api/folder")
    def folder() -> list[dict[str, str]]:
        return [{"id": entry.id, "name": entry.name} for entry in session.library.videos()]

    @app.get("/api/queue")
    def queue() -> list[dict[str, Any]]:
        return session.tasks()

    @app.post("/api/queue")
    def add(ids: list[str]) -> list[str]:
        entries = [session.library.video(id) for id in ids]
        return [session.queue.add(entry.path, entry.name, entry.name).id for entry in entries]

    @app.post("/api/queue/{id}/cancel")
    def cancel(id: str) -> None:
        session.queue.cancel(id)

    @app.post("/api/queue/{id}/retry")
    def retry(id: str) -> None:
        session.queue.retry(id)

    @app.post("/api/queue/{id}/remove")
    def remove(id: str) -> None:
        session.queue.remove(id)

    @app.put("/api/uploads")
    async def upload(request: Request, name: str) -> dict[str, str]:
        length = request.headers.get("content-length", "")
        pieces: AsyncIterator[bytes] = request.stream()
        path = await session.uploads.receive(name, pieces, int(length) if length.isdecimal() else None)
        if path.suffix.lower() == ".json":
            entry = await run_in_threadpool(session.library.open, path, path.name)
            return {"kind": "result", "id": entry.id}
        return {"kind": "video", "id": session.queue.add(path, path.stem, path.name, is_upload=True).id}


def _add_results(app: FastAPI, session: Session) -> None:
    library = session.library

    @app.get("/api/results")
    def results() -> list[dict[str, str]]:
        return [{"id": entry.id, "name": entry.name} for entry in library.results()]

    @app.get("/api/results/{id}")
    def document(id: str) -> Response:
        return StreamingResponse(_joined(document_pieces(library.load(id))), media_type="application/json")

    @app.get("/api/results/{id}/view")
    def view(id: str) -> dict[str, Any]:
        return session.view(id)

    @app.put("/api/results/{id}/corrections")
    def correct(id: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        correction = Correction.read(values, "the correction")
        saved = save_correction(library.result(id).path, lambda: library.load(id), correction)
        return [each.plain() for each in saved.corrections]

    @app.get("/api/results/{id}/corrections")
    def corrections(id: str) -> Response:
        path = corrections_path(library.result(id).path)
        if not path.is_file():
            raise InputError("nothing was corrected yet")
        return _download(path)

    @app.get("/api/results/{id}/files/{form}")
    def download(id: str, form: str) -> Response:
        result = library.result(id)
        if form == "json":  # byte for byte, as corrections name its hash
            return _download(result.path)
        recognition, video = session.loaded_with_video(id)
        folder = session.temporary_folder()
        try:
            path = make_file(recognition, video, result.name, form, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return _download(path, BackgroundTask(shutil.rmtree, folder, ignore_errors=True))


def _add_media(app: FastAPI, session: Session) -> None:
    @app.get("/api/results/{id}/video")
    def video(id: str) -> Response:
        _, path = session.loaded_with_video(id)
        if path is None or path.is_dir():
            raise InputError("the video is not in the chosen folders")
        return FileResponse(path, media_type=VIDEO_TYPES.get(path.suffix.lower(), "application/octet-stream"))

    @app.get("/api/results/{id}/frame")
    def frame(id: str, seconds: Annotated[float, Query(allow_inf_nan=False, le=LATEST_SECONDS)]) -> Response:
        recognition, path = session.loaded_with_video(id)
        if path is None:
            raise InputError("the video is not in the chosen folders")
        return Response(frame_jpeg(path, seconds, recognition.video.fps), media_type="image/jpeg")


def _add_live(app: FastAPI, session: Session) -> None:
    @app.websocket("/api/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        if not session.camera.acquire(blocking=False):
            await socket.close(4000, "the camera is open in another tab; close it there first")
            return
        try:
            reader = LiveSession(await run_in_threadpool(session.engine.stream))
            await socket.send_json({"ready": True})
            while True:
                message = await socket.receive_bytes()
                await socket.send_json(await run_in_threadpool(reader.read, message))
        except WebSocketDisconnect:
            pass
        except (InputError, KeyError) as error:  # KeyError: text instead of bytes
            reason = str(error) if isinstance(error, InputError) else "a frame of the camera is not a picture"
            await socket.close(4001, reason[:120])
        finally:
            session.camera.release()


def _download(path: Path, background: BackgroundTask | None = None) -> FileResponse:
    return FileResponse(
        path, filename=printable(path.name), media_type="application/octet-stream", background=background
    )


def _joined(pieces: Iterator[str]) -> Iterator[bytes]:
    """Join pieces of text to larger ones; bytes that are not UTF-8 were escaped before."""
    waiting: list[str] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield "".join(waiting).encode()
            waiting, size = [], 0
    yield "".join(waiting).encode()


MOST_SOCKET_BYTES = LONGEST_MESSAGE
"""Bytes of a message that the server takes."""
