"""Runs before a subject's own code in each of its Python processes and notes what happens; it changes no result.

Settings come from the environment: ``GREENLIGHT_OBSERVE`` names the folder that is written to,
``GREENLIGHT_STEP_SECONDS`` moves Python's clocks on at every optimizer step, ``GREENLIGHT_MOST_TRIALS`` caps a search,
``GREENLIGHT_MOST_NEW_TOKENS`` caps what `generate` adds. Only the standard
library is imported here; the hooks for torch, transformers and optuna are placed when the subject imports them.
"""

import atexit
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import FrameType, TracebackType
from typing import Any, NoReturn

_real_time = time.time


class Notebook:
    """Writes what is seen, a line at a time; facts that grow are written when the process ends."""

    def __init__(self, folder: str) -> None:
        self._path = f"{folder}/{os.getpid()}-{_real_time():.6f}.jsonl"
        self._lock = threading.RLock()
        self._seen: set[str] = set()
        self.totals: dict[str, dict[str, Any]] = {}
        self.searching = 0  # searches that are going on
        self.steps = 0  # of the optimizer that has taken the most
        self.all_steps = 0
        self._saved = 0.0

    def note(self, kind: str, *, once: bool = False, **facts: Any) -> None:
        """Write one line; a line that is to be written once is not repeated."""
        line = json.dumps({"kind": kind, **facts}, default=str)
        with self._lock:
            if once:
                if line in self._seen or len(self._seen) > 5000:
                    return
                self._seen.add(line)
            # Opened anew each time: a subject that forks or closes descriptors loses nothing.
            with contextlib.suppress(OSError), _quiet(), open(self._path, "a", encoding="utf-8") as file:
                file.write(line + "\n")

    def save(self, every_s: float = 0.0) -> None:
        """Write what has grown, unless that was done less than some seconds ago: a process may be killed."""
        now = _real_time()
        if now - self._saved < every_s:
            return
        self._saved = now
        if self.all_steps:
            self.totals["steps"] = {"most": self.steps, "all": self.all_steps}
        with contextlib.suppress(OSError, RuntimeError), _quiet():
            with open(self._path + ".totals.part", "w", encoding="utf-8") as file:
                json.dump(self.totals, file, default=str)
            os.replace(self._path + ".totals.part", self._path + ".totals")

    def end(self) -> None:
        """Write what has grown for the last time."""
        self.save()
        self.note("end", seconds=_real_time() - _began)


_silent = threading.local()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the observer's own doings out of what it notes."""
    before = getattr(_silent, "on", False)
    _silent.on = True
    try:
        yield
    finally:
        _silent.on = before


_began = _real_time()
_folder = os.environ.get("GREENLIGHT_OBSERVE", "")
book = Notebook(_folder)
_subject = os.environ.get("GREENLIGHT_SUBJECT", os.getcwd()) + os.sep
_step_s = float(os.environ.get("GREENLIGHT_STEP_SECONDS", "0"))


def _frames(trace: TracebackType | None) -> list[dict[str, Any]]:
    return _described(traceback.extract_tb(trace))


def _described(summary: traceback.StackSummary) -> list[dict[str, Any]]:
    return [
        {
            "file": frame.filename, "line": frame.lineno, "function": frame.name, "code": frame.line or "",
            "end_line": frame.end_lineno, "column": frame.colno, "end_column": frame.end_colno,
        }
        for frame in summary
    ]  # fmt: skip


def _own_place() -> dict[str, Any]:
    """Return the innermost place of the stack that lies in the subject's own folder; empty where there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith("<") and os.path.abspath(name).startswith(_subject) and name != __file__:
            return {"file": os.path.abspath(name), "line": frame.f_lineno, "function": frame.f_code.co_name}
        frame = frame.f_back
    return {}


def _program() -> str:
    """Return the file that this process was started with; empty where it was started with none."""
    return os.path.abspath(getattr(sys.modules.get("__main__"), "__file__", None) or "/")


def _root(error: BaseException) -> BaseException:
    """Return the first of a chain, which is what the subject's own code did wrong."""
    seen = {id(error)}
    while cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        if id(cause) in seen:
            break
        seen.add(id(cause))
        error = cause
    return error


def _on_exception(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None, before: Any = sys.excepthook
) -> None:
    chain = _root(error)
    book.note(
        "exception", program=_program(), type=kind.__name__, message=str(error)[:2000], frames=_frames(trace),
        root_type=type(chain).__name__, root_message=str(chain)[:2000], root_frames=_frames(chain.__traceback__),
    )  # fmt: skip
    before(kind, error, trace)


