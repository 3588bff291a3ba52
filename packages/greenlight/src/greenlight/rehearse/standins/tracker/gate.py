"""What every request passes first: the host it was sent to, the key or the page session, and the answer's headers."""

from __future__ import annotations

import base64
import binascii
import http.cookies
from typing import Final, Literal
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .key import Seal

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
# storage addresses are signed; telemetry comes without the key and is dropped
OPEN: Final = ("/-/login", "/-/static/", "/-/storage/", "/sdk/")
PAGE_DATA: Final = "/-/data/"
CLIENT: Final = ("/graphql", "/files/", "/artifacts/", "/artifactsV2/")

# Plotly sets style attributes; everything else stays closed, and no run-supplied text becomes markup
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

Access = Literal["open", "page", "key"]


def access_to(path: str) -> Access:
    """Return what a path asks for: nothing, the page's session (or the key), or the key."""
    if path.startswith(OPEN):
        return "open"
    return "key" if path.startswith(CLIENT) else "page"


class Gate:
    """ASGI middleware in front of everything.

    Parameters
    ----------
    app
        The application behind.
    seal
        Knows the key.
    """

    def __init__(self, app: ASGIApp, seal: Seal) -> None:
        self._app = app
        self._seal = seal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        # a page of another site can make its own name point here (DNS rebinding); its name betrays it
        if host.rpartition(":")[0] not in LOOPBACK and host not in LOOPBACK:
            return PlainTextResponse(
                f"host {host!r}: this server answers to 127.0.0.1 and localhost only; use one of them", 403
            )
        access = access_to(scope["path"])
        if access == "open" or self._holds_key(headers):
            return None
        if access == "page" and scope["method"] in ("GET", "HEAD") and self._is_session(headers):
            return None
        if access == "page" and not scope["path"].startswith(PAGE_DATA) and "authorization" not in headers:
            query = scope["query_string"].decode("latin-1")
            return RedirectResponse(
                f"/-/login?to={quote(scope['path'] + ('?' + query if query else ''), safe='/')}", 303
            )
        return PlainTextResponse(
            "401 missing or wrong API key: set WANDB_API_KEY to the key that this tracker keeps in its data folder",
            401,
            {"WWW-Authenticate": 'Basic realm="greenlight tracker"'} if access == "key" else None,
        )

    def _holds_key(self, headers: Headers) -> bool:
        scheme, _, value = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            _, _, key = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        return self._seal.opens(key)

    def _is_session(self, headers: Headers) -> bool:
        try:
            cookies = http.cookies.SimpleCookie(headers.get("cookie", ""))
        except http.cookies.CookieError:
            return False
        cookie = cookies.get(self._seal.cookie_name)
        return cookie is not None and self._seal.is_session(cookie.value)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("Content-Security-Policy", POLICY)
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Referrer-Policy", "no-referrer")
            headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending
