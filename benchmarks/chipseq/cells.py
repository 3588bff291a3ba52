"""One cell is one method on one case: fitted and scored once, and kept in one file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.chipseq import datasets, methods, scoring
from benchmarks.chipseq.datasets import Case
from benchmarks.chipseq.experiment import FOLDER
from benchmarks.chipseq.methods import Recipe
from technoise import glm, mixture, negative_binomial, network, simulator

_PARTS = (datasets, methods, scoring, glm, mixture, negative_binomial, network, simulator)
_CODE = (
    *(Path(str(part.__file__)) for part in _PARTS),
    *(FOLDER / "src" / name for name in ("model.py", "preprocess.py")),
    FOLDER / "config" / "config.yaml",
)


@dataclass(frozen=True, eq=False)
class Cell:
    """The scores of one method on one case.

    Attributes
    ----------
    scenario, number, method
        Which cell.
    scores
        Metrics by name.
    losses, blocks
        Loss of each held-out bin in nats and the number of its block, for real reads; None for simulations.
    """

    scenario: str
    number: int
    method: str
    scores: dict[str, float]
    losses: NDArray[np.float64] | None
    blocks: NDArray[np.int64] | None


def run(case: Case, chosen: Sequence[str], recipe: Recipe, split: str, out: Path) -> list[Cell]:
    """Return the cells of a case, fitted where no file of the same code and options has them."""
    folder = out / "cells"
    folder.mkdir(parents=True, exist_ok=True)
    data: Any = None
    cells = []
    for method in chosen:
        name = f"{case.name}-{method}-{split}-{fingerprint(case, recipe)}"
        path = folder / f"{name}.npz"
        if not path.exists():
            torch.set_num_threads(1)
            data = case.load(out / "counts") if data is None else data
            seed = case.number
            fit = methods.fit(method, data, seed, recipe)
            scores = scoring.scores(data, fit, split, seed)
            rows = data.rows[split]
            arrays = {}
            if case.block_bp is not None:
                held_out = np.zeros(data.table.n_bins, dtype=np.bool_)
                held_out[rows] = True
                arrays["losses"] = scoring.losses(data.treatment, fit, rows)[0]
                # A block is the same block in every turn, so that turns can be put together.
                bins = data.table.bins
                whole_chromosomes = bins.code.astype(np.int64) * (int(bins.end.max()) // case.block_bp + 1)
                arrays["blocks"] = (whole_chromosomes + bins.start // case.block_bp)[held_out]
            _write(path, json.dumps(scores), arrays)
            print(f"{case.name:14s} {method:22s} nll {scores['nll']:.4f}  {scores['cpu_s']:.1f} s", flush=True)
        cells.append(_read(path, case, method))
    return cells


def fingerprint(case: Case, recipe: Recipe) -> str:
    """Return a short hash of everything that decides a cell: options, data settings, and the code that it runs."""
    digest = hashlib.sha256(json.dumps([case.dataset, asdict(recipe)], sort_keys=True, default=str).encode())
    for path in _CODE:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def _write(path: Path, scores: str, arrays: dict[str, NDArray[Any]]) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    with partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, scores=np.asarray(scores), **arrays)
    partial.replace(path)


def _read(path: Path, case: Case, method: str) -> Cell:
    with np.load(path, allow_pickle=False) as arrays:
        scores = {str(name): float(value) for name, value in json.loads(str(arrays["scores"])).items()}
        real = "losses" in arrays.files
        losses, blocks = (arrays["losses"], arrays["blocks"]) if real else (None, None)
    return Cell(case.scenario, case.number, method, scores, losses, blocks)
