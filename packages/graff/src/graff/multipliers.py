"""The optimizer's last step with a multiplier for each tensor: what was really made of it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from graff.hypergradient import LastStep, _decoupled_decay


class ScaledStep(LastStep):
    """A :class:`LastStep` whose displacement can be multiplied, tensor by tensor, after the optimizer made it.

    Adam divides the scale of a gradient out again, so a multiplier acts on the displacement and not on the gradient.
    """

    _multipliers: list[float] | None = None

    def after(self) -> None:
        """Note the step that was just made; its multipliers are 1 until :meth:`scale` is called."""
        super().after()
        self._multipliers = None

    @torch.no_grad()
    def scale(self, multipliers: Sequence[float]) -> None:
        """Make ``s`` times the step that was just made, weight decay included; exactly the same weights where it is 1.

        Call it right after :meth:`after`, while the model holds the weights that the optimizer left.

        Parameters
        ----------
        multipliers
            ``s`` for each tensor, positive.
        """
        if all(s == 1.0 for s in multipliers):
            return
        own, self._moved = self._moved, lambda: self._tensors
        try:
            made = super().displacements()
        finally:
            self._moved = own
        excess = torch._foreach_mul(made, [1.0 - s for s in multipliers])
        torch._foreach_add_([t.detach() for t in self._tensors], excess)
        if self._kept is not None:
            self._kept = list(torch._foreach_mul(self._kept, list(multipliers)))
        else:
            self._multipliers = list(multipliers)

    @torch.no_grad()
    def displacements(self) -> list[Tensor]:
        """Return ``delta`` as it was made, multipliers included."""
        delta = super().displacements()
        if self._multipliers is None or self._rates is None:
            return delta
        torch._foreach_mul_(delta, [self._share(i, s, self._rates) for i, s in enumerate(self._multipliers)])
        return delta

    def _share(self, index: int, multiplier: float, rates: Sequence[float]) -> float:
        # The base class finds the weights before the step from after = before (1 - d) - delta, where now
        # after = before - s (delta + d before): solved for the displacement, this factor is all that changes.
        group = self._groups[index]
        d = rates[group] * _decoupled_decay(self._optimizer, self._optimizer.param_groups[group])
        return multiplier * (1.0 - d) / (1.0 - multiplier * d)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to read the same displacement."""
        return super().state_dict() | {"multipliers": self._multipliers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state; the optimizer's own state must have been loaded as well."""
        super().load_state_dict(state)
        self._multipliers = state.get("multipliers")
