"""The weights at the best value of each metric: in memory for the end of the run, on disk for whoever wants them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from greenlight.harness import checkpoint

Direction = Literal["maximize", "minimize"]
Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Best:
    """The best value that a metric had, the step it had it at, and the weights of that step."""

    step: int
    value: float
    weights: dict[str, torch.Tensor]


class BestWeights:
    """One checkpoint per metric, replaced whenever the metric improves.

    Parameters
    ----------
    folder
        The run's folder; the weights of a metric lie in ``best/<metric>/checkpoint-<step>`` as safetensors.
    directions
        Whether more or less is better, by metric.
    """

    def __init__(self, folder: Path, directions: Mapping[str, Direction]) -> None:
        self._folder = folder / "best"
        self._directions = dict(directions)
        self._kept: dict[str, Best] = {}

    def offer(self, step: int, values: Mapping[str, float], weights: Callable[[], Weights]) -> list[str]:
        """Keep the weights of a step for every metric that they are best at, and return those metrics.

        Parameters
        ----------
        step
            Optimiser steps done.
        values
            The measured metrics; one that is not finite is never the best, and one without a direction is not kept.
        weights
            Returns the weights; called once, and only if something improved.
        """
        improved = [name for name in self._directions if name in values and self._is_better(name, values[name])]
        if improved:
            copied = {name: tensor.detach().to("cpu", copy=True) for name, tensor in weights().items()}
            for name in improved:
                self._kept[name] = Best(step, float(values[name]), copied)
                self._write(name)
        return improved

    def of(self, metric: str) -> Best | None:
        """Return the best of a metric, or None while it had no finite value."""
        return self._kept.get(metric)

    def state_dict(self) -> dict[str, Any]:
        """Return what is kept, for the checkpoint of the run."""
        return {name: asdict(best) for name, best in self._kept.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what was kept; files of steps after the checkpoint are replaced, as their steps will be."""
        self._kept = {name: Best(**best) for name, best in state.items()}
        for name in self._directions:
            checkpoint.discard(self._folder / name)
            if name in self._kept:
                self._write(name)

    def _is_better(self, name: str, value: float) -> bool:
        before = self._kept.get(name)
        if not math.isfinite(value) or before is None:
            return math.isfinite(value)
        return value > before.value if self._directions[name] == "maximize" else value < before.value

    def _write(self, name: str) -> None:
        best = self._kept[name]
        checkpoint.save(self._folder / name, best.step, {"metric": name, **asdict(best)})
