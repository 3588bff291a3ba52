"""The client of ``starter.py``: commands of experiments as processes that begin at once."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STARTER = Path(__file__).with_name("starter.py")
# A process of several threads cannot be forked safely; the last one is the allocator inside of pyarrow.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


@dataclass(frozen=True)
class Ended:
    """What a command left behind: its exit status (minus the number of the signal that ended it) and its output."""

    returncode: int
    output: str

    @property
    def error(self) -> str:
        """The one line that says what was wrong; the tracker's client may still say goodbye after it."""
        (line,) = (line for line in self.output.splitlines() if line.startswith("error: "))
        return line


class Command:
    """A command that runs, or has run."""

    def __init__(self, connection: socket.socket, log: Path) -> None:
        self._connection, self._answers, self._log = connection, connection.makefile("r"), log
        self.pid = int(self._answers.readline())

    def wait(self, timeout_s: float = 300) -> Ended:
        """Return what it left behind, once it has ended."""
        self._connection.settimeout(timeout_s)
        with self._connection, self._answers:
            return Ended(int(self._answers.readline()), self._log.read_text())


class Starter:
    """Starts ``python -u -m MODULE ARGUMENT...``; what the environment holds is added to that of the starter."""

    def __init__(self, address: Path, environment: Mapping[str, str]) -> None:
        self._address, self._environment, self._started = address, dict(environment), 0

    def start(self, folder: Path, module: str, *arguments: str, log: Path, **changed: str) -> Command:
        """Start a module in a folder; its output is appended to a file."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self._address))
        request = {
            "cwd": str(folder), "module": module, "arguments": arguments, "log": str(log),
            "environment": self._environment | changed,
        }  # fmt: skip
        connection.sendall(json.dumps(request).encode() + b"\n")
        return Command(connection, log)


@contextmanager
def starter(address: Path, environment: Mapping[str, str]) -> Iterator[Starter]:
    """Run the starter under an environment, which its libraries read while they are imported."""
    given = {**environment, **ONE_THREAD}
    with subprocess.Popen(
        [sys.executable, "-u", str(STARTER), str(address)], env=given, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield Starter(address, given)
        finally:
            process.terminate()
