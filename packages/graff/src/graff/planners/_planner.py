"""What every planner is: the step protocol, the bookkeeping and the rule that a bad batch does no harm."""

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from graff import agreement
from graff.budget import Budget
from graff.errors import GraffError
from graff.hypergradient import norms, trainable_tensors
from graff.planners._report import Moment, StepReport
from graff.probes import Probe

_TINY = 1e-12  # keeps an empty batch at zero instead of not a number


class Planner(ABC):
    """Sets the learning rates of an optimizer, step by step, from the wall clock that is left.

    A training loop calls :meth:`weigh`, ``backward`` and :meth:`step`, and never touches a learning rate. The rate of
    every parameter group is its rate at construction times one factor, so groups keep their proportions.

    Parameters
    ----------
    optimizer
        Its groups' learning rates are the base rates.
    model
        The model that owns the parameters; None is allowed where a planner needs no structure.
    budget
        The clock; :meth:`weigh` starts it at the first batch.
    max_grad_norm
        Clip the global gradient norm to this value. It is the planner's task because hypergradients need the raw
        gradient.

    Raises
    ------
    GraffError
        For an optimizer without trainable parameters, or a clipping norm that is not positive.
    """

    name: ClassVar[str]
    takes_rate: ClassVar[bool] = True
    """Whether the initial rate of the optimizer's groups changes anything; False where the planner finds its own."""

    def __init__(
        self, optimizer: Optimizer, model: nn.Module | None, budget: Budget, *, max_grad_norm: float | None = None
    ) -> None:
        if max_grad_norm is not None and not max_grad_norm > 0:
            raise GraffError(f"max_grad_norm of {max_grad_norm}: a clipping norm is positive; leave it out for none")
        self.optimizer, self.model, self.budget = optimizer, model, budget
        self._tensors, self._groups = trainable_tensors(optimizer)
        if not self._tensors:
            raise GraffError("optimizer with 0 trainable tensors: a planner needs at least one; unfreeze an adapter")
        self._max_grad_norm = max_grad_norm
        self._base_rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._step = 0
        self._skips: Counter[str] = Counter()
        self._overhead_s = 0.0
        self._loss_sum: Tensor | None = None
        self._token_count: Tensor | None = None
        self._moment: Moment | None = None  # between the two halves of a step

    # -- the protocol ------------------------------------------------------------------------------------------

    def weigh(self, token_losses: Tensor, mask: Tensor | None = None, *, of: float | Tensor | None = None) -> Tensor:
        """Return the scalar loss to call ``backward`` on: the mean over counted tokens.

        Parameters
        ----------
        token_losses
            Loss of each token in nats, any shape, usually (B, T); or of the counted tokens alone, shape (n,).
        mask
            The counted tokens, boolean or 0/1; all count without it. Of the same shape: losses outside may be
            anything. Of shape (B, T) beside losses of shape (n,): where those n stand, in row-major order.
        of
            Counted tokens of the *whole* batch when it is made of several micro-batches: the returned losses then
            add up to the mean over all its tokens, however they are spread. Under data parallelism, whose
            gradients are averaged over ranks, give the count over all ranks divided by their number.

        Returns
        -------
        Tensor
            A scalar in single precision or better; 0 with a zero gradient when no token is counted.

        Raises
        ------
        GraffError
            For a mask of another shape beside losses that are not a list of tokens.
        """
        losses = token_losses if token_losses.dtype == torch.float64 else token_losses.float()
        if selected(losses, mask) or mask is None:
            total = losses.sum()
            count = torch.tensor(float(losses.numel()), dtype=losses.dtype, device=losses.device)
        else:
            counted = mask.bool()
            total = torch.where(counted, losses, 0.0).sum()
            count = counted.sum().to(losses.dtype)
        self.note(total, count)
        if of is None:
            return total / count.clamp(min=1.0)
        return total / (of.clamp(min=_TINY) if isinstance(of, Tensor) else max(of, _TINY))

    def note(self, loss_sum: Tensor, tokens: float | Tensor) -> None:
        """Count a loss that the loop reduces and differentiates itself; :meth:`weigh` does it for the others.

        Parameters
        ----------
        loss_sum
            The sum of this micro-batch's token losses on this rank in nats, a scalar.
        tokens
            How many counted tokens it is the sum of.
        """
        self.budget.start()
        seen = loss_sum.detach().to(torch.float64)
        count = torch.as_tensor(tokens, dtype=torch.float64, device=seen.device).detach()
        self._loss_sum = seen if self._loss_sum is None else self._loss_sum + seen
        self._token_count = count if self._token_count is None else self._token_count + count

    def step(self, probe: Probe | None = None, *, scaler: torch.amp.GradScaler | None = None) -> StepReport:
        """Set the learning rates, make the optimizer's step, learn from it, clear the gradients, tick the budget.

        Parameters
        ----------
        probe
            Evaluates a slice of the *same* batch, without side effects, and returns its mean loss or the losses of
            its counted tokens; planners that measure curvature call it now and then. It should use the model as it
            trains; randomness is fixed around it.
        scaler
            The scaler whose ``scale(loss)`` was differentiated, in half precision; the planner unscales the
            gradients, lets it make the optimizer's step, and updates it.

        Returns
        -------
        StepReport
            ``skipped`` with a reason for a non-finite loss or gradient and for an empty batch.
        """
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        if self.before_step(probe):
            began = self.budget.clock()
            if scaler is None:
                self.optimizer.step()
            else:
                scaler.step(self.optimizer)
            optimizer_s = self.budget.clock() - began
        else:
            optimizer_s = 0.0
        if scaler is not None:
            scaler.update()
        report = self.after_step(optimizer_s=optimizer_s)
        self.optimizer.zero_grad(set_to_none=True)
        return report

    # -- the two halves of a step, for loops that make the optimizer's step themselves ---------------------------

    def before_step(self, probe: Probe | None = None) -> bool:
        """Set the learning rates for the gradients at hand; return whether the optimizer's step may be made.

        For training loops of other libraries, which own the optimizer's step: call it right before that step, and
        :meth:`after_step` right after. When it returns False the step must be left out; the gradients have been
        cleared, so that the optimizers of torch leave the weights alone even where the loop steps nevertheless.

        Parameters
        ----------
        probe
            As for :meth:`step`.
        """
        if self._moment is not None:
            raise GraffError("before_step twice: the step before has not ended; call after_step after the optimizer's")
        self.budget.start()
        self._synchronize()
        began = self.budget.clock()
        reading = self.budget.agree()
        facts = self._facts()
        norm = float(facts[1].square().sum().sqrt())
        loss, tokens, reason = self._usable(norm)
        moment = self._moment = Moment(self._step, reading, facts, loss, norm, probe, tokens=tokens, reason=reason)
        if reason is None:
            moment.factor = self._plan(moment)
            self._clip(norm)
            self._set_rates(moment.factor)
            self._before_move(moment)
        else:
            self._skips[reason.split(":", maxsplit=1)[0]] += 1
            self.optimizer.zero_grad(set_to_none=True)
        moment.planning_s = self.budget.clock() - began
        return reason is None

    def after_step(self, *, optimizer_s: float = 0.0) -> StepReport:
        """Learn from the step that the optimizer made, tick the budget and report; the second half of a step.

        Parameters
        ----------
        optimizer_s
            Seconds that the optimizer's own step took, for the report alone.

        Raises
        ------
        GraffError
            Without a :meth:`before_step`.
        """
        moment, self._moment = self._moment, None
        if moment is None:
            raise GraffError("after_step without before_step: there is no step to end; call before_step first")
        began = self.budget.clock()
        rates = tuple(0.0 for _ in self._base_rates)
        if moment.reason is None:
            self._after_move(moment)
            rates = tuple(float(group["lr"]) for group in self.optimizer.param_groups)
        self._loss_sum = self._token_count = None
        step_overhead_s = moment.planning_s + self.budget.clock() - began
        self._overhead_s += step_overhead_s
        moment.metrics |= {
            "grad_norm": moment.grad_norm,
            "tokens": moment.tokens,
            "overhead_s": self._overhead_s,
            "step_overhead_s": step_overhead_s,
            "optimizer_s": optimizer_s,
            "skipped_steps": float(self._skips.total()),
        }
        self._step += 1
        self.budget.tick()
        return StepReport(
            step=moment.step,
            loss=moment.loss,
            learning_rate=sum(rates) / len(rates),
            learning_rates=rates,
            skipped=moment.reason is not None,
            reason=moment.reason,
            metrics={key: value for key, value in moment.metrics.items() if math.isfinite(value)},
        )

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Hold the weights that an evaluation should see and a checkpoint of the model should keep.

        The same weights as in training, except for planners that average them. A state that training is to be
        resumed from is saved outside, with :meth:`state_dict`.
        """
        yield

    def observe(self, *, entropy: float | Tensor | None = None) -> None:  # noqa: B027 - most planners look at nothing
        """Tell the planner what the loop knows about the coming step; planners that do not use it ignore it.

        Parameters
        ----------
        entropy
            Mean entropy of the next-token distribution after the first adapter layer, in nats.
        """

    # -- what a planner decides --------------------------------------------------------------------------------

    @abstractmethod
    def _plan(self, moment: Moment) -> float:
        """Return the factor on the base rates for this step."""

    def _facts(self) -> Tensor:
        """Return what this step needs to know per tensor, shape (k, n), by one copy; row 1 holds gradient norms."""
        gradient = norms(self._gradients())
        return torch.stack([torch.zeros_like(gradient), gradient]).cpu()

    def _before_move(self, moment: Moment) -> None:  # noqa: B027 - most planners need nothing here
        """Do what has to be done right before the optimizer's step, with rates set and gradients clipped."""

    def _after_move(self, moment: Moment) -> None:  # noqa: B027 - most planners need nothing here
        """Do what has to be done right after the optimizer's step, while its gradients are still there."""

    # -- the parts of a step -----------------------------------------------------------------------------------

    def _gradients(self) -> Sequence[Tensor]:
        return [t.grad if t.grad is not None else torch.zeros_like(t) for t in self._tensors]

    def _usable(self, norm: float) -> tuple[float, float, str | None]:
        """Return the loss per token, the tokens it is a mean of, and why this step cannot be made, over all ranks."""
        stepped = any(t.grad is not None for t in self._tensors)
        if self._loss_sum is None or self._token_count is None:
            if stepped:
                raise GraffError("step without weigh: the planner has seen no loss; call weigh before backward")
            own = [0.0, 0.0]
        else:
            own = torch.stack([self._loss_sum, self._token_count]).tolist()
        total, tokens, bad, moved = agreement.summed([*own, float(not math.isfinite(norm)), float(stepped)])
        loss = total / tokens if tokens > 0 else math.nan
        if tokens == 0:
            return loss, tokens, "empty batch: no token was counted"
        if not math.isfinite(loss):
            return math.nan, tokens, f"non-finite loss: {loss}"
        if bad > 0:
            return loss, tokens, "non-finite gradient: the backward pass overflowed"
        if moved == 0:
            return loss, tokens, "no gradient: backward was not called"
        return loss, tokens, None

    def _clip(self, norm: float) -> None:
        if self._max_grad_norm is not None and norm > self._max_grad_norm:
            gradients = [t.grad for t in self._tensors if t.grad is not None]
            torch._foreach_mul_(gradients, self._max_grad_norm / (norm + 1e-6))

    def _set_rates(self, factor: float) -> None:
        for group, base in zip(self.optimizer.param_groups, self._base_rates, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(base * factor)
            else:
                group["lr"] = base * factor

    def _synchronize(self) -> None:
        # The forward and backward still run on the device; without waiting, the planner would be charged for them.
        device = self._tensors[0].device
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    # -- accounts and state ------------------------------------------------------------------------------------

    @property
    def overhead_s(self) -> float:
        """Seconds that planning took so far, probes included, the optimizer's own step excluded."""
        return self._overhead_s

    @property
    def skipped(self) -> dict[str, int]:
        """How many steps were skipped, by reason."""
        return dict(self._skips)

    def state_dict(self) -> dict[str, Any]:
        """Return everything a resumed run needs: numbers and tensors only, safe for ``torch.load(weights_only=True)``.

        The optimizer, the model and the budget save themselves.
        """
        return {
            "planner": self.name,
            "base_rates": list(self._base_rates),
            "step": self._step,
            "skips": dict(self._skips),
            "overhead_s": self._overhead_s,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue a saved run; load the optimizer's state first.

        Raises
        ------
        GraffError
            When the state is another planner's, or has another number of parameter groups.
        """
        if state["planner"] != self.name:
            raise GraffError(f"state of the planner {state['planner']!r}: this is {self.name!r}; resume with the same")
        if len(state["base_rates"]) != len(self._base_rates):
            raise GraffError(
                f"state of {len(state['base_rates'])} parameter groups: this optimizer has {len(self._base_rates)}; "
                "resume with the same groups"
            )
        self._base_rates = [float(rate) for rate in state["base_rates"]]
        self._step = int(state["step"])
        self._skips = Counter(state["skips"])
        self._overhead_s = float(state["overhead_s"])


def selected(losses: Tensor, mask: Tensor | None) -> bool:
    """Return whether losses are those of the counted tokens alone, beside a mask that tells where they stand."""
    if mask is None or mask.shape == losses.shape:
        return False
    if losses.dim() != 1:
        raise GraffError(
            f"mask of shape {tuple(mask.shape)} beside losses of shape {tuple(losses.shape)}: they have the same "
            "shape, or the losses are a list of the counted tokens; correct the mask"
        )
    return True
