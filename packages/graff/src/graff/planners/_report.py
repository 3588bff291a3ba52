"""One planner step: what is known while it is made, and what it did."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from graff.budget import Reading
from graff.probes import Probe


@dataclass(frozen=True)
class StepReport:
    """The outcome of ``planner.step``.

    Attributes
    ----------
    step
        The number of this call, from 0; skipped ones count.
    loss
        The mean loss per counted token of the global batch in nats; NaN when it was not finite or nothing was counted.
    learning_rate
        The mean over parameter groups of the rate that was used; 0 when the step was skipped.
    learning_rates
        The rate of each parameter group.
    skipped
        Whether the weights were left alone.
    reason
        Why the step was skipped, one line; None when it was not.
    metrics
        The planner's internals for logging, finite numbers by name.
    """

    step: int
    loss: float
    learning_rate: float
    learning_rates: tuple[float, ...]
    skipped: bool
    reason: str | None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Moment:
    """What a planner knows while it makes one step; ``factor``, ``planning_s`` and ``metrics`` come as it goes.

    Attributes
    ----------
    step
        The number of the step, from 0.
    reading
        The clock that all ranks agreed on.
    facts
        What was measured per tensor, on the host, shape (k, n); row 1 holds the norms of the raw gradients.
    loss
        Mean loss of the global batch in nats.
    grad_norm
        Norm of the raw gradient, before clipping.
    probe
        The caller's probe of this batch.
    tokens
        Counted tokens of the global batch.
    reason
        Why the step is skipped; None when it is made.
    factor
        The factor on the base rates that the planner chose.
    planning_s
        Seconds that the first half of the step took.
    metrics
        Internals for logging.
    """

    step: int
    reading: Reading
    facts: Tensor
    loss: float
    grad_norm: float
    probe: Probe | None
    tokens: float = 0.0
    reason: str | None = None
    factor: float = 0.0
    planning_s: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
