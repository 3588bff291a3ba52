"""The token head: multipliers of tokens by their early entropy, and what they do to the next batch's loss."""

import logging
import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from graff.hypergradient import dots
from graff.lens import Lens
from graff.probes import Probe, reach_for

_log = logging.getLogger("graff")


def token_multipliers(z: Tensor, slope: float | Tensor) -> Tensor:
    """Return ``2 sigmoid(slope z)`` over its own mean, shape (n,), from standardised entropies of shape (n,).

    Examples
    --------
    >>> token_multipliers(torch.tensor([-1.0, 0.0, 1.0]), 0.0)
    tensor([1., 1., 1.])
    """
    raw = 2.0 * torch.sigmoid(slope * z)
    return raw / raw.mean()


def standardised(entropies: Tensor) -> Tensor:
    """Return values less their mean over their deviation, shape (k,); zeros where they are all alike or not finite."""
    deviation = entropies.std(correction=0)
    usable = deviation > 1e-6 * (1.0 + entropies.mean().abs())
    return torch.where(usable, (entropies - entropies.mean()) / deviation.clamp(min=1e-30), 0.0)


def responses(
    optimizer: Optimizer, tensors: Sequence[Tensor], groups: Sequence[int], gradients: Sequence[Tensor]
) -> list[Tensor]:
    """Return how much further the last step would have gone for a little more of a gradient: ``rate P^-1 g``.

    Adam's second moment is taken as given, and of its first moment the share that one gradient has in it. Every other
    optimizer is taken to step along its gradient.

    Parameters
    ----------
    optimizer
        As its last step left it.
    tensors, groups
        The trainable tensors and their parameter groups.
    gradients
        One for each of them.
    """
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    result = list(torch._foreach_mul(list(gradients), [rates[group] for group in groups]))
    if not isinstance(optimizer, Adam | AdamW):
        return result
    for i, (tensor, index) in enumerate(zip(tensors, groups, strict=True)):
        group, state = optimizer.param_groups[index], optimizer.state[tensor]
        if "exp_avg_sq" not in state:
            result[i] = torch.zeros_like(result[i])
            continue
        (first, second), n = (float(b) for b in group["betas"]), float(state["step"])
        square = state["max_exp_avg_sq" if group["amsgrad"] else "exp_avg_sq"]
        denominator = square.sqrt().div_((1.0 - second**n) ** 0.5).add_(float(group["eps"]))
        result[i] = result[i] * ((1.0 - first) / (1.0 - first**n)) / denominator
    return result


@torch.no_grad()
def loss_derivatives(probe: Probe, tensors: Sequence[Tensor], steps: Sequence[Tensor], *, reach: float) -> Tensor:
    """Return the derivative of every token's loss along a direction, by central differences.

    The weights are put back bit for bit, also when the probe fails; both ends see the same random numbers, and the
    caller's are left as they were.

    Parameters
    ----------
    probe
        Returns the losses of its tokens; called twice.
    tensors
        The weights.
    steps
        The direction, for each of them.
    reach
        The distance of the two points, in steps.

    Returns
    -------
    Tensor
        Shape (n,), double precision; empty where the probe returned a mean instead of the losses of tokens.
    """
    devices = sorted({t.device for t in tensors}, key=str)
    cuda = [d.index if d.index is not None else torch.cuda.current_device() for d in devices if d.type == "cuda"]
    weights = [t.detach() for t in tensors]
    along = [s.to(t.dtype) for s, t in zip(steps, weights, strict=True)]
    kept = torch._foreach_clone(weights)
    ends = []
    with ExitStack() as stack:
        stack.callback(torch._foreach_copy_, weights, kept)
        for distance in (reach, -reach):
            torch._foreach_copy_(weights, kept)
            torch._foreach_add_(weights, along, alpha=distance)
            with torch.random.fork_rng(devices=cuda):
                losses = torch.as_tensor(probe())
            if losses.dim() == 0:
                return torch.empty(0, dtype=torch.float64)
            ends.append(losses.double().reshape(-1))
    return (ends[0] - ends[1]) / (2.0 * reach)


