"""Runs before a subject's own code in each of its Python processes and notes what happens; it changes no result.

Settings come from the environment: ``GREENLIGHT_OBSERVE`` names the folder that is written to,
``GREENLIGHT_CLOCK_SPEED`` makes Python's clocks run faster, ``GREENLIGHT_MOST_TRIALS`` caps a search. Only the standard
library is imported here; the hooks for torch, transformers and optuna are placed when the subject imports them.
"""

import atexit
import contextlib
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
from types import TracebackType
from typing import Any

_real_time, _real_sleep = time.time, time.sleep


class Notebook:
    """Writes what is seen, a line at a time; facts that grow are written when the process ends."""

    def __init__(self, folder: str) -> None:
        self._path = f"{folder}/{os.getpid()}-{_real_time():.6f}.jsonl"
        self._lock = threading.RLock()
        self._seen: set[str] = set()
        self.totals: dict[str, dict[str, Any]] = {}

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

    def end(self) -> None:
        """Write what has grown."""
        for key, facts in self.totals.items():
            self.note("total", of=key, **facts)
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


def _frames(trace: TracebackType | None) -> list[dict[str, Any]]:
    return [
        {"file": frame.filename, "line": frame.lineno, "function": frame.name, "code": frame.line or ""}
        for frame in traceback.extract_tb(trace)
    ]


def _on_exception(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None, before: Any = sys.excepthook
) -> None:
    # What caused it comes first: the last of the chain is what the subject's own code did wrong.
    chain, seen = error, {id(error)}
    while cause := chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__):
        if id(cause) in seen:
            break
        seen.add(id(cause))
        chain = cause
    book.note(
        "exception", type=kind.__name__, message=str(error)[:2000], frames=_frames(trace),
        root_type=type(chain).__name__, root_message=str(chain)[:2000], root_frames=_frames(chain.__traceback__),
    )  # fmt: skip
    before(kind, error, trace)


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


def _speed_up(factor: float) -> None:
    """Make Python's clocks run faster, and sleeps shorter by as much."""
    for name in ("time", "monotonic", "perf_counter"):
        real = getattr(time, name)
        start = real()
        setattr(time, name, lambda real=real, start=start: start + (real() - start) * factor)
    for name in ("time_ns", "monotonic_ns", "perf_counter_ns"):
        real = getattr(time, name)
        start = real()
        setattr(time, name, lambda real=real, start=start: start + int((real() - start) * factor))
    time.sleep = lambda seconds: _real_sleep(float(seconds) / factor)


# -- libraries -------------------------------------------------------------------------------------------------------


def _watch_torch(torch: Any) -> None:
    from torch.nn.modules.module import register_module_forward_pre_hook
    from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

    known: dict[int, str] = {}

    weights: dict[str, tuple[list[Any], list[float]]] = {}

    def sum_of(parameter: Any) -> float:
        return float(parameter.detach().double().abs().sum())

    def facts_of(optimizer: Any) -> tuple[str, dict[str, Any]]:
        key = known.setdefault(id(optimizer), f"optimizer {len(known)}")
        if key not in book.totals:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            book.totals[key] = {
                "type": type(optimizer).__name__, "steps": 0, "parameters": len(parameters), "with_gradient": 0,
                "moved": 0, "rates": [], "device_kinds": sorted({p.device.type for p in parameters}),
            }  # fmt: skip
            weights[key] = (parameters, [sum_of(p) for p in parameters])
        return key, book.totals[key]

    def before(optimizer: Any, *_: Any) -> None:
        with _quiet(), contextlib.suppress(Exception):
            facts = facts_of(optimizer)[1]
            if facts["steps"] < 50:
                parameters = [p for group in optimizer.param_groups for p in group["params"]]
                having = sum(1 for p in parameters if p.grad is not None and bool((p.grad != 0).any()))
                facts["with_gradient"] = max(facts["with_gradient"], having)

    def after(optimizer: Any, *_: Any) -> None:
        with _quiet(), contextlib.suppress(Exception):
            key, facts = facts_of(optimizer)
            facts["steps"] += 1
            if len(facts["rates"]) < 500:
                facts["rates"].append([float(group["lr"]) for group in optimizer.param_groups])
            if facts["steps"] in (1, 2, 5, 20, 50):
                moved = sum(1 for p, first in zip(*weights[key], strict=True) if sum_of(p) != first)
                facts["moved"] = max(facts["moved"], moved)

    register_optimizer_step_pre_hook(before)
    register_optimizer_step_post_hook(after)

    def forward(module: Any, _: Any) -> None:
        kind = f"forward {type(module).__name__}"
        if not hasattr(module, "config") or not hasattr(module, "get_input_embeddings"):
            return
        facts = book.totals.setdefault(kind, {"calls": 0, "training": 0})
        facts["calls"] += 1
        facts["training"] += int(module.training)

    register_module_forward_pre_hook(forward)
    loader = torch.utils.data.DataLoader
    real_iter = loader.__iter__

    def counted(self: Any) -> Iterator[Any]:
        facts = book.totals.setdefault("loader batches", {"batches": 0, "loaders": 0, "shuffled": 0})
        facts["loaders"] += 1
        for batch in real_iter(self):
            facts["batches"] += 1
            yield batch

    loader.__iter__ = counted


