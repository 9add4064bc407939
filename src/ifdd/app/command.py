"""``ifdd app``: recognise videos and look at the results in the browser."""

import errno
import logging
import socket
import sys
import threading
import webbrowser
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from ifdd.app.engine import Engine
from ifdd.app.guard import LOOPBACK, is_loopback, new_token
from ifdd.app.places import open_places
from ifdd.app.session import Session, open_session
from ifdd.console import console, error_console
from ifdd.errors import InputError, check_range
from ifdd.faces.detection import DetectorKind, choose_detector
from ifdd.faces.tracking import TrackingOptions
from ifdd.files import expand
from ifdd.inference.batch.jobs import refuse_unwritable
from ifdd.inference.batch.worker import Settings, share_cores
from ifdd.inference.windows import WindowOptions
from ifdd.model import DEFAULT, choose_device, device_for, load_model
from ifdd.names import printable
from ifdd.video.sources import SourceOptions

NEEDED = ("fastapi", "uvicorn", "websockets", "plotly")
"""Packages of the extra ``[app]``."""


def app(
    folder: Path | None = None,
    *,
    results: Path | None = None,
    checkpoint: Path = Path(DEFAULT),
    port: int = 8765,
    host: str = "127.0.0.1",
    open: bool = True,
    max_upload_mb: int = 4000,
    detector: DetectorKind = "auto",
    detector_model: Path | None = None,
    device: str = "auto",
    windows: WindowOptions = WindowOptions(),  # noqa: B008 (frozen)
    tracking: TrackingOptions = TrackingOptions(),  # noqa: B008 (frozen)
) -> None:
    """Recognise videos and look at the results on a page in the browser.

    The page has three places: Analyze, where videos are dropped or chosen from FOLDER; Viewer, with the video, a
    timeline for each person, corrections and downloads; and Live, for the camera. Everything stays on this computer,
    and nothing is kept without --results. Ctrl-C ends it.

    Args:
        folder: Folder with videos to choose from, searched at any depth. Without it, videos are dropped on the page.
        results: Folder to keep results and corrections in; results that are there already are shown. Without it, they
            are deleted when 'ifdd app' ends.
        checkpoint: Checkpoint to use, as for 'ifdd recognize'.
        port: Port of the page; 0 takes a free one.
        host: Address to listen at. Other addresses than 127.0.0.1 let other computers in, unencrypted.
        open: Open the page in the browser.
        max_upload_mb: Largest video that may be dropped, in MB.
        detector: Face detector, as for 'ifdd recognize'.
        detector_model: Path to YuNet's .onnx file, instead of the public one.
        device: Device to run the model on: auto (a CUDA GPU if there is one, otherwise the CPU), cpu, cuda, cuda:1 (the
            second GPU) or mps (the GPU of a Mac).
        windows: Windows and segments.
        tracking: Face tracking.

    Raises:
        InputError: a package is missing, the port is in use, a folder cannot be used, or as 'ifdd recognize'.
    """
    check_range("--port", port, at_least=0, at_most=65535)
    check_range("--max-upload-mb", max_upload_mb, at_least=1)
    _check_packages()
    folder, kept = None if folder is None else expand(folder), None if results is None else expand(results)
    choose_device(device)
    with _listen(host, port) as listening, open_places(folder, kept) as places:
        refuse_unwritable(places.results)
        loaded = load_model(expand(checkpoint))
        choice = choose_detector(detector_model, _notify, kind=detector)
        name = device_for(loaded, device)
        settings = Settings(
            expand(checkpoint), choice, name, windows, tracking, SourceOptions(), places.results, ("json",), True
        )
        share_cores()
        with open_session(places, Engine(settings, loaded), max_upload_mb * 1_000_000) as session:
            _serve(session, listening, host, open)


def _check_packages() -> None:
    missing = [package for package in NEEDED if find_spec(package) is None]
    if missing:
        raise InputError(f"needs {', '.join(missing)}, not installed: pip install 'ifdd[app]'")


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        InputError: the port is in use, or the address is none of this computer's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise InputError(f"--host {host} is not an address of this computer; use 127.0.0.1") from error
    try:
        if sys.platform != "win32":  # there, it would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"port {port} is in use; choose another with --port, or a free one with --port 0"
            ) from error
        if error.errno == errno.EACCES:
            raise InputError(f"port {port} is reserved; choose one above 1023 with --port") from error
        raise InputError(f"--host {host} is not an address of this computer; use 127.0.0.1") from error
    return listening


def _serve(session: Session, listening: socket.socket, host: str, open_page: bool) -> None:
    """Serve the page until Ctrl-C or SIGTERM."""
    import uvicorn

    from ifdd.app.server import MOST_SOCKET_BYTES, create_app

    port = listening.getsockname()[1]
    token = new_token()
    config = uvicorn.Config(
        create_app(session, token, host, port),
        log_config=None,  # uvicorn's own would close the handlers of all other loggers
        log_level="error",
        access_log=False,  # addresses hold the token
        server_header=False,
        proxy_headers=False,
        ws_max_size=MOST_SOCKET_BYTES,
        timeout_graceful_shutdown=1,
        lifespan="off",
    )
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    shown = host if host in LOOPBACK else "127.0.0.1" if host in ("0.0.0.0", "") else host
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/?token={token}"
    notice = session.engine.recognizer.model_info.notice
    if notice:
        _notify(f"note: {notice}")
    if not is_loopback(host):
        _notify(
            f"warning: --host {host} lets other computers in, unencrypted: who reads the network reads the token and "
            "the videos; prefer 127.0.0.1 and a tunnel (ssh -L)"
        )
    console.print(f"ifdd app: {address}", markup=False, highlight=False, soft_wrap=True)
    _notify("Ctrl-C ends it." + ("" if session.places.kept_results else " Results are not kept: --results FOLDER."))
    if open_page and is_loopback(host):
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def _notify(line: str) -> None:
    error_console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
