"""Schedule-free averaging around any optimizer: an average takes the place of a decaying learning rate.

Three points are kept (Defazio et al. 2024, arXiv 2405.15682): the base iterate ``z``, which the optimizer moves; its
average ``x``, which is evaluated and saved; and ``y = (1 - momentum) z + momentum x``, where gradients are taken and
which the model holds while it trains. One copy of the trainable weights is kept for it, two in half precision.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_HALF = (torch.bfloat16, torch.float16)


_USUAL_MOMENTUM = 0.9


def momentum_of(optimizer: Optimizer) -> float:
    """Return the optimizer's own momentum, Adam's b1 included; 0.9 where it has none."""
    group = optimizer.param_groups[0]
    own = float(group["betas"][0]) if "betas" in group else float(group.get("momentum", 0.0))
    return own if 0.0 < own < 1.0 else _USUAL_MOMENTUM


def without_momentum(optimizer: Optimizer) -> None:
    """Switch off the optimizer's own momentum, Adam's first moment included: the point ``y`` takes its place.

    An optimizer that names its momentum otherwise than ``betas`` or ``momentum`` keeps it.
    """
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (0.0, *group["betas"][1:])
        if group.get("momentum"):
            group["momentum"] = 0.0
            group["nesterov"] = False


class ScheduleFree:
    """The average of a run, kept around the steps of an optimizer that knows nothing of it.

    Use it as :meth:`before`, ``optimizer.step()``, :meth:`after`. Every step counts in the average with the square
    of the largest rate so far, as its authors found best.

    Parameters
    ----------
    tensors
        The trainable tensors, which hold ``y`` between steps.
    momentum
        How far ``y`` lies from ``z`` towards ``x``, in (0, 1).
    """

    def __init__(self, tensors: Sequence[Tensor], momentum: float) -> None:
        self._tensors = [t.detach() for t in tensors]
        self.momentum = momentum
        self.share = 1.0  # of the last step in the average
        self._weight_sum = 0.0
        self._largest = 0.0
        self._z: list[Tensor] | None = None  # while the optimizer steps: the average instead
        self._x: list[Tensor] | None = None  # only for half precision, whose rounding an average does not survive

    @property
    def base(self) -> list[Tensor]:
        """The base iterate ``z`` as it was after the last step; the weights themselves before the first."""
        return self._tensors if self._z is None else self._z

    def gradient_share(self) -> float:
        """Return how far ``y`` followed the last step of ``z``, in (0, 1]: the chain rule's factor on its effect."""
        return 1.0 - self.momentum * (1.0 - self.share)

    @torch.no_grad()
    def before(self) -> None:
        """Put ``z`` into the weights, for the optimizer to move."""
        if self._z is None:
            self._z = [_wide(t) for t in self._tensors]
            if any(t.dtype in _HALF for t in self._tensors):
                self._x = [z.clone() for z in self._z]
        average = self._average()
        torch._foreach_copy_(self._tensors, self._z)
        self._z = average

    @torch.no_grad()
    def after(self, rate: float) -> None:
        """Take the step's new ``z`` into the average and put the next ``y`` into the weights.

        Parameters
        ----------
        rate
            The learning rate of the step, in any unit that is the same for all steps.
        """
        assert self._z is not None
        self._largest = max(self._largest, rate)
        weight = self._largest**2
        self._weight_sum += weight
        self.share = weight / self._weight_sum if self._weight_sum > 0.0 else 0.0
        average, z = self._z, [_wide(t) for t in self._tensors]
        torch._foreach_lerp_(average, z, self.share)
        if self._x is not None:
            self._x = average
        self._z = z
        torch._foreach_copy_(self._tensors, torch._foreach_lerp(z, average, self.momentum))

    @torch.no_grad()
    def shorten(self, earlier: Sequence[Tensor], factor: float) -> None:
        """Make only a share of the last step, as if the optimizer had.

        Parameters
        ----------
        earlier
            The base iterate before the step.
        factor
            The share that is kept, in [0, 1].
        """
        assert self._z is not None
        average = self._average()
        excess = torch._foreach_sub(self._z, list(earlier))
        torch._foreach_mul_(excess, 1.0 - factor)
        torch._foreach_sub_(self._z, excess)
        torch._foreach_sub_(average, excess, alpha=self.share)
        if self._x is not None:
            self._x = average
        torch._foreach_copy_(self._tensors, torch._foreach_lerp(self._z, average, self.momentum))

    def _average(self) -> list[Tensor]:
        assert self._z is not None
        if self._x is not None:
            return self._x
        # y = (1 - momentum) z + momentum x, solved for x.
        return list(torch._foreach_lerp(self._z, self._tensors, 1.0 / self.momentum))

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Hold ``x`` in the weights; ``y`` is back afterwards, bit for bit."""
        if self._z is None:
            yield
            return
        with torch.no_grad():
            kept = torch._foreach_clone(self._tensors)
            torch._foreach_copy_(self._tensors, self._average())
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self._tensors, kept)

    def state_dict(self) -> dict[str, Any]:
        """Return ``z``, the weights of the average, and what half precision needs beside them."""
        return {
            "z": None if self._z is None else [z.clone() for z in self._z],
            "x": None if self._x is None else [x.clone() for x in self._x],
            "weight_sum": self._weight_sum,
            "largest": self._largest,
            "share": self.share,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue a saved average; the model must have been loaded with the weights of that moment, ``y``."""
        self._z = self._there(state["z"])
        self._x = self._there(state["x"])
        self._weight_sum, self._largest = float(state["weight_sum"]), float(state["largest"])
        self.share = float(state["share"])

    def _there(self, saved: list[Tensor] | None) -> list[Tensor] | None:
        if saved is None:
            return None
        return [s.to(t.device, copy=True) for s, t in zip(saved, self._tensors, strict=True)]


def _wide(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32 if tensor.dtype in _HALF else tensor.dtype, copy=True)
