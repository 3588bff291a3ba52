"""What every network of technical noise has: a start that cannot overflow, depth as an offset, a distribution per bin.

The networks themselves are an experiment's; here is what they are made of and what they must say.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from technoise.mixture import Signal


@dataclass(frozen=True)
class Start:
    """Where a network starts: the rate and the size of all training bins together, natural logarithms."""

    log_rate: float
    log_size: float


class Head(nn.Module):
    """One number per bin from its inputs: a linear map plus a small network, both silent at the start.

    With both last layers at zero an untrained head says its intercept, whatever the inputs: extreme bins cannot
    overflow at initialisation, and the gradient of both last layers is not zero.

    Parameters
    ----------
    n_inputs
        Numbers per bin that come in.
    hidden
        Widths of the hidden layers; none is a linear model.
    dropout
        After each hidden layer, from 0 to below 1.
    intercept
        What it says untrained.
    """

    def __init__(self, n_inputs: int, hidden: tuple[int, ...], dropout: float, intercept: float) -> None:
        super().__init__()
        self.linear = nn.Linear(n_inputs, 1)
        widths = (n_inputs, *hidden)
        layers: list[nn.Module] = []
        for wide, narrow in pairwise(widths):
            layers += [nn.Linear(wide, narrow), nn.SiLU(), nn.Dropout(dropout)]
        last = nn.Linear(widths[-1], 1, bias=False)
        self.network = nn.Sequential(*layers, last)
        with torch.no_grad():
            self.linear.weight.zero_()
            self.linear.bias.fill_(intercept)
            last.weight.zero_()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return one number per row of inputs (n_bins, n_inputs), shape (n_bins,)."""
        value: Tensor = self.linear(inputs) + self.network(inputs)
        return value.squeeze(-1)


class Network(nn.Module, ABC):
    """A network over standardised covariates that states a technical distribution of every bin.

    A subclass without :meth:`forward` cannot be made.
    """

    @abstractmethod
    def forward(self, covariates: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return log mean and log size, each (n_bins, n_replicates); the log size is None for a Poisson.

        Parameters
        ----------
        covariates
            Shape (n_bins, n_covariates).
        offsets
            Log depths, shape (n_replicates,).
        """

    def signal(self, n_bins: int) -> Signal | None:  # noqa: ARG002 - a mixture needs it
        """Return what lies on top of the technical distribution of so many bins; None where nothing does."""
        return None


def with_depth(log_rate: Tensor, offsets: Tensor) -> Tensor:
    """Return the log mean, shape (n_bins, n_replicates), of log rates (n_bins,) at log depths (n_replicates,)."""
    return log_rate.unsqueeze(1) + offsets.unsqueeze(0)


def per_replicate(log_size: Tensor, offsets: Tensor) -> Tensor:
    """Return log sizes (n_bins,) once for each replicate, shape (n_bins, n_replicates).

    Written out and not left to broadcasting: a likelihood takes equal shapes only.
    """
    return log_size.unsqueeze(1).expand(-1, len(offsets))