def _watch_transformers_model(module: Any) -> None:
    """Look at what a model is called with: masks that are no masks, labels that hold padding."""
    base = module.PreTrainedModel
    real_call = base.__call__

    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        with _quiet(), contextlib.suppress(Exception):
            _look_at_batch(self, named)
        return real_call(self, *arguments, **named)

    base.__call__ = call


def _look_at_batch(model: Any, named: dict[str, Any]) -> None:
    mask, labels, ids = named.get("attention_mask"), named.get("labels"), named.get("input_ids")
    if mask is not None and mask.dim() == 2 and not mask.is_floating_point():
        odd = mask[(mask != 0) & (mask != 1)]
        if odd.numel():
            book.note("mask value", once=True, model=type(model).__name__, value=int(odd.flatten()[0]))
    if labels is not None and ids is not None and labels.shape == ids.shape and model.training:
        facts = book.totals.setdefault("labels", {"batches": 0, "without_ignored": 0, "equal_to_inputs": 0})
        facts["batches"] += 1
        facts["without_ignored"] += int(not bool((labels == -100).any()))
        facts["equal_to_inputs"] += int(bool((labels == ids).all()))


def _watch_generation(module: Any) -> None:
    mixin = module.GenerationMixin
    real = mixin.generate

    def generate(self: Any, *arguments: Any, **named: Any) -> Any:
        with _quiet(), contextlib.suppress(Exception):
            ids = named.get("input_ids", arguments[0] if arguments else named.get("inputs"))
            mask = named.get("attention_mask")
            pad = getattr(self.generation_config, "pad_token_id", None)
            if ids is not None and not getattr(self.config, "is_encoder_decoder", False):
                facts = book.totals.setdefault("generate", {"calls": 0, "rows": 0, "rows_padded_right": 0})
                facts["calls"] += 1
                facts["rows"] += int(ids.shape[0])
                padded = (mask[:, -1] == 0) if mask is not None and mask.shape == ids.shape else (ids[:, -1] < 0)
                if pad is not None:
                    padded = padded | ((ids[:, -1] == pad) & (ids[:, -1] == ids[:, -2]))
                facts["rows_padded_right"] += int(padded.sum())
        return real(self, *arguments, **named)

    mixin.generate = generate


def _watch_optuna(module: Any) -> None:
    study = module.Study
    real = study.optimize
    most = os.environ.get("GREENLIGHT_MOST_TRIALS")

    def optimize(self: Any, func: Any, n_trials: int | None = None, *arguments: Any, **named: Any) -> Any:
        facts = book.totals.setdefault(
            "search", {"studies": 0, "asked_trials": None, "trials": 0, "values": [], "params": []}
        )
        facts["studies"] += 1
        facts["asked_trials"] = n_trials
        if most is not None:
            n_trials = min(int(most), n_trials) if n_trials is not None else int(most)
        try:
            return real(self, func, n_trials, *arguments, **named)
        finally:
            with contextlib.suppress(Exception):
                facts["trials"] = len(self.trials)
                facts["values"] = [t.value for t in self.trials][:50]
                facts["params"] = [t.params for t in self.trials][:50]

    study.optimize = optimize


WATCHED: dict[str, Callable[[Any], None]] = {
    "torch": _watch_torch,
    "transformers.modeling_utils": _watch_transformers_model,
    "transformers.generation.utils": _watch_generation,
    "optuna.study.study": _watch_optuna,
}


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
    book.note("start", argv=sys.argv if hasattr(sys, "argv") else [], cwd=os.getcwd(), pid=os.getpid())
    sys.excepthook = _on_exception
    threading.excepthook = _on_thread_exception
    sys.addaudithook(_on_event)
    sys.meta_path.insert(0, Finder())
    atexit.register(book.end)
    if float(os.environ.get("GREENLIGHT_CLOCK_SPEED", "1")) != 1.0:
        _speed_up(float(os.environ["GREENLIGHT_CLOCK_SPEED"]))
