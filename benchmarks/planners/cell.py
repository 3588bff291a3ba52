"""One cell: a model is trained by one planner under one budget, and asked; the loop is the same for everyone."""

import math
import platform
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import graff
from benchmarks.planners import tasks
from benchmarks.planners.clocks import FORWARD_STEPS, Clock
from benchmarks.planners.measure import Measure
from benchmarks.planners.memory import TrainingMemory
from benchmarks.planners.outcome import Evaluation, Outcome, Status, TracePoint
from benchmarks.planners.spec import Cell
from benchmarks.planners.tasks import Session
from greenlight.errors import GreenlightError

_TRACE_POINTS = 200
_RESERVE_FACTOR = 1.1  # an evaluation is not always as fast as the one before


def run_cell(cell: Cell, *, alone: bool = True) -> Outcome:
    """Train and ask one cell in this process.

    Parameters
    ----------
    cell
        What to run.
    alone
        False where other cells run beside it, so that the machine's energy counters do not tell its share.

    Raises
    ------
    GreenlightError
        For a task or planner that cannot be made from the cell's options. What goes wrong in training is an outcome.
    """
    began_s = time.perf_counter()
    torch.set_num_threads(cell.threads)
    task = tasks.make(cell.task, cell.task_options)
    session = task.build(cell.seed)
    run = _Run(cell, session, task.measure)
    if alone:
        run.energy.start()
    reason = run.train()
    energy_j, energy_missing = run.energy.stop()
    if not alone:
        energy_missing = "other cells ran beside this one; use --jobs 1"
    test_right, test_losses = run.measured_test()
    status, why = run.judge(reason)
    return Outcome(
        cell=cell,
        status=status,
        reason=why,
        evaluations=tuple(run.evaluations),
        test_right=test_right,
        test_losses=test_losses,
        steps=run.planner.budget.steps,
        tokens=run.tokens,
        skipped=sum(run.planner.skipped.values()),
        elapsed_s=run.elapsed_s,
        training_s=run.elapsed_s - run.evaluating_s,
        overhead_s=run.planner.overhead_s,
        started_loss=run.started_loss,
        peak_memory_mb=run.memory.peak_mb,
        memory_kind=run.memory.kind,
        energy_j=energy_j,
        energy_missing=energy_missing,
        trace=_thinned(run.trace),
        machine={
            "processor": _processor(),
            "device": torch.cuda.get_device_name(session.device) if session.device.type == "cuda" else "cpu",
            "system": platform.system(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "wall_s": time.perf_counter() - began_s,
            "cpu_s": time.process_time(),
            "alone": alone,
        },
    )


class _Run:
    """The state of one run: budget, planner, and what was measured so far."""

    def __init__(self, cell: Cell, session: Session, measure: Measure) -> None:
        self.cell, self.session, self.measure = cell, session, measure
        self.clock = Clock(cell.clock, session.device)
        self.memory = TrainingMemory(session.device)
        self.energy = graff.EnergyMeter()
        self.evaluations: list[Evaluation] = []
        self.trace: list[TracePoint] = []
        self.tokens = 0.0
        self.evaluating_s = 0.0
        self.elapsed_s = 0.0
        self.started_loss: float | None = None
        self._scored = bool(session.question_ids("dev"))
        self._broken: str | None = None  # why an evaluation was not possible
        evaluation_s = self._warm_up()
        self.budget = graff.Budget(seconds=cell.budget_s, clock=self.clock)
        self.budget.reserve(_RESERVE_FACTOR * evaluation_s)
        if self.budget.reserve_s > 0.5 * cell.budget_s:
            raise GreenlightError(
                f"budget of {cell.budget_s:g} s on the {cell.clock} clock: one evaluation takes {evaluation_s:.1f} s, "
                "more than half of it; raise --budget or ask fewer development questions"
            )
        self.planner = self._planner()

    def _planner(self) -> graff.Planner:
        options = dict(self.cell.planner_options)
        if "seed" in graff.planners.options(self.cell.planner):
            options.setdefault("seed", self.cell.seed)
        try:
            return graff.planners.make(
                self.cell.planner,
                optimizer=self.session.optimizer(self.cell.rate),
                model=self.session.model,
                budget=self.budget,
                max_grad_norm=self.cell.max_grad_norm,
                **options,
            )
        except (graff.GraffError, TypeError) as error:
            raise GreenlightError(f"planner {self.cell.planner}: {error}") from error

    def _warm_up(self) -> float:
        """Run every kernel once before the clock; return the seconds of a development evaluation."""
        losses, mask = self.session.token_losses(next(iter(self.session.batches())))
        _counted(losses, mask).mean().backward()
        self.session.model.zero_grad(set_to_none=True)
        took_s = 0.0
        if self._scored:
            self._measure()
            began_s = self.clock()
            _, self.started_loss = self._measure()
            took_s = self.clock() - began_s
        torch.manual_seed(self.cell.seed)
        return took_s

    # -- training ----------------------------------------------------------------------------------------------

    def train(self) -> str | None:
        """Train until the budget is spent and evaluate; return why training broke off, or None."""
        self.memory.enter()
        self.budget.start()
        reason = None
        try:
            self._steps()
        except Exception as error:  # noqa: BLE001 - whatever a method raises is its result
            reason = _one_line(error)
        self.memory.leave()
        self._evaluate()
        self.elapsed_s = self.budget.elapsed_s
        return reason

    def _steps(self) -> None:
        due = deque(self.cell.shares if self._scored else ())
        for batch in self.session.batches():
            losses, mask = self.session.token_losses(batch)
            self.planner.weigh(losses, mask).backward()
            self.clock.spend(1.0)
            report = self.planner.step(self._probe(batch))
            self.tokens += report.metrics.get("tokens", 0.0)
            elapsed_s = self.budget.elapsed_s
            self.trace.append(TracePoint(report.step, elapsed_s, _finite(report.loss), report.learning_rate))
            if self._over():
                return
            if due and elapsed_s >= due[0] * self.budget.total_s:
                while due and elapsed_s >= due[0] * self.budget.total_s:
                    due.popleft()
                self.memory.leave()
                self.budget.reserve(_RESERVE_FACTOR * self._evaluate())
                self.memory.enter()
                if self._over():
                    return

    def _over(self) -> bool:
        return self.budget.spent

    def _probe(self, batch: Any) -> Callable[[], Tensor]:
        def probe() -> Tensor:
            self.clock.spend(self.session.probe_share * FORWARD_STEPS)
            losses, mask = self.session.token_losses(self.session.probe_slice(batch))
            return _counted(losses, mask)

        return probe

    # -- evaluation --------------------------------------------------------------------------------------------

    def _evaluate(self) -> float:
        """Answer the development questions on the clock; return its seconds."""
        if not self._scored:
            return 0.0
        began_s = self.budget.elapsed_s
        with self.budget.aside(), self.planner.evaluating():
            right, loss = self._measure()
        took_s = self.budget.elapsed_s - began_s
        questions = len(self.session.question_ids("dev"))
        self.evaluations.append(
            Evaluation(began_s, began_s - self.evaluating_s, took_s, self.budget.steps, right, questions, loss)
        )
        self.evaluating_s += took_s
        return took_s

    def _measure(self) -> tuple[int, float | None]:
        self.clock.spend(self.session.evaluation_steps)
        try:
            loss = self.session.dev_loss()
            return sum(self.session.answered("dev")) if self.measure.kind == "right" else 0, _finite(loss)
        except Exception as error:  # noqa: BLE001 - a model of NaNs may not be able to answer at all
            self._broken = _one_line(error)
            return 0, None

    def measured_test(self) -> tuple[tuple[bool, ...], tuple[float | None, ...]]:
        """Return which test questions the final weights answer right, or their losses; off the clock."""
        questions, of_right = self.session.question_ids("test"), self.measure.kind == "right"
        if not questions:
            return (), ()
        try:
            with self.planner.evaluating():
                if of_right:
                    return self.session.answered("test"), ()
                return (), tuple(_finite(loss) for loss in self.session.losses("test"))
        except Exception as error:  # noqa: BLE001 - as above
            self._broken = _one_line(error)
            return ((False,) * len(questions), ()) if of_right else ((), (None,) * len(questions))

    def judge(self, reason: str | None) -> tuple[Status, str | None]:
        """Return how the run ended, and why."""
        if reason is not None or self._broken is not None:
            return "crashed", reason or f"the evaluation failed: {self._broken}"
        if not self._scored:
            return "ok", None
        loss = self.evaluations[-1].loss
        if loss is None:
            return "diverged", "the final development loss is not finite"
        if self.started_loss is not None and loss > self.started_loss:
            return (
                "diverged",
                f"the final development loss of {loss:.3g} is above the untrained {self.started_loss:.3g}",
            )
        return "ok", None


def _counted(losses: Tensor, mask: Tensor | None) -> Tensor:
    """Return the losses of the counted tokens, shape (n,)."""
    return losses[mask.bool()] if mask is not None and mask.shape == losses.shape else losses.reshape(-1)


def _thinned(trace: list[TracePoint]) -> tuple[TracePoint, ...]:
    every = math.ceil(len(trace) / _TRACE_POINTS) or 1
    kept = trace[::every]
    return tuple(kept if not trace or kept[-1] is trace[-1] else [*kept, trace[-1]])


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
