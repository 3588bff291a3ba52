"""The first process of a sandbox: lets the two servers in, starts the command, and ends with it.

Runs with the standard library alone. ``inside.py CONFIGURATION -- PROGRAM ARGUMENT ...``; the configuration is JSON
with ``doors`` (port -> path of a Unix socket), ``file_bytes``, ``processes`` and ``users``, the namespace of users
outside.
"""

import contextlib
import itertools
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

_CHUNK = 1 << 16
_COUNTED_BY_NAMESPACE = (5, 14)  # Linux; before, a limit of processes counted all that the user has anywhere


def pump(source: socket.socket, target: socket.socket) -> None:
    """Copy bytes until one side ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def join(left: socket.socket, right: socket.socket) -> None:
    """Connect two sockets both ways until one of them ends."""
    other = threading.Thread(target=pump, args=(right, left), daemon=True)
    other.start()
    pump(left, right)
    other.join()
    left.close()
    right.close()


def _enter(client: socket.socket, path: str) -> None:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.connect(path)
    except OSError:
        client.close()
        server.close()
        return
    join(client, server)


def _door(listener: socket.socket, path: str) -> None:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_enter, args=(client, path), daemon=True).start()


def _linux() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(itertools.takewhile(str.isdigit, minor)))


def main() -> int:
    """Return the exit status of the command; a signal's number plus 128 where one ended it."""
    configuration, separator, *command = sys.argv[1:]
    assert separator == "--"
    asked = json.loads(configuration)
    # What the command and its children inherit.
    resource.setrlimit(resource.RLIMIT_FSIZE, (asked["file_bytes"], asked["file_bytes"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if _linux() >= _COUNTED_BY_NAMESPACE and str(Path("/proc/self/ns/user").readlink()) != asked["users"]:
        # The kernel does not apply it to root outside; a control group does.
        resource.setrlimit(resource.RLIMIT_NPROC, (asked["processes"], asked["processes"]))
    listeners = [(socket.create_server(("127.0.0.1", int(port))), path) for port, path in asked["doors"].items()]
    # Before any thread: a fork beside threads can take a lock along that nobody opens again.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    for listener, path in listeners:
        threading.Thread(target=_door, args=(listener, path), daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _: process.send_signal(got))
    status = process.wait()
    sys.stdout.flush()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    os._exit(main())  # threads at doors do not hold it up
