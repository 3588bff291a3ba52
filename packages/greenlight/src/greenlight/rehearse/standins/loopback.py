"""Serve one ASGI application on the loopback interface until it is told to stop."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from greenlight.errors import GreenlightError

if TYPE_CHECKING:
    from types import FrameType

    from starlette.types import ASGIApp

HOST = "127.0.0.1"


def bind(port: int) -> socket.socket:
    """Return a listening socket on 127.0.0.1; port 0 lets the kernel choose a free one.

    Raises
    ------
    GreenlightError
        If the port is out of range, taken, or not permitted.
    """
    if not 0 <= port <= 65535:
        raise GreenlightError(f"port {port}: a port is a number from 0 to 65535; pass --port 0 to take any free one")
    # asyncio switches Nagle's delay off only for sockets that name TCP; without it every answer takes 40 ms
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        raise GreenlightError(
            f"port {port} on {HOST}: {reason}; stop what listens there or pass --port 0 to take any free one"
        ) from error
    return listener


class _Announcing(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    def handle_exit(self, sig: int, _: FrameType | None) -> None:
        """Ask for a clean end; a second Ctrl-C ends at once."""
        # uvicorn would raise the signal again after a clean end, and the caller of serve() would never get its turn
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def serve(
    app: ASGIApp, *, listener: socket.socket, on_ready: Callable[[str], None], log_level: str = "warning"
) -> None:
    """Serve `app` on an already bound socket until SIGINT or SIGTERM.

    Parameters
    ----------
    app
        The ASGI application.
    listener
        A socket from :func:`bind`.
    on_ready
        Called once with the base address, for instance ``http://127.0.0.1:8080``, when requests are answered.
    log_level
        uvicorn's log level; requests are logged at ``info``.
    """
    address = f"http://{HOST}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app, log_level=log_level, access_log=log_level in ("info", "debug"), timeout_graceful_shutdown=3
    )
    _Announcing(config, lambda: on_ready(address)).run(sockets=[listener])


@contextmanager
def background(app: ASGIApp, *, port: int = 0) -> Iterator[str]:
    """Serve `app` in a thread of this process while the block runs; yield its base address.

    The server ends with the process, however that ends, so nothing is left running.
    """
    listener = bind(port)
    ready = threading.Event()
    config = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=3)
    server = _Announcing(config, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="loopback", daemon=True)
    thread.start()
    while not ready.wait(0.05):
        if not thread.is_alive():
            raise GreenlightError(f"port {port} on {HOST}: the server did not start; its log says why")
    try:
        yield f"http://{HOST}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
