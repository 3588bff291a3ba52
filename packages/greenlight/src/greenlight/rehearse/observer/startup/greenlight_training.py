"""Hooks for torch, transformers and optuna: optimizers, batches, answers and searches.

They note, and change nothing but what a rehearsal caps: tokens that `generate` adds, and trials of a search.
"""

import contextlib
import itertools
import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Book(Protocol):
    """What hooks write to."""

    totals: dict[str, dict[str, Any]]
    searching: int
    all_steps: int

    def note(self, kind: str, *, once: bool = False, **facts: Any) -> None:
        """Write one line."""


book: Book
_quiet: Callable[[], AbstractContextManager[None]]
_own_place: Callable[[], dict[str, Any]]
_count_step: Callable[[int], None]


def watchers(
    notebook: Book,
    quiet: Callable[[], AbstractContextManager[None]],
    place: Callable[[], dict[str, Any]],
    count_step: Callable[[int], None],
) -> dict[str, Callable[[Any], None]]:
    """Return the hook for each module; hooks write to the notebook."""
    global book, _quiet, _own_place, _count_step
    book, _quiet, _own_place, _count_step = notebook, quiet, place, count_step
    return {
        "torch": _watch_torch,
        "transformers.modeling_utils": _watch_transformers_model,
        "transformers.generation.utils": _watch_generation,
        "optuna.study.study": _watch_optuna,
    }


def _watch_torch(torch: Any) -> None:
    from torch.nn.modules.module import register_module_forward_pre_hook
    from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

    # By weak references: a trial's optimizer ends with its trial, and its number may come again.
    known: weakref.WeakKeyDictionary[Any, tuple[dict[str, Any], list[float]]] = weakref.WeakKeyDictionary()
    numbers = itertools.count()

    def parameters_of(optimizer: Any) -> list[Any]:
        return [p for group in optimizer.param_groups for p in group["params"]]

    def sum_of(parameter: Any) -> float:
        return float(parameter.detach().double().abs().sum())

    def facts_of(optimizer: Any) -> tuple[dict[str, Any], list[float]]:
        if optimizer not in known:
            parameters = parameters_of(optimizer)
            facts = book.totals[f"optimizer {next(numbers)}"] = {
                "type": type(optimizer).__name__, "steps": 0, "parameters": len(parameters), "with_gradient": 0,
                "moved": 0, "rates": [], "at": _own_place(), "searching": book.searching > 0,
                "first_rate": optimizer.defaults.get("lr"), "device_kinds": sorted({p.device.type for p in parameters}),
            }  # fmt: skip
            known[optimizer] = facts, [sum_of(p) for p in parameters]
        return known[optimizer]

    def before(optimizer: Any, *_: Any) -> None:
        with _quiet(), contextlib.suppress(Exception):
            facts = facts_of(optimizer)[0]
            if facts["steps"] < 50:
                having = sum(1 for p in parameters_of(optimizer) if p.grad is not None and bool((p.grad != 0).any()))
                facts["with_gradient"] = max(facts["with_gradient"], having)

    def after(optimizer: Any, *_: Any) -> None:
        with _quiet(), contextlib.suppress(Exception):
            facts, first = facts_of(optimizer)
            facts["steps"] += 1
            _count_step(facts["steps"])
            if len(facts["rates"]) < 500:
                facts["rates"].append([float(group["lr"]) for group in optimizer.param_groups])
            if facts["steps"] in (1, 2, 5, 20, 50):
                now = parameters_of(optimizer)
                moved = sum(1 for p, was in zip(now, first, strict=False) if sum_of(p) != was)
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
        if not module.training:
            facts["steps_at_last_evaluation"] = book.all_steps

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
            book.note("mask value", once=True, model=type(model).__name__, value=int(odd.flatten()[0]), at=_own_place())
    if labels is not None and ids is not None and labels.shape == ids.shape and model.training:
        facts = book.totals.setdefault(
            "labels",
            {
                "batches": 0,
                "without_ignored": 0,
                "equal_to_inputs": 0,
                "with_end": 0,
                "with_padding": 0,
                "with_counted_padding": 0,
                "at": _own_place(),
            },
        )
        facts["batches"] += 1
        facts["without_ignored"] += int(not bool((labels == -100).any()))
        facts["equal_to_inputs"] += int(bool((labels == ids).all()))
        end = getattr(model.config, "eos_token_id", None)
        ends = end if isinstance(end, list) else [end]
        facts["with_end"] += int(any(e is not None and bool((labels == e).any()) for e in ends))
        pad = getattr(model.config, "pad_token_id", None)
        padded = (mask == 0) if mask is not None and mask.shape == ids.shape else ids != ids
        if pad is not None and pad not in ends:
            padded = padded | (ids == pad)
        if mask is not None and mask.shape == ids.shape:
            # A mask that was padded with the padding token's id says itself which that is.
            padded = padded | ((mask != 0) & (mask != 1) & (mask == ids))
        facts["with_padding"] += int(bool(padded.any()))
        facts["with_counted_padding"] += int(bool((padded & (labels != -100)).any()))


