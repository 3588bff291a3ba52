"""bats: a time-linear rate, and tokens weighted by what the full backward of the step before told."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from graff import agreement
from graff.budget import Budget
from graff.errors import GraffError
from graff.planners._planner import Planner, selected
from graff.planners._report import Moment, StepReport
from graff.planners._shape import Progress, checked_warmup, linear

Weighting = Literal["dft", "rho"]
_WEIGHTINGS = ("dft", "rho")


@dataclass(frozen=True)
class _Statistics:
    """What the step before told: the loss above which ``rho`` keeps a token, and the mean raw weight of its tokens."""

    threshold: float
    mean: float


class Bats(Planner):
    """BATS: the rate of ``linear``, and a weight for every counted token, of mean 1 over the batch.

    No publication defines BATS; its description (token-aware, waits for the full backward) is filled with the nearest
    published weightings. The first step weighs all tokens alike. From then on the statistics of the step before set the
    weights, in one pass and however the batch is split; what is left of their mean over the whole batch, known after
    its last micro-batch, is divided out of the gradients in :meth:`step`. The loss that :meth:`weigh` returns and the
    report holds is the unweighted mean: the weights act on its gradient alone.

    Parameters
    ----------
    optimizer, model, budget, max_grad_norm
        As for every planner.
    weighting
        ``"dft"``: the probability of the token, ``exp(-loss)`` (DFT, arXiv 2508.05629). ``"rho"``: 1 for tokens whose
        loss would have been among the highest share ``keep`` of the step before, 0 for the others (the selection of
        Rho-1, arXiv 2404.07965, by the loss itself: there is no reference model whose loss could be subtracted).
    keep
        The share of the tokens that ``"rho"`` keeps; Rho-1's own at one billion parameters is 0.6.
    warmup_fraction
        The share of the training time over which the rate rises linearly from zero.

    Raises
    ------
    GraffError
        For an unknown weighting or a share out of its range.

    Notes
    -----
    EAFT weighs by the entropy of each token, which :meth:`weigh` is not given. Over several ranks the threshold of
    ``"rho"`` is the mean of the ranks' thresholds, weighted by their tokens.
    """

    name: ClassVar[str] = "bats"

    def __init__(
        self,
        optimizer: Optimizer,
        model: nn.Module | None,
        budget: Budget,
        *,
        weighting: Weighting = "dft",
        keep: float = 0.6,
        warmup_fraction: float = 0.02,
        max_grad_norm: float | None = None,
    ) -> None:
        super().__init__(optimizer, model, budget, max_grad_norm=max_grad_norm)
        if weighting not in _WEIGHTINGS:
            raise GraffError(f"weighting of {weighting!r}: it is 'dft' or 'rho'; choose one")
        if not 0.0 < keep <= 1.0:
            raise GraffError(f"keep of {keep}: it is a share of the tokens in (0, 1]; use 0.6")
        self._weighting, self._keep = weighting, keep
        self._warmup = checked_warmup(warmup_fraction)
        self._progress = Progress("time", None)
        self._statistics: _Statistics | None = None
        self._losses: list[Tensor] = []  # of the counted tokens since the last step, one tensor a micro-batch
        self._weights: list[Tensor] = []
        self._mean_weight = 1.0

    def weigh(self, token_losses: Tensor, mask: Tensor | None = None, *, of: float | Tensor | None = None) -> Tensor:
        """Return the mean loss over counted tokens, with the gradient of the weighted mean; see :meth:`Planner.weigh`.

        Parameters
        ----------
        token_losses, mask, of
            As for every planner.
        """
        losses = token_losses if token_losses.dtype == torch.float64 else token_losses.float()
        counted = torch.ones_like(losses, dtype=torch.bool)
        if mask is not None and not selected(losses, mask):
            counted = mask.bool()
        seen = losses.detach()
        # Losses outside the mask may be anything; a weight of one keeps what they are out of the gradient.
        weights = torch.where(counted, self._token_weights(seen), 1.0)
        self._losses.append(seen[counted])
        self._weights.append(weights[counted])
        return super().weigh(seen + weights * (losses - seen), mask, of=of)

    def _raw(self, losses: Tensor, threshold: float) -> Tensor:
        return torch.exp(-losses) if self._weighting == "dft" else (losses >= threshold).to(losses.dtype)

    def _token_weights(self, losses: Tensor) -> Tensor:
        then = self._statistics
        return torch.ones_like(losses) if then is None else self._raw(losses, then.threshold) / then.mean

    def _facts(self) -> Tensor:
        weights = torch.cat(self._weights) if self._weights else torch.empty(0)
        total, count = agreement.summed([float(weights.double().sum()), float(weights.numel())])
        self._mean_weight = total / count if count > 0 else 1.0
        gradients = [t.grad for t in self._tensors if t.grad is not None]
        # Without any weight there is no gradient to rescale; losses that are not finite are refused right after this.
        if gradients and self._statistics is not None and 0.0 < self._mean_weight < float("inf"):
            torch._foreach_mul_(gradients, 1.0 / self._mean_weight)
        return super()._facts()

    def _plan(self, moment: Moment) -> float:
        moment.metrics["token_weight_before_correction"] = self._mean_weight
        return linear(self._progress.done(moment.reading, moment.step), self._warmup)

    def _after_move(self, moment: Moment) -> None:
        losses = torch.cat(self._losses) if self._losses else torch.empty(0)
        own_count = float(losses.numel())
        threshold, count = agreement.summed([self._lowest_kept(losses) * own_count, own_count])
        if count == 0:
            return  # the loop reduces its losses itself and tells their sum alone: there is nothing to weigh by
        threshold /= count
        (raw,) = agreement.summed([float(self._raw(losses, threshold).double().sum())])
        # All weights at zero say nothing about the next batch: it is weighed alike.
        self._statistics = _Statistics(threshold, raw / count) if raw > 0.0 else None
        moment.metrics |= {"token_raw_weight": raw / count, "token_threshold": threshold}

    def _lowest_kept(self, losses: Tensor) -> float:
        """Return the loss of the last token that ``rho`` keeps of these; 0 where it is of no use."""
        if self._weighting != "rho" or losses.numel() == 0:
            return 0.0
        dropped = losses.numel() - math.ceil(self._keep * losses.numel())
        return float(losses.kthvalue(dropped + 1).values)

    def after_step(self, *, optimizer_s: float = 0.0) -> StepReport:
        """Learn the statistics of the step that was made; see :meth:`Planner.after_step`."""
        try:
            return super().after_step(optimizer_s=optimizer_s)
        finally:
            self._losses, self._weights = [], []

    def state_dict(self) -> dict[str, Any]:
        """Return everything a resumed run needs: the statistics of the last step."""
        then = self._statistics
        return super().state_dict() | {"statistics": None if then is None else [then.threshold, then.mean]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue a saved run; load the optimizer's state first."""
        super().load_state_dict(state)
        saved = state["statistics"]
        self._statistics = None if saved is None else _Statistics(float(saved[0]), float(saved[1]))
