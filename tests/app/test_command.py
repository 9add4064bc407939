"""``ifdd app`` on the command line: every mistake is one line, and nothing is left behind."""

import logging
import socket
from pathlib import Path

import pytest

from ifdd.app import command
from ifdd.app.command import app
from ifdd.app.session import Session
from ifdd.errors import InputError
from ifdd.model import DEMONSTRATION

HAAR = {"detector": "haar", "checkpoint": Path(DEMONSTRATION), "open": False}


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} is in use; choose another with --port"):
            app(port=port)


@pytest.mark.parametrize("host", ["192.0.2.7", "no.such.host.example"])
def test_a_host_of_another_computer_is_refused(host: str) -> None:
    with pytest.raises(InputError, match=f"--host {host} is not an address of this computer"):
        app(host=host)


def test_folders_and_numbers_are_checked_before_the_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the folder .*nowhere"):
        app(tmp_path / "nowhere", port=0)
    with pytest.raises(InputError, match="--port is 70000"):
        app(port=70000)
    with pytest.raises(InputError, match="--max-upload-mb is 0"):
        app(max_upload_mb=0)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "uvicorn" else name)
    with pytest.raises(InputError, match=r"needs uvicorn, not installed: pip install 'ifdd\[app\]'"):
        app()


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_other_computers_are_let_in_with_a_warning_only(
    host: str, warned: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uvicorn = pytest.importorskip("uvicorn")
    seen: list[Path] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: seen.append(sockets[0].getsockname()))
    app(port=0, host=host, **HAAR)  # type: ignore[arg-type]
    printed = capsys.readouterr()
    assert seen[0][0] == host  # type: ignore[index]
    assert "ifdd app: http://127.0.0.1:" in printed.out
    assert ("warning: --host" in printed.err) is warned
    assert "Results are not kept" in printed.err


def test_the_logging_of_other_libraries_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Handler(logging.NullHandler):
        closed = False

        def close(self) -> None:
            self.closed = True

    handler = Handler()
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    app(port=0, **HAAR)  # type: ignore[arg-type]
    assert not handler.closed


def test_every_address_has_another_token_and_the_session_is_deleted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places: list[Path] = []
    serve = command._serve

    def spy(session: Session, listening: socket.socket, host: str, open_page: bool) -> None:
        places.append(session.places.session)
        assert places[-1].is_dir()
        monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
        serve(session, listening, host, open_page)

    monkeypatch.setattr(command, "_serve", spy)
    tokens = []
    for _ in range(2):
        app(port=0, **HAAR)  # type: ignore[arg-type]
        tokens.append(capsys.readouterr().out.rpartition("token=")[2].strip())
    assert len({*tokens}) == 2
    assert all(len(token) >= 43 for token in tokens)
    assert not any(place.exists() for place in places)