def _watch_generation(module: Any) -> None:
    mixin = module.GenerationMixin
    real = mixin.generate
    most = os.environ.get("GREENLIGHT_MOST_NEW_TOKENS")

    def generate(self: Any, *arguments: Any, **named: Any) -> Any:
        with _quiet(), contextlib.suppress(Exception):
            ids = named.get("input_ids", arguments[0] if arguments else named.get("inputs"))
            mask = named.get("attention_mask")
            pad = getattr(self.generation_config, "pad_token_id", None)
            if ids is not None and not getattr(self.config, "is_encoder_decoder", False):
                facts = book.totals.setdefault(
                    "generate", {"calls": 0, "rows": 0, "rows_padded_right": 0, "at": _own_place()}
                )
                facts["calls"] += 1
                facts["rows"] += int(ids.shape[0])
                padded = (mask[:, -1] == 0) if mask is not None and mask.shape == ids.shape else (ids[:, -1] < 0)
                if pad is not None:
                    padded = padded | ((ids[:, -1] == pad) & (ids[:, -1] == ids[:, -2]))
                facts["rows_padded_right"] += int(padded.sum())
        if most is not None and isinstance(named.get("max_new_tokens"), int):
            named["max_new_tokens"] = min(int(most), named["max_new_tokens"])
        return real(self, *arguments, **named)

    mixin.generate = generate


def _watch_optuna(module: Any) -> None:
    """Note what searches sample; beyond the cap a search is filled up with copies of a trial that it has made."""
    study = module.Study
    real = study.optimize
    limit = os.environ.get("GREENLIGHT_MOST_TRIALS")
    most = None if limit is None else int(limit)
    made: dict[str, int] = {}

    def optimize(self: Any, func: Any, n_trials: int | None = None, *arguments: Any, **named: Any) -> Any:
        facts = book.totals.setdefault(
            "search", {"calls": 0, "asked_trials": None, "trials": 0, "values": [], "params": []}
        )
        facts["calls"] += 1
        facts["asked_trials"] = n_trials
        left = n_trials if most is None else max(0, most - made.get(self.study_name, 0))
        if left is not None and n_trials is not None:
            left = min(left, n_trials)
        book.searching += 1
        try:
            return None if left == 0 else real(self, func, left, *arguments, **named)
        finally:
            book.searching -= 1
            with _quiet(), contextlib.suppress(Exception):
                if left != 0:
                    finished = [trial for trial in self.trials if not trial.user_attrs.get(_COPY)]
                    made[self.study_name] = len(finished)
                    facts["trials"] = len(finished)
                    facts["values"] = [trial.value for trial in finished][:50]
                    facts["params"] = [trial.params for trial in finished][:50]
                    facts["steps_until_its_end"] = book.all_steps
                if n_trials is not None and left is not None:
                    _fill_up(self, n_trials - left)

    study.optimize = optimize


_COPY = "greenlight_copy"


def _fill_up(study: Any, count: int) -> None:
    """Add copies of the last trial that came to a value: code that counts trials sees as many as it asked for."""
    import optuna

    complete = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    for _ in range(count if complete else 0):
        last = complete[-1]
        study.add_trial(
            optuna.trial.create_trial(
                params=last.params, distributions=last.distributions, values=last.values, user_attrs={_COPY: True}
            )
        )
