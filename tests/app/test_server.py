"""The server: who is let in, which files it touches, and the way from a video to a table."""

import csv
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from ifdd.app.guard import Guard
from ifdd.app.server import create_app
from ifdd.app.session import Session
from ifdd.faces.boxes import FaceBox
from ifdd.faces.tracking import TrackPoint
from ifdd.inference import Recognition, Segment, TimelineEntry
from ifdd.inference.batch.cutting import PARTS, _folder
from ifdd.inference.batch.jobs import Job
from ifdd.inference.batch.search import LEDGER
from ifdd.inference.pipeline import Progress
from tests.app.conftest import session_of
from tests.helpers.processes import wait_until
from tests.helpers.results import make_model, make_track, make_video

PORT = 8765
HERE = f"http://127.0.0.1:{PORT}"
TOKEN = "a-secret"
SOCKET = f"ws://127.0.0.1:{PORT}/api/live"


def new_client(session: Session, host: str = "127.0.0.1") -> TestClient:
    return TestClient(create_app(session, TOKEN, host, PORT), base_url=HERE, raise_server_exceptions=False)


@pytest.fixture
def stranger(session: Session) -> TestClient:
    """Return a client without the token."""
    return new_client(session)


@pytest.fixture
def page(session: Session) -> TestClient:
    """Return a client as the page is one: with the cookie and its origin."""
    client = new_client(session)
    assert client.get(f"/?token={TOKEN}").status_code == 200
    client.headers["origin"] = HERE
    return client


def message(response: Any) -> str:
    body = response.json()
    assert list(body) == ["message"]
    assert "Traceback" not in body["message"]
    return str(body["message"])


def recognized(page: TestClient, task: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        found = next(each for each in page.get("/api/queue").json() if each["id"] == task)
        return found if found["state"] in ("done", "failed") else None

    wait_until(ended, "the recognition")
    found = ended()
    assert found is not None
    return found


# who is let in


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=b-secret", "/static/main.js", "/api/about", "/api/queue"])
def test_nobody_without_the_token_is_let_in(stranger: TestClient, path: str) -> None:
    response = stranger.get(path)
    assert response.status_code == 403
    assert "token" in message(response)
    assert "set-cookie" not in response.headers


def test_the_token_in_an_address_opens_the_page_only(stranger: TestClient) -> None:
    assert stranger.get(f"/api/about?token={TOKEN}").status_code == 403
    cookie = stranger.get(f"/?token={TOKEN}").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert stranger.get("/api/about").status_code == 200


def test_cookies_of_other_programs_do_no_harm(page: TestClient) -> None:
    cookie = f'other={{"a": [1]}}; ifdd_{PORT}={TOKEN}; =; \x7f'
    assert page.get("/api/about", headers={"cookie": cookie}).status_code == 200
    assert page.get("/api/about", headers={"cookie": f"ifdd_1={TOKEN}"}).status_code == 403


@pytest.mark.parametrize("host", ["evil.example:8765", "127.0.0.1:9999", "127.0.0.1", "evil.example", "", "[", "a:b:c"])
def test_other_names_of_the_server_are_refused(page: TestClient, host: str) -> None:
    assert page.get("/api/about", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("name", ["localhost:8765", "[::1]:8765"])
def test_other_names_of_this_computer_are_let_in(page: TestClient, name: str) -> None:
    headers = {"host": name, "origin": f"http://{name}", "cookie": f"ifdd_{PORT}={TOKEN}"}
    assert page.get("/api/about", headers=headers).status_code == 200


def test_a_server_for_others_takes_addresses_but_no_names(session: Session) -> None:
    def status(client: TestClient, host: str) -> int:
        headers = {"host": host, "cookie": f"ifdd_{PORT}={TOKEN}"}
        return client.get("/api/about", headers=headers).status_code

    assert status(new_client(session, "0.0.0.0"), f"192.168.1.7:{PORT}") == 200
    assert status(new_client(session, "0.0.0.0"), f"evil.example:{PORT}") == 403
    assert status(new_client(session), f"192.168.1.7:{PORT}") == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:9999", "null", "file://", f"https://evil.example/{HERE}"]
)
def test_other_pages_are_refused(page: TestClient, origin: str) -> None:
    for method in ("GET", "POST"):
        assert page.request(method, "/api/queue", headers={"origin": origin}).status_code == 403


def test_changes_without_an_origin_are_refused(page: TestClient) -> None:
    del page.headers["origin"]
    assert page.get("/api/queue").status_code == 200
    assert page.post("/api/queue", json=[]).status_code == 403
    assert page.put("/api/uploads?name=a.mp4", content=b"x").status_code == 403


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_pictures_and_scripts_of_other_pages_are_refused(page: TestClient, site: str) -> None:
    """A page on another port of this computer is the same site, so the browser would send the cookie."""
    headers = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}
    del page.headers["origin"]
    assert page.get("/api/queue", headers=headers).status_code == 403
    assert page.get("/", headers=headers | {"sec-fetch-mode": "navigate"}).status_code == 200  # a link to the page


