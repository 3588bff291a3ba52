"""Starting, stopping, being killed, and being in each other's way."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greenlight.errors import GreenlightError
from greenlight.rehearse.standins import tracker as package

ASK = '{ project(entityName: "e", name: "p") { run(name: "r") { history } } }'


def steps(served: Any) -> list[int]:
    return [json.loads(line)["_step"] for line in served.graphql(ASK)["project"]["run"]["history"]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_cleanly_and_everything_is_kept(
    launch: Callable[..., Any], number: signal.Signals
) -> None:
    served = launch()
    served.make_run("e/p/r")
    served.log("e/p/r", 0, [{"_step": i} for i in range(100)])
    served.process.send_signal(number)
    _, errors = served.process.communicate(timeout=100)
    assert served.process.returncode in (0, -number), errors
    assert "Traceback" not in errors
    assert not (served.data_dir / "tracker.sqlite-wal").exists()
    again = launch()
    assert again.key == served.key
    assert steps(again) == list(range(100))


def test_kill_9_loses_no_row_that_was_acknowledged(launch: Callable[..., Any]) -> None:
    served = launch()
    served.make_run("e/p/r")
    acknowledged = 0
    killer = threading.Timer(0.5, served.process.kill)
    killer.start()
    try:
        while True:
            served.log("e/p/r", acknowledged, [{"_step": acknowledged}])
            acknowledged += 1
    except (OSError, http.client.HTTPException):
        pass  # refused, or cut off within an answer
    killer.join()
    assert acknowledged > 10
    found = steps(launch())
    assert found[:acknowledged] == list(range(acknowledged))
    assert len(found) - acknowledged in (0, 1), "one more may be stored than was answered"


def test_a_client_outlives_a_restart_of_the_server_without_gap_or_double_row(
    tmp_path: Path, launch: Callable[..., Any]
) -> None:
    served = launch()
    port = served.base.rsplit(":", 1)[1]
    writer = served.start(
        "import time, wandb\n"
        "run = wandb.init(entity='e', project='p', id='r', settings=wandb.Settings(x_disable_stats=True,"
        " x_disable_machine_info=True, x_file_stream_transmit_interval=1, x_file_stream_retry_wait_min_seconds=1))\n"
        "print('on', flush=True)\n"
        "for i in range(120): run.log({'v': i}); time.sleep(0.02)\n"
        "run.finish()"
    )
    assert writer.stdout.readline() == "on\n"
    served.process.kill()
    served.process.wait()
    code = (
        "import sys; from pathlib import Path; from greenlight.rehearse.standins.tracker import serve;"
        "serve(Path(sys.argv[1]), int(sys.argv[2]), lambda address: print(address, flush=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(served.data_dir), port], text=True, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == served.base
        served.finish(writer)
        assert steps(served) == list(range(120))
    finally:
        process.terminate()
        process.communicate(timeout=100)


def test_a_second_tracker_on_the_same_folder_is_refused(launch: Callable[..., Any]) -> None:
    served = launch()
    with pytest.raises(GreenlightError, match="another tracker uses this folder; stop it or pass another folder"):
        package.app(served.data_dir)


def test_a_taken_port_and_an_unusable_folder_are_errors_with_a_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(GreenlightError, match="pass --port 0"):
            package.serve(tmp_path / "a", taken.getsockname()[1])
    (tmp_path / "file").write_text("")
    with pytest.raises(GreenlightError, match="pass a writable folder"):
        package.app(tmp_path / "file" / "data")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "tracker.sqlite").write_text("this is not a database, whatever its name says" * 20)
    with pytest.raises(GreenlightError, match="no readable tracker store"):
        package.app(tmp_path / "other")


def test_answers_on_an_open_connection_do_not_wait_for_a_delayed_acknowledgement(launch: Callable[..., Any]) -> None:
    served = launch()
    connection = http.client.HTTPConnection(served.base.removeprefix("http://"), timeout=60)
    times_s = []
    for _ in range(60):
        start = time.perf_counter()
        connection.request("GET", "/-/static/icon.svg")
        connection.getresponse().read()
        times_s.append(time.perf_counter() - start)
    connection.close()
    # the kernel acknowledges the first packets of a connection at once
    assert min(times_s[40:]) < 0.03, "with Nagle's delay every later answer takes 40 ms"


def test_importing_the_package_loads_neither_server_nor_client() -> None:
    code = (
        "import sys; import greenlight.rehearse.standins.tracker as t;"
        "print([m for m in"
        " ('starlette', 'uvicorn', 'graphql', 'plotly', 'pyarrow', 'wandb', 'torch') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_serving_loads_neither_pyarrow_nor_plotly_nor_wandb(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from greenlight.rehearse.standins.tracker import app;"
        "app(Path(sys.argv[1]));"
        "print([m for m in ('plotly', 'pyarrow', 'wandb', 'torch', 'numpy') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "d")], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