class _Exit(SystemExit):
    """The `SystemExit` of `sys.exit`, noted where it ends the process and nowhere else.

    The interpreter asks for the status of an exit that nobody caught; no Python code is around it then.
    """

    def __init__(self, status: Any, facts: dict[str, Any]) -> None:
        super().__init__(*(() if status is None else status if isinstance(status, tuple) else (status,)))
        self._status = super().code
        self._facts = facts

    @property
    def code(self) -> Any:  # type: ignore[override] # the interpreter reads it as an attribute
        """The status that `sys.exit` was given."""
        try:
            sys._getframe(1)
        except ValueError:
            if self._status not in (None, 0):
                book.note("exception", **self._facts)
        return self._status


_Exit.__name__ = _Exit.__qualname__ = "SystemExit"


def _exit(status: Any = None, /) -> NoReturn:
    """End the process as `sys.exit` does; what was being handled just then, and what argparse refused, is kept."""
    facts: dict[str, Any] = {}
    with contextlib.suppress(Exception), _quiet():
        caller = sys._getframe(1)
        here = _described(traceback.StackSummary.extract(reversed(list(traceback.walk_stack(caller)))))
        handled = sys.exc_info()[1]
        root = None if handled is None else _root(handled)
        words = str(status)
        frame: FrameType | None = caller
        while frame is not None and frame.f_globals.get("__name__") == "argparse":
            if frame.f_code.co_name == "error":
                words = f"argparse: {frame.f_locals.get('message')}"
            frame = frame.f_back
        facts = {
            "program": _program(),
            "refused": isinstance(status, str),
            "type": "SystemExit" if handled is None else type(handled).__name__,
            "message": (words if handled is None else str(handled))[:2000],
            "frames": here if handled is None else _frames(handled.__traceback__),
            "root_type": "SystemExit" if root is None else type(root).__name__,
            "root_message": (words if root is None else str(root))[:2000],
            "root_frames": here if root is None else _frames(root.__traceback__),
        }
    raise _Exit(status, facts)


def _on_thread_exception(told: threading.ExceptHookArgs, before: Any = threading.excepthook) -> None:
    if told.exc_type is not SystemExit:
        book.note("thread exception", type=told.exc_type.__name__, message=str(told.exc_value)[:2000],
                  frames=_frames(told.exc_traceback))  # fmt: skip
    before(told)


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if getattr(_silent, "on", False):
        return
    with _quiet():
        if event == "open" and isinstance(arguments[0], str) and isinstance(arguments[1], str):
            if any(letter in arguments[1] for letter in "wax+"):
                book.note("write", once=True, path=os.path.abspath(arguments[0]))
        elif event == "socket.connect":
            address = arguments[1]
            if isinstance(address, tuple):
                book.note("connect", once=True, host=str(address[0]), port=address[1])
        elif event == "socket.getaddrinfo":
            book.note("resolve", once=True, host=str(arguments[0]))
        elif event == "subprocess.Popen":
            command = [str(part) for part in arguments[1] or []][:20]
            book.note("subprocess", once=True, command=command, cwd=str(arguments[2]))


_skew_s = 0.0


def _skew_clocks() -> None:
    """Let Python's clocks show more time than has passed, by what optimizer steps have added."""
    for name in ("time", "monotonic", "perf_counter"):
        real = getattr(time, name)
        setattr(time, name, lambda real=real: real() + _skew_s)
    for name in ("time_ns", "monotonic_ns", "perf_counter_ns"):
        real = getattr(time, name)
        setattr(time, name, lambda real=real: real() + int(_skew_s * 1e9))


def _count_step(steps: int) -> None:
    """Move the clocks on, once for each step of the optimizer that takes the most; a new one begins again."""
    global _skew_s
    book.all_steps += 1
    book.save(every_s=2.0)
    if steps == 1 or steps > book.steps:
        book.steps = steps
        _skew_s += _step_s


# -- libraries -------------------------------------------------------------------------------------------------------

WATCHED: dict[str, Callable[[Any], None]] = {}


class Finder(importlib.abc.MetaPathFinder):
    """Places a hook right after a library has been imported."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Return the library's own spec, with the hook behind its execution."""
        if name not in WATCHED:
            return None
        hook = WATCHED.pop(name)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        loader = spec.loader
        execute = loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            with contextlib.suppress(Exception):
                hook(module)

        loader.exec_module = exec_module  # type: ignore[method-assign] # of this one loader
        return spec


if _folder:
    # Beside this file: the folder is on the path of the subject's processes and is no package.
    WATCHED |= importlib.import_module("greenlight_training").watchers(book, _quiet, _own_place, _count_step)
    WATCHED |= importlib.import_module("greenlight_libraries").watchers(book, _quiet, _own_place)
    book.note("start", argv=sys.argv if hasattr(sys, "argv") else [], cwd=os.getcwd(), pid=os.getpid())
    sys.excepthook = _on_exception
    sys.exit = _exit
    threading.excepthook = _on_thread_exception
    sys.addaudithook(_on_event)
    sys.meta_path.insert(0, Finder())
    atexit.register(book.end)
    if _step_s:
        _skew_clocks()
