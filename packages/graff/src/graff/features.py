"""What a planner sees: seven cheap numbers per block, standardised by running statistics."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

FEATURES = (
    "log_curvature",
    "log_curvature_change",
    "entropy",
    "budget",
    "log_gradient_norm",
    "log_update_to_weight",
    "cosine",
)
_BUDGET = FEATURES.index("budget")
_DECAY = 0.98
_LIMIT = 3.0  # standard deviations; one odd batch must not move the plan
_TINY = 1e-30


@dataclass(frozen=True)
class BlockFacts:
    """What one step told about each block, on the host in double precision; every field has shape (N,).

    Attributes
    ----------
    product
        ``<g, delta>``: this gradient against the last displacement.
    gradient_norm, displacement_norm, weight_norm
        Euclidean norms of the block's gradient, last displacement and weights.
    """

    product: Tensor
    gradient_norm: Tensor
    displacement_norm: Tensor
    weight_norm: Tensor

    @staticmethod
    def pooled(per_tensor: Tensor, owner: Tensor, count: int) -> "BlockFacts":
        """Pool per-tensor facts into blocks.

        Parameters
        ----------
        per_tensor
            Shape (4, n): products, then norms of gradients, displacements and weights.
        owner
            Shape (n,): the block of each tensor.
        count
            The number of blocks, N.
        """
        values = torch.cat([per_tensor[:1], per_tensor[1:].square()])
        pooled = torch.zeros(4, count, dtype=torch.float64).index_add_(1, owner, values)
        return BlockFacts(pooled[0], pooled[1].sqrt(), pooled[2].sqrt(), pooled[3].sqrt())


@dataclass(frozen=True)
class Surroundings:
    """What is known about the run as a whole at one step; None where nobody measured it.

    Attributes
    ----------
    budget
        The share of the training time that is left, in [0, 1].
    log_curvature, log_curvature_change
        Natural logarithm of the curvature along the update at the last probe, and its change since the one before.
    entropy
        Mean entropy of the next-token distribution in nats, as told by ``planner.observe``.
    """

    budget: float
    log_curvature: float | None = None
    log_curvature_change: float | None = None
    entropy: float | None = None


def raw_features(facts: BlockFacts, around: Surroundings) -> Tensor:
    """Return the features before standardisation, shape (N, 7), NaN where a feature is not known."""
    product, gradient, moved = facts.product, facts.gradient_norm, facts.displacement_norm
    unknown = torch.full_like(gradient, math.nan)

    def same(value: float | None) -> Tensor:
        return unknown if value is None or not math.isfinite(value) else torch.full_like(gradient, value)

    ratio = moved / facts.weight_norm.clamp(min=_TINY)
    cosine = product / (gradient * moved).clamp(min=_TINY)
    has_moved = moved > 0
    return torch.stack(
        [
            same(around.log_curvature),
            same(around.log_curvature_change),
            same(around.entropy),
            same(around.budget),
            torch.where(gradient > 0, gradient.clamp(min=_TINY).log(), unknown),
            torch.where(has_moved, ratio.clamp(min=_TINY).log(), unknown),
            torch.where(has_moved & (gradient > 0), cosine, unknown),
        ],
        dim=1,
    )


class Standardizer:
    """Running mean and variance of each feature, pooled over blocks; unknown values become 0, the mean.

    The budget is not standardised: it falls without end, so a running mean would hide it. It is mapped from [0, 1]
    to [-1, 1].

    Parameters
    ----------
    budget_feature
        False hides the remaining budget from the planner (an ablation).
    """

    def __init__(self, *, budget_feature: bool = True) -> None:
        self._budget_feature = budget_feature
        self._mean = torch.zeros(len(FEATURES), dtype=torch.float64)
        self._square = torch.zeros(len(FEATURES), dtype=torch.float64)
        self._weight = torch.zeros(len(FEATURES), dtype=torch.float64)

    def __call__(self, raw: Tensor) -> Tensor:
        """Take a step's features in and return them standardised, both of shape (N, 7); the result is float32."""
        known = ~raw.isnan()
        count = known.sum(0)
        values = torch.where(known, raw, 0.0)
        share = torch.where(count > 0, 1.0 - _DECAY, 0.0)
        per = count.clamp(min=1)
        self._mean += share * (values.sum(0) / per - self._mean)
        self._square += share * (values.square().sum(0) / per - self._square)
        self._weight += share * (1.0 - self._weight)
        seen = self._weight.clamp(min=1.0 - _DECAY)
        mean = self._mean / seen
        deviation = (self._square / seen - mean.square()).clamp(min=0.0).sqrt()
        standard = torch.where(known, (raw - mean) / deviation.clamp(min=1e-6 + 1e-3 * mean.abs()), 0.0)
        standard = standard.clamp(-_LIMIT, _LIMIT)
        standard[:, _BUDGET] = 2.0 * values[:, _BUDGET] - 1.0 if self._budget_feature else 0.0
        return standard.float()

    def state_dict(self) -> dict[str, Any]:
        """Return the statistics as tensors of shape (7,)."""
        return {"mean": self._mean.clone(), "square": self._square.clone(), "weight": self._weight.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from saved statistics."""
        self._mean, self._square, self._weight = (
            torch.as_tensor(state[key], dtype=torch.float64).clone() for key in ("mean", "square", "weight")
        )
