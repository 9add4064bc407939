"""Who may talk to the server: the holder of the token, from the server's own page, under the server's own name."""

import hmac
import ipaddress
import json
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]

EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
"""Hash of nothing: Plotly makes an empty style element, whose rules its script adds."""

CONTENT_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {EMPTY_STYLE}; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""No script, style, picture or connection but the server's own; nothing inline."""

HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
"""Headers of every answer."""

FOREIGN = "this address belongs to another page or server; open the one that 'ifdd app' printed"
NO_TOKEN = "open the address that 'ifdd app' printed, with its token; after a restart, it is a new one"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_loopback(host: str) -> bool:
    """Return whether only this computer reaches a host.

    Example:
        >>> from ifdd.app.guard import is_loopback
        >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0"), is_loopback("localhost")
        (True, False, True)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Lets requests through that come from the page itself; answers all others.

    A request must name the server by an address that cannot be taken over by DNS, hold the token in its cookie (or, at
    the first visit, in the address of the page), and come from no other page.

    Args:
        app: handles the requests that are let through.
        token: the secret.
        host: the address that the server listens at.
        port: its port.
    """

    def __init__(self, app: AsgiApp, token: str, host: str, port: int) -> None:
        self._app = app
        self._token = token
        self._host = host
        self._port = port
        self.cookie = f"ifdd_{port}"
        """Name of the cookie; two servers of one computer have two."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle a request or a WebSocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        is_socket = scope["type"] == "websocket"
        if not self._names_us(headers.get("host", "")) or not self._is_from_us(scope, headers):
            await _refuse(is_socket, FOREIGN, receive, send)
        elif self._equals_token(self._cookie_of(headers)):
            await self._app(scope, receive, _with_headers(send, []))
        elif not is_socket and scope["path"] == "/" and self._equals_token(_token_in(scope)):
            # the page itself, not a redirection: a browser would follow a link's redirection without the cookie
            cookie = f"{self.cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
            await self._app(scope, receive, _with_headers(send, [(b"set-cookie", cookie.encode())]))
        else:
            await _refuse(is_socket, NO_TOKEN, receive, send)

    def _names_us(self, host: str) -> bool:
        """Whether a Host header holds an address of this server: no name, which another DNS server could give."""
        try:
            parts = urlsplit(f"//{host}")
            name, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return False
        if port != self._port:
            return False
        if name in LOOPBACK or name == self._host.lower():
            return True
        if is_loopback(self._host):
            return False
        return _is_address(name) or name == socket.gethostname().lower()

    def _is_from_us(self, scope: Message, headers: dict[str, str]) -> bool:
        """Whether a request comes from a page of this server, or from the address bar."""
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        origin = headers.get("origin")
        if origin is not None or changes:
            parts = urlsplit(origin or "")
            if parts.scheme not in ("http", "https") or parts.netloc.lower() != headers.get("host", "").lower():
                return False
        # the pages of other ports are the "same site", so their requests would carry the cookie
        site = headers.get("sec-fetch-site", "none")
        is_visit = headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/" and not changes
        return site in ("none", "same-origin") or is_visit

    def _cookie_of(self, headers: dict[str, str]) -> str:
        """Return our cookie, whatever other programs of this computer have set."""
        pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
        return next((value for name, _, value in pairs if name == self.cookie), "")

    def _equals_token(self, given: str) -> bool:
        """Compare in a time that does not depend on where the two differ."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())


def new_token() -> str:
    """Return a secret of 256 bits."""
    return secrets.token_urlsafe(32)


def _token_in(scope: Message) -> str:
    return parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(send: Send, more: list[tuple[bytes, bytes]]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message.get("headers", [])}
            extra = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in given]
            message = {**message, "headers": [*message.get("headers", []), *extra, *more]}
        await send(message)

    return send_with_headers


async def _refuse(is_socket: bool, reason: str, receive: Receive, send: Send) -> None:
    if is_socket:
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    body = json.dumps({"message": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    send = _with_headers(send, [])
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
