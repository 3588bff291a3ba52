"""The planner's own small network: a graph-recurrent encoder over blocks and a linear decoder of three heads."""

import math

import torch
from torch import Tensor, nn

from graff.features import FEATURES

HIDDEN = 16
HEADS = ("block_weight", "token_weight")  # the decoder's weights beside those of the residual; each may be left out
# Measured on the embedded model at a tenth of the best rate: with a sixteenth, the residual swung by two units as
# features came and went; with a third of that it settles, at the same loss.
_SHARE = 1.0 / (3 * HIDDEN)
# Half of log 2: what it bounds lies within log 2 of its own mean, so that a factor of 2 holds after centring too.
_MULTIPLIER_LIMIT = math.log(2.0) / 2.0


class TrajectoryEncoder(nn.Module):
    """Two rounds of messages over the blocks and a gated update of the state that is carried through the run.

    No size depends on the number of blocks, so one set of weights serves every model.

    Parameters
    ----------
    generator
        Source of the initial weights, so that a planner does not disturb the caller's random numbers.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.enter = nn.Linear(len(FEATURES), HIDDEN)
        self.own = nn.ModuleList(nn.Linear(HIDDEN, HIDDEN) for _ in range(2))
        self.message = nn.ModuleList(nn.Linear(HIDDEN, HIDDEN, bias=False) for _ in range(2))
        self.update = nn.GRUCell(HIDDEN, HIDDEN)
        with torch.no_grad():
            for parameter in self.parameters():
                bound = 1.0 / math.sqrt(parameter.shape[-1]) if parameter.dim() > 1 else 0.0
                parameter.uniform_(-bound, bound, generator=generator)

    def forward(self, features: Tensor, adjacency: Tensor, state: Tensor) -> Tensor:
        """Return the next state.

        Parameters
        ----------
        features
            Standardised features, shape (N, 7).
        adjacency
            Row-normalised, shape (N, N); all zeros makes a network without messages.
        state
            The state of the step before, shape (N, 16).

        Returns
        -------
        Tensor
            Shape (N, 16).
        """
        hidden = torch.tanh(self.enter(features))
        for own, message in zip(self.own, self.message, strict=True):
            hidden = torch.tanh(own(hidden) + message(adjacency @ hidden))
        return torch.as_tensor(self.update(hidden, state))


class LinearDecoder(nn.Module):
    """Linear maps from the state to the log residual of the learning rate and to the multipliers of blocks and tokens.

    ``log residual = c tanh(z / c)`` with ``z = w . mean(h) / 48 + bias``; zero weights are a residual of exactly 1.
    The state enters divided by three times its size, so that one step of Adam moves ``z`` at most a third as far
    through the state as through the bias. The other two heads have no bias, and zero weights are multipliers of
    exactly 1; a head that is not asked for has no weights.

    Parameters
    ----------
    bound
        The largest factor by which the residual may raise or lower the rate, above 1; ``c`` is its logarithm.
    block_head, token_head
        Whether there are weights for the multipliers of blocks, and of tokens.
    """

    def __init__(self, bound: float, *, block_head: bool = False, token_head: bool = False) -> None:
        super().__init__()
        self.limit = math.log(bound)
        self.weight = nn.Parameter(torch.zeros(HIDDEN))
        self.bias = nn.Parameter(torch.zeros(()))
        self.block_weight = nn.Parameter(torch.zeros(HIDDEN)) if block_head else None
        self.token_weight = nn.Parameter(torch.zeros(HIDDEN)) if token_head else None

    def forward(self, state: Tensor) -> Tensor:
        """Return the log residual, a scalar, from the state of shape (N, 16)."""
        z = self.weight @ (state.mean(0) * _SHARE) + self.bias
        return self.limit * torch.tanh(z / self.limit)

    def log_multipliers(self, state: Tensor) -> Tensor:
        """Return the logarithm of each block's multiplier, shape (N,), double precision, from the state (N, 16).

        Its mean is zero, and no multiplier is above 2 or below a half. Without that head there is nothing to ask.
        """
        assert self.block_weight is not None
        z = ((state - state.mean(0)) * _SHARE) @ self.block_weight
        bounded = (_MULTIPLIER_LIMIT * torch.tanh(z / _MULTIPLIER_LIMIT)).double()
        return bounded - bounded.mean()

    def token_direction(self, state: Tensor) -> Tensor:
        """Return what ``token_weight`` is multiplied with, shape (16,), from the state of shape (N, 16)."""
        return state.mean(0) * _SHARE

    def take(self, weights: dict[str, Tensor]) -> None:
        """Load weights; a head that they do not have starts at zero, and one that is not there is passed over."""
        own = {head: torch.zeros(HIDDEN) for head in HEADS if getattr(self, head) is not None}
        self.load_state_dict(own | {key: w for key, w in weights.items() if key in own or key not in HEADS})

    @torch.no_grad()
    def centre(self, state: Tensor) -> None:
        """Set the bias so that the residual is 1 for this state of shape (N, 16)."""
        self.bias.copy_(-(self.weight @ (state.mean(0) * _SHARE)))

    @torch.no_grad()
    def project(self, state: Tensor, log_bound: float) -> bool:
        """Move the weights to the nearest point at which the log residual for this state is at most a bound.

        Parameters
        ----------
        state
            Shape (N, 16).
        log_bound
            The largest log residual that is allowed; values beyond the soft limit are cut to it.

        Returns
        -------
        bool
            Whether the weights were outside the half-space and have been moved.
        """
        inside = max(-0.999, min(0.999, log_bound / self.limit))
        if log_bound >= self.limit:
            return False
        direction = state.mean(0) * _SHARE
        z = float(self.weight @ direction + self.bias)
        excess = z - self.limit * math.atanh(inside)
        if excess <= 0.0:
            return False
        scale = excess / (float(direction @ direction) + 1.0)
        self.weight.sub_(scale * direction)
        self.bias.sub_(scale)
        return True