@dataclass(frozen=True)
class _Waiting:
    """A batch whose tokens are looked at again when the next gradient is there."""

    probe: Probe
    z: Tensor  # of the counted tokens of its last micro-batch, shape (n,)
    slope: float
    direction: Tensor  # derivative of the slope by the head's weights, shape (16,)
    share: float  # of a token's gradient in the gradient that the optimizer saw: 1 / tokens, and clipping


class TokenHead:
    """Reads entropies of the tokens of a batch and finds how their multipliers changed the next batch's loss.

    Parameters
    ----------
    model
        Searched for the parts of a :class:`Lens`; without them every multiplier stays 1.
    positions
        How many counted positions of a micro-batch are read.
    seed
        Seed of their choice; the caller's random numbers are not touched.
    """

    def __init__(self, model: nn.Module | None, *, positions: int, seed: int) -> None:
        self.lens = Lens.of(model)
        self.counts = {"token_head_missing": 0, "token_probes": 0, "token_probe_failures": 0}
        self.due = False  # whether the coming step looks back at a batch; the same on all ranks
        self.looked = False  # whether a micro-batch of this step has been seen
        self._positions = positions
        self._generator = torch.Generator().manual_seed(seed)
        self._turn = False
        self._means_alone = False
        self._z: Tensor | None = None
        self.slope, self._direction = 0.0, torch.empty(0)  # of the batch at hand
        self._entropy: list[Tensor] = []  # since the last step, one tensor a micro-batch
        self._waiting: _Waiting | None = None

    # -- while a batch is weighed ------------------------------------------------------------------------------

    def look(self, counted: Tensor, slope: float, direction: Tensor) -> Tensor | None:
        """Read entropies of a micro-batch and return the multipliers of its counted tokens.

        Parameters
        ----------
        counted
            Where predictions are made that count, boolean, shape (B, T) or (B, T - 1).
        slope, direction
            What ``z`` is multiplied with, and its derivative by the weights of the head, shape (16,).

        Returns
        -------
        Tensor or None
            Shape (n,), mean 1; None where all are exactly 1.
        """
        self.looked = True
        self.slope, self._direction = slope, direction
        self._z = self._standard_entropies(counted)
        if self._z is None or slope == 0.0 or self._z.numel() == 0:
            return None
        return token_multipliers(self._z, slope)

    def _standard_entropies(self, counted: Tensor) -> Tensor | None:
        hidden = None if self.lens is None else self.lens.take()
        if self.lens is None or hidden is None or not _fits(hidden, counted):
            self.counts["token_head_missing"] += 1
            return None
        places = counted.to(hidden.device).reshape(-1).nonzero().squeeze(1)
        z = torch.zeros(len(places), dtype=torch.promote_types(hidden.dtype, torch.float32), device=hidden.device)
        if not len(places):
            return z
        chosen = torch.randperm(len(places), generator=self._generator)[: self._positions].to(hidden.device)
        row, column = places[chosen] // counted.shape[1], places[chosen] % counted.shape[1]
        devices = [hidden.device.index] if hidden.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(devices=devices):
                entropies = self.lens.entropies(hidden[row, column])
        except Exception as error:  # noqa: BLE001 - the parts are the caller's, and looking at them must not end the run
            if not self.counts["token_head_missing"]:
                _log.warning("logit lens failed and is ignored: %s: %s", type(error).__name__, error)
            self.counts["token_head_missing"] += 1
            return None
        self._entropy.append(entropies.detach().double())
        z[chosen] = standardised(entropies).to(z.dtype)
        return z

    def entropy(self) -> list[float]:
        """Return the sum of this rank's entropies since the last step in nats, and their number."""
        if not self._entropy:
            return [0.0, 0.0]
        entropies = torch.cat(self._entropy)
        return [float(entropies.sum()), float(len(entropies))]

    def forget(self) -> None:
        """End a step: what its micro-batches told is over."""
        self._entropy, self._z, self.looked = [], None, False

    # -- when one of the affordable probes may be its own ------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether there are multipliers of this batch on this rank that can be looked back at."""
        return self._z is not None and not self._means_alone

    def takes_turn(self) -> bool:
        """Say whether this affordable probe is the token head's; every other one is."""
        self._turn = not self._turn
        return not self._turn

    def wait(self, probe: Probe, share: float) -> None:
        """Keep this batch until the next gradient is there.

        Parameters
        ----------
        probe
            Evaluates its last micro-batch's first rows.
        share
            What a token's gradient was multiplied with in the gradient that the optimizer saw.
        """
        self.due = True
        if self._z is not None:
            self._waiting = _Waiting(probe, self._z, self.slope, self._direction, share)

    def look_back(
        self,
        tensors: Sequence[Tensor],
        gradients: Sequence[Tensor],
        steps: Sequence[Tensor],
        *,
        loss: float,
    ) -> tuple[Tensor, bool]:
        """Return how the new batch's loss depends on the head's weights through the batch that waits.

        Parameters
        ----------
        tensors, gradients
            The weights after the last step, and the new batch's raw gradients at them.
        steps
            Their :func:`responses`, multipliers of blocks included.
        loss
            The new batch's mean loss in nats.

        Returns
        -------
        tuple
            The derivative on this rank, shape (17,): by the head's 16 weights and by its slope; NaN where nothing could
            be measured. And whether the probe returned a mean, which tells nothing.
        """
        waiting, self._waiting = self._waiting, None
        self.due = False
        self.counts["token_probes"] += 1
        unknown = torch.full((17,), math.nan, dtype=torch.float64)
        if waiting is None:
            return unknown, False
        reach = reach_for(loss, float(dots(gradients, steps).sum()))
        try:
            along = loss_derivatives(waiting.probe, tensors, steps, reach=reach)
            if not along.numel():
                return unknown, True
            if along.numel() > waiting.z.numel():
                raise ValueError(
                    f"losses of {along.numel()} tokens: the last micro-batch counted {waiting.z.numel()}; "
                    "evaluate its first rows"
                )
        except Exception as error:  # noqa: BLE001 - a probe is the caller's code, and it must not end or bend the run
            _log.warning("token probe failed and is ignored: %s: %s", type(error).__name__, error)
            return unknown, False
        # The slice stands for its micro-batch, so its multipliers have mean 1 among themselves.
        z = waiting.z[: along.numel()].double()
        slope = torch.tensor(waiting.slope, dtype=torch.float64, device=z.device, requires_grad=True)
        with torch.enable_grad():
            multipliers = token_multipliers(z, slope)
        (by_slope,) = torch.autograd.grad(multipliers, slope, -waiting.share * along.to(z.device))
        own = by_slope.cpu()
        return torch.cat([own * waiting.direction.double(), own.reshape(1)]), False

    def judged(self, *, usable: bool, means_alone: bool) -> None:
        """Take in what all ranks found: whether the last look back told anything, and whether probes ever will."""
        self.counts["token_probe_failures"] += not usable
        self._means_alone = self._means_alone or means_alone

    # -- state -------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return counts and the choice of positions.

        A batch that waits for the next gradient cannot be saved, being the caller's function: it is dropped here, and
        counted as a probe that failed, so that this run and the resumed one go on alike.
        """
        self._waiting = None
        return {
            "counts": dict(self.counts),
            "due": self.due,
            "turn": self._turn,
            "means_alone": self._means_alone,
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.counts, self.due, self._turn = dict(state["counts"]), bool(state["due"]), bool(state["turn"])
        self._means_alone = bool(state["means_alone"])
        self._generator.set_state(state["generator"].cpu())
        self._waiting = None


def _fits(hidden: Tensor, counted: Tensor) -> bool:
    return (
        hidden.dim() == 3
        and counted.dim() == 2
        and counted.shape[0] == hidden.shape[0]
        and counted.shape[1] in (hidden.shape[1], hidden.shape[1] - 1)
    )
