"""A planner in somebody else's training loop: made when the optimizer exists, restored late, aside at evaluations."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from torch import nn
from torch.optim import Optimizer

from graff import planners
from graff.budget import Budget
from graff.errors import GraffError
from graff.planners import Planner, StepReport
from graff.probes import Probe

PlannerFactory = Callable[..., Planner]


class Attachment:
    """What every callback does with its planner, whoever owns the loop.

    Parameters
    ----------
    planner
        The name of a planner, or a function (or class) that takes ``(optimizer, model, budget, max_grad_norm=...)`` and
        the options.
    budget
        The clock.
    max_grad_norm
        Clip the global gradient norm to this value, None for no clipping.
    options
        The planner's options.

    Raises
    ------
    GraffError
        For an unknown planner, and for a budget that is none.
    """

    def __init__(
        self, planner: str | PlannerFactory, budget: Budget, max_grad_norm: float | None, options: dict[str, Any]
    ) -> None:
        if not isinstance(budget, Budget):
            raise GraffError(
                f"budget of {budget!r}: a callback needs a graff.Budget; give budget=graff.Budget(minutes=30)"
            )
        if isinstance(planner, str):
            planners.planner_class(planner)
        self.budget = budget
        self.report: StepReport | None = None
        self._recipe = planner
        self._max_grad_norm = max_grad_norm
        self._options = options
        self._planner: Planner | None = None
        self._saved: dict[str, Any] | None = None  # a state that waits for the planner
        self._optimizer_began_s = 0.0
        self._away = ExitStack()
        self._evaluation = ExitStack()
        self._is_away = self._is_evaluating = False

    @property
    def exists(self) -> bool:
        """Whether the training has begun, and with it the planner."""
        return self._planner is not None

    @property
    def planner(self) -> Planner:
        """The planner.

        Raises
        ------
        GraffError
            Before the training has begun.
        """
        if self._planner is None:
            raise GraffError("planner before the training: it is made with the optimizer; read it once training began")
        return self._planner

    def begin(self, optimizer: Optimizer, model: nn.Module) -> None:
        """Make the planner on the optimizer's base rates, and restore a saved state that waits for it.

        Raises
        ------
        GraffError
            When nothing of the budget is left, and for a planner that needs a loop of its own, besides what the planner
            itself refuses.
        """
        for group in optimizer.param_groups:
            # A scheduler of the loop, if there is one, has changed the rate already and kept the base here.
            group["lr"] = group.get("initial_lr", group["lr"])
        if isinstance(self._recipe, str):
            self._planner = planners.make(
                self._recipe,
                optimizer=optimizer,
                model=model,
                budget=self.budget,
                max_grad_norm=self._max_grad_norm,
                **self._options,
            )
        else:
            self._planner = self._recipe(
                optimizer, model, self.budget, max_grad_norm=self._max_grad_norm, **self._options
            )
        self._refuse(self._planner, optimizer)
        saved, self._saved = self._saved, None
        if saved:
            self.budget.load_state_dict(saved["budget"])
            self._planner.load_state_dict(saved["planner"])
        if self.budget.agree().spent:
            raise GraffError(
                f"budget of {self.budget.total_s:g} s: {self.budget.elapsed_s:g} s are used, which leaves no step; "
                "call extend before training goes on"
            )

    @staticmethod
    def _refuse(planner: Planner, optimizer: Optimizer) -> None:
        if planner.optimizer is not optimizer:
            raise GraffError(
                f"planner {planner.name!r} in another library's loop: it brings an optimizer of its own, which that "
                "loop would not step; use planner.step in your own loop"
            )
        if type(planner).weigh is not Planner.weigh:
            raise GraffError(
                f"planner {planner.name!r} in another library's loop: it weighs tokens, and that loop has one loss for "
                "all of them; use planner.weigh in your own loop"
            )

    def end(self) -> None:
        """Come back from an evaluation that the loop did not end."""
        self.leave_evaluation()
        self.come_back()

    # -- a step ------------------------------------------------------------------------------------------------

    def before_step(self, probe: Probe | None = None) -> bool:
        """Make the first half of a step; return whether the optimizer's step may be made."""
        allowed = self.planner.before_step(probe)
        self._optimizer_began_s = self.budget.clock()
        return allowed

    def after_step(self) -> StepReport:
        """Make the second half of a step."""
        self.report = self.planner.after_step(optimizer_s=self.budget.clock() - self._optimizer_began_s)
        return self.report

    # -- what is no step ---------------------------------------------------------------------------------------

    def go_away(self) -> None:
        """Count the time from now on against the budget, but not as a step; a second call changes nothing."""
        if not self._is_away and self.exists and self.budget.started:
            self._away.enter_context(self.budget.aside())
            self._is_away = True

    def come_back(self) -> None:
        """Count the time from now on as part of a step."""
        self._away.close()
        self._is_away = False

    def enter_evaluation(self) -> None:
        """Hold the weights that an evaluation should see; a second call changes nothing."""
        if not self._is_evaluating and self.exists:
            self._evaluation.enter_context(self.planner.evaluating())
            self._is_evaluating = True

    def leave_evaluation(self) -> None:
        """Hold the weights of the training again."""
        self._evaluation.close()
        self._is_evaluating = False

    # -- state -------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the state of planner and budget, empty before the training has begun."""
        if self._planner is None:
            return {}
        return {"planner": self._planner.state_dict(), "budget": self.budget.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Keep a state for the moment when the planner is made."""
        self._saved = state
