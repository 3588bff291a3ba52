"""A Gaussian policy over one number, learned by the score function (REINFORCE, Williams 1992)."""

import math
from typing import Any

import torch
from torch import Tensor, nn

_HIDDEN = 16


class GaussianPolicy(nn.Module):
    """``a ~ N(mu(s), sigma)``: a small network for the mean and one learned standard deviation.

    Parameters
    ----------
    size
        The number of features of a state.
    sigma
        The standard deviation at the start.
    generator
        Source of the initial weights and of every action, so that the caller's random numbers are not touched.
    """

    def __init__(self, size: int, sigma: float, generator: torch.Generator) -> None:
        super().__init__()
        self._generator = generator
        self.enter = nn.Linear(size, _HIDDEN)
        self.mean = nn.Linear(_HIDDEN, 1)
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma)))
        with torch.no_grad():
            bound = 1.0 / math.sqrt(size)
            self.enter.weight.uniform_(-bound, bound, generator=generator)
            self.enter.bias.zero_()
            self.mean.weight.zero_()  # no opinion at the start
            self.mean.bias.zero_()

    def mu(self, state: Tensor) -> Tensor:
        """Return the mean action, a scalar, for a state of shape (size,)."""
        return torch.as_tensor(self.mean(torch.tanh(self.enter(state)))).squeeze(-1)

    @torch.no_grad()
    def act(self, state: Tensor) -> float:
        """Draw an action for a state of shape (size,)."""
        noise = torch.randn((), generator=self._generator)
        return float(self.mu(state) + self.log_sigma.exp() * noise)

    def surrogate(self, state: Tensor, action: float, advantage: float, entropy_bonus: float) -> Tensor:
        """Return the scalar whose gradient is the negative policy gradient plus the entropy bonus.

        ``-advantage log p(a | s) - bonus H`` with ``H = log(sigma sqrt(2 pi e))``. The advantage is a constant.

        Parameters
        ----------
        state
            Shape (size,).
        action
            What was drawn in that state.
        advantage
            Its reward above the baseline.
        entropy_bonus
            Weight of the entropy, in units of the reward.
        """
        deviation = (action - self.mu(state)) / self.log_sigma.exp()
        log_probability = -0.5 * deviation.square() - self.log_sigma - 0.5 * math.log(2.0 * math.pi)
        entropy = self.log_sigma + 0.5 * math.log(2.0 * math.pi * math.e)
        return -advantage * log_probability - entropy_bonus * entropy

    def generator_state(self) -> Tensor:
        """Return the state of the random numbers."""
        return self._generator.get_state()

    def set_generator_state(self, state: Tensor) -> None:
        """Continue the random numbers from a saved state."""
        self._generator.set_state(state.cpu())


class Baseline:
    """An exponential moving average of the reward, without the pull of its start towards zero.

    Parameters
    ----------
    decay
        The weight of the past, in [0, 1).
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._sum = 0.0
        self._weight = 0.0

    def advantage(self, reward: float) -> float:
        """Return the reward above the average of the earlier ones, then take it in; 0 for the first reward."""
        above = reward - self._sum / self._weight if self._weight > 0 else 0.0
        self._sum = self._decay * self._sum + (1.0 - self._decay) * reward
        self._weight = self._decay * self._weight + (1.0 - self._decay)
        return above

    def state_dict(self) -> dict[str, Any]:
        """Return the average as plain numbers."""
        return {"sum": self._sum, "weight": self._weight}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved average."""
        self._sum, self._weight = float(state["sum"]), float(state["weight"])
