"""Downloads from a local server: once, complete and in time, or a one-line error with a remedy."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from ifdd.errors import InputError
from ifdd.remote import downloads
from ifdd.remote.downloads import fetch_file
from tests.helpers.processes import LIMIT_SECONDS

CONTENT = b"a model"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def url(tmp_path: Path) -> str:
    file = tmp_path / "www" / "model.onnx"
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    return file.as_uri()


@pytest.mark.parametrize("digits", [8, 64])
def test_a_file_is_downloaded_once(url: str, tmp_path: Path, notices: list[str], digits: int) -> None:
    path = fetch_file(url, SHA256[:digits], notices.append)
    assert path == tmp_path / "torch" / "hub" / "checkpoints" / "model.onnx"
    assert path.read_bytes() == CONTENT
    (tmp_path / "www" / "model.onnx").unlink()
    assert fetch_file(url, SHA256[:digits], notices.append) == path
    assert notices == [f"downloading {url} to {path.parent}"]


def test_a_damaged_file_is_replaced_and_kept_when_that_fails(url: str, tmp_path: Path, notices: list[str]) -> None:
    path = fetch_file(url, SHA256, notices.append)
    path.write_bytes(b"damaged")
    assert fetch_file(url, SHA256, notices.append).read_bytes() == CONTENT
    assert notices[-1] == f"{path} is damaged; downloading {url} to {path.parent}"
    path.write_bytes(b"damaged")
    (tmp_path / "www" / "model.onnx").unlink()
    with pytest.raises(InputError, match="cannot download"):
        fetch_file(url, SHA256, notices.append)
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("sha256", ["0" * 64, SHA256[:-1] + ("0" if SHA256[-1] != "0" else "1")])
def test_a_wrong_file_is_refused_by_its_full_hash(url: str, tmp_path: Path, sha256: str) -> None:
    with pytest.raises(InputError, match=rf"cannot download {url}: .*{sha256}.*{SHA256}.*; give the path") as caught:
        fetch_file(url, sha256, lambda line: None, "give the path")
    assert len(str(caught.value).splitlines()) == 1
    assert list((tmp_path / "torch" / "hub" / "checkpoints").iterdir()) == []


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/model.onnx"


def test_a_silent_server_times_out(silent_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(InputError, match=r"cannot download http.*timed out; try again"):
        fetch_file(silent_server, SHA256, lambda line: None)
    assert socket.getdefaulttimeout() is None


def test_a_server_that_does_not_answer_is_remembered_for_a_day(
    silent_server: str, monkeypatch: pytest.MonkeyPatch, notices: list[str]
) -> None:
    monkeypatch.setattr(downloads, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(downloads, "WORTH_REMEMBERING_SECONDS", 0.1)

    def fetch(optional: bool = True) -> str:
        with pytest.raises(InputError) as caught:
            fetch_file(silent_server, SHA256, notices.append, optional=optional)
        return str(caught.value)

    assert "no answer within 0.2 seconds, timed out; try again" in fetch()
    again = fetch()
    assert "did not answer within the last day; IFDD_OFFLINE=0 tries again at once" in again
    assert len(notices) == 1  # nothing was tried
    assert "timed out" in fetch(optional=False)
    monkeypatch.setenv("IFDD_OFFLINE", "0")
    assert "timed out" in fetch()
    monkeypatch.delenv("IFDD_OFFLINE")
    monkeypatch.setattr(downloads, "REMEMBERED_SECONDS", 0.0)
    assert "timed out" in fetch()


def test_what_answers_is_not_remembered_as_silent(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "WORTH_REMEMBERING_SECONDS", 0.0)
    wrong = "0" * 64
    with pytest.raises(InputError, match="invalid hash"):
        fetch_file(url, wrong, lambda line: None, optional=True)
    assert not list(tmp_path.rglob("*.unreachable"))
    assert fetch_file(url, SHA256, lambda line: None, optional=True).is_file()


@pytest.mark.parametrize(
    "proxy", ["http://..:80", f"http://{'a' * 64}:80", "http://:99999", "http://[:80", "//", "ftp://x"]
)
def test_a_malformed_proxy_is_one_line(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(InputError, match=r"cannot download http://host\.invalid/model\.onnx: .*give the path"):
        fetch_file("http://host.invalid/model.onnx", SHA256, lambda line: None, "give the path")


def test_one_limit_holds_for_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "ANSWER_SECONDS", 0.2)
    wait, answered = threading.Event(), threading.Event()

    def blocked(*_: object, **__: object) -> None:  # as a name server or one address after the other
        wait.wait(LIMIT_SECONDS)
        answered.set()

    monkeypatch.setattr(downloads, "urlopen", blocked)
    with pytest.raises(InputError, match="timed out"):
        fetch_file("http://host.invalid/model.onnx", SHA256, lambda line: None)
    assert not answered.is_set()
    wait.set()
    assert answered.wait(LIMIT_SECONDS)


@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_offline_nothing_is_tried(value: str, url: str, monkeypatch: pytest.MonkeyPatch, notices: list[str]) -> None:
    monkeypatch.setenv("IFDD_OFFLINE", value)
    with pytest.raises(InputError, match="IFDD_OFFLINE forbids it; give the path"):
        fetch_file(url, SHA256, notices.append, "give the path")
    assert notices == []
    monkeypatch.setenv("IFDD_OFFLINE", "0")
    path = fetch_file(url, SHA256, notices.append)
    monkeypatch.setenv("IFDD_OFFLINE", value)
    assert fetch_file(url, SHA256, notices.append) == path


def test_the_tests_have_no_network() -> None:
    with pytest.raises(OSError, match=r"refused|no network"):
        urlopen("https://example.com", timeout=5)
    with pytest.raises(OSError, match="no network"):
        socket.create_connection(("example.com", 443), timeout=5)
