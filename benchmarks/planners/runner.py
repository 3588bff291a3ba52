"""Cells in processes of their own: what exists is not run again, and what is interrupted leaves nothing behind."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.planners.orphan import PARENT
from benchmarks.planners.outcome import Outcome
from benchmarks.planners.spec import Cell
from greenlight.compare.json_files import write_json
from greenlight.errors import GreenlightError

_ROOT = Path(__file__).parents[2]
_POLL_S = 0.05
_REFUSED = 2  # exit status of a cell that its user has to mend
_START_UP_S = 600.0  # loading libraries and model, and the test questions, on a slow machine
_PATIENCE = 20.0  # budgets; a cell on the cpu or steps clock shares the machine with others


@dataclass(frozen=True)
class _Running:
    cell: Cell
    process: subprocess.Popen[bytes]
    answer: Path
    log: Path
    began_s: float


def run_cells(cells: Sequence[Cell], folder: Path, *, jobs: int, say: Callable[[str], None]) -> int:
    """Run the cells that have no file yet and return how many were run.

    Parameters
    ----------
    cells
        In the order of running.
    folder
        Where each cell's file goes.
    jobs
        Cells side by side.
    say
        Takes one line per finished cell.

    Raises
    ------
    GreenlightError
        When another command runs cells in this folder, or a cell refuses its options.
    KeyboardInterrupt
        After ending the running cells; those files do not exist.
    """
    waiting = [cell for cell in cells if not (folder / cell.path).is_file()]
    say(f"{len(cells) - len(waiting)} of {len(cells)} cells exist; {len(waiting)} to run")
    if not waiting:
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder), _termination(), tempfile.TemporaryDirectory(prefix=".running-", dir=folder) as scratch:
        running: list[_Running] = []
        done, queue = 0, iter(enumerate(waiting))
        try:
            while True:
                while len(running) < jobs and (following := next(queue, None)) is not None:
                    running.append(_start(following[1], Path(scratch) / str(following[0]), alone=jobs == 1))
                if not running:
                    return done
                for entry in [entry for entry in running if _ended(entry)]:
                    running.remove(entry)
                    outcome = _collect(entry)
                    write_json(folder / entry.cell.path, outcome.as_json())
                    done += 1
                    say(f"[{done}/{len(waiting)}] {_line(outcome)}")
                time.sleep(_POLL_S)
        finally:
            for entry in running:
                _kill(entry.process)


def answer(cell_file: Path, answer_file: Path) -> None:
    """Run the cell of a file in this process and write its outcome; what a started process does.

    Raises
    ------
    GreenlightError
        For options that cannot be used.
    """
    from benchmarks.planners.cell import run_cell

    order = json.loads(cell_file.read_text(encoding="utf-8"))
    outcome = run_cell(Cell.from_json(order["cell"]), alone=order["alone"])
    write_json(answer_file, outcome.as_json())


def _start(cell: Cell, scratch: Path, *, alone: bool) -> _Running:
    order, answer_file, log = (scratch.with_suffix(suffix) for suffix in (".order", ".answer", ".log"))
    order.write_text(json.dumps({"cell": cell.as_json(), "alone": alone}), encoding="utf-8")
    threads = str(cell.threads)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH", "")))),
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        PARENT: str(os.getpid()),
    }
    if environment.pop("PYTHONDONTWRITEBYTECODE", ""):
        # Compiling the libraries anew would cost every cell more than ten seconds.
        environment.setdefault("PYTHONPYCACHEPREFIX", str(scratch.parents[1] / ".bytecode"))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.planners", "cell", str(order), str(answer_file)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a terminal's Ctrl-C reaches this command alone, which ends the group
        )
    return _Running(cell, process, answer_file, log, time.monotonic())


def _ended(entry: _Running) -> bool:
    if entry.process.poll() is not None:
        return True
    if time.monotonic() - entry.began_s > _START_UP_S + _PATIENCE * entry.cell.budget_s:
        _kill(entry.process)
        return True
    return False


def _collect(entry: _Running) -> Outcome:
    code = entry.process.returncode
    if code == 0 and entry.answer.is_file():
        return Outcome.from_json(json.loads(entry.answer.read_text(encoding="utf-8")))
    lines = entry.log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"]
    if code == _REFUSED:
        raise GreenlightError(lines[-1].removeprefix("error: "))
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
    took_s = time.monotonic() - entry.began_s
    return Outcome(entry.cell, "died", f"the process ended with {how} after {took_s:.0f} s: {lines[-1][:300]}")


def _line(outcome: Outcome) -> str:
    cell, final = outcome.cell, outcome.final
    told = [f"{cell.task} {cell.planner} rate {cell.rate:g} seed {cell.seed}: {outcome.steps} steps"]
    if final is not None:
        loss = "not finite" if final.loss is None else f"{final.loss:.3f}"
        scored = "dev" if outcome.test_losses else f"dev exact match {final.exact_match:.1%},"
        told.append(f"{scored} loss {loss}")
    if outcome.status != "ok":
        told.append(f"{outcome.status}: {outcome.reason}")
    return ", ".join(told)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def _termination() -> Iterator[None]:
    """Treat a request to terminate like Ctrl-C, so that running cells are ended."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise GreenlightError(
                f"{folder}: another command runs cells there; wait for it or name another --out"
            ) from error
        yield
