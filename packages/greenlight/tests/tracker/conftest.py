"""A tracker in a process of its own, and what talks to it: the real client in subprocesses, or plain HTTP."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SERVE = (
    "import sys; from pathlib import Path; from greenlight.rehearse.standins.tracker import serve;"
    "serve(Path(sys.argv[1]), 0, lambda address: print(address, flush=True), crashed_after_s=float(sys.argv[2]))"
)


@dataclass
class Served:
    """A running tracker."""

    data_dir: Path
    process: subprocess.Popen[str]
    base: str
    key: str
    scratch: Path
    clients: list[subprocess.Popen[str]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
        return {
            **kept,
            "WANDB_BASE_URL": self.base,
            "WANDB_API_KEY": self.key,
            "WANDB_MODE": "online",
            "WANDB_SILENT": "true",
            "WANDB_DIR": str(self.scratch),
            "WANDB_CACHE_DIR": str(self.scratch / "cache"),
            "WANDB_DATA_DIR": str(self.scratch / "data"),
            "WANDB_CONFIG_DIR": str(self.scratch / "config"),
            "OMP_NUM_THREADS": "1",
        }

    def start(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a script with the unmodified client, pointed at this tracker."""
        process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            env=self.environment(),
            cwd=self.scratch,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.clients.append(process)
        return process

    def finish(self, process: subprocess.Popen[str], expected: int = 0) -> str:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == expected, f"exit {process.returncode}\n{output}\n{errors}"
        return output

    def run(self, script: str, *arguments: str, expected: int = 0) -> str:
        return self.finish(self.start(script, *arguments), expected)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, key: bool = True
    ) -> tuple[int, bytes]:
        """Send plain HTTP and return the status and the body."""
        address = path if path.startswith("http") else self.base + path
        request = urllib.request.Request(address, body, headers or {}, method=method)
        if key:
            request.add_header("Authorization", "Basic " + base64.b64encode(f"api:{self.key}".encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=100) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def graphql(self, query: str, **variables: Any) -> Any:
        status, body = self.ask(
            "POST", "/graphql", json.dumps({"query": query, "variables": variables, "operationName": ""}).encode()
        )
        answer = json.loads(body)
        assert status == 200, answer
        assert "errors" not in answer, answer
        return answer["data"]

    def make_run(self, path: str, **values: Any) -> str:
        """Make or change a run without a client; return its id."""
        entity, project, name = path.split("/")
        answer = self.graphql(
            "mutation M($input: UpsertBucketInput!) { upsertBucket(input: $input) { bucket { id } } }",
            input={"entityName": entity, "modelName": project, "name": name, **values},
        )
        return str(answer["upsertBucket"]["bucket"]["id"])

    def post(self, path: str, name: str, offset: int, lines: list[str], **more: Any) -> tuple[int, bytes]:
        """Send lines of a run's stream as the client does."""
        body = {"files": {name: {"offset": offset, "content": lines}}, **more}
        return self.ask("POST", f"/files/{path}/file_stream", json.dumps(body).encode())

    def log(self, path: str, offset: int, rows: list[dict[str, Any]], **more: Any) -> None:
        status, body = self.post(path, "wandb-history.jsonl", offset, [json.dumps(row) for row in rows], **more)
        assert status == 200, body

    def stop(self) -> int:
        for client in self.clients:
            if client.poll() is None:
                client.kill()
                client.communicate()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=100)
        return self.process.returncode


def start(data_dir: Path, scratch: Path, crashed_after_s: float = 60.0) -> Served:
    """Start a tracker on a free port and wait until it answers."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(data_dir), str(crashed_after_s)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    if not address:
        raise AssertionError(process.communicate()[1])
    scratch.mkdir(parents=True, exist_ok=True)
    return Served(data_dir, process, address, (data_dir / "api_key").read_text().strip(), scratch)


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("tracker")
    served = start(folder / "data", folder / "scratch", getattr(request.module, "CRASHED_AFTER_S", 60.0))
    yield served
    served.stop()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Return a function that starts a tracker of this test's own."""
    started: list[Served] = []

    def launched(name: str = "data", **options: Any) -> Served:
        started.append(start(tmp_path / name, tmp_path / "scratch", **options))
        return started[-1]

    yield launched
    for served in started:
        served.stop()


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Return a function that asks again until a condition holds, and fails after a deadline."""

    def wait(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
        end = time.monotonic() + seconds
        while True:
            value = condition()
            if value or time.monotonic() > end:
                assert value, f"not within {seconds} s"
                return value
            time.sleep(0.1)

    return wait
