"""How the loss of the next batch depends on the learning rate of the step before.

A step moves the weights by ``-delta``, with ``delta = rate * u`` and ``u`` the optimizer's direction for one unit of
learning rate. To first order the loss of the next batch changes with the logarithm of that rate by
``-<g_next, delta>``: one dot product, no second backward (Baydin et al. 2018, arXiv 1703.04782). Nothing is
kept for Adam: until its next step its state still holds the direction of the last one. Any other optimizer is read by
the difference that its step made, which costs one copy of the trainable weights.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer


def trainable_tensors(optimizer: Optimizer) -> tuple[list[Tensor], list[int]]:
    """Return the optimizer's trainable tensors in its order, and the index of the group of each."""
    tensors, groups = [], []
    for index, group in enumerate(optimizer.param_groups):
        for parameter in group["params"]:
            if parameter.requires_grad:
                tensors.append(parameter)
                groups.append(index)
    return tensors, groups


def _wide(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return float32 views of half-precision tensors: sums over bfloat16 lose the hypergradient's sign."""
    return [t.float() if t.dtype in (torch.bfloat16, torch.float16) else t for t in tensors]


def dots(left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
    """Return the inner product of each pair of tensors, shape (len(left),), on the device of the first."""
    pairs = zip(_wide(left), _wide(right), strict=True)
    return _stacked([torch.dot(a.reshape(-1), b.reshape(-1)) for a, b in pairs])


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """Return the Euclidean norm of each tensor, shape (len(tensors),), on the device of the first."""
    return _stacked(torch._foreach_norm(_wide(tensors)))


def _stacked(scalars: Sequence[Tensor]) -> Tensor:
    # One kernel for all of them; only a model spread over devices pays for copies.
    device = scalars[0].device
    return torch.stack([s if s.device == device else s.to(device) for s in scalars]).to(torch.float64)


class LastStep:
    """The displacement ``delta`` of the optimizer's last step, per tensor.

    Use it as ``before()``, ``optimizer.step()``, ``after()``; then :meth:`displacements` until the next step.

    Parameters
    ----------
    optimizer
        Adam and AdamW are read from their state; any other optimizer by the difference that its step makes.
    tensors, groups
        The trainable tensors and their parameter groups, as :func:`trainable_tensors` returns them.
    moved
        Returns the weights as the last step left them, where the model holds other ones by then; the tensors
        themselves without it.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        tensors: Sequence[Tensor],
        groups: Sequence[int],
        moved: Callable[[], Sequence[Tensor]] | None = None,
    ) -> None:
        self._optimizer = optimizer
        self._tensors = tensors
        self._moved = moved or (lambda: tensors)
        self._groups = groups
        self._kept: list[Tensor] | None = None
        self._rates: list[float] | None = None
        self._stepped: list[bool] = []

    @property
    def exists(self) -> bool:
        """Whether there has been a step."""
        return self._rates is not None

    @property
    def from_state(self) -> bool:
        """Whether the optimizer's own state tells the direction, so that no copy is kept."""
        # A subclass may step as it likes, so it is read by what it did.
        return type(self._optimizer) in (Adam, AdamW)

    def before(self) -> None:
        """Note which tensors the coming step will move, and keep their values where the state does not tell."""
        self._stepped = [tensor.grad is not None for tensor in self._tensors]
        if not self.from_state:
            self._kept = list(torch._foreach_clone([t.detach() for t in self._tensors]))

    def after(self) -> None:
        """Note the step that was just made, at the rates that the optimizer holds now."""
        self._rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        if self._kept is not None:
            self._kept = list(torch._foreach_sub(self._kept, [t.detach() for t in self._tensors]))

    def shorten(self, factor: float) -> None:
        """Note that the weights were taken back, so that only a share ``factor`` of the step was made."""
        assert self._rates is not None
        self._rates = [rate * factor for rate in self._rates]
        if self._kept is not None:
            self._kept = list(torch._foreach_mul(self._kept, factor))

    @torch.no_grad()
    def displacements(self) -> list[Tensor]:
        """Return ``delta = weights before - weights after`` for every tensor; zeros where it did not move."""
        if self._rates is None:
            raise RuntimeError("no step has been made yet: call before, optimizer.step and after first")
        if self._kept is not None:
            return self._kept
        return self._adam_displacements(self._rates)

    def _adam_displacements(self, rates: list[float]) -> list[Tensor]:
        moved = [i for i, stepped in enumerate(self._stepped) if stepped]
        result = [torch.zeros_like(t) for t in self._tensors] if len(moved) < len(self._tensors) else None
        states = [self._optimizer.state[self._tensors[i]] for i in moved]
        groups = [self._optimizer.param_groups[self._groups[i]] for i in moved]
        rate = [rates[self._groups[i]] for i in moved]
        steps = _step_counts(states)
        first = [1.0 - float(g["betas"][0]) ** n for g, n in zip(groups, steps, strict=True)]
        second = [(1.0 - float(g["betas"][1]) ** n) ** 0.5 for g, n in zip(groups, steps, strict=True)]
        key = "max_exp_avg_sq" if groups and groups[0]["amsgrad"] else "exp_avg_sq"
        denominator = torch._foreach_sqrt([s[key] for s in states])
        torch._foreach_div_(denominator, second)
        torch._foreach_add_(denominator, [float(g["eps"]) for g in groups])
        delta = torch._foreach_div([s["exp_avg"] for s in states], denominator)
        torch._foreach_mul_(delta, [r / c for r, c in zip(rate, first, strict=True)])
        decay = [r * _decoupled_decay(self._optimizer, g) for r, g in zip(rate, groups, strict=True)]
        if any(decay):
            # after = before (1 - decay) - delta, so before = (after + delta) / (1 - decay).
            after = self._moved()
            before = torch._foreach_add([after[i].detach() for i in moved], delta)
            torch._foreach_mul_(before, [d / (1.0 - d) for d in decay])
            torch._foreach_add_(delta, before)
        if result is None:
            return list(delta)
        for i, tensor in zip(moved, delta, strict=True):
            result[i] = tensor
        return result

    @torch.no_grad()
    def facts(self, gradients: Sequence[Tensor]) -> Tensor:
        """Return what the last step and the new gradients tell about every tensor, by one copy to the host.

        Parameters
        ----------
        gradients
            The gradients of the new batch at the weights after the last step.

        Returns
        -------
        Tensor
            Shape (4, n), double precision: ``<g, delta>``, then the norms of gradient, ``delta`` and weights. The
            first and third row are zero before the first step.
        """
        gradient, weight = norms(gradients), norms([t.detach() for t in self._tensors])
        if not self.exists:
            nothing = torch.zeros_like(gradient)
            return torch.stack([nothing, gradient, nothing, weight]).cpu()
        moved = self.displacements()
        return torch.stack([dots(gradients, moved), gradient, norms(moved), weight]).cpu()

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to read the same displacement."""
        return {"rates": self._rates, "stepped": self._stepped, "kept": self._kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state; the optimizer's own state must have been loaded as well."""
        self._rates, self._stepped = state["rates"], state["stepped"]
        kept = state["kept"]
        if kept is not None:
            kept = [k.to(t.device, t.dtype) for k, t in zip(kept, self._tensors, strict=True)]
        self._kept = kept


def _decoupled_decay(optimizer: Optimizer, group: dict[str, Any]) -> float:
    # Adam's own decay is part of its gradient and so of its direction; torch before 2.7 has no flag in the groups.
    decoupled = group.get("decoupled_weight_decay", isinstance(optimizer, AdamW))
    return float(group["weight_decay"]) if decoupled else 0.0


def _step_counts(states: Sequence[dict[str, Any]]) -> list[float]:
    counts = [state["step"] for state in states]
    if counts and isinstance(counts[0], Tensor) and counts[0].is_cuda:  # fused and capturable keep them on the device
        return [float(n) for n in torch.stack(counts).tolist()]
    return [float(n) for n in counts]


@torch.no_grad()
def preconditioned_square(optimizer: Optimizer, displacements: Sequence[Tensor]) -> float | None:
    """Return ``delta^T (P / rate) delta``, the denominator of the preconditioned Rayleigh quotient.

    ``P`` is the identity for SGD and ``sqrt(v_hat) + eps`` for Adam. ``delta^T H delta`` over this value is
    ``rate * lambda`` with ``lambda`` a lower bound on the sharpness that the optimizer sees.

    Returns
    -------
    float or None
        None for an optimizer whose preconditioner is not known.
    """
    tensors, groups = trainable_tensors(optimizer)
    adam, sgd = isinstance(optimizer, Adam | AdamW), isinstance(optimizer, torch.optim.SGD)
    if not (adam or sgd):
        return None
    terms = []
    for tensor, index, delta in zip(tensors, groups, displacements, strict=True):
        group, state = optimizer.param_groups[index], optimizer.state[tensor]
        weighted = delta
        if adam:
            if "step" not in state:
                continue
            correction = (1.0 - float(group["betas"][1]) ** float(state["step"])) ** 0.5
            weighted = delta * (state["exp_avg_sq"].sqrt() / correction + float(group["eps"]))
        rate = float(group["lr"])
        if rate > 0:
            terms.append((weighted * delta).sum(dtype=torch.float64) / rate)
    return float(torch.stack([t.to(terms[0].device) for t in terms]).sum()) if terms else None


def stability_threshold(optimizer: Optimizer) -> float | None:
    """Return the value of ``rate * lambda`` at which the optimizer stops being stable on a quadratic.

    2 for SGD, ``2 (1 + momentum)`` with (undamped) momentum, ``2 (1 + b1) / (1 - b1)`` for Adam (Cohen et al. 2022,
    arXiv 2207.14484).

    Returns
    -------
    float or None
        None for an optimizer whose threshold is not known.
    """
    group = optimizer.param_groups[0]
    if isinstance(optimizer, Adam | AdamW):
        beta = float(group["betas"][0])
        return 2.0 * (1.0 + beta) / (1.0 - beta)
    if isinstance(optimizer, torch.optim.SGD):
        return 2.0 * (1.0 + float(group["momentum"]))
    return None