@pytest.mark.parametrize("headers", [{}, {"origin": "http://evil.example"}, {"origin": HERE, "cookie": "no=token"}])
def test_sockets_of_others_are_refused(page: TestClient, headers: dict[str, str]) -> None:
    del page.headers["origin"]
    with pytest.raises(WebSocketDisconnect), page.websocket_connect(SOCKET, headers=headers):
        pass


def test_the_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch, stranger: TestClient) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr("hmac.compare_digest", compare)
    stranger.get("/?token=guess")
    assert (b"guess", TOKEN.encode()) in compared


def test_the_page_runs_nothing_inline_and_loads_nothing_from_elsewhere(page: TestClient) -> None:
    response = page.get("/")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "<style" not in response.text
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", response.text)
    assert not re.search(r"""(src|href)=["'](?!/static/|#)""", response.text)


# which files are touched


@pytest.mark.parametrize(
    "path",
    ["/static/../command.py", "/static/..%2fcommand.py", "/static/%2e%2e/%2e%2e/errors.py", "/static//etc/passwd"],
)
def test_only_the_pages_own_files_are_static(page: TestClient, path: str) -> None:
    response = page.get(path)
    assert response.status_code == 404
    message(response)


def test_links_that_lead_out_of_the_folder_are_not_listed(page: TestClient) -> None:
    assert [each["name"] for each in page.get("/api/folder").json()] == ["one"]


def test_a_video_that_became_a_link_is_refused(page: TestClient, session: Session, drawn: Path) -> None:
    folder = session.places.folder
    assert folder is not None
    swapped = folder / "swapped.mp4"
    swapped.write_bytes(drawn.read_bytes())
    id = next(each["id"] for each in page.get("/api/folder").json() if each["name"] == "swapped")
    swapped.unlink()
    swapped.symlink_to(drawn)
    assert "not in the chosen folders" in message(page.post("/api/queue", json=[id]))
    swapped.unlink()


@pytest.mark.parametrize("named", ["/etc/passwd", "notes.txt", "../../../etc/passwd", "OUTSIDE"])
def test_results_cannot_name_other_files(page: TestClient, drawn: Path, named: str, tmp_path: Path) -> None:
    video = make_video(str(drawn) if named == "OUTSIDE" else named, 2.0, 50)
    Recognition(video, make_model(("happy",)), ()).write(tmp_path / "forged.json")
    taken = page.put("/api/uploads?name=forged.json", content=(tmp_path / "forged.json").read_bytes()).json()
    assert taken["kind"] == "result"
    assert page.get(f"/api/results/{taken['id']}/view").json()["has_video"] is False
    for path in ("video", "frame?seconds=0", "files/mp4"):
        assert "not in the chosen folders" in message(page.get(f"/api/results/{taken['id']}/{path}"))


def test_dropped_files_stay_in_their_folder(page: TestClient, session: Session) -> None:
    before = {path for path in session.places.uploads.rglob("*") if path.is_file()}
    page.put("/api/uploads", params={"name": "../../../../tmp/evil.mp4"}, content=b"no video")
    new = {path for path in session.places.uploads.rglob("*") if path.is_file()} - before
    assert [path.name for path in new] == ["evil.mp4"]


