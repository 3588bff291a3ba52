"""Doors into a sandbox: Unix sockets on this side, each led to one address of the loopback interface."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from greenlight.rehearse.sandbox.inside import join


@contextmanager
def doors(ports: Sequence[int], folder: Path) -> Iterator[dict[int, Path]]:
    """Yield a Unix socket in a folder for each port of the loopback interface, for as long as the block takes."""
    listeners: list[socket.socket] = []
    paths: dict[int, Path] = {}
    try:
        for port in ports:
            paths[port] = folder / f"{port}.sock"
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(str(paths[port]))
            listener.listen(64)
            listeners.append(listener)
            threading.Thread(target=_serve, args=(listener, port), daemon=True).start()
        yield paths
    finally:
        for listener in listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()


def _serve(listener: socket.socket, port: int) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return  # the block has ended
        threading.Thread(target=_lead, args=(client, port), daemon=True).start()


def _lead(client: socket.socket, port: int) -> None:
    try:
        server = socket.create_connection(("127.0.0.1", port))
    except OSError:
        client.close()
        return
    join(client, server)
