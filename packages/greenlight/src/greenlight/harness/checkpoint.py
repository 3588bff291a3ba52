"""Checkpoints that a crash cannot tear and that hold no pickle: tensors in safetensors, everything else in JSON."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from greenlight.errors import GreenlightError

_TENSOR, _ITEMS, _TUPLE, _FLOAT = "__tensor__", "__items__", "__tuple__", "__float__"


def pack(tree: Any, tensors: dict[str, torch.Tensor], path: str = "") -> Any:
    """Return `tree` as JSON values; each tensor moves into `tensors` and leaves its name behind.

    Parameters
    ----------
    tree
        Nested dicts (any scalar keys), lists, tuples, tensors, numbers, strings, None.
    tensors
        Filled with contiguous CPU copies, by path.
    path
        Where in the tree this call stands.

    Raises
    ------
    TypeError
        If a value is of another type: a checkpoint never falls back to pickling.
    """
    if isinstance(tree, torch.Tensor):
        tensors[path] = tree.detach().to("cpu", copy=True).contiguous()
        return {_TENSOR: path}
    if isinstance(tree, Mapping):
        return {_ITEMS: [[key, pack(value, tensors, f"{path}/{key}")] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        items = [pack(value, tensors, f"{path}/{index}") for index, value in enumerate(tree)]
        return items if isinstance(tree, list) else {_TUPLE: items}
    if isinstance(tree, float) and tree - tree != 0:
        return {_FLOAT: repr(tree)}
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(
        f"checkpoint value {path or '/'} of type {type(tree).__name__}: only tensors and JSON values are kept"
    )


def unpack(packed: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """Return the tree that :func:`pack` took apart."""
    if isinstance(packed, list):
        return [unpack(value, tensors) for value in packed]
    if not isinstance(packed, dict):
        return packed
    if _TENSOR in packed:
        return tensors[packed[_TENSOR]]
    if _TUPLE in packed:
        return tuple(unpack(value, tensors) for value in packed[_TUPLE])
    if _FLOAT in packed:
        return float(packed[_FLOAT])
    return {key: unpack(value, tensors) for key, value in packed[_ITEMS]}


def save(folder: Path, step: int, tree: Mapping[str, Any]) -> Path:
    """Write the checkpoint of a step; the earlier one stays until this one is complete.

    Parameters
    ----------
    folder
        The run's folder; the checkpoint becomes ``checkpoint-<step>`` in it.
    step
        Optimiser steps done; a step that has its checkpoint already keeps it.
    tree
        What to keep; see :func:`pack`.
    """
    target = folder / f"checkpoint-{step:08d}"
    if target.exists():
        return target
    for left_over in folder.glob(".partial-*"):
        shutil.rmtree(left_over)
    tensors: dict[str, torch.Tensor] = {}
    state = pack(tree, tensors)
    partial = folder / f".partial-{target.name}"
    partial.mkdir(parents=True)
    save_file(tensors, partial / "tensors.safetensors")
    (partial / "state.json").write_text(json.dumps(state, allow_nan=False), encoding="utf-8")
    for name in ("tensors.safetensors", "state.json"):
        with (partial / name).open("rb") as written:
            os.fsync(written.fileno())
    partial.rename(target)
    for older in _checkpoints(folder):
        if older != target:
            shutil.rmtree(older)
    return target


def load(folder: Path) -> dict[str, Any] | None:
    """Return the newest checkpoint of a run's folder, or None if there is none.

    Raises
    ------
    GreenlightError
        If the checkpoint cannot be read.
    """
    for target in reversed(_checkpoints(folder)):
        try:
            tensors = load_file(target / "tensors.safetensors")
            tree = unpack(json.loads((target / "state.json").read_text(encoding="utf-8")), tensors)
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise GreenlightError(f"{target}: not a readable checkpoint ({error}); remove it to start over") from error
        assert isinstance(tree, dict)
        return tree
    return None


def latest_step(folder: Path) -> int | None:
    """Return the step of the newest checkpoint without reading it, or None if there is none."""
    found = _checkpoints(folder)
    return int(found[-1].name.removeprefix("checkpoint-")) if found else None


def discard(folder: Path) -> None:
    """Remove the checkpoints of a run that needs none any more."""
    for target in _checkpoints(folder):
        shutil.rmtree(target)


def random_state() -> dict[str, torch.Tensor | None]:
    """Return the state of torch's random numbers on the CPU and, where there is one, on the GPU."""
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def restore_random_state(state: Mapping[str, torch.Tensor | None]) -> None:
    """Continue the random numbers that :func:`random_state` saw."""
    if state["cpu"] is not None:
        torch.set_rng_state(state["cpu"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*"))
