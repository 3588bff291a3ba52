"""Start modules of experiments from a process that has imported their libraries: ``python -u starter.py SOCKET``.

Importing torch and its companions takes longer than the small runs of these tests. This process imports them once, then
forks for every request. The child is what ``python -u -m MODULE ARGUMENT...`` would be: its own process, folder,
environment and log, the module as ``__main__``, an interpreter that ends by itself. Nothing of an experiment is
imported before the fork. The documented commands themselves are run too, by the tests that say so.
"""

import atexit
import importlib
import json
import os
import runpy
import socket
import sys
import traceback
from pathlib import Path

PRELOADED = (
    "torch._dynamo",  # which the first optimizer imports
    "transformers.models.qwen3.modeling_qwen3",
    "peft",
    "datasets",
    "optuna",
    "wandb",
    "hydra",
    "sklearn.datasets",
    "sklearn.metrics",
    "sklearn.model_selection",
    "statsmodels.api",
    "greenlight.compare",
    "greenlight.compare.figures",
    "greenlight.harness.session",
    "technoise",
    "technoise.glm",
    "technoise.local_lambda",
    "technoise.qc.page",
    "technoise.qc.run_tracks",
    "technoise.readers",
    "technoise.simulator",
)


def wait_for_requests(listener: socket.socket) -> dict:
    """Return, in a fresh process, what it is asked to run; the caller goes on as that process."""
    while True:
        connection, _ = listener.accept()
        if os.fork():
            connection.close()
            _forget_ended_children()
            continue
        listener.close()
        request = json.loads(connection.makefile("r").readline())
        if child := os.fork():
            # The parent of the command tells the client its pid and, when it ends, its status.
            connection.sendall(f"{child}\n".encode())
            _, status = os.waitpid(child, 0)
            connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)
        connection.close()
        return request


def _forget_ended_children() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def become(request: dict) -> None:
    """Be ``python -u -m MODULE ARGUMENT...`` in the folder, the environment and with the log of a request."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    sys.path[0] = request["cwd"]
    sys.argv = ["-m", *request["arguments"]]
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - what the interpreter would do
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    # Taking apart what was imported, object by object, takes seconds in a fork, whose pages have to be copied for it.
    os._exit(status)


if __name__ == "__main__":
    for name in PRELOADED:
        importlib.import_module(name)
    running = len(list(Path("/proc/self/task").iterdir()))
    if running > 1:
        sys.exit(f"{running} threads: only a process of one thread can be forked safely; set ONE_THREAD of starting.py")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(sys.argv[1])
        server.listen(16)
        print("ready", flush=True)
        asked = wait_for_requests(server)
    become(asked)
