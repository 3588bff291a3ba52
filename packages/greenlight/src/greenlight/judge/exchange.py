"""One HTTP request that is over when its time is, whatever the other side does."""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from greenlight.endpoints import is_loopback
from greenlight.judge.opinion import Unanswered, one_line

LARGEST_ANSWER = 4 * 2**20
"""Bytes; a hundred times what fifty opinions need, with room for the thoughts that some servers send along."""


@dataclass(frozen=True)
class Reply:
    """What a server answered, redirects and errors included."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header, whatever the case of its name."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)


def post(url: str, body: bytes, headers: Mapping[str, str], deadline_s: float) -> Reply:
    """Send a request and return the reply, whatever its status; redirects are not followed.

    Certificates are verified. A proxy of the environment is used for https, where it sees no more than the host's name.

    Parameters
    ----------
    url
        An address with http or https.
    body, headers
        What is sent.
    deadline_s
        On the clock of `time.monotonic`. A time-out of a socket starts anew with each byte; this one does not.

    Raises
    ------
    Unanswered
        If there is no complete reply at that time, the connection fails, or the reply is larger than `LARGEST_ANSWER`.
    """
    request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")  # noqa: S310 - checked
    sockets: list[socket.socket] = []
    box: queue.SimpleQueue[Reply | Exception] = queue.SimpleQueue()
    remaining_s = max(0.0, deadline_s - time.monotonic())

    def work() -> None:
        try:
            box.put(_reply(request, max(remaining_s, 0.001), sockets))
        except Exception as error:  # noqa: BLE001 - told in the thread that waits
            box.put(error)

    threading.Thread(target=work, name="greenlight judge", daemon=True).start()
    try:
        outcome = box.get(timeout=remaining_s)
    except queue.Empty:
        outcome = TimeoutError()
    finally:
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
    if isinstance(outcome, Reply):
        return outcome
    raise _told(outcome) from outcome


def _reply(request: urllib.request.Request, timeout_s: float, sockets: list[socket.socket]) -> Reply:
    # Only what is needed: no handler that follows redirects, opens files or speaks FTP.
    opener = urllib.request.OpenerDirector()
    handlers: list[urllib.request.BaseHandler] = [_Http(sockets), _Https(sockets)]
    if not is_loopback(request.full_url):
        handlers.append(urllib.request.ProxyHandler())
    for handler in handlers:
        opener.add_handler(handler)
    with opener.open(request, timeout=timeout_s) as response:
        parts, size = [], 0
        while part := response.read1(2**16):
            parts.append(part)
            size += len(part)
            if size > LARGEST_ANSWER:
                raise Unanswered(f"its answer is larger than the {LARGEST_ANSWER} bytes that are read")
        return Reply(response.status, dict(response.headers.items()), b"".join(parts))


def _told(error: Exception) -> Unanswered:
    """Return an error of the network as one line; none of their texts holds what was sent."""
    if isinstance(error, Unanswered):
        return error
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return Unanswered("no complete answer within the time-out; give it longer or ask a faster model")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Unanswered(f"its certificate is not trusted ({reason.verify_message}); name its issuer in SSL_CERT_FILE")
    if isinstance(reason, OSError):
        return Unanswered(f"cannot be reached ({one_line(str(reason), 200)}); start it or correct its address")
    return Unanswered(f"its answer is not HTTP ({type(reason).__name__}); correct its address")


class _Watched(http.client.HTTPConnection):
    """A connection that lists its sockets, so that it can be hung up from outside."""

    def __init__(self, *args: Any, sockets: list[socket.socket], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sockets = sockets

    def connect(self) -> None:
        super().connect()
        self._sockets.append(self.sock)


class _WatchedTls(_Watched, http.client.HTTPSConnection):
    """The same with TLS; the context verifies certificates and names."""


class _Http(urllib.request.HTTPHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._sockets = sockets

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Watched, sockets=self._sockets), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._sockets = sockets

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        connection = partial(_WatchedTls, sockets=self._sockets, context=ssl.create_default_context())
        return self.do_open(connection, req)
