"""graff: a learned residual on a planned rate, over schedule-free averaging or a line to zero in time."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from graff import agreement
from graff.averaging import ScheduleFree, momentum_of, without_momentum
from graff.blocks import find_blocks
from graff.budget import Budget, Reading
from graff.errors import GraffError
from graff.features import BlockFacts, Standardizer, Surroundings, raw_features
from graff.hypergradient import dots
from graff.multipliers import ScaledStep
from graff.planners._planner import Planner, selected
from graff.planners._report import Moment, StepReport
from graff.planners._shape import Progress, checked_warmup, linear, warm
from graff.probing import Probing
from graff.regret import Regret
from graff.residual import LearnedResidual
from graff.tokens import TokenHead, responses
from graff.warm_start import WarmStart, read_warm_start

# The page's finding: a residual learns well when its rate times the number of steps is about 15. The seed's outer_lr
# of 1e-3 stands for exactly that, and other values scale it.
_TRAVEL = 15.0
_REFERENCE_OUTER_LR = 1e-3
_LARGEST_PACE = 0.3  # while the pace of the run is not known yet


class Graff(Planner):
    """GRAFF: Graph-Recurrent Allocation of Fine-tuning Funds, on any optimizer.

    The rate is ``base * anchor * prior(time) * exp(residual)``. The anchor is 1, unless the first probes find the base
    rate far too small. The residual comes from an encoder over the model's blocks and
    one linear map ``W``; both learn online from the hypergradient, the effect of this step's rate on the next
    batch's loss. The prior is constant after a warm-up, and the weights that are evaluated are an average over the run
    (schedule-free, Defazio et al. 2024, arXiv 2405.15682): evaluate and save inside of :meth:`evaluating`. Without
    averaging the prior is a line to zero in time, and with ``W = 0`` it is then the linear planner to the last bit.

    Parameters
    ----------
    optimizer, model, budget, max_grad_norm
        As for every planner.
    outer_lr
        Learning rate of ``W``, relative to the length of the run: 1e-3 lets Adam move a weight by about 15 over the
        whole run, whatever its number of steps; the number of steps is taken from the measured pace.
    stability_guard
        The classical edge-of-stability bound on ``rate * lambda`` for gradient descent, 2 being the edge; it is
        scaled to the edge of the optimizer at hand (38 instead of 2 for Adam with b1 = 0.9).
    rho_guard
        Bound on the step in units of the exact line search along it; 2 is where the batch's loss stops falling. None
        is 1, and 4 with averaging, whose weights follow a step by a tenth.
    probe_share
        The largest share of the wall clock that curvature probes may take; 0 switches probes and guards off.
    warm_start
        A file of pre-trained weights of the encoder and ``W``, or the name of a packaged one.
    residual_bound
        The largest factor by which the residual raises or lowers the prior's rate.
    averaging
        True averages the weights instead of letting the rate fall; the optimizer's own momentum (Adam's b1, 0.9 where
        it has none) becomes that of the averaging and is set to 0 in its groups.
    seek
        True lets the first probes raise the base rate threefold at a time while they find it more than threefold
        too small.
    warmup_fraction
        The share of the training time over which the prior rises linearly from zero.
    graph_edges
        False cuts the messages between blocks (ablation).
    budget_feature
        False hides the remaining budget from the encoder (ablation).
    learn
        False freezes ``W`` and the encoder (ablation, or use of a warm start as it is).
    zero_decoder
        True keeps ``W = 0`` and measures nothing: plain schedule-free averaging, or exactly the linear planner
        (ablation).
    block_multipliers
        True multiplies each block's part of every step by a number between a half and 2, of geometric mean 1, that is
        learned like the rate. No effect was measured over six seeds, and it costs time.
    token_multipliers
        True weighs the tokens of a batch by their entropy after the first adapted layer, with mean 1 over each
        micro-batch; the reported loss stays the unweighted mean. Implies ``entropy``. It is learned by every other
        probe, which has to return the losses of its tokens. No effect was measured over six seeds, and it costs time.
    entropy
        True feeds the mean entropy after the first adapted layer to the encoder, unless :meth:`observe` told one.
    entropy_positions
        At how many counted positions of a micro-batch, drawn at random, the entropy is read.
    seed
        Seed of the encoder's initial weights and of those positions; the caller's random numbers are not touched.

    Raises
    ------
    GraffError
        For an option out of its range or a warm start that cannot be read; and at the first step, for token
        multipliers in a loop that does not call :meth:`weigh`.

    Notes
    -----
    A mask beside :meth:`weigh` stands where predictions are made: entropies are read from hidden states at those
    positions.

    With token multipliers the gradient of the next batch is that of its weighted loss, and so is everything that is
    learned from it.
    """

    name: ClassVar[str] = "graff"

    def __init__(
        self,
        optimizer: Optimizer,
        model: nn.Module | None,
        budget: Budget,
        *,
        outer_lr: float = 1e-3,
        stability_guard: float = 1.9,
        rho_guard: float | None = None,
        probe_share: float = 0.02,
        warm_start: str | Path | None = None,
        residual_bound: float = 30.0,
        averaging: bool = True,
        seek: bool = True,
        warmup_fraction: float = 0.02,
        graph_edges: bool = True,
        budget_feature: bool = True,
        learn: bool = True,
        zero_decoder: bool = False,
        block_multipliers: bool = False,
        token_multipliers: bool = False,
        entropy: bool = False,
        entropy_positions: int = 64,
        seed: int = 0,
        max_grad_norm: float | None = None,
    ) -> None:
        super().__init__(optimizer, model, budget, max_grad_norm=max_grad_norm)
        _check("outer_lr", outer_lr, outer_lr > 0, "a positive number; use 1e-3")
        _check("stability_guard", stability_guard, stability_guard > 0, "a positive number; use 1.9")
        if rho_guard is None:
            rho_guard = 4.0 if averaging else 1.0
        _check("rho_guard", rho_guard, rho_guard > 0, "a positive number; use 1")
        _check("probe_share", probe_share, 0 <= probe_share < 1, "a share in [0, 1); use 0.02")
        _check("residual_bound", residual_bound, residual_bound > 1, "a factor above 1; use 30")
        _check("entropy_positions", entropy_positions, entropy_positions >= 1, "a number of positions; use 64")
        self._warmup = checked_warmup(warmup_fraction)
        self._progress = Progress("time", None)
        self._travel = _TRAVEL * outer_lr / _REFERENCE_OUTER_LR
        self._plain = zero_decoder
        self._weighs = token_multipliers and not zero_decoder
        self.blocks = find_blocks(model, self._tensors, self._groups)
        self._owner = torch.tensor(self.blocks.owner)
        adjacency = self.blocks.adjacency()
        self._standardizer = Standardizer(budget_feature=budget_feature)
        self._residual = LearnedResidual(
            adjacency if graph_edges else torch.zeros_like(adjacency),
            bound=residual_bound,
            learn=learn,
            seed=seed,
            block_multipliers=block_multipliers and not zero_decoder,
            token_multipliers=self._weighs,
        )
        if warm_start is not None:
            weights = read_warm_start(warm_start)
            self._residual.warm_start(weights)
            self._standardizer.load_state_dict(weights.statistics)
        self._average: ScheduleFree | None = None
        if averaging:
            self._average = ScheduleFree(self._tensors, momentum_of(optimizer))
            without_momentum(optimizer)
        # The edge of stability is that of the optimizer as it is now, without its momentum where there is averaging.
        self._probing = Probing(
            optimizer,
            share=0.0 if zero_decoder else probe_share,
            stability_guard=stability_guard,
            rho_guard=rho_guard,
            seek=seek and learn,
        )
        self._last_step = ScaledStep(optimizer, self._tensors, self._groups, self._base_iterate)
        self._regret = Regret()
        self._entropy: float | Tensor | None = None
        self._log_residual = 0.0
        self._multipliers: list[float] | None = None  # of the blocks, in the step planned last
        self._before: list[Tensor] | None = None  # the weights before a step that is probed
        self._base_before: list[Tensor] = []  # and the base iterate, the same without averaging
        self._learns_tokens = learn and probe_share > 0
        self._tokens: TokenHead | None = None
        if (token_multipliers or entropy) and not zero_decoder:
            self._tokens = TokenHead(model, positions=entropy_positions, seed=seed)
            # Not a method of the class: other libraries' loops refuse planners whose class weighs tokens.
            self.weigh = self._weigh_tokens  # type: ignore[method-assign]

    # -- one step ----------------------------------------------------------------------------------------------

    def observe(self, *, entropy: float | Tensor | None = None) -> None:
        """Note the entropy of the coming step; without it, or the option ``entropy``, the feature is masked out."""
        self._entropy = entropy

    def _weigh_tokens(
        self, token_losses: Tensor, mask: Tensor | None = None, *, of: float | Tensor | None = None
    ) -> Tensor:
        """Return the mean loss over counted tokens, with the gradient of the weighted mean; see :meth:`Planner.weigh`.

        Parameters
        ----------
        token_losses, mask, of
            As for every planner.
        """
        assert self._tokens is not None
        losses = token_losses if token_losses.dtype == torch.float64 else token_losses.float()
        listed = selected(losses, mask)
        counted = torch.ones_like(losses, dtype=torch.bool) if mask is None else mask.bool()
        slope, direction = self._residual.token_slope()
        multipliers = self._tokens.look(counted, slope if self._weighs else 0.0, direction)
        if multipliers is None:
            return super().weigh(losses, mask, of=of)
        weights = multipliers.to(losses)
        if not listed:
            weights = torch.ones_like(losses).masked_scatter_(counted, weights)
        seen = losses.detach()
        return super().weigh(seen + weights * (losses - seen), mask, of=of)

    def _facts(self) -> Tensor:
        if self._plain:
            return super()._facts()
        return self._last_step.facts(self._gradients())

    def _plan(self, moment: Moment) -> float:
        reading, metrics = moment.reading, moment.metrics
        done = self._progress.done(reading, moment.step)
        prior = linear(done, self._warmup) if self._average is None else warm(done, self._warmup)
        metrics["prior"] = prior
        metrics["regret"] = self._regret.take(moment.loss, reading.elapsed_s)
        if self._plain:
            return prior
        blocks = BlockFacts.pooled(moment.facts, self._owner, len(self.blocks.names))
        if self._tokens is not None:
            self._look_back(moment, self._tokens)
        if self._last_step.exists:
            # The step before moved the weights by -delta, so its log rate moves this loss by -<g, delta>.
            hypergradient, pace = -self._follows() * float(blocks.product.sum()), self._pace(reading)
            weight = Regret.weight(reading.elapsed_s)
            self._residual.learn(hypergradient * weight, pace, -self._follows() * weight * blocks.product)
            metrics["hypergradient"], metrics["outer_pace"] = hypergradient, pace
        residual = self._residual.next(self._standardizer(raw_features(blocks, self._surroundings(reading))))
        self._multipliers = self._residual.multipliers
        if self._multipliers is not None:
            metrics["block_multiplier_min"], metrics["block_multiplier_max"] = (
                min(self._multipliers),
                max(self._multipliers),
            )
        prior *= math.exp(self._probing.log_anchor)
        cut = self._probing.cut(residual, prior)
        if cut is not None:
            self._residual.bound(cut)
            residual = cut
        self._log_residual = metrics["log_residual"] = residual
        metrics["log_anchor"] = self._probing.log_anchor
        metrics["guard_clipped"] = float(self._probing.clipped)
        metrics["residual_failures"] = float(self._residual.failures)
        return prior * math.exp(residual)

    def _look_back(self, moment: Moment, tokens: TokenHead) -> None:
        """Learn from what the multipliers of an earlier batch's tokens did to this one, if a probe was left for it."""
        if self._weighs and not tokens.looked and self._loss_sum is not None:
            raise GraffError(
                "token_multipliers in a loop that does not call weigh: there are no tokens to weigh; leave them out"
            )
        if tokens.due:
            clock = self.budget.clock
            began = clock()
            gradients = self._gradients()
            steps = responses(self.optimizer, self._tensors, self._groups, gradients)
            if self._multipliers is not None:
                torch._foreach_mul_(steps, [self._multipliers[block] for block in self.blocks.owner])
            own, means = tokens.look_back(self._tensors, gradients, steps, loss=moment.loss)
            *gradient, means_alone = agreement.summed([*own.tolist(), float(means)])
            by_weights = self._follows() * torch.tensor(gradient, dtype=torch.float64)
            usable = bool(by_weights.isfinite().all())
            tokens.judged(usable=usable, means_alone=means_alone > 0)
            if usable:
                moment.metrics["token_hypergradient"] = float(by_weights[-1])
                weight = Regret.weight(moment.reading.elapsed_s)
                self._residual.learn_tokens(by_weights[:-1] * weight, self._pace(moment.reading))
            self._synchronize()
            self._probing.took(clock() - began)
        moment.metrics |= {key: float(count) for key, count in tokens.counts.items()}
        moment.metrics["token_slope"] = tokens.slope

    def _pace(self, reading: Reading) -> float:
        """Return how far Adam moves ``W`` in one step, from the number of steps that the measured pace promises."""
        expected = reading.steps / max(reading.elapsed_s, 1e-9) * (reading.total_s - reading.reserve_s)
        return min(_LARGEST_PACE, self._travel / max(1.0, expected))

    def _surroundings(self, reading: Reading) -> Surroundings:
        entropy, self._entropy = self._entropy, None
        if self._tokens is not None:
            # Every rank asks, whatever it was told: the sum is a collective.
            total, count = agreement.summed(self._tokens.entropy())
            if entropy is None and count > 0:
                return self._seen(reading, total / count)
        return self._seen(reading, None if entropy is None else agreement.mean(float(entropy)))

    def _seen(self, reading: Reading, entropy: float | None) -> Surroundings:
        return Surroundings(
            budget=reading.training_fraction_remaining,
            log_curvature=self._probing.guard.log_curvature,
            log_curvature_change=self._probing.guard.log_curvature_change,
            entropy=entropy,
        )

    def _follows(self) -> float:
        """Return how far the weights followed the last step of the optimizer."""
        return 1.0 if self._average is None else self._average.gradient_share()

    def _base_iterate(self) -> list[Tensor]:
        return self._tensors if self._average is None else self._average.base

    def _before_move(self, moment: Moment) -> None:
        if not self._plain:
            reading = moment.reading
            done = self._progress.done(reading, moment.step) - self._warmup
            due, seeking = self._probing.due(moment.step, done, reading)
            if due and moment.probe is not None and not self._left_to_tokens(moment, seeking=seeking):
                self._before = _copies(self._tensors)
                self._base_before = _copies(self._base_iterate())
        if self._average is not None:
            self._average.before()
        if not self._plain:
            self._last_step.before()

    def _left_to_tokens(self, moment: Moment, *, seeking: bool) -> bool:
        """Leave this step's probe to the token head, which looks back at the batch from the next one."""
        tokens = self._tokens
        if tokens is None or not self._weighs or not self._learns_tokens or seeking:
            return False
        (ready,) = agreement.summed([float(tokens.ready)])
        if ready == 0 or not tokens.takes_turn():
            return False
        assert moment.probe is not None
        clipped = 1.0 if self._max_grad_norm is None else min(1.0, self._max_grad_norm / (moment.grad_norm + 1e-6))
        tokens.wait(moment.probe, clipped / moment.tokens)
        return True

    def _after_move(self, moment: Moment) -> None:
        if not self._plain:
            self._last_step.after()
            if self._multipliers is not None:
                self._last_step.scale([self._multipliers[block] for block in self.blocks.owner])
        if self._average is not None:
            self._average.after(moment.factor)
        if self._plain:
            return
        before, self._before = self._before, None
        if before is not None and moment.probe is not None:
            clock = self.budget.clock
            began = clock()
            allowed, measured = self._probing.judge(
                moment.probe,
                self._tensors,
                before,
                factor=moment.factor,
                gain=self._gain(before, moment.grad_norm),
                loss=moment.loss,
                follows=self._follows(),
            )
            if allowed < 1.0:
                self._take_back(allowed, moment.factor)
            self._synchronize()
            self._probing.took(clock() - began)
            moment.metrics |= measured
        self._base_before = []
        moment.metrics |= self._probing.counts()

    def after_step(self, *, optimizer_s: float = 0.0) -> StepReport:
        """Learn from the step that the optimizer made; see :meth:`Planner.after_step`."""
        try:
            return super().after_step(optimizer_s=optimizer_s)
        finally:
            if self._tokens is not None:
                self._tokens.forget()

    def _take_back(self, allowed: float, factor: float) -> None:
        """Shorten the step that was just made with a factor on the base rates, and project ``W`` onto what is left."""
        if self._average is not None:
            self._average.shorten(self._base_before, allowed)
        else:
            weights = [t.detach() for t in self._tensors]
            moved = torch._foreach_sub(self._base_before, weights)
            torch._foreach_add_(weights, moved, alpha=1.0 - allowed)
        self._last_step.shorten(allowed)
        if factor > 0.0:
            self._set_rates(factor * allowed)
            self._residual.bound(self._log_residual + math.log(allowed))

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Hold the average of the weights; what training needs is back afterwards, bit for bit."""
        with nullcontext() if self._average is None else self._average.evaluating():
            yield

    def _gain(self, before: list[Tensor], norm: float) -> float:
        """Return ``<g, delta>`` of the step just made, with the gradient as it was before clipping."""
        moved = torch._foreach_sub(before, [t.detach() for t in self._tensors])
        raw = max(1.0, norm / self._max_grad_norm) if self._max_grad_norm is not None else 1.0
        return raw * float(dots(self._gradients(), moved).sum())

    # -- state -------------------------------------------------------------------------------------------------

    @property
    def warm_start_weights(self) -> WarmStart:
        """The weights that another run can start from, see :func:`graff.warm_start.save_warm_start`."""
        return self._residual.learned(self._standardizer.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Return everything a resumed run needs, the pending hypergradient included."""
        return super().state_dict() | {
            "residual": self._residual.state_dict(),
            "standardizer": self._standardizer.state_dict(),
            "last_step": self._last_step.state_dict(),
            "probing": self._probing.state_dict(),
            "regret": self._regret.state_dict(),
            "average": None if self._average is None else self._average.state_dict(),
            "multipliers": self._multipliers,
            "tokens": None if self._tokens is None else self._tokens.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue a saved run; load the optimizer's state first."""
        super().load_state_dict(state)
        if (state["average"] is None) != (self._average is None):
            raise GraffError(
                f"state with averaging={state['average'] is not None}: this planner has averaging="
                f"{self._average is not None}; resume with the same"
            )
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        self._residual.load_state_dict(state["residual"])
        self._standardizer.load_state_dict(state["standardizer"])
        self._last_step.load_state_dict(state["last_step"])
        self._probing.load_state_dict(state["probing"])
        self._regret.load_state_dict(state["regret"])
        # A state from before there were multipliers has none.
        self._multipliers = state.get("multipliers")
        if self._tokens is not None and state.get("tokens") is not None:
            self._tokens.load_state_dict(state["tokens"])


def _copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    return list(torch._foreach_clone([t.detach() for t in tensors]))


def _check(option: str, value: float, holds: bool, rule: str) -> None:
    if not holds:
        raise GraffError(f"{option} of {value}: it is {rule}")