def test_dropped_files_are_limited(page: TestClient, session: Session) -> None:
    limit = session.uploads.most_bytes
    response = page.put("/api/uploads?name=big.mp4", content=b"x", headers={"content-length": str(limit + 1)})
    assert response.status_code == 413

    def pieces() -> Iterator[bytes]:
        yield from [b"x" * 10_000] * (limit // 10_000 + 1)

    response = page.put("/api/uploads?name=big.mp4", content=pieces())  # chunked, without a length
    assert response.status_code == 413
    assert "--max-upload-mb" in message(response)
    assert not list(session.places.uploads.rglob("big*"))


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema_version": "2.0", "video": {}}', b"\0\1"])
def test_dropped_files_without_results_are_refused(page: TestClient, session: Session, content: bytes) -> None:
    assert "bad.json" in message(page.put("/api/uploads?name=bad.json", content=content))
    assert not list(session.places.session.rglob("bad.json"))


def test_everything_of_a_session_is_deleted_at_its_end(drawn: Path) -> None:
    with session_of(None) as session:
        client = new_client(session)
        client.get(f"/?token={TOKEN}")
        client.put("/api/uploads?name=a.mp4", content=drawn.read_bytes(), headers={"origin": HERE})
        place = session.places.session
        assert list(place.rglob("a.mp4"))
        assert place.stat().st_mode & 0o077 == 0
    assert not place.exists()


def test_dropped_results_and_their_corrections_are_kept_with_the_others(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    segment = Segment(1, 0.0, 2.0, "happy", 0.8)
    entries = [TimelineEntry(1, 0.0, 1.0, (1.0,)), TimelineEntry(1, 1.0, 2.0, (1.0,))]
    points = [TrackPoint(0, 0.0, FaceBox(1.0, 1.0, 9.0, 9.0, 0.9))]
    tracks = (make_track(1, 0.0, 2.0, points, entries, [segment]),)
    Recognition(make_video("party.mp4", 2.0, 50), make_model(("happy",)), tracks).write(tmp_path / "party.json")
    content = (tmp_path / "party.json").read_bytes()
    kept.mkdir()
    (kept / "party.json").write_text("another file")
    correction = {"track": 1, "start_seconds": 0.0, "end_seconds": 2.0, "label": "happy", "comment": "laughs"}
    for end in (True, False):
        with session_of(None, kept) as session:
            client = new_client(session)
            client.get(f"/?token={TOKEN}")
            client.headers["origin"] = HERE
            id = client.put("/api/uploads?name=party.json", content=content).json()["id"]
            view = client.get(f"/api/results/{id}/view").json()
            assert (view["name"], view["is_kept"], len(view["corrections"])) == ("party-2", True, int(not end))
            assert client.put(f"/api/results/{id}/corrections", json=correction).json() == [correction]
            assert not list(session.places.uploads.iterdir())
    names = {"party.json", "party-2.json", "party-2.corrections.json", LEDGER}
    assert {path.name for path in kept.iterdir()} == names
    assert (kept / "party-2.json").read_bytes() == content


def test_dropped_results_get_no_name_that_a_video_has_or_will_get(tmp_path: Path, drawn: Path) -> None:
    kept, dropped = tmp_path / "kept", tmp_path / "dropped.json"
    with session_of(None, kept) as session:

        def opened(name: str, seconds: float) -> str:
            Recognition(make_video("party.mp4", seconds, 50), make_model(("happy",)), ()).write(dropped)
            (tmp_path / "upload").mkdir()
            return session.library.open(dropped.replace(tmp_path / "upload" / name), name).name

        def interrupted(_: Progress) -> None:
            assert [opened(name, 2.0) for name in ("PARTY.json", "party.json")] == ["PARTY-2", "PARTY-2"]
            assert opened("party.corrections.json", 3.0) == "party-3"
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            session.engine.recognize(drawn, "party", None, interrupted)
        result = session.engine.recognize(drawn, "party", None, lambda _: None)
        assert opened("copy.json", 3.0) == "party-3"
    assert result == kept / "party.json"
    assert {path.name for path in kept.iterdir()} == {"party.json", "PARTY-2.json", "party-3.json", LEDGER}


def test_parts_of_an_interrupted_command_are_removed(tmp_path: Path, drawn: Path) -> None:
    with session_of(None, tmp_path) as session:
        left = _folder(tmp_path, Job(str(drawn), "party")) / "digest" / "0001.safetensors"
        left.parent.mkdir(parents=True)
        left.touch()
        session.engine.recognize(drawn, "party", None, lambda _: None)
    assert not (tmp_path / PARTS).exists()


def test_the_page_says_which_corrections_are_not_kept(page: TestClient, session: Session, tmp_path: Path) -> None:
    Recognition(make_video("sea.mp4", 2.0, 50), make_model(("happy",)), ()).write(tmp_path / "sea.json")
    id = page.put("/api/uploads?name=sea.json", content=(tmp_path / "sea.json").read_bytes()).json()["id"]
    assert page.get(f"/api/results/{id}/view").json()["is_kept"] is False
    assert page.get(f"/api/results/{id}").json()["tracks"] == []


# from a video to a table


def test_a_video_of_the_folder_becomes_a_table(page: TestClient, session: Session) -> None:
    id = page.get("/api/folder").json()[0]["id"]
    [task] = page.post("/api/queue", json=[id]).json()
    done = recognized(page, task)
    assert (done["state"], done["name"]) == ("done", "one")
    result = done["result"]

    document = page.get(f"/api/results/{result}").json()
    written = session.places.results / "one.json"
    assert document == json.loads(written.read_text())
    assert written.stat().st_mode & 0o007 == 0
    view = page.get(f"/api/results/{result}/view").json()
    assert view["has_video"]
    assert set(view["colours"]) == {*document["model"]["classes"], "uncertain"}

    part = page.get(f"/api/results/{result}/video", headers={"range": "bytes=0-99"})
    assert (part.status_code, len(part.content), part.headers["content-type"]) == (206, 100, "video/mp4")
    assert page.get(f"/api/results/{result}/frame?seconds=0.5").content[:2] == b"\xff\xd8"

    table = page.get(f"/api/results/{result}/files/csv")
    assert 'filename="one.csv"' in table.headers["content-disposition"]
    assert len(list(csv.DictReader(io.StringIO(table.text)))) == len(document["tracks"][0]["windows"]) > 0
    with zipfile.ZipFile(io.BytesIO(page.get(f"/api/results/{result}/files/bids").content)) as archive:
        assert archive.namelist() == ["one_events.json", "one_events.tsv"]
    assert page.get(f"/api/results/{result}/files/mp4").content[4:8] == b"ftyp"
    for unknown in ("exe", "CSV", ".csv", "csv,bids"):
        assert "unknown format" in message(page.get(f"/api/results/{result}/files/{unknown}"))
    for seconds in ("inf", "nan", "1e18"):
        assert page.get(f"/api/results/{result}/frame?seconds={seconds}").status_code == 422
    assert not list(session.places.session.glob("file-*"))

    [again] = page.post("/api/queue", json=[id]).json()
    assert recognized(page, again)["seconds"] == 0  # done before: not read again


def test_results_are_parsed_once_for_many_pieces_of_their_video(
    page: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, result = make_video("one.mp4", 1.6, 16), session.places.results / "pieces.json"
    Recognition(video, make_model(("happy",)), ()).write(result)
    id = next(each["id"] for each in page.get("/api/results").json() if each["name"] == "pieces")
    (session.places.results / "one.mp4").write_bytes(bytes(500))
    usual, read = Recognition.load, list[Path]()

    def load(path: Path) -> Recognition:
        read.append(path)
        return usual(path)

    monkeypatch.setattr(Recognition, "load", load)
    for first in (0, 100, 200):
        piece = page.get(f"/api/results/{id}/video", headers={"range": f"bytes={first}-{first + 99}"})
        assert (piece.status_code, len(piece.content)) == (206, 100)
    assert len(read) == 1
    Recognition(replace(video, damaged=3), make_model(("happy",)), ()).write(result)
    assert page.get(f"/api/results/{id}").json()["video"]["damaged"] == 3
    assert len(read) == 2
    for path in (result, session.places.results / "one.mp4"):
        path.unlink()


def test_names_that_are_not_utf_8_are_shown_and_downloaded(page: TestClient, session: Session) -> None:
    name = os.fsdecode(b"caf\xe9")
    result = session.places.results / f"{name}.json"
    Recognition(make_video(f"{name}.mp4", 1.6, 16), make_model(("happy",)), ()).write(result)
    id = next(each["id"] for each in page.get("/api/results").json() if each["name"] == name)
    assert page.get(f"/api/results/{id}/view").json()["video_name"] == f"{name}.mp4"
    for form in ("json", "csv"):
        assert page.get(f"/api/results/{id}/files/{form}").status_code == 200
    result.unlink()


def test_a_segment_is_corrected_beside_the_result(page: TestClient, session: Session, drawn: Path) -> None:
    task = page.put("/api/uploads?name=mine.mp4", content=drawn.read_bytes()).json()["id"]
    result = recognized(page, task)["result"]
    path = session.places.results / "mine.json"
    before = path.read_bytes()
    track = json.loads(before)["tracks"][0]
    segment = {name: track["segments"][0][name] for name in ("start_seconds", "end_seconds", "label")}
    correction = {"track": track["id"], **segment, "corrected": "fear", "comment": "a <b>scream</b>"}
    url = f"/api/results/{result}/corrections"
    assert "nothing was corrected" in message(page.get(url))
    assert page.put(url, json=correction).json() == [correction]
    assert path.read_bytes() == before
    saved = path.with_name("mine.corrections.json")
    assert json.loads(saved.read_text())["corrections"] == [correction]
    assert saved.stat().st_mode & 0o007 == 0
    assert page.get(url).content == saved.read_bytes()
    assert page.get(f"/api/results/{result}/view").json()["corrections"] == [correction]
    assert "mine" in {each["name"] for each in page.get("/api/results").json()}
    assert "mine.corrections" not in {each["name"] for each in page.get("/api/results").json()}
    assert "no such segment" in message(page.put(url, json=correction | {"start_seconds": 0.1234}))
    assert "missing" in message(page.put(url, json={"track": 1}))

    assert page.get(f"/api/results/{result}/files/json").content == before  # whose hash the corrections name

    path.write_bytes(before + b"\n")
    assert "earlier results" in page.get(f"/api/results/{result}/view").json()["corrections_trouble"]
    page.put(url, json=correction)
    assert page.get(f"/api/results/{result}/view").json()["corrections_trouble"] == ""
    [lost] = json.loads(saved.read_text())["corrections"]
    content = json.loads(saved.read_text()) | {"result_sha256": "", "corrections": [lost, lost | {"track": 99}]}
    saved.write_text(json.dumps(content))
    view = page.get(f"/api/results/{result}/view").json()
    assert view["corrections"] == [correction]
    assert "1 of 2 fit no segment any more; mine.corrections.json keeps them" in view["corrections_trouble"]
    saved.write_text("{")
    assert "mine.corrections.json is damaged" in page.get(f"/api/results/{result}/view").json()["corrections_trouble"]


def test_an_unreadable_video_fails_with_a_sentence(page: TestClient, session: Session) -> None:
    task = page.put("/api/uploads?name=broken.mp4", content=b"no video at all").json()["id"]
    failed = recognized(page, task)
    assert failed["state"] == "failed"
    assert "broken.mp4" in failed["error"]
    assert str(session.places.session) not in failed["error"]
    assert page.post(f"/api/queue/{task}/remove").status_code == 200
    assert not list(session.places.uploads.rglob("broken.mp4"))
    assert "no longer in the queue" in message(page.post(f"/api/queue/{task}/cancel"))


@pytest.mark.parametrize(
    ("path", "status"), [("/nowhere", 404), ("/api/results/none", 400), ("/api/results/none/frame?seconds=x", 422)]
)
def test_mistakes_are_sentences(page: TestClient, path: str, status: int) -> None:
    response = page.get(path)
    assert response.status_code == status
    message(response)


def test_a_fault_is_a_sentence_too(page: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(session), "about", lambda self: 1 / 0)
    response = page.get("/api/about")
    assert response.status_code == 500
    assert "ZeroDivisionError" in message(response)


def test_the_camera_is_for_one_tab_and_takes_pictures_only(page: TestClient) -> None:
    with page.websocket_connect(SOCKET) as one:
        assert one.receive_json() == {"ready": True}
        with page.websocket_connect(SOCKET) as other, pytest.raises(WebSocketDisconnect) as refused:
            other.receive_json()
        assert "another tab" in refused.value.reason
        one.send_bytes(b"no picture, but long enough")
        with pytest.raises(WebSocketDisconnect) as refused:
            one.receive_json()
        assert "a frame of the camera is not a readable image" in refused.value.reason
    with page.websocket_connect(SOCKET) as again:  # the camera is free again
        assert again.receive_json() == {"ready": True}


def test_the_guard_names_the_cookie_after_the_port() -> None:
    async def app(*_: object) -> None: ...

    assert Guard(app, TOKEN, "127.0.0.1", 1).cookie != Guard(app, TOKEN, "127.0.0.1", 2).cookie
