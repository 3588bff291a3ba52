"""Who may ask, and how: loopback names only, the token where there is one, and nothing that writes."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Names that lead to this machine and that nobody can register; `datasets` puts a name of its own in front.
_LOOPBACK = re.compile(
    r"(?:datasets-server\.)?(?:localhost|[a-z0-9-]+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.IGNORECASE
)
_READING = frozenset({"GET", "HEAD"})
_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_HEADER_CHARACTERS = 1000
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
# The sentence after which the client says that the token is wrong rather than that the repository is missing.
_WRONG_TOKEN = "Invalid credentials in Authorization header"  # noqa: S105


def error(status: int, sentence: str, code: str | None = None, headers: dict[str, str] | None = None) -> Response:
    """Return an error as the client reads it: status, a code that it maps to an exception, and one sentence.

    Parameters
    ----------
    status
        HTTP status.
    sentence
        What is wrong and what to do; also sent as ``X-Error-Message``.
    code
        ``RepoNotFound``, ``RevisionNotFound`` or ``EntryNotFound``.
    headers
        Further headers.
    """
    # a header holds ASCII on one line, and not without end
    line = quote(sentence[:_HEADER_CHARACTERS], safe=" !\"#$&'()*+,-./:;<=>?@[]^_`{|}~%")
    extra = {"X-Error-Message": line, **(headers or {})}
    if code:
        extra["X-Error-Code"] = code
    return JSONResponse({"error": sentence}, status, extra)


def presented(authorization: str) -> str | None:
    """Return the token in an Authorization header: a bearer token, or the password that a browser asks for."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


class Gate:
    """Lets a request through to the hub, or answers it.

    Parameters
    ----------
    app
        The hub.
    token
        What clients must present; None lets everybody on this machine in.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on; either way with the headers that every answer has."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not _LOOPBACK.fullmatch(host):
            return error(421, f"the hub answers to 127.0.0.1 and localhost only, not to Host {host!r}")
        if self._token is not None:
            given = presented(headers.get("authorization", ""))
            # a browser then asks its user: any name, and the token as password
            challenge = {} if path.startswith("/api/") else {"WWW-Authenticate": 'Basic realm="greenlight hub"'}
            if given is None:
                return error(401, "this hub asks for its token: set HF_TOKEN to it", headers=challenge)
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                return error(401, _WRONG_TOKEN, headers=challenge)
        if method in _READING or (method == "POST" and "/paths-info/" in path):
            return None
        if method in _WRITING:
            return error(403, "this hub is read only: change the mapped folder on disk, and clients see a new commit")
        return error(
            405, f"{method} is not a method of this hub: it answers GET and HEAD", headers={"Allow": "GET, HEAD"}
        )
