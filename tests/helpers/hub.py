"""A local server that speaks what huggingface_hub asks of the Hugging Face Hub, for tests without a network."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.helpers.servers import serving

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class LocalHub:
    """The models of a hub, and what it was asked."""

    address: str = ""
    models: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Repository -> file -> content."""
    private: set[str] = field(default_factory=set)
    """Repositories created as private."""
    revisions: tuple[str, ...] = ("main", COMMIT)
    requests: list[str] = field(default_factory=list)
    """Method and path of every request."""
    ranges: list[str] = field(default_factory=list)
    """Ranges of bytes that were asked for."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    """SHA-256 -> content uploaded outside a commit."""
    break_after: int | None = None
    """Bytes of the next file after which the connection breaks, once."""
    tokens: tuple[str, ...] = ("hf_writer",)
    """Tokens that may write."""


class HubHandler(BaseHTTPRequestHandler):
    """Answers for a ``LocalHub``."""

    def __init__(self, *arguments: object, hub: LocalHub) -> None:
        self.hub = hub
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self._note()
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1], unquote(found[2]), found[3])
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/[^/]+)?", path):
            self._json({"id": found[1], "sha": COMMIT}) if found[1] in self.hub.models else self._missing(
                "RepoNotFound"
            )
        else:
            self._missing("EntryNotFound")

    def do_POST(self) -> None:
        path = self._note()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.hub.tokens:
            self._answer(401, b'{"error": "Invalid username or password."}')
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path.endswith("/info/lfs/objects/batch"):
            self._json({"transfer": "basic", "objects": [self._upload(each) for each in json.loads(body)["objects"]]})
        elif "/preupload/" in path:
            modes = [
                {"path": each["path"], "uploadMode": "lfs" if each["path"].endswith("tensors") else "regular"}
                for each in json.loads(body)["files"]
            ]
            self._json({"files": [each | {"shouldIgnore": False} for each in modes]})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/[^/]+", path):
            self._commit(found[1], body)
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        else:
            self._missing("EntryNotFound")

    def do_PUT(self) -> None:
        path = self._note()
        content = self.rfile.read(int(self.headers["Content-Length"]))
        assert hashlib.sha256(content).hexdigest() == path.rsplit("/", 1)[1]
        self.hub.blobs[path.rsplit("/", 1)[1]] = content
        self._answer(200, b"")

    def _note(self) -> str:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        return path

    def _resolve(self, repository: str, revision: str, file: str) -> None:
        files = self.hub.models.get(repository)
        if files is None:
            self._missing("RepoNotFound", 401)  # what the hub answers to strangers
        elif revision not in self.hub.revisions:
            self._missing("RevisionNotFound")
        elif file not in files:
            self._missing("EntryNotFound")
        else:
            content, start = files[file], 0
            if asked := self.headers.get("Range"):
                self.hub.ranges.append(asked)
                start = int(asked.removeprefix("bytes=").partition("-")[0])
            etag = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
            span = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if asked else {}
            span |= {"Content-Length": str(len(content) - start)}
            end = None
            if self.command == "GET":
                end, self.hub.break_after = self.hub.break_after, None
            self._answer(206 if asked else 200, content[start:end], etag | span)

    def _create(self, wanted: dict[str, object]) -> None:
        name = f"{wanted.get('organization') or 'ada'}/{wanted['name']}"
        if name in self.hub.models:
            self._answer(409, json.dumps({"url": f"{self.hub.address}/{name}"}).encode())
            return
        self.hub.models[name] = {}
        if wanted.get("private") or wanted.get("visibility") == "private":
            self.hub.private.add(name)
        self._json({"url": f"{self.hub.address}/{name}"})

    def _upload(self, wanted: dict[str, object]) -> dict[str, object]:
        return wanted | {"actions": {"upload": {"href": f"{self.hub.address}/blobs/{wanted['oid']}"}}}

    def _commit(self, repository: str, body: bytes) -> None:
        files = self.hub.models[repository]
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
        url = f"{self.hub.address}/{repository}/commit/{COMMIT}"
        self._json({"success": True, "commitOid": COMMIT, "commitUrl": url, "hookOutput": ""})

    def _json(self, content: object) -> None:
        self._answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _missing(self, code: str, status: int = 404) -> None:
        self._answer(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def local_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """Serve a hub without models; huggingface_hub in this process and its children uses it and an empty cache."""
    from huggingface_hub import constants

    hub = LocalHub()
    with serving(partial(HubHandler, hub=hub)) as address:
        hub.address = address
        use_hub(address, cache, monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # a protocol of its own, for parts of large files
        yield hub


def use_hub(address: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment variables for an address and a cache."""
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_TOKEN", "hf_writer")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    for name in ("IFDD_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
