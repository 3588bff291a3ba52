"""reactor: a policy that multiplies the rate by what it drew, rewarded by the loss decrease per second."""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from graff import agreement
from graff.blocks import find_blocks
from graff.budget import Budget
from graff.errors import GraffError
from graff.features import FEATURES, BlockFacts, Standardizer, Surroundings, raw_features
from graff.hypergradient import LastStep
from graff.planners._planner import Planner
from graff.planners._report import Moment
from graff.policy import Baseline, GaussianPolicy


class Reactor(Planner):
    """REACTOR: ``a ~ N(mu(s), sigma)``, ``rate <- rate exp(a)``, learned by REINFORCE.

    The state is GRAFF's features, averaged over the blocks. The reward of an action is the loss before its step minus
    the loss of the next batch, per second between the two. No publication defines REACTOR; this is the
    description that GRAFF is compared with, made complete.

    Parameters
    ----------
    optimizer, model, budget, max_grad_norm
        As for every planner.
    controller_lr
        Learning rate of the policy (Adam).
    baseline_decay
        Decay of the moving average that rewards are compared with.
    entropy_bonus
        Weight of the policy's entropy, in units of the reward (nats per second).
    initial_sigma
        Standard deviation of the log change per step at the start.
    rate_bound
        The largest factor by which the rate may leave the base rate, up or down.
    seed
        Seed of the policy's weights and draws; the caller's random numbers are not touched.
    """

    name: ClassVar[str] = "reactor"

    def __init__(
        self,
        optimizer: Optimizer,
        model: nn.Module | None,
        budget: Budget,
        *,
        controller_lr: float = 1e-4,
        baseline_decay: float = 0.99,
        entropy_bonus: float = 0.01,
        initial_sigma: float = 0.05,
        rate_bound: float = 30.0,
        seed: int = 0,
        max_grad_norm: float | None = None,
    ) -> None:
        super().__init__(optimizer, model, budget, max_grad_norm=max_grad_norm)
        rules: tuple[tuple[str, float, bool, str], ...] = (
            ("controller_lr", controller_lr, controller_lr > 0, "a positive number; use 1e-4"),
            ("baseline_decay", baseline_decay, 0 <= baseline_decay < 1, "a decay in [0, 1); use 0.99"),
            ("entropy_bonus", entropy_bonus, entropy_bonus >= 0, "zero or more; use 0.01"),
            ("initial_sigma", initial_sigma, initial_sigma > 0, "a positive number; use 0.05"),
            ("rate_bound", rate_bound, rate_bound > 1, "a factor above 1; use 30"),
        )
        for option, value, holds, rule in rules:
            if not holds:
                raise GraffError(f"{option} of {value}: it is {rule}")
        self.blocks = find_blocks(model, self._tensors, self._groups)
        self._owner = torch.tensor(self.blocks.owner)
        self._standardizer = Standardizer()
        self._policy = GaussianPolicy(len(FEATURES), initial_sigma, torch.Generator().manual_seed(seed))
        self._outer = torch.optim.Adam(self._policy.parameters(), lr=controller_lr)
        self._baseline = Baseline(baseline_decay)
        self._entropy_bonus = entropy_bonus
        self._limit = math.log(rate_bound)
        self._log_factor = 0.0
        self._last_step = LastStep(optimizer, self._tensors, self._groups)
        self._entropy: float | Tensor | None = None
        self._pending: tuple[Tensor, float, float, float] | None = None  # state, action, loss, elapsed seconds

    def observe(self, *, entropy: float | Tensor | None = None) -> None:
        """Note the entropy of the coming step; without it the feature is masked out."""
        self._entropy = entropy

    def _facts(self) -> Tensor:
        return self._last_step.facts(self._gradients())

    def _plan(self, moment: Moment) -> float:
        elapsed_s = moment.reading.elapsed_s
        self._learn(moment.loss, elapsed_s, moment.metrics)
        entropy, self._entropy = self._entropy, None
        around = Surroundings(
            budget=moment.reading.training_fraction_remaining,
            entropy=None if entropy is None else agreement.mean(float(entropy)),
        )
        blocks = BlockFacts.pooled(moment.facts, self._owner, len(self.blocks.names))
        state = self._standardizer(raw_features(blocks, around)).mean(0)
        action = self._policy.act(state)
        if not math.isfinite(action):
            action = 0.0
        self._log_factor = max(-self._limit, min(self._limit, self._log_factor + action))
        self._pending = (state, action, moment.loss, elapsed_s)
        sigma = float(self._policy.log_sigma.detach().exp())
        moment.metrics |= {"action": action, "log_factor": self._log_factor, "sigma": sigma}
        return math.exp(self._log_factor)

    def _learn(self, loss: float, elapsed_s: float, metrics: dict[str, float]) -> None:
        if self._pending is None:
            return
        state, action, loss_before, then_s = self._pending
        if elapsed_s <= then_s:
            return
        reward = (loss_before - loss) / (elapsed_s - then_s)
        advantage = self._baseline.advantage(reward)
        self._outer.zero_grad(set_to_none=True)
        torch.autograd.backward(self._policy.surrogate(state, action, advantage, self._entropy_bonus))
        self._outer.step()
        metrics |= {"reward": reward, "advantage": advantage}

    def _before_move(self, moment: Moment) -> None:  # noqa: ARG002
        self._last_step.before()

    def _after_move(self, moment: Moment) -> None:  # noqa: ARG002
        self._last_step.after()

    def state_dict(self) -> dict[str, Any]:
        """Return everything a resumed run needs, the policy's random numbers included."""
        return super().state_dict() | {
            "policy": self._policy.state_dict(),
            "generator": self._policy.generator_state(),
            "outer": self._outer.state_dict(),
            "baseline": self._baseline.state_dict(),
            "standardizer": self._standardizer.state_dict(),
            "last_step": self._last_step.state_dict(),
            "log_factor": self._log_factor,
            "pending": None if self._pending is None else list(self._pending),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue a saved run; load the optimizer's state first."""
        super().load_state_dict(state)
        self._policy.load_state_dict(state["policy"])
        self._policy.set_generator_state(state["generator"])
        self._outer.load_state_dict(state["outer"])
        self._baseline.load_state_dict(state["baseline"])
        self._standardizer.load_state_dict(state["standardizer"])
        self._last_step.load_state_dict(state["last_step"])
        self._log_factor = float(state["log_factor"])
        pending = state["pending"]
        self._pending = None if pending is None else (pending[0], *(float(value) for value in pending[1:]))
