"""The compute-normalised regret of a run: how far its running loss lies above its best, per second."""

from typing import Any

_DECAY = 0.98


class Regret:
    """``R_T = (L_T - L_best) / time_T`` with ``L_T`` the running mean of the loss and ``L_best`` its lowest value.

    A change of one batch's loss changes ``R_T`` by ``(1 - decay) / time_T``: the weight of a hypergradient.
    """

    def __init__(self) -> None:
        self._sum = 0.0
        self._weight = 0.0
        self._best = float("inf")

    def take(self, loss: float, elapsed_s: float) -> float:
        """Take in one batch's mean loss in nats and return the regret in nats per second."""
        self._sum = _DECAY * self._sum + (1.0 - _DECAY) * loss
        self._weight = _DECAY * self._weight + (1.0 - _DECAY)
        running = self._sum / self._weight
        self._best = min(self._best, running)
        return (running - self._best) / elapsed_s if elapsed_s > 0 else 0.0

    @staticmethod
    def weight(elapsed_s: float) -> float:
        """Return the derivative of the regret by one batch's loss, in 1/s; 0 before any time has passed."""
        return (1.0 - _DECAY) / elapsed_s if elapsed_s > 0 else 0.0

    def state_dict(self) -> dict[str, Any]:
        """Return the running mean and the best value."""
        return {"sum": self._sum, "weight": self._weight, "best": self._best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from saved values."""
        self._sum, self._weight, self._best = (float(state[key]) for key in ("sum", "weight", "best"))
